//! How a registered agent stands: whether it may act at all.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where an agent is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// It may act.
    #[default]
    Active,
    /// It may not act until an operator resumes it.
    Suspended,
    /// It never acts again, and its name is never given to another.
    Retired,
}

/// Where an agent is, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where it is.
    pub lifecycle: Lifecycle,
    /// When it came there.
    pub since: Timestamp,
}

/// A change that does not fit where the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// It is there already.
    #[error("it is {0} already")]
    Already(Lifecycle),
    /// Nothing follows upon the end.
    #[error("it is retired, and that is for ever: register another agent under another name")]
    Retired,
}

impl Lifecycle {
    /// The state after a change to `to`.
    ///
    /// Errors: the agent is there already, or retired.
    pub fn change(self, to: Self) -> Result<Self, LifecycleError> {
        match (self, to) {
            (from, to) if from == to => Err(LifecycleError::Already(to)),
            (Self::Retired, _) => Err(LifecycleError::Retired),
            (_, to) => Ok(to),
        }
    }

    /// The word by which a record says that an agent came there.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "resumed",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }

    /// What a record with this word says.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Retired].into_iter().find(|it| it.word() == word)
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_comes_back_from_everything_but_its_end() {
        use Lifecycle::{Active, Retired, Suspended};
        for (from, to, expected) in [
            (Active, Suspended, Ok(Suspended)),
            (Suspended, Active, Ok(Active)),
            (Active, Retired, Ok(Retired)),
            (Suspended, Retired, Ok(Retired)),
            (Active, Active, Err(LifecycleError::Already(Active))),
            (Retired, Retired, Err(LifecycleError::Already(Retired))),
            (Retired, Active, Err(LifecycleError::Retired)),
            (Retired, Suspended, Err(LifecycleError::Retired)),
        ] {
            assert_eq!(from.change(to), expected, "{from} to {to}");
            assert_eq!(Lifecycle::of_word(to.word()), Some(to));
        }
        assert_eq!(Lifecycle::of_word("opened"), None);
    }
}
