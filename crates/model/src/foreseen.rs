//! Flows that somebody allowed in advance: from what one tool returns into what another is called with.
//!
//! "Pay what the bill says" is such a flow. Only a template lists them, with bounds, before anything was
//! read; what an agent declares never does (promise R5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::argument::ArgumentPath;
use crate::flow::LeafFlow;
use crate::scope::{Constraint, ToolPattern, ToolRule};
use crate::value::Value;

/// How many flows a template may foresee (R13).
pub const MAX_FORESEEN: usize = 64;

/// One such flow: the value of `argument` may be taken from what a tool of `from` returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreseen {
    /// Into calls of these tools.
    pub tool: ToolPattern,
    /// Into this argument.
    pub argument: ArgumentPath,
    /// From what these tools returned.
    pub from: ToolPattern,
    /// If each of these arguments satisfies its constraint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<ArgumentPath, Constraint>,
    /// In how many calls of a task.
    #[serde(default = "once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

impl Foreseen {
    /// Whether `leaf` of a call of `name` (`server/tool`) with `input` came this way.
    pub fn covers(&self, name: &str, input: &Value, leaf: &LeafFlow) -> bool {
        let from = leaf.evidence.as_ref().is_some_and(|seen| self.from.covers(&seen.source));
        let rule = ToolRule { tool: self.tool.clone(), arguments: self.arguments.clone() };
        from && leaf.path == self.argument && rule.tool.covers(name) && rule.fits(input)
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
}
