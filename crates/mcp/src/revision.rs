//! The revisions of MCP and the two eras they fall into.

use std::fmt;

/// A revision of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP.
    V2025_03_26,
    /// 2025-06-18: structured content, elicitation, no batches.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless.
    V2026_07_28,
}

/// How a client and a server agree on what they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// `initialize` opens a session; the server may send requests.
    Sessions,
    /// Every request says in `_meta` what it speaks; the server only answers.
    Stateless,
}

impl Revision {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest.
    pub const LATEST: Self = Self::V2026_07_28;
    /// The newest that has `initialize`.
    pub const LATEST_WITH_SESSIONS: Self = Self::V2025_11_25;

    /// The revision that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Its era.
    pub fn era(self) -> Era {
        if self < Self::V2026_07_28 { Era::Sessions } else { Era::Stateless }
    }

    /// Whether HTTP requests carry `MCP-Protocol-Version`.
    pub fn has_version_header(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether tool results have `structuredContent`.
    pub fn has_structured_content(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// What to answer a client whose `initialize` asks for `requested` (2025-11-25 *Lifecycle*):
    /// the same if it is a revision with sessions, else the newest such.
    pub fn for_initialize(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|revision| revision.era() == Era::Sessions)
            .unwrap_or(Self::LATEST_WITH_SESSIONS)
    }

    /// The newest stateless revision that a server lists in `supported`.
    pub fn best_stateless<'a>(supported: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let known = supported.into_iter().filter_map(Self::parse);
        known.filter(|revision| revision.era() == Era::Stateless).max()
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_order() {
        for pair in Revision::ALL.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].as_str() < pair[1].as_str());
        }
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        }
    }

    #[test]
    fn initialize_never_yields_a_stateless_revision() {
        assert_eq!(Revision::for_initialize("2025-03-26"), Revision::V2025_03_26);
        for other in ["2026-07-28", "1999-01-01", ""] {
            assert_eq!(Revision::for_initialize(other), Revision::V2025_11_25);
        }
    }

    #[test]
    fn discovery_takes_the_newest_known() {
        let listed = ["2099-01-01", "2026-07-28", "2025-11-25"];
        assert_eq!(Revision::best_stateless(listed), Some(Revision::V2026_07_28));
        assert_eq!(Revision::best_stateless(["2025-11-25"]), None);
    }
}
