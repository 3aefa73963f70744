//! What a role may do: memberships, and privileges that are granted to it alone.
//!
//! Nothing from the configuration reaches the server as SQL: a privilege is one of a fixed list, a name
//! is checked and always quoted.

use std::collections::BTreeSet;
use std::fmt;

use postgres_protocol::escape::escape_identifier;
use serde::Deserialize;

/// What whoever may use certain tools may do in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rights {
    /// Group roles that it becomes a member of.
    pub roles: BTreeSet<Name>,
    /// Privileges of its own.
    pub grant: BTreeSet<Grant>,
}

/// The name of a role, a schema or what is in one, exactly as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

/// Privileges on one thing, written as in `GRANT`: `SELECT, INSERT ON TABLE public.orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Grant {
    privileges: BTreeSet<Word>,
    kind: Word,
    /// The schema, and what in it.
    path: Vec<Name>,
}

/// A word of SQL that this program wrote itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word(&'static str);

/// A right that cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RightError {
    /// Not a name.
    #[error(
        "expected a name of at most {MAX_NAME} bytes of letters, digits, `_`, `$` and `-`, got `{0}`"
    )]
    Name(String),
    /// Not a grant.
    #[error(
        "expected `PRIVILEGE, … ON TABLE schema.name` (SELECT, INSERT, UPDATE, DELETE), \
         `… ON SEQUENCE schema.name` (USAGE, SELECT, UPDATE) or `USAGE ON SCHEMA name`, got `{0}`; \
         whatever else is needed can be given to a role and listed in `roles`"
    )]
    Grant(String),
}

/// The longest name the server keeps whole (`NAMEDATALEN`).
const MAX_NAME: usize = 63;

/// What may be granted on what, and how many names say where it is.
const KINDS: [(&str, usize, &[&str]); 3] = [
    ("TABLE", 2, &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("SEQUENCE", 2, &["USAGE", "SELECT", "UPDATE"]),
    ("SCHEMA", 1, &["USAGE"]),
];

impl TryFrom<String> for Name {
    type Error = RightError;

    fn try_from(text: String) -> Result<Self, RightError> {
        let part_of_one = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
        let good = (1..=MAX_NAME).contains(&text.len()) && text.chars().all(part_of_one);
        if good { Ok(Self(text)) } else { Err(RightError::Name(text)) }
    }
}

impl Name {
    /// The name as it is stored.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_identifier(&self.0))
    }
}

impl TryFrom<String> for Grant {
    type Error = RightError;

    fn try_from(text: String) -> Result<Self, RightError> {
        parse(&text)?.ok_or(RightError::Grant(text))
    }
}

/// Reads a grant; `None` if it has not the form of one.
fn parse(text: &str) -> Result<Option<Grant>, RightError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let Some((privileges, [on, kind, path])) = words.split_last_chunk() else { return Ok(None) };
    let known = KINDS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(kind));
    let Some(&(kind, depth, grantable)) = known.filter(|_| on.eq_ignore_ascii_case("ON")) else {
        return Ok(None);
    };
    let word = |text: &str| grantable.iter().find(|it| it.eq_ignore_ascii_case(text.trim()));
    let privileges = privileges.join(" ");
    let privileges: Option<_> =
        privileges.split(',').map(|it| word(it).map(|it| Word(it))).collect();
    let path = path.split('.').map(|name| Name::try_from(name.to_owned()));
    let path: Vec<_> = path.collect::<Result<_, _>>()?;
    let privileges = privileges.filter(|_| path.len() == depth);
    Ok(privileges.map(|privileges| Grant { privileges, kind: Word(kind), path }))
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: Vec<String>, between| parts.join(between);
        let privileges = list(self.privileges.iter().map(|it| it.0.to_owned()).collect(), ", ");
        let path = list(self.path.iter().map(ToString::to_string).collect(), ".");
        write!(f, "{privileges} ON {} {path}", self.kind.0)
    }
}

impl Rights {
    /// Whether nothing is given.
    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.grant.is_empty()
    }

    /// These and `others`.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.roles.extend(others.roles.iter().cloned());
        self.grant.extend(others.grant.iter().cloned());
        self
    }
}

/// In canonical words: equal rights read alike.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = self.roles.iter().map(|role| format!("MEMBER OF {role}"));
        let grants = self.grant.iter().map(ToString::to_string);
        f.write_str(&roles.chain(grants).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_has_one_form() {
        for (text, canonical) in [
            ("SELECT ON TABLE public.orders", r#"SELECT ON TABLE "public"."orders""#),
            ("update , select on table a.B", r#"SELECT, UPDATE ON TABLE "a"."B""#),
            ("USAGE ON SCHEMA söldner", r#"USAGE ON SCHEMA "söldner""#),
            ("usage,usage ON SEQUENCE a.b$1", r#"USAGE ON SEQUENCE "a"."b$1""#),
        ] {
            assert_eq!(Grant::try_from(text.to_owned()).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_grant() {
        for bad in [
            "",
            "SELECT",
            "ON TABLE a.b",
            "ALL ON TABLE a.b",
            "ALL PRIVILEGES ON TABLE a.b",
            "SELECT, ON TABLE a.b",
            "TRUNCATE ON TABLE a.b",
            "SELECT ON a.b",
            "SELECT ON TABLE b",
            "SELECT ON TABLE a.b.c",
            "CREATE ON SCHEMA a",
            "EXECUTE ON FUNCTION a.b",
            "SELECT ON ALL TABLES IN SCHEMA a",
            "SELECT ON TABLE a.b WITH GRANT OPTION",
            "SELECT ON TABLE a.b TO PUBLIC; DROP TABLE a.b",
            "SELECT ON TABLE a.b;DROP",
            "SELECT ON TABLE a.\"b\"",
            "SELECT ON TABLE a.b\0",
            "SELECT ON TABLE a.b'--",
            "SELECT ON TABLE a..b",
        ] {
            assert!(Grant::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_checked_and_quoted() {
        for bad in ["", "a b", "a\"b", "a;b", "a\0", "a\n", "a'b", "a\\b", &"x".repeat(64)] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert_eq!(
            Name::try_from("orders-Reader".to_owned()).unwrap().to_string(),
            "\"orders-Reader\""
        );
    }

    #[test]
    fn rights_read_alike_whatever_their_order() {
        let rights = |roles: &[&str], grants: &[&str]| Rights {
            roles: roles.iter().map(|&it| Name::try_from(it.to_owned()).unwrap()).collect(),
            grant: grants.iter().map(|&it| Grant::try_from(it.to_owned()).unwrap()).collect(),
        };
        let (one, two) = (rights(&["b", "a"], &[]), rights(&["a"], &["USAGE ON SCHEMA s"]));
        let joined = one.clone().with(&two).to_string();
        assert_eq!(joined, r#"MEMBER OF "a"; MEMBER OF "b"; USAGE ON SCHEMA "s""#);
        assert_eq!(joined, two.with(&one).to_string());
    }
}
