//! Whether a value is a secret: by its form, by where it stands, or by its name.

use std::sync::Arc;

use remit_secrets::by_form;
use remit_secrets::judge::{is_elsewhere, is_telling, looks_random, stands_for};

use crate::{Found, Place, Value};

/// What begins the value of a header that says how it is meant.
const SCHEMES: [&str; 5] = ["Bearer ", "bearer ", "Basic ", "token ", "Token "];

/// The shortest value that counts by its name.
const MIN_LENGTH: usize = 8;

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
fn judged<'a>(name: &str, value: &'a str) -> Option<(Arc<str>, &'a str, Option<&'a str>)> {
    let value = value.trim();
    if is_elsewhere(value) {
        return None;
    }
    if let Some((kind, secret)) = by_form(value) {
        return Some((kind, secret, parameter(value, secret)));
    }
    if let Some(password) = password_in(value).filter(|password| !stands_for(password)) {
        return Some(("password in an address".into(), password, None));
    }
    if let Some((name, secret)) = telling_parameter(value) {
        return Some(("parameter of an address".into(), secret, Some(name)));
    }
    let secret = SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    let counts = is_telling(name) && !stands_for(secret) && looks_random(secret);
    counts.then(|| ("secret by its name".into(), secret, None))
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
