//! Whether a value is a secret, or which parts of it are: by their form, by where they stand, or by the
//! value's name.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use remit_model::Secret;
use remit_secrets::by_form;
use remit_secrets::judge::{is_elsewhere, is_telling, looks_random, stands_for};

use crate::{Found, MAX_FOUND, Place, REFERENCE, Value, references};

/// What begins the value of a header that says how it is meant.
const SCHEMES: [&str; 5] = ["Bearer ", "bearer ", "Basic ", "token ", "Token "];

/// What stands between the members of a list that is one value.
const BETWEEN: [char; 4] = [',', ';', '|', ' '];

/// The shortest value that counts by its name.
const MIN_LENGTH: usize = 8;

/// Whether `value` under this `name` is a secret, or holds one.
pub fn is_secret(name: &str, value: &str) -> bool {
    !judged(name, value).is_empty()
}

/// What is secret in `value`, in the order in which it stands there.
pub(crate) fn found(text: &str, value: &Value) -> Vec<Found> {
    let mut parts = judged(&value.name, &value.says);
    let as_written = text.get(value.span.clone()) == Some(value.says.as_str());
    if !as_written {
        // Nobody knows where in it they are written: they go as one.
        parts.truncate(1);
        if let Some(part) = parts.first_mut() {
            (part.at, part.name) = (0..value.says.len(), None);
        }
    }
    let movable = value.certain && (as_written || !value.says.contains(REFERENCE));
    let last = parts.len().saturating_sub(1);
    let each = parts.iter().enumerate().filter_map(|(n, part)| {
        // Others are not to be shown with what stands around this one.
        let around = |alone: bool, text: &str| {
            if alone { text.to_owned() } else { REFERENCE.to_owned() }
        };
        let (before, rest) = value.says.split_at_checked(part.at.start)?;
        let (secret, behind) = rest.split_at_checked(part.at.len())?;
        let start = value.span.start + part.at.start;
        let span = if as_written { start..start + secret.len() } else { value.span.clone() };
        Some(Found {
            line: 1 + text.get(..span.start)?.matches('\n').count(),
            server: value.server.clone(),
            place: match value.place {
                Place::Address if part.name.is_some() => Place::Query,
                ref place => place.clone(),
            },
            name: part.name.unwrap_or(&value.name).to_owned(),
            kind: Arc::clone(&part.kind),
            secret: Secret::new(secret.to_owned()),
            before: around(n == 0, before),
            behind: around(n == last, behind),
            movable,
            span,
        })
    });
    each.collect()
}

/// A secret within a value.
struct Part<'a> {
    kind: Arc<str>,
    /// Where it stands, in bytes.
    at: Range<usize>,
    /// What it is called, if it has a name of its own.
    name: Option<&'a str>,
}

/// What is secret in `value`.
fn judged<'a>(name: &str, value: &'a str) -> Vec<Part<'a>> {
    let indent = value.len() - value.trim_start().len();
    let value = value.trim();
    // What begins with a reference may go on with what nobody has moved yet.
    if is_elsewhere(value) && !value.starts_with(REFERENCE) {
        return Vec::new();
    }
    let mut parts = Parts::of(value);
    parts.by_form();
    parts.in_address();
    if is_telling(name) {
        parts.by_name();
    }
    parts.found.sort_by_key(|part| part.at.start);
    for part in &mut parts.found {
        part.at = part.at.start + indent..part.at.end + indent;
    }
    parts.found
}

/// A value and what is known of its parts.
struct Parts<'a> {
    value: &'a str,
    /// Where secrets and references begin and end; none lies within another.
    taken: BTreeMap<usize, usize>,
    found: Vec<Part<'a>>,
}

impl<'a> Parts<'a> {
    fn of(value: &'a str) -> Self {
        let taken = references(value).map(|at| (at.start, at.end)).collect();
        Self { value, taken, found: Vec::new() }
    }

    fn by_form(&mut self) {
        for (kind, at) in by_form(self.value).take(MAX_FOUND) {
            let name = parameters(self.value).find(|(_, given)| *given == at);
            self.add(kind, at, name.map(|(name, _)| name));
        }
    }

    /// A password before the host of an address, and parameters behind it.
    fn in_address(&mut self) {
        let value = self.value;
        let says = |at: &Range<usize>| value.get(at.clone()).unwrap_or_default();
        if let Some(password) = password_in(value).filter(|at| !stands_for(says(at))) {
            self.add("password in an address".into(), password, None);
        }
        for (name, given) in parameters(value) {
            if is_telling(name) && counts(says(&given)) {
                self.add("parameter of an address".into(), given, Some(name));
            }
        }
    }

    /// The whole, or what else a list holds.
    fn by_name(&mut self) {
        let kind: Arc<str> = "secret by its name".into();
        if self.taken.is_empty() {
            let scheme = SCHEMES.iter().find(|scheme| self.value.starts_with(**scheme));
            let at = scheme.map_or(0, |scheme| scheme.len())..self.value.len();
            if self.value.get(at.clone()).is_some_and(counts) {
                self.add(kind, at, None);
            }
        } else if !self.value.contains("://") {
            for at in self.members() {
                self.add(Arc::clone(&kind), at, None);
            }
        }
    }

    /// The members of a list that nobody has taken and that count.
    fn members(&self) -> Vec<Range<usize>> {
        let (mut members, mut from) = (Vec::new(), 0);
        for (start, end) in self.taken.iter().chain([(&self.value.len(), &0)]) {
            let mut at = from;
            for member in self.value.get(from..*start).unwrap_or_default().split(BETWEEN) {
                // One with a name of its own is none of this name.
                let named = member.trim_end_matches('=').contains('=');
                if !named && counts(member) {
                    members.push(at..at + member.len());
                }
                at += member.len() + 1;
            }
            from = *end;
        }
        members
    }

    fn add(&mut self, kind: Arc<str>, at: Range<usize>, name: Option<&'a str>) {
        let before = self.taken.range(..at.end).next_back();
        if before.is_none_or(|(_, end)| *end <= at.start) && self.found.len() < MAX_FOUND {
            self.taken.insert(at.start, at.end);
            self.found.push(Part { kind, at, name });
        }
    }
}

/// Whether `value` is a secret, if its name says that it is one.
fn counts(value: &str) -> bool {
    !stands_for(value) && looks_random(value)
}

/// The parameters of the address `value`: what each is called, and where its value stands.
fn parameters(value: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let query = value.split_once("://").and_then(|(_, rest)| rest.split_once('?'));
    let query = query.map_or("", |(_, query)| query);
    let mut at = value.len() - query.len();
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').filter_map(move |pair| {
        let end = at + pair.len();
        at = end + 1;
        let (name, given) = pair.split_once('=')?;
        Some((name, end - given.len()..end))
    })
}

/// Where the password before the host of an address stands.
fn password_in(value: &str) -> Option<Range<usize>> {
    let (scheme, rest) = value.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(plain) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user_info, _) = authority.rsplit_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    let end = value.len() - rest.len() + user_info.len();
    (password.len() >= MIN_LENGTH).then_some(end - password.len()..end)
}
