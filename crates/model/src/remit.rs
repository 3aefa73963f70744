//! The remit: the authority of one task.
//!
//! A meet-semilattice. [`Remit::meet`] takes the narrower of each part, so whatever an agent
//! declares, a handoff passes on or a person limits can only take away (promise R3).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Limit};
use crate::label::Confidentiality;
use crate::scope::ToolScope;
use crate::time::Timestamp;

/// The authority of one task. `Remit::default()` is the top: everything, for ever; only the
/// template that opens a task starts from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remit {
    /// Tools, with what their arguments must satisfy.
    pub tools: ToolScope,
    /// The most sensitive data the task may read.
    pub ceiling: Confidentiality,
    /// How much it may use.
    pub budget: Budget,
    /// When it ends.
    pub deadline: Timestamp,
    /// Milliseconds without a call after which it ends.
    pub idle: Limit,
    /// How often it may be handed on.
    pub delegation: u8,
}

impl Default for Remit {
    fn default() -> Self {
        Self {
            tools: ToolScope::default(),
            ceiling: Confidentiality::Restricted,
            budget: Budget::default(),
            deadline: Timestamp(u64::MAX),
            idle: Limit::UNLIMITED,
            delegation: u8::MAX,
        }
    }
}

impl Remit {
    /// What both allow.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            tools: self.tools.meet(other.tools),
            ceiling: self.ceiling.min(other.ceiling),
            budget: self.budget.meet(other.budget),
            deadline: self.deadline.min(other.deadline),
            idle: self.idle.meet(other.idle),
            delegation: self.delegation.min(other.delegation),
        }
    }

    /// Whether `self` is known to allow at most what `other` allows (`self ⊑ other`).
    pub fn within(&self, other: &Self) -> bool {
        self.tools.within(&other.tools)
            && self.ceiling <= other.ceiling
            && self.budget.within(other.budget)
            && self.deadline <= other.deadline
            && self.idle <= other.idle
            && self.delegation <= other.delegation
    }

    /// When a task last used at `last_used` ends by itself.
    pub fn ends_at(&self, last_used: Timestamp) -> Timestamp {
        let idle = self
            .idle
            .get()
            .map_or(Timestamp(u64::MAX), |millis| last_used.after(Duration::from_millis(millis)));
        self.deadline.min(idle)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scope::{Constraint, ToolPattern, ToolRule};
    use crate::value::Value;

    fn limit() -> impl Strategy<Value = Limit> {
        prop_oneof![Just(Limit::UNLIMITED), (0u64..9).prop_map(Limit::at_most)]
    }

    fn rule() -> impl Strategy<Value = ToolRule> {
        let tool = prop_oneof![Just("*"), Just("a/*"), Just("a/x"), Just("b/x"), Just("*/x")];
        (tool, proptest::option::of(0i64..5)).prop_map(|(tool, bound)| ToolRule {
            tool: tool.parse::<ToolPattern>().unwrap(),
            arguments: bound.map(|n| ("n".into(), Constraint::AtMost(n))).into_iter().collect(),
        })
    }

    fn remit() -> impl Strategy<Value = Remit> {
        let tools = proptest::collection::vec(proptest::collection::vec(rule(), 0..3), 0..3);
        (tools, 0u8..4, [limit(), limit(), limit(), limit()], 0u64..9, 0u8..4).prop_map(
            |(clauses, ceiling, [calls, effects, bytes, idle], deadline, delegation)| Remit {
                tools: clauses
                    .into_iter()
                    .fold(ToolScope::default(), |s, c| s.meet(ToolScope::any_of(c))),
                ceiling: match ceiling {
                    0 => Confidentiality::Public,
                    1 => Confidentiality::Internal,
                    2 => Confidentiality::Confidential,
                    _ => Confidentiality::Restricted,
                },
                budget: Budget { calls, effects, bytes },
                deadline: Timestamp(deadline),
                idle,
                delegation,
            },
        )
    }

    proptest! {
        #[test]
        fn meet_is_idempotent(a in remit()) {
            prop_assert_eq!(a.clone().meet(a.clone()), a);
        }

        #[test]
        fn meet_is_commutative(a in remit(), b in remit()) {
            prop_assert_eq!(a.clone().meet(b.clone()), b.meet(a));
        }

        #[test]
        fn meet_is_associative(a in remit(), b in remit(), c in remit()) {
            prop_assert_eq!(a.clone().meet(b.clone()).meet(c.clone()), a.meet(b.meet(c)));
        }

        #[test]
        fn meet_only_narrows(a in remit(), b in remit()) {
            let met = a.clone().meet(b.clone());
            prop_assert!(met.within(&a) && met.within(&b));
        }

        #[test]
        fn what_the_meet_covers_both_cover(
            a in remit(), b in remit(), tool in "[ab]/[xy]", n in 0i64..6
        ) {
            let input = Value::parse(&format!("{{\"n\":{n}}}")).unwrap();
            let both = a.tools.covers(&tool, &input).is_ok() && b.tools.covers(&tool, &input).is_ok();
            prop_assert_eq!(a.meet(b).tools.covers(&tool, &input).is_ok(), both);
        }

        #[test]
        fn top_is_neutral(a in remit()) {
            prop_assert_eq!(a.clone().meet(Remit::default()), a);
        }
    }
}
