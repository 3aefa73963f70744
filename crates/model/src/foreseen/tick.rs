//! What a person says of a flow that a template offers: that it is to be in force in one task, and how far.
//!
//! They can say less than the template offers, never more (promise R3). More is refused rather than cut
//! down: whoever asks for it has another template in mind.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{FlowName, Foreseen};
use crate::argument::ArgumentPath;
use crate::scope::Constraint;

/// One that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// Which.
    pub name: FlowName,
    /// In how many calls; left out: as many as it is offered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// At most this, where it is offered with such a bound.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_most: BTreeMap<ArgumentPath, i64>,
}

/// Why a flow is not switched on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TickError {
    /// The template has no such flow to switch on.
    #[error("the template offers no flow `{name}`; {}", there_are(.offered))]
    NotOffered {
        /// What was ticked.
        name: FlowName,
        /// What could have been.
        offered: Vec<FlowName>,
    },
    /// Nobody knows how far.
    #[error("the flow `{0}` is switched on twice: say it once")]
    Twice(FlowName),
    /// More often than it is offered, or never.
    #[error("expected `times` from 1 to {most} for the flow `{name}`, as it is offered, got {got}")]
    Times {
        /// Which.
        name: FlowName,
        /// As it is offered.
        most: u64,
        /// As it was ticked.
        got: u64,
    },
    /// More than it is offered for.
    #[error(
        "expected at most {most} as `{path}` for the flow `{name}`, as it is offered, got {got}"
    )]
    Wider {
        /// Which.
        name: FlowName,
        /// Which argument.
        path: ArgumentPath,
        /// As it is offered.
        most: i64,
        /// As it was ticked.
        got: i64,
    },
    /// There is nothing to narrow.
    #[error("the flow `{name}` is offered without an `at_most` for `{path}`, so leave that out")]
    Unbounded {
        /// Which.
        name: FlowName,
        /// Which argument.
        path: ArgumentPath,
    },
}

fn there_are(offered: &[FlowName]) -> String {
    let names: Vec<&str> = offered.iter().map(FlowName::as_str).collect();
    if names.is_empty() {
        "it offers none".into()
    } else {
        format!("it offers: {}", names.join(", "))
    }
}

impl Tick {
    /// `flow`, which is the one that was ticked, as far as it was.
    pub(super) fn narrow(&self, flow: &Foreseen) -> Result<Foreseen, TickError> {
        let (name, most) = (self.name.clone(), flow.times);
        let times = self.times.unwrap_or(most);
        if times == 0 || times > most {
            return Err(TickError::Times { name, most, got: times });
        }
        let mut arguments = flow.arguments.clone();
        for (path, got) in &self.at_most {
            let Some(Constraint::AtMost(most)) = arguments.get_mut(path) else {
                return Err(TickError::Unbounded { name, path: path.clone() });
            };
            if got > most {
                let (path, most, got) = (path.clone(), *most, *got);
                return Err(TickError::Wider { name, path, most, got });
            }
            *most = *got;
        }
        Ok(Foreseen { arguments, times, ..flow.clone() })
    }
}

/// A text that is no tick.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name of a flow, or with bounds `NAME:ARGUMENT<=NUMBER,times=NUMBER`, got `{0}`"
)]
pub struct TickTextError(String);

impl FromStr for Tick {
    type Err = TickTextError;
    fn from_str(text: &str) -> Result<Self, TickTextError> {
        parse(text).ok_or_else(|| TickTextError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Tick> {
    let (name, bounds) = text.split_once(':').map_or((text, None), |(name, it)| (name, Some(it)));
    let (mut times, mut at_most) = (None, BTreeMap::new());
    for bound in bounds.into_iter().flat_map(|bounds| bounds.split(',')) {
        let twice = if let Some((path, most)) = bound.rsplit_once("<=") {
            at_most.insert(path.into(), most.parse().ok()?).is_some()
        } else {
            times.replace(bound.strip_prefix("times=")?.parse().ok()?).is_some()
        };
        if twice {
            return None;
        }
    }
    Some(Tick { name: name.parse().ok()?, times, at_most })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::argument::Role;
    use crate::flow::{Evidence, LeafFlow, Provenance};
    use crate::foreseen::Foreseeable;
    use crate::value::Value;

    /// One flow that is in force anyway, and two that are offered.
    fn listed() -> Foreseeable {
        serde_json::from_str(
            r#"[{"tool":"mail/send","argument":"to","from":"crm/*"},
                {"tool":"bank/pay","argument":["iban","amount"],"from":"files/*","times":3,
                 "arguments":{"amount":{"at_most":500},"currency":{"one_of":["EUR"]}},
                 "offered":{"name":"pay-bills","title":"Pay what a bill says"}},
                {"tool":"crm/add","argument":"email","from":"mail/*",
                 "offered":{"name":"add-senders","title":"Add whoever writes"}}]"#,
        )
        .unwrap()
    }

    fn ticks(texts: &[&str]) -> Vec<Tick> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn nothing_that_is_offered_is_in_force_before_it_is_ticked() {
        let tools = |texts: &[&str]| {
            let flows = listed().with(&ticks(texts)).unwrap();
            flows.iter().map(|flow| flow.tool.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(tools(&[]), ["mail/send"]);
        assert_eq!(tools(&["add-senders"]), ["mail/send", "crm/add"]);
        assert_eq!(tools(&["add-senders", "pay-bills"]), ["mail/send", "bank/pay", "crm/add"]);
    }

    #[test]
    fn a_tick_narrows_what_is_offered_and_keeps_the_rest() {
        let flows = listed().with(&ticks(&["pay-bills:amount<=200,times=1"])).unwrap();
        let (whole, ticked) = (listed().with(&ticks(&["pay-bills"])).unwrap(), &flows[1]);
        assert_eq!((whole[1].times, ticked.times), (3, 1));
        assert_eq!(ticked.arguments[&"amount".into()], Constraint::AtMost(200));
        assert_eq!(ticked.arguments[&"currency".into()], whole[1].arguments[&"currency".into()]);
        assert_eq!((&ticked.argument, &ticked.from), (&whole[1].argument, &whole[1].from));
    }

    #[test]
    fn nothing_is_ticked_that_is_not_offered_nor_further_than_it_is() {
        for (texts, why) in [
            (&["pay"][..], "the template offers no flow `pay`; it offers: pay-bills, add-senders"),
            (&["pay-bills", "pay-bills"], "the flow `pay-bills` is switched on twice: say it once"),
            (
                &["pay-bills:times=4"],
                "expected `times` from 1 to 3 for the flow `pay-bills`, as it is offered, got 4",
            ),
            (
                &["pay-bills:times=0"],
                "expected `times` from 1 to 3 for the flow `pay-bills`, as it is offered, got 0",
            ),
            (
                &["pay-bills:amount<=501"],
                "expected at most 500 as `amount` for the flow `pay-bills`, as it is offered, got 501",
            ),
            (
                &["pay-bills:currency<=9"],
                "the flow `pay-bills` is offered without an `at_most` for `currency`, so leave that out",
            ),
            (
                &["add-senders:age<=9"],
                "the flow `add-senders` is offered without an `at_most` for `age`, so leave that out",
            ),
        ] {
            assert_eq!(listed().with(&ticks(texts)).unwrap_err().to_string(), why);
        }
        let none = Foreseeable::default().with(&ticks(&["pay"])).unwrap_err();
        assert_eq!(none.to_string(), "the template offers no flow `pay`; it offers none");
    }

    #[test]
    fn texts_that_say_two_things_or_none_are_no_ticks() {
        for text in [
            "",
            ":",
            "pay bills",
            "pay-bills:",
            "pay-bills:amount<=",
            "pay-bills:amount<=9.5",
            "pay-bills:amount<9",
            "pay-bills:times=-1",
            "pay-bills:times=1,times=2",
            "pay-bills:amount<=1,amount<=900",
            "pay-bills:times=1,",
        ] {
            let why = text.parse::<Tick>().unwrap_err().to_string();
            assert!(why.ends_with(&format!("got `{text}`")), "{why}");
        }
    }

    proptest! {
        /// The task's flows are within the template's (R3), whatever is ticked.
        #[test]
        fn whatever_is_ticked_covers_no_more_than_was_offered(
            times in proptest::option::of(0_u64..6),
            bound in proptest::option::of(-2_i64..700),
            amount in -2_i64..700,
            path in "iban|amount|to",
        ) {
            let at_most = bound.map(|bound| ("amount".into(), bound)).into_iter().collect();
            let tick = Tick { name: "pay-bills".parse().unwrap(), times, at_most };
            let offered = listed();
            let Ok(flows) = offered.with(std::slice::from_ref(&tick)) else {
                prop_assert!(!(1..=3).contains(&times.unwrap_or(1)) || bound > Some(500));
                return Ok(());
            };
            let (_, whole) = offered.offered().next().unwrap();
            let input = Value::parse(&format!(r#"{{"amount":{amount},"currency":"EUR"}}"#)).unwrap();
            let evidence = Evidence {
                source: "files/read_file".into(), decision: None, field: None, pointed: false,
                excerpt: String::new(),
            };
            let leaf = LeafFlow {
                path: path.as_str().into(), role: Role::Amount, provenance: Provenance::Tainted,
                label: crate::Label::default(), evidence: Some(evidence), foreseen: None,
            };
            prop_assert!(flows[1].times <= whole.times);
            let covered = flows[1].covers("bank/pay", &input, &leaf);
            prop_assert!(!covered || whole.covers("bank/pay", &input, &leaf));
            prop_assert_eq!(covered, path != "to" && amount <= bound.unwrap_or(500).min(500));
        }
    }
}
