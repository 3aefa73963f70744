//! What the configuration says of a secret that was in a server's own configuration: a credential, and
//! how the server is lent it.

use std::collections::BTreeMap;

use remit_model::SecretName;
use remit_scan::{Place, REFERENCE, references};
use serde::Serialize;

/// One of `lend` of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lent {
    credential: SecretName,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variable: BTreeMap<String, String>,
}

/// How a server is lent the secret `secret`, which was at `place` as `name`, with this before and behind
/// it.
///
/// Errors, in words for a person: nothing is lent in that place.
pub(crate) fn lend(
    place: &Place,
    name: &str,
    secret: &SecretName,
    (before, behind): (&str, &str),
) -> Result<Lent, String> {
    let mut lent = Lent {
        credential: secret.clone(),
        header: BTreeMap::new(),
        query: BTreeMap::new(),
        variable: BTreeMap::new(),
    };
    // What stands around a parameter is the rest of the address.
    let (before, behind) = if *place == Place::Query { ("", "") } else { (before, behind) };
    if before.contains(['{', '}']) || behind.contains(['{', '}']) {
        return Err(format!("`{secret}` was in `{name}` among braces: write its `lend` by hand"));
    }
    // One `lend` fills in one secret.
    if before.contains(REFERENCE) || behind.contains(REFERENCE) {
        return Err(format!(
            "`{secret}` was in `{name}` beside another secret: keep the whole value as one, and lend that"
        ));
    }
    let all = match place {
        Place::Variable => &mut lent.variable,
        Place::Header => &mut lent.header,
        Place::Query => &mut lent.query,
        Place::Address => {
            return Err(format!("`{secret}` was a password in the address: lend it in a `header`"));
        }
        Place::Argument => {
            return Err(format!(
                "`{secret}` was the argument `{name}`, which everybody on the machine can read: lend it \
                 as a `variable`, if the server takes one"
            ));
        }
    };
    all.insert(name.to_owned(), format!("{before}{{value}}{behind}"));
    Ok(lent)
}

/// The secret that `value` refers to, and what stands before and behind the reference.
pub(crate) fn reference(value: &str) -> Option<(SecretName, &str, &str)> {
    let at = references(value).next()?;
    let (before, rest) = value.split_at_checked(at.start)?;
    let (reference, behind) = rest.split_at_checked(at.len())?;
    Some((reference.strip_prefix(REFERENCE)?.parse().ok()?, before, behind))
}

impl Lent {
    /// The credential's name, which is also that of its secret.
    pub(crate) fn name(&self) -> &SecretName {
        &self.credential
    }

    /// The credential's own table.
    pub(crate) fn credential(&self) -> String {
        let name = &self.credential;
        format!("[[credential]]\nname = \"{name}\"\nkind = \"secret\"\nsecret = \"{name}\"\n\n")
    }

    /// On one line.
    pub(crate) fn inline(&self) -> String {
        let table = |(what, all): (&str, &BTreeMap<String, String>)| {
            let (name, text) = all.first_key_value()?;
            let (name, text) = (quoted(name), quoted(text));
            Some(format!("{what} = {{ {name} = {text} }}"))
        };
        let places =
            [("header", &self.header), ("query", &self.query), ("variable", &self.variable)];
        let place = places.into_iter().find_map(table).unwrap_or_default();
        format!("{{ credential = \"{}\", {place} }}", self.credential)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_told_from_what_stands_around_it() {
        let name: SecretName = "db-password".parse().unwrap();
        let value = "postgres://app:remit:secret/db-password@db/app";
        assert_eq!(reference(value), Some((name, "postgres://app:", "@db/app")));
        for other in ["", "Bearer x", "remit:secret/", "remit:secret/A"] {
            assert_eq!(reference(other), None, "{other}");
        }
    }

    #[test]
    fn each_place_is_lent_as_it_was_or_said_why_not() {
        let name: SecretName = "key".parse().unwrap();
        let inline = |place, around| lend(&place, "X-Key", &name, around).map(|lent| lent.inline());
        assert_eq!(
            inline(Place::Header, ("Bearer ", "")).unwrap(),
            "{ credential = \"key\", header = { \"X-Key\" = \"Bearer {value}\" } }"
        );
        assert_eq!(
            inline(Place::Query, ("https://h/?X-Key=", "")).unwrap(),
            "{ credential = \"key\", query = { \"X-Key\" = \"{value}\" } }"
        );
        assert!(inline(Place::Argument, ("", "")).unwrap_err().contains("everybody"));
        assert!(inline(Place::Address, ("", "")).unwrap_err().contains("header"));
        assert!(inline(Place::Variable, ("{", "}")).unwrap_err().contains("by hand"));
        let beside = inline(Place::Variable, ("", "remit:secret/"));
        assert!(beside.unwrap_err().contains("beside another"));
    }
}
