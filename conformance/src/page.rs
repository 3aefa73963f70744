//! The page of results: `docs/conformance.md`. It holds nothing that differs from run to run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::checks::{Checks, Verdict};
use crate::compare::{Difference, Exception, Exceptions, Pair, word};
use crate::suite::{Leg, Revision};

/// What stands above the results.
const OPENING: &str = include_str!("../page.md");

/// The page about `pairs`, whose differences `exceptions` argue for, and about what only Remit is asked
/// (`own`).
pub(crate) fn render(
    pairs: &[Pair],
    exceptions: &Exceptions,
    own: &BTreeMap<String, Checks>,
) -> String {
    let mut page = OPENING.to_owned();
    summary(&mut page, pairs);
    page.push_str("\n## Every difference, argued\n");
    let differences: Vec<Difference> = pairs.iter().flat_map(Pair::differences).collect();
    if differences.is_empty() {
        page.push_str("\nThere is none.\n");
    }
    for exception in &exceptions.list {
        let of_it = differences.iter().filter(|difference| {
            exceptions.of(difference).is_some_and(|found| std::ptr::eq(found, exception))
        });
        argued(&mut page, exception, of_it);
    }
    for leg in [Leg::Server, Leg::Client] {
        for revision in Revision::ALL {
            scenarios(&mut page, leg, revision, pairs);
        }
    }
    authorization(&mut page, own);
    page
}

fn authorization(page: &mut String, own: &BTreeMap<String, Checks>) {
    line(page, "\n## Authorization server scenarios\n");
    line(page, "| Scenario | Checks passed |");
    line(page, "|---|---|");
    for (scenario, checks) in own {
        line(page, &format!("| {scenario} | {} |", share(checks)));
    }
}

fn summary(page: &mut String, pairs: &[Pair]) {
    line(
        page,
        "\n| Requirement set | Scenarios | Checks passed directly | through Remit | different |",
    );
    line(page, "|---|---|---|---|---|");
    for leg in [Leg::Server, Leg::Client] {
        for revision in Revision::ALL {
            let mut row = Row::default();
            for pair in of(pairs, leg, revision) {
                row.add(pair);
            }
            let Row { scenarios, direct, through, different } = row;
            let cells = format!("{scenarios} | {direct} | {through} | {different}");
            line(page, &format!("| {leg}, {revision} | {cells} |"));
        }
    }
}

#[derive(Debug, Default)]
struct Row {
    scenarios: usize,
    direct: usize,
    through: usize,
    different: usize,
}

impl Row {
    fn add(&mut self, pair: &Pair) {
        self.scenarios += 1;
        self.direct += passed(&pair.direct);
        self.through += passed(&pair.through);
        self.different += pair.differences().len();
    }
}

fn argued<'a>(
    page: &mut String,
    exception: &Exception,
    differences: impl Iterator<Item = &'a Difference>,
) {
    let Exception { title, argument, .. } = exception;
    line(page, &format!("\n### {title}\n\n{}\n", argument.trim()));
    line(page, "| Set | Scenario | Check | Directly | Through Remit |");
    line(page, "|---|---|---|---|---|");
    for difference in differences {
        let Difference { leg, revision, scenario, check, .. } = difference;
        let (direct, through) = (word(difference.direct), word(difference.through));
        line(
            page,
            &format!("| {leg}, {revision} | {scenario} | `{check}` | {direct} | {through} |"),
        );
    }
}

fn scenarios(page: &mut String, leg: Leg, revision: Revision, pairs: &[Pair]) {
    let title = match leg {
        Leg::Server => "Server scenarios",
        Leg::Client => "Client scenarios",
    };
    line(page, &format!("\n## {title}, {revision}\n"));
    line(page, "| Scenario | Checks passed directly | through Remit |");
    line(page, "|---|---|---|");
    for pair in of(pairs, leg, revision) {
        let (direct, through) = (share(&pair.direct), share(&pair.through));
        line(page, &format!("| {} | {direct} | {through} |", pair.scenario));
    }
}

fn of(pairs: &[Pair], leg: Leg, revision: Revision) -> impl Iterator<Item = &Pair> {
    pairs.iter().filter(move |pair| pair.leg == leg && pair.revision == revision)
}

fn passed(checks: &Checks) -> usize {
    checks.values().filter(|verdict| **verdict == Verdict::Success).count()
}

fn share(checks: &Checks) -> String {
    format!("{} of {}", passed(checks), checks.len())
}

fn line(page: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stands_under_its_argument() {
        let checks = |verdict| Checks::from([("a".to_owned(), verdict)]);
        let pair = Pair {
            leg: Leg::Server,
            revision: Revision::Stateless,
            scenario: "caching".to_owned(),
            direct: checks(Verdict::Success),
            through: checks(Verdict::Failure),
        };
        let exceptions = Exceptions::parse(
            "[[exception]]\ntitle = 'Lists are private'\nargument = 'They are.'\n\
             [[exception.places]]\nleg = 'server'\nrevision = '2026-07-28'\n\
             scenario = 'caching'\nchecks = ['a']",
        );
        let own = BTreeMap::from([("metadata".to_owned(), checks(Verdict::Success))]);
        let page = render(&[pair], &exceptions.unwrap(), &own);
        assert!(page.contains("| server, 2026-07-28 | 1 | 1 | 0 | 1 |"), "{page}");
        let argued = "### Lists are private\n\nThey are.\n\n\
            | Set | Scenario | Check | Directly | Through Remit |\n|---|---|---|---|---|\n\
            | server, 2026-07-28 | caching | `a` | passed | failed |";
        assert!(page.contains(argued), "{page}");
        assert!(page.contains("| caching | 1 of 1 | 0 of 1 |"), "{page}");
        assert!(page.ends_with("| metadata | 1 of 1 |\n"), "{page}");
    }
}
