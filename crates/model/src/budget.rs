//! Budgets: how much one task may use, and how much it has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An upper bound. `Limit::default()` is *unlimited*, the top of the lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Option<u64>", into = "Option<u64>")]
pub struct Limit(u64);

impl Limit {
    /// No bound.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// At most `n`.
    pub const fn at_most(n: u64) -> Self {
        Self(n)
    }

    /// The bound, `None` if unlimited.
    pub fn get(self) -> Option<u64> {
        (self != Self::UNLIMITED).then_some(self.0)
    }

    /// The narrower of both.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        self.min(other)
    }

    /// What is left after `used`.
    pub fn left(self, used: u64) -> u64 {
        if self == Self::UNLIMITED { u64::MAX } else { self.0.saturating_sub(used) }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

impl From<Option<u64>> for Limit {
    fn from(bound: Option<u64>) -> Self {
        bound.map_or(Self::UNLIMITED, Self)
    }
}

impl From<Limit> for Option<u64> {
    fn from(limit: Limit) -> Self {
        limit.get()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(bound) => write!(f, "{bound}"),
            None => f.write_str("unlimited"),
        }
    }
}

/// How much one task may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Permitted calls of any kind.
    pub calls: Limit,
    /// Permitted calls whose effect is not *read*.
    pub effects: Limit,
    /// Bytes of arguments sent and results returned.
    pub bytes: Limit,
}

impl Budget {
    /// Field by field the narrower bound.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            calls: self.calls.meet(other.calls),
            effects: self.effects.meet(other.effects),
            bytes: self.bytes.meet(other.bytes),
        }
    }

    /// What is left of it after `spent`.
    #[must_use]
    pub fn left(self, spent: Spent) -> Self {
        let left = |limit: Limit, used: u64| match limit.get() {
            Some(_) => Limit::at_most(limit.left(used)),
            None => limit,
        };
        Self {
            calls: left(self.calls, spent.calls),
            effects: left(self.effects, spent.effects),
            bytes: left(self.bytes, spent.bytes),
        }
    }

    /// What handing on `part` of it uses up: where it is unlimited itself, nothing.
    pub fn cost_of(self, part: Self) -> Spent {
        let cost = |limit: Limit, part: Limit| limit.get().and(part.get()).unwrap_or(0);
        Spent {
            calls: cost(self.calls, part.calls),
            effects: cost(self.effects, part.effects),
            bytes: cost(self.bytes, part.bytes),
        }
    }

    /// Whether every bound is at most the other's.
    pub fn within(self, other: Self) -> bool {
        self.meet(other) == self
    }
}

/// How much one task has used: the fold of its recorded permits and outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Permitted calls.
    pub calls: u64,
    /// Permitted calls with an effect.
    pub effects: u64,
    /// Bytes of arguments and results.
    pub bytes: u64,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            effects: self.effects.saturating_add(other.effects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// `self` without `other`, never less than nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            effects: self.effects.saturating_sub(other.effects),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// The first budget line that `self` on top of it would break, by name.
    pub fn exceeds(self, budget: Budget) -> Option<(&'static str, Limit)> {
        [
            ("calls", self.calls, budget.calls),
            ("effects", self.effects, budget.effects),
            ("bytes", self.bytes, budget.bytes),
        ]
        .into_iter()
        .find(|(_, used, limit)| limit.get().is_some_and(|bound| *used > bound))
        .map(|(name, _, limit)| (name, limit))
    }
}
