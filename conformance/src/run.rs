//! The whole run: every scenario both ways, the comparison, the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::checks::Checks;
use crate::compare::{Exceptions, Pair};
use crate::stand::{self, Stand};
use crate::suite::{Leg, Revision, Suite};
use crate::{Failure, authorization, fixture, page, say};

/// Where the page is.
const PAGE: &str = "docs/conformance.md";

/// Runs everything for the checkout at `root`; writes the page, or only compares it (`check`).
///
/// Errors: something could not run, a difference nobody argued for, a page that is out of date.
pub(crate) async fn run(root: &Path, check: bool) -> Result<(), Failure> {
    let suite = Suite::installed(&root.join("conformance"))?;
    let exceptions = Exceptions::parse(&read(&root.join("conformance/exceptions.toml"))?)?;
    let mut pairs = Vec::new();
    for revision in Revision::ALL {
        pairs.extend(server(&suite, revision).await?);
        pairs.extend(client(&suite, revision).await?);
    }
    pairs.sort_by_key(|pair| (pair.leg, pair.revision, pair.scenario.clone()));
    let complaints = exceptions.complaints(&pairs);
    if !complaints.is_empty() {
        return Err(format!("{} complaints:\n{}", complaints.len(), complaints.join("\n")));
    }
    let own = authorization::run(&suite, root).await?;
    let fresh = page::render(&pairs, &exceptions, &own);
    let path = root.join(PAGE);
    if !check {
        return std::fs::write(&path, fresh).map_err(|e| format!("cannot write {PAGE}: {e}"));
    }
    if read(&path)? == fresh {
        return Ok(());
    }
    Err(format!("{PAGE} is out of date: run `cargo xtask conformance` and commit the page"))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// The server scenarios. Each way has a fixture of its own, because some scenarios change it.
async fn server(suite: &Suite, revision: Revision) -> Result<Vec<Pair>, Failure> {
    let started = |error: std::io::Error| format!("the fixture cannot be started: {error}");
    say(&format!("{revision}: server scenarios, directly"));
    let url = fixture::start().await.map_err(started)?;
    let direct = suite.server(&url, revision, "none is needed").await?;
    say(&format!("{revision}: server scenarios, through Remit"));
    let stand = Stand::up(&fixture::start().await.map_err(started)?).await?;
    let through = suite.server(&stand.endpoint(), revision, &stand.grant().await?).await?;
    Ok(paired(Leg::Server, revision, direct, through))
}

/// The client scenarios.
async fn client(suite: &Suite, revision: Revision) -> Result<Vec<Pair>, Failure> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    stand::remit()?;
    let (mut direct, mut through) = (BTreeMap::new(), BTreeMap::new());
    for scenario in revision.client_scenarios() {
        say(&format!("{revision}: client scenario {scenario}"));
        let agent = format!("{} agent", own.display());
        let found = suite.client(&agent, scenario, revision).await?;
        direct.insert((*scenario).to_owned(), found);
        let found = suite.client(&format!("{agent} --through"), scenario, revision).await?;
        through.insert((*scenario).to_owned(), found);
    }
    Ok(paired(Leg::Client, revision, direct, through))
}

fn paired(
    leg: Leg,
    revision: Revision,
    mut direct: BTreeMap<String, Checks>,
    mut through: BTreeMap<String, Checks>,
) -> Vec<Pair> {
    let scenarios: BTreeSet<String> = direct.keys().chain(through.keys()).cloned().collect();
    let pair = |scenario: String| Pair {
        leg,
        revision,
        direct: direct.remove(&scenario).unwrap_or_default(),
        through: through.remove(&scenario).unwrap_or_default(),
        scenario,
    };
    scenarios.into_iter().map(pair).collect()
}
