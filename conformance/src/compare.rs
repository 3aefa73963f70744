//! Comparing two runs, and the list of differences that somebody argued for.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Failure;
use crate::checks::{Checks, Verdict};
use crate::suite::{Leg, Revision};

/// One scenario, run both ways.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) leg: Leg,
    pub(crate) revision: Revision,
    pub(crate) scenario: String,
    pub(crate) direct: Checks,
    pub(crate) through: Checks,
}

/// Differences that are argued for: the file `exceptions.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    #[serde(rename = "exception", default)]
    pub(crate) list: Vec<Exception>,
}

/// One argument, and everywhere that it holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// What it is about, as a heading.
    pub(crate) title: String,
    /// Why this must differ, in one paragraph.
    pub(crate) argument: String,
    /// Where it holds.
    places: Vec<Place>,
}

/// Checks of one scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    leg: Leg,
    revision: Revision,
    scenario: String,
    checks: BTreeSet<String>,
}

/// A check that ended differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    pub(crate) leg: Leg,
    pub(crate) revision: Revision,
    pub(crate) scenario: String,
    pub(crate) check: String,
    pub(crate) direct: Option<Verdict>,
    pub(crate) through: Option<Verdict>,
}

impl Pair {
    /// The checks that ended differently.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let ids: BTreeSet<&String> = self.direct.keys().chain(self.through.keys()).collect();
        let all = ids.into_iter().map(|id| Difference {
            leg: self.leg,
            revision: self.revision,
            scenario: self.scenario.clone(),
            check: id.clone(),
            direct: self.direct.get(id).copied(),
            through: self.through.get(id).copied(),
        });
        all.filter(|difference| difference.direct != difference.through).collect()
    }
}

impl Exceptions {
    /// Reads the list.
    ///
    /// Errors: it is not TOML of this form.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| format!("conformance/exceptions.toml: {error}"))
    }

    /// What is wrong: checks that fail directly, differences that nobody argued for, and arguments
    /// for what does not differ.
    pub(crate) fn complaints(&self, pairs: &[Pair]) -> Vec<String> {
        let mut complaints: Vec<String> = pairs.iter().flat_map(failures).collect();
        let differences: Vec<Difference> = pairs.iter().flat_map(Pair::differences).collect();
        let unargued = differences.iter().filter(|difference| self.of(difference).is_none());
        complaints.extend(unargued.map(|difference| {
            format!("{difference}: expected no difference, or an argument for it")
        }));
        complaints.extend(self.stale(&differences));
        complaints
    }

    /// The argument for `difference`.
    pub(crate) fn of(&self, difference: &Difference) -> Option<&Exception> {
        self.list.iter().find(|exception| {
            exception.places.iter().any(|place| place.holds_for(difference, &difference.check))
        })
    }

    fn stale(&self, differences: &[Difference]) -> Vec<String> {
        let mut stale = Vec::new();
        for exception in &self.list {
            for place in &exception.places {
                let Place { leg, revision, scenario, checks } = place;
                let occurs = |check| differences.iter().any(|it| place.holds_for(it, check));
                stale.extend(checks.iter().filter(|check| !occurs(*check)).map(|check| {
                    let title = &exception.title;
                    format!("`{title}`: {revision} {leg} {scenario} {check} no longer differs; strike it")
                }));
            }
        }
        stale
    }
}

impl Place {
    /// Whether `difference` is in `check`, and that is one of these.
    fn holds_for(&self, difference: &Difference, check: &str) -> bool {
        difference.leg == self.leg
            && difference.revision == self.revision
            && difference.scenario == self.scenario
            && difference.check == check
            && self.checks.contains(check)
    }
}

fn failures(pair: &Pair) -> Vec<String> {
    let failed = pair.direct.iter().filter(|(_, verdict)| **verdict > Verdict::Success);
    let line = |check: &String| {
        let Pair { leg, revision, scenario, .. } = pair;
        format!("{revision} {leg} {scenario} {check}: expected to pass directly; mend our peer")
    };
    failed.map(|(check, _)| line(check)).collect()
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { leg, revision, scenario, check, direct, through } = self;
        let (direct, through) = (word(*direct), word(*through));
        write!(f, "{revision} {leg} {scenario} {check}: directly {direct}, through Remit {through}")
    }
}

/// The word for how a check ended, if it was made at all.
pub(crate) fn word(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("absent", Verdict::word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(list: &[(&str, Verdict)]) -> Checks {
        list.iter().map(|(id, verdict)| ((*id).to_owned(), *verdict)).collect()
    }

    fn pair(direct: &[(&str, Verdict)], through: &[(&str, Verdict)]) -> Pair {
        Pair {
            leg: Leg::Server,
            revision: Revision::Sessions,
            scenario: "ping".to_owned(),
            direct: checks(direct),
            through: checks(through),
        }
    }

    fn exceptions(check: &str) -> Exceptions {
        Exceptions::parse(&format!(
            "[[exception]]\ntitle = 't'\nargument = 'a'\n[[exception.places]]\nleg = 'server'\n\
             revision = '2025-11-25'\nscenario = 'ping'\nchecks = ['{check}']"
        ))
        .unwrap()
    }

    #[test]
    fn equal_runs_leave_nothing_to_say() {
        let same = pair(&[("a", Verdict::Success)], &[("a", Verdict::Success)]);
        assert!(Exceptions { list: Vec::new() }.complaints(&[same]).is_empty());
    }

    #[test]
    fn a_difference_needs_an_argument_and_an_argument_a_difference() {
        let differing = || {
            pair(
                &[("a", Verdict::Success), ("b", Verdict::Success)],
                &[("a", Verdict::Failure), ("b", Verdict::Success)],
            )
        };
        assert!(exceptions("a").complaints(&[differing()]).is_empty());
        let complaints = exceptions("b").complaints(&[differing()]);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].contains("a: directly passed, through Remit failed"));
        assert!(complaints[1].contains("b no longer differs"));
    }

    #[test]
    fn a_check_that_is_missing_on_one_way_differs() {
        let gone = pair(&[("a", Verdict::Success)], &[]);
        let complaints = Exceptions { list: Vec::new() }.complaints(&[gone]);
        assert!(complaints[0].contains("through Remit absent"), "{complaints:?}");
    }

    #[test]
    fn what_fails_directly_is_a_fault_of_ours_even_where_both_ways_agree() {
        let both = pair(&[("a", Verdict::Warning)], &[("a", Verdict::Warning)]);
        let complaints = Exceptions { list: Vec::new() }.complaints(&[both]);
        assert!(complaints[0].contains("expected to pass directly"), "{complaints:?}");
    }
}
