//! Which tools a remit covers, with which arguments.
//!
//! A scope is a conjunction of clauses and a clause a disjunction of rules, so that narrowing is
//! nothing but adding clauses: `meet` is set union, which makes it idempotent, commutative and
//! associative by construction, and nothing can be said that widens (promise R3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::argument::ArgumentPath;
use crate::fixed::Fixed;
use crate::value::Value;

/// How many clauses a scope may have; each meet adds at most the other's (R13).
pub const MAX_CLAUSES: usize = 64;

/// A pattern over `server/tool`: `*` stands for any run of characters, e.g. `mail/*`, `*/read_*`.
/// Resources and prompts of a server are matched as `server/@resources` and `server/@prompts`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolPattern(String);

/// A text that is not a tool pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a tool pattern like `server/tool`, `server/*` or `*`, got `{0}`")]
pub struct PatternError(String);

impl ToolPattern {
    /// Whether the pattern covers `name` (`server/tool`).
    pub fn covers(&self, name: &str) -> bool {
        glob(self.0.as_bytes(), name.as_bytes())
    }
}

/// Iterative glob with one backtrack point: linear in practice, quadratic at worst.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

impl FromStr for ToolPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let plain = !text.is_empty()
            && text.len() <= 256
            && text.chars().all(|c| c.is_ascii_graphic())
            && (text == "*" || text.matches('/').count() == 1);
        if plain { Ok(Self(text.to_owned())) } else { Err(PatternError(text.to_owned())) }
    }
}

impl TryFrom<String> for ToolPattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<ToolPattern> for String {
    fn from(pattern: ToolPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one argument must satisfy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// One of these strings, exactly.
    OneOf(BTreeSet<String>),
    /// A path at or below this one, without `..`, `.` or empty segments.
    Under(String),
    /// A number, at most this.
    AtMost(i64),
    /// An e-mail address in exactly this domain.
    Domain(String),
}

impl Constraint {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::OneOf(allowed), Value::Text(text)) => allowed.contains(text),
            (Self::Under(root), Value::Text(path)) => is_under(path, root),
            (Self::AtMost(bound), Value::Number(text)) => is_at_most(text, *bound),
            (Self::Domain(domain), Value::Text(text)) => text
                .split_once('@')
                .is_some_and(|(name, of)| !name.is_empty() && of.eq_ignore_ascii_case(domain)),
            _ => false,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(allowed) => {
                let quoted: Vec<_> = allowed.iter().map(|text| format!("`{text}`")).collect();
                write!(f, "one of {}", quoted.join(", "))
            }
            Self::Under(root) => write!(f, "a path under `{root}`"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Domain(domain) => write!(f, "an address in `{domain}`"),
        }
    }
}

/// Whether a number as it is written is at most `bound`; one with an exponent is not known to be.
fn is_at_most(text: &str, bound: i64) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let zeros = fraction.chars().all(|digit| digit == '0');
    fraction.chars().all(|digit| digit.is_ascii_digit())
        && whole.parse::<i64>().is_ok_and(|whole| whole < bound || (whole == bound && zeros))
}

fn is_under(path: &str, root: &str) -> bool {
    let clean = |path: &str| path.split('/').skip(1).all(|s| !matches!(s, "" | "." | ".."));
    let root = root.trim_end_matches('/');
    path == root
        || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/') && clean(rest))
            && !path.split('/').any(|segment| segment == "..")
}

/// Tools that match a pattern, with constraints that each argument named must satisfy. An
/// argument that is absent does not satisfy its constraint; where the path names list elements,
/// each must.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ tool = …, arguments = { … } }")]
pub struct ToolRule {
    /// Which tools.
    pub tool: ToolPattern,
    /// What each argument must satisfy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<ArgumentPath, Constraint>,
}

impl ToolRule {
    /// The rule without constraints.
    pub fn any_arguments(tool: ToolPattern) -> Self {
        Self { tool, arguments: BTreeMap::new() }
    }

    /// Whether the arguments of a call satisfy it.
    pub fn fits(&self, input: &Value) -> bool {
        self.misfit(input).is_none()
    }

    fn misfit(&self, input: &Value) -> Option<Misfit> {
        self.arguments.iter().find_map(|(path, constraint)| {
            let (mut seen, mut good) = (0, 0);
            let steps: Vec<&str> = path.0.split('.').collect();
            at(input, &steps, &mut |value| {
                seen += 1;
                good += usize::from(value.is_some_and(|value| constraint.holds(value)));
            });
            (seen == 0 || good < seen)
                .then(|| Misfit::Argument { path: path.clone(), expected: constraint.to_string() })
        })
    }
}

/// Visits what stands at the path of these `steps`, each a name with a `[]` for each list; `None`
/// where there is nothing. A name that itself contains `.` or `[]`, or is empty, is no step: it
/// must not pass for the argument that the path means.
fn at<'a>(value: &'a Value, steps: &[&str], visit: &mut impl FnMut(Option<&'a Value>)) {
    let Some((step, rest)) = steps.split_first() else { return visit(Some(value)) };
    let name = step.trim_end_matches("[]");
    let lists = (step.len() - name.len()) / 2;
    let Some(mut found) = value.member(name).map(|value| vec![value]) else { return visit(None) };
    for _ in 0..lists {
        let mut elements = Vec::new();
        for value in found {
            match value {
                Value::List(items) => elements.extend(items),
                _ => visit(None),
            }
        }
        found = elements;
    }
    for value in found {
        at(value, rest, visit);
    }
}

/// Why a call does not fit a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// No rule of some clause covers the tool.
    Tool,
    /// A rule covers the tool, but this argument is outside.
    Argument {
        /// Which argument.
        path: ArgumentPath,
        /// What was expected of it.
        expected: String,
    },
}

type Clause = BTreeSet<ToolRule>;

/// Which tools, with which arguments. `ToolScope::default()` covers everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolScope(Fixed<BTreeSet<Clause>>);

impl ToolScope {
    /// Any one of `rules` suffices; no rules cover nothing.
    pub fn any_of(rules: impl IntoIterator<Item = ToolRule>) -> Self {
        Self(BTreeSet::from([rules.into_iter().collect()]).into())
    }

    /// Whether it covers everything.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Covers what both cover.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        // Most scopes are met by one that covers everything.
        if self.within(&other) {
            self
        } else if other.within(&self) {
            other
        } else {
            Self(self.0.union(&other.0).cloned().collect::<BTreeSet<_>>().into())
        }
    }

    /// Whether `self` is known to cover at most what `other` covers (sound, not complete).
    pub fn within(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }

    /// Whether the scope is too large to be kept (R13).
    pub fn is_oversized(&self) -> bool {
        self.0.len() > MAX_CLAUSES
    }

    /// Whether any arguments could make a call of `name` fit; the question at list time.
    pub fn could_cover(&self, name: &str) -> bool {
        self.0.iter().all(|clause| clause.iter().any(|rule| rule.tool.covers(name)))
    }

    /// Whether some rule says this very `name`, not just a pattern that covers it.
    pub fn names(&self, name: &str) -> bool {
        self.0.iter().flatten().any(|rule| rule.tool.0 == name)
    }

    /// Whether the call fits; `Err` names the nearest miss.
    pub fn covers(&self, name: &str, input: &Value) -> Result<(), Misfit> {
        self.0.iter().try_for_each(|clause| {
            let mut nearest = Misfit::Tool;
            for rule in clause.iter().filter(|rule| rule.tool.covers(name)) {
                match rule.misfit(input) {
                    None => return Ok(()),
                    Some(misfit) => nearest = misfit,
                }
            }
            Err(nearest)
        })
    }

    /// The tool patterns of the clause with the fewest rules: what to tell a person.
    pub fn headline(&self) -> Vec<String> {
        self.0.iter().min_by_key(|clause| clause.len()).map_or_else(
            || vec!["*".to_owned()],
            |clause| clause.iter().map(|rule| rule.tool.to_string()).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(rules: &str) -> ToolScope {
        ToolScope::any_of(serde_json::from_str::<Vec<ToolRule>>(rules).unwrap())
    }

    fn input(json: &str) -> Value {
        Value::parse(json).unwrap()
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "mail/send", true),
            ("mail/*", "mail/send", true),
            ("mail/*", "mailer/send", false),
            ("*/read_*", "files/read_file", true),
            ("files/read", "files/read_file", false),
            ("*/*_*_*", "a/b_c", false),
        ] {
            assert_eq!(pattern.parse::<ToolPattern>().unwrap().covers(name), expected, "{pattern}");
        }
        assert!("mail".parse::<ToolPattern>().is_err());
        assert!("a/b/c".parse::<ToolPattern>().is_err());
    }

    #[test]
    fn constraints_look_at_every_element() {
        let scope = scope(
            r#"[{"tool":"mail/send","arguments":{"to[]":{"one_of":["a@x","b@x"]}}},
                {"tool":"files/read","arguments":{"path":{"under":"/work"}}},
                {"tool":"pay/send","arguments":{"amount":{"at_most":100}}}]"#,
        );
        let fits = |tool: &str, json: &str| scope.covers(tool, &input(json)).is_ok();
        assert!(fits("mail/send", r#"{"to":["a@x","b@x"]}"#));
        assert!(!fits("mail/send", r#"{"to":["a@x","evil@y"]}"#));
        assert!(!fits("mail/send", r#"{"to":[]}"#));
        assert!(!fits("mail/send", r#"{"to":["a@x",["evil@y"]]}"#));
        assert!(fits("files/read", r#"{"path":"/work/a"}"#));
        for path in ["/work/../etc", "/workshop/a", "/work/./a", "/etc", "/work//a"] {
            assert!(!fits("files/read", &format!(r#"{{"path":"{path}"}}"#)), "{path}");
        }
        for amount in ["100", "99.5", "100.00", "-3.5"] {
            assert!(fits("pay/send", &format!(r#"{{"amount":{amount}}}"#)), "{amount}");
        }
        for amount in ["101", "1e2", "100.5", "\"1\""] {
            assert!(!fits("pay/send", &format!(r#"{{"amount":{amount}}}"#)), "{amount}");
        }
        assert_eq!(scope.covers("other/x", &input("{}")), Err(Misfit::Tool));
    }

    #[test]
    fn no_other_name_passes_for_the_argument_that_is_meant() {
        let scope = scope(
            r#"[{"tool":"a/x","arguments":{"to":{"one_of":["good"]}}},
                {"tool":"a/y","arguments":{"to.path":{"one_of":["good"]}}},
                {"tool":"a/z","arguments":{"to[].path":{"one_of":["good"]}}}]"#,
        );
        let fits = |tool: &str, json: &str| scope.covers(tool, &input(json)).is_ok();
        assert!(fits("a/x", r#"{"to":"good"}"#));
        assert!(!fits("a/x", r#"{"":{"to":"good"},"to":["evil"]}"#));
        assert!(!fits("a/x", r#"{"":{"to":"good"}}"#));
        assert!(fits("a/y", r#"{"to":{"path":"good"}}"#));
        assert!(!fits("a/y", r#"{"to.path":"good","to":{"path":["evil"]}}"#));
        assert!(!fits("a/y", r#"{"to.path":"good"}"#));
        assert!(fits("a/z", r#"{"to":[{"path":"good"},{"path":"good"}]}"#));
        assert!(!fits("a/z", r#"{"to[]":{"path":"good"},"to":[{"path":["evil"]}]}"#));
        assert!(!fits("a/z", r#"{"to":[{"path":"good"},{"other":"evil"}]}"#));
    }
}
