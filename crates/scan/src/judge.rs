//! Whether a value is a secret: by its form, by where it stands, or by its name.

use crate::formats::{entropy, known};
use crate::{Found, Place, REFERENCE, Value};

/// Words of a name that say that its value is secret.
const TELLING: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "apikey",
    "credential",
    "credentials",
    "authorization",
    "pat",
    "cookie",
];
/// Words that stand before `key` where that is secret.
const KEYS: [&str; 11] = [
    "api",
    "access",
    "secret",
    "private",
    "signing",
    "encryption",
    "master",
    "service",
    "auth",
    "account",
    "license",
];
/// Last words of names whose value is something about a secret.
const ABOUT: [&str; 26] = [
    "file",
    "path",
    "dir",
    "url",
    "uri",
    "endpoint",
    "id",
    "name",
    "host",
    "type",
    "expiry",
    "ttl",
    "limit",
    "max",
    "length",
    "count",
    "header",
    "command",
    "scope",
    "scopes",
    "user",
    "prefix",
    "algorithm",
    "hash",
    "policy",
    "version",
];
/// What stands for a value in examples.
const STANDS_FOR: [&str; 14] = [
    "your",
    "example",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "dummy",
    "xxxx",
    "...",
    "redacted",
    "insert",
    "replace",
    "sample",
    "****",
];
/// What begins a reference to something kept elsewhere.
const ELSEWHERE: [&str; 12] =
    [REFERENCE, "$", "%", "{{", "<", "op://", "vault:", "file:", "env:", "ref:", "keychain:", "@"];
/// What begins the value of a header that says how it is meant.
const SCHEMES: [&str; 5] = ["Bearer ", "bearer ", "Basic ", "token ", "Token "];

/// The shortest value that counts by its name.
const MIN_LENGTH: usize = 8;
/// How much a value that counts by its name must hold, in bits, as its characters look.
const MIN_BITS: f64 = 36.0;
/// From which length on one class of characters is enough, if they look random.
const LONG: usize = 20;
/// How random that is, in bits a character.
const RANDOM: f64 = 3.2;

/// Whether `value` under this `name` is a secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    judged(name, value).is_some()
}

/// `value` as a finding, if it is a secret.
pub(crate) fn found(text: &str, value: Value) -> Option<Found> {
    let (kind, secret, name) = judged(&value.name, &value.says)?;
    let written = text.get(value.span.clone())?;
    // Where it is written as it is, what stands around it stays.
    let (span, before, secret, behind) = match (written == value.says, value.says.find(secret)) {
        (true, Some(at)) => {
            let start = value.span.start + at;
            let (before, rest) = value.says.split_at_checked(at)?;
            (start..start + secret.len(), before, secret, rest.get(secret.len()..)?)
        }
        _ => (value.span, "", value.says.as_str(), ""),
    };
    let line = 1 + text.get(..span.start)?.matches('\n').count();
    let place = match value.place {
        Place::Address if name.is_some() => Place::Query,
        place => place,
    };
    let name = name.map_or_else(|| value.name.clone(), str::to_owned);
    let (before, behind) = (before.to_owned(), behind.to_owned());
    let (server, secret) = (value.server, remit_model::Secret::new(secret.to_owned()));
    Some(Found { line, server, place, name, kind, secret, before, behind, span })
}

/// What kind of secret `value` holds, which part of it that is, and what that part is called, if it has a
/// name of its own.
fn judged<'a>(name: &str, value: &'a str) -> Option<(&'static str, &'a str, Option<&'a str>)> {
    let value = value.trim();
    if is_elsewhere(value) {
        return None;
    }
    if let Some((kind, secret)) = known(value).filter(|(_, secret)| !stands_for(secret)) {
        return Some((kind, secret, parameter(value, secret)));
    }
    if let Some(password) = password_in(value).filter(|password| !stands_for(password)) {
        return Some(("password in an address", password, None));
    }
    if let Some((name, secret)) = telling_parameter(value) {
        return Some(("parameter of an address", secret, Some(name)));
    }
    let secret = SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let counts = is_telling(name) && !stands_for(secret) && looks_random(secret);
    counts.then_some(("secret by its name", secret, None))
}

fn is_elsewhere(value: &str) -> bool {
    value.is_empty()
        || ELSEWHERE.iter().any(|begins| value.starts_with(begins))
        || value.contains("${")
}

fn stands_for(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    is_elsewhere(value) || STANDS_FOR.iter().any(|word| small.contains(word))
}

/// The parameter of the address `value` that `secret` is.
fn parameter<'a>(value: &'a str, secret: &str) -> Option<&'a str> {
    parameters(value).find(|(_, given)| *given == secret).map(|(name, _)| name)
}

fn telling_parameter(value: &str) -> Option<(&str, &str)> {
    let secret = |(name, given): &(&str, &str)| {
        is_telling(name) && !stands_for(given) && looks_random(given)
    };
    parameters(value).find(secret)
}

fn parameters(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = value.split_once("://").and_then(|(_, rest)| rest.split_once('?'));
    let query = query.map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// The password before the host of an address.
fn password_in(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(plain) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user_info, _) = authority.rsplit_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    (password.len() >= MIN_LENGTH).then_some(password)
}

fn is_telling(name: &str) -> bool {
    let words = words(name);
    let (Some(last), before) = (words.last(), words.len().checked_sub(2)) else { return false };
    if ABOUT.contains(&last.as_str()) || words.iter().any(|word| word == "public") {
        return false;
    }
    let before = before.and_then(|at| words.get(at)).map_or("", String::as_str);
    words.iter().any(|word| TELLING.contains(&word.as_str()))
        || (last == "key" && KEYS.contains(&before))
}

/// The words of a name, whether they are told apart by signs or by capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (small && c.is_ascii_uppercase());
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        small = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value whose name says so looks like a secret, and not like a word, a path or an address.
fn looks_random(value: &str) -> bool {
    let path = ["/", "./", "../", "~"].iter().any(|begins| value.starts_with(begins));
    if value.len() < MIN_LENGTH
        || path
        || value.contains("://")
        || value.contains(char::is_whitespace)
    {
        return false;
    }
    let random = entropy(value);
    let classes: [fn(char) -> bool; 3] =
        [|c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase(), |c| c.is_ascii_digit()];
    let classes = classes.iter().filter(|class| value.contains(**class)).count();
    let length = u32::try_from(value.len()).map_or(f64::MAX, f64::from);
    random * length >= MIN_BITS && (classes >= 2 || (value.len() >= LONG && random >= RANDOM))
}
