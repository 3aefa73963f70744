//! Flows that somebody allowed in advance: from what one tool returns into what another is called with.
//!
//! "Pay what the bill says" is such a flow. A template lists them, with bounds, before anything was read:
//! those that are in force in each of its tasks, and those that it only offers, which take a person who
//! says so of one task. What an agent declares or asks for never counts (promise R5).

mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::tick::{Tick, TickError, TickTextError};
use crate::agent::{NameError, check};
use crate::argument::ArgumentPath;
use crate::flow::LeafFlow;
use crate::scope::{Constraint, ToolPattern, ToolRule};
use crate::text::text_type;
use crate::value::Value;

/// How many flows a template may list (R13).
pub const MAX_FORESEEN: usize = 64;
/// How long the title of one that is offered may be, in bytes (R13).
pub const MAX_TITLE: usize = 128;

text_type!(
    /// What a template calls a flow that it offers.
    FlowName,
    NameError,
    check
);

/// One such flow: the values of `argument` may be taken from what a tool of `from` returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreseen {
    /// Into calls of these tools.
    pub tool: ToolPattern,
    /// Into these arguments.
    #[serde(deserialize_with = "one_or_more")]
    pub argument: BTreeSet<ArgumentPath>,
    /// From what these tools returned.
    pub from: ToolPattern,
    /// If each of these arguments satisfies its constraint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<ArgumentPath, Constraint>,
    /// In how many calls of a task.
    #[serde(default = "once")]
    pub times: u64,
    /// How a template offers it to people; in a task, as what a person switched it on. Without this it is
    /// in force in every task of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
}

/// What a person sees of a flow that they may switch on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// Its name, once in a template.
    pub name: FlowName,
    /// What it is for, in plain words.
    pub title: String,
}

/// The flows that a template lists. Only what somebody makes of them with [`Self::with`] is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Foreseen>")]
pub struct Foreseeable(Vec<Foreseen>);

/// Why flows are none that a template can list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeseeableError {
    /// Too many.
    #[error("expected at most {MAX_FORESEEN} foreseen flows, got {0}")]
    TooMany(usize),
    /// Nobody could say which.
    #[error("two foreseen flows are offered as `{0}`: give each a name of its own")]
    Twice(FlowName),
    /// Nobody could read it.
    #[error("expected a `title` of 1 to {MAX_TITLE} bytes for the flow `{0}`, got {1} bytes")]
    Title(FlowName, usize),
}

fn once() -> u64 {
    1
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<ArgumentPath>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected the path of an argument, or a list of some")]
    enum Paths {
        One(ArgumentPath),
        More(BTreeSet<ArgumentPath>),
    }
    match Paths::deserialize(from)? {
        Paths::One(path) => Ok(BTreeSet::from([path])),
        Paths::More(paths) if !paths.is_empty() => Ok(paths),
        Paths::More(_) => Err(serde::de::Error::invalid_length(0, &"at least one argument")),
    }
}

impl TryFrom<Vec<Foreseen>> for Foreseeable {
    type Error = ForeseeableError;
    fn try_from(flows: Vec<Foreseen>) -> Result<Self, ForeseeableError> {
        if flows.len() > MAX_FORESEEN {
            return Err(ForeseeableError::TooMany(flows.len()));
        }
        let mut names = BTreeSet::new();
        for Offered { name, title } in flows.iter().filter_map(|flow| flow.offered.as_ref()) {
            if !names.insert(name) {
                return Err(ForeseeableError::Twice(name.clone()));
            }
            if !(1..=MAX_TITLE).contains(&title.len()) {
                return Err(ForeseeableError::Title(name.clone(), title.len()));
            }
        }
        Ok(Self(flows))
    }
}

impl Foreseeable {
    /// Those that a person may switch on.
    pub fn offered(&self) -> impl Iterator<Item = (&Offered, &Foreseen)> {
        self.0.iter().filter_map(|flow| flow.offered.as_ref().map(|offered| (offered, flow)))
    }

    /// Those in force in a task for which a person ticked these: what was not offered, and of what was, what
    /// they ticked, as far as they did.
    ///
    /// Errors: one of them is not offered, is ticked twice, or is to reach further than it is offered.
    pub fn with(&self, ticks: &[Tick]) -> Result<Vec<Foreseen>, TickError> {
        let mut left: BTreeMap<&FlowName, &Tick> = BTreeMap::new();
        for tick in ticks {
            if left.insert(&tick.name, tick).is_some() {
                return Err(TickError::Twice(tick.name.clone()));
            }
        }
        let mut flows = Vec::new();
        for flow in &self.0 {
            match &flow.offered {
                None => flows.push(flow.clone()),
                Some(Offered { name, .. }) => {
                    let ticked = left.remove(name).map(|tick| tick.narrow(flow)).transpose()?;
                    flows.extend(ticked);
                }
            }
        }
        let Some(name) = left.into_keys().next() else { return Ok(flows) };
        let offered = self.offered().map(|(offered, _)| offered.name.clone()).collect();
        Err(TickError::NotOffered { name: name.clone(), offered })
    }
}

/// In one sentence, for people.
impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.argument.iter().map(|path| format!("`{path}`")).collect();
        let (from, into, tool) = (&self.from, paths.join(" and "), &self.tool);
        write!(f, "what `{from}` returns may be the {into} of `{tool}`")?;
        for (number, (path, bound)) in self.arguments.iter().enumerate() {
            let word = if number == 0 { ", if" } else { " and" };
            write!(f, "{word} `{path}` is {bound}")?;
        }
        match self.times {
            1 => f.write_str(", in one call"),
            times => write!(f, ", in at most {times} calls"),
        }
    }
}

impl Foreseen {
    /// How much of something there may be at most, by argument.
    pub fn bounds(&self) -> impl Iterator<Item = (&ArgumentPath, i64)> {
        self.arguments.iter().filter_map(|(path, bound)| match bound {
            Constraint::AtMost(most) => Some((path, *most)),
            _ => None,
        })
    }

    /// Whether `leaf` of a call of `name` (`server/tool`) with `input` came this way.
    pub fn covers(&self, name: &str, input: &Value, leaf: &LeafFlow) -> bool {
        let from = leaf.evidence.as_ref().is_some_and(|seen| self.from.covers(&seen.source));
        let rule = ToolRule { tool: self.tool.clone(), arguments: self.arguments.clone() };
        from && self.argument.contains(&leaf.path) && rule.tool.covers(name) && rule.fits(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::Role;
    use crate::flow::{Evidence, Provenance};

    #[test]
    fn a_flow_is_covered_from_its_source_into_its_argument_within_its_bounds() {
        let bill: Foreseen = serde_json::from_str(
            r#"{"tool":"bank/pay","argument":"iban","from":"files/read_*",
                "arguments":{"amount":{"at_most":100},"cc[]":{"domain":"acme.example"}}}"#,
        )
        .unwrap();
        assert_eq!(bill.times, 1);
        let leaf = |path: &str, source: &str| LeafFlow {
            path: path.into(),
            role: Role::Target,
            provenance: Provenance::Tainted,
            label: crate::Label::default(),
            evidence: Some(Evidence {
                source: source.into(),
                decision: Some(1),
                field: None,
                pointed: true,
                excerpt: String::new(),
            }),
            foreseen: None,
        };
        let input = |amount: &str, cc: &str| {
            Value::parse(&format!(r#"{{"iban":"X","amount":{amount},"cc":["{cc}"]}}"#)).unwrap()
        };
        let covered = |name: &str, amount: &str, cc: &str, path: &str, source: &str| {
            bill.covers(name, &input(amount, cc), &leaf(path, source))
        };
        assert!(covered("bank/pay", "99.90", "a@acme.example", "iban", "files/read_file"));
        assert!(covered("bank/pay", "100.00", "a@ACME.example", "iban", "files/read_file"));
        assert!(!covered("bank/pay", "100.01", "a@acme.example", "iban", "files/read_file"));
        assert!(!covered("bank/pay", "1e3", "a@acme.example", "iban", "files/read_file"));
        assert!(!covered("bank/pay", "9", "a@evil-acme.example", "iban", "files/read_file"));
        assert!(!covered("bank/pay", "9", "a@b@acme.example", "iban", "files/read_file"));
        assert!(!covered("bank/pay", "9", "a@acme.example", "iban", "mail/read"));
        assert!(!covered("bank/pay", "9", "a@acme.example", "to", "files/read_file"));
        assert!(!covered("bank/refund", "9", "a@acme.example", "iban", "files/read_file"));
        let unseen = LeafFlow { evidence: None, ..leaf("iban", "files/read_file") };
        assert!(!bill.covers("bank/pay", &input("9", "a@acme.example"), &unseen));
    }

    fn flow(more: &str) -> Foreseen {
        let text = format!(r#"{{"tool":"bank/pay","from":"files/read_*",{more}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_flow_goes_into_one_argument_or_several_and_says_so() {
        let one = flow(r#""argument":"iban""#);
        assert_eq!(
            one.to_string(),
            "what `files/read_*` returns may be the `iban` of `bank/pay`, in one call"
        );
        let more = r#""argument":["iban","amount"],"times":3,
            "arguments":{"amount":{"at_most":500},"cc[]":{"domain":"acme.example"}}"#;
        assert_eq!(
            flow(more).to_string(),
            "what `files/read_*` returns may be the `amount` and `iban` of `bank/pay`, if `amount` is at \
             most 500 and `cc[]` is an address in `acme.example`, in at most 3 calls"
        );
        let text = r#"{"tool":"bank/pay","from":"files/*","argument":[]}"#;
        let why = serde_json::from_str::<Foreseen>(text).unwrap_err().to_string();
        assert!(why.contains("expected at least one argument"), "{why}");
    }

    #[test]
    fn names_are_given_once_and_titles_can_be_read() {
        let offered = |name: &str, title: &str| {
            let offered = Offered { name: name.parse().unwrap(), title: title.to_owned() };
            Foreseen { offered: Some(offered), ..flow(r#""argument":"iban""#) }
        };
        let listed =
            |flows: Vec<Foreseen>| Foreseeable::try_from(flows).map_err(|why| why.to_string());
        assert!(listed(vec![offered("a", "A"), offered("b", "B")]).is_ok());
        let why = listed(vec![offered("a", "A"), offered("a", "B")]).unwrap_err();
        assert_eq!(why, "two foreseen flows are offered as `a`: give each a name of its own");
        let why = listed(vec![offered("a", "")]).unwrap_err();
        assert_eq!(why, "expected a `title` of 1 to 128 bytes for the flow `a`, got 0 bytes");
        assert!(listed(vec![flow(r#""argument":"iban""#); MAX_FORESEEN]).is_ok());
        assert!(listed(vec![flow(r#""argument":"iban""#); MAX_FORESEEN + 1]).is_err());
    }
}
