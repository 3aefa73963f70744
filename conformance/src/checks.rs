//! What the suite says of one run: for each scenario its checks, for each check its verdicts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::Failure;

/// How a check ended, the worst last. What is only informative is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Info,
    Skipped,
    Success,
    Warning,
    Failure,
}

/// The verdicts of one scenario by the id of the check. Where an id occurs more than once its worst
/// verdict stands, as in the suite's own lists of expected failures.
pub(crate) type Checks = BTreeMap<String, Verdict>;

/// One check as the suite writes it.
#[derive(Debug, Deserialize)]
struct Written {
    id: String,
    status: Verdict,
}

/// Reads what the suite wrote into `folder`: one folder per scenario, named for it and the time.
///
/// Errors: there is nothing, or something of another form.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Checks>, Failure> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path().join("checks.json")).map_err(failed)?;
        let scenario = scenario(&name).ok_or_else(|| {
            format!("expected a folder named for a scenario and a time, got `{name}`")
        })?;
        found.insert(scenario.to_owned(), parse(&text).map_err(|e| format!("{name}: {e}"))?);
    }
    Ok(found)
}

fn parse(text: &str) -> serde_json::Result<Checks> {
    let written: Vec<Written> = serde_json::from_str(text)?;
    let mut checks = Checks::new();
    for check in written.into_iter().filter(|check| check.status != Verdict::Info) {
        let verdict = checks.entry(check.id).or_insert(check.status);
        *verdict = check.status.max(*verdict);
    }
    Ok(checks)
}

/// The scenario of a folder: `server-ping-2026-01-31T10-20-30-400Z` is `ping`'s.
fn scenario(folder: &str) -> Option<&str> {
    const TIME: usize = "-2026-01-31T10-20-30-400Z".len();
    let end = folder.len().checked_sub(TIME)?;
    let (name, time) = (folder.get(..end)?, folder.get(end..)?);
    let name =
        name.strip_prefix("authorization-server-").or(name.strip_prefix("server-")).unwrap_or(name);
    (time.starts_with('-') && time.ends_with('Z') && !name.is_empty()).then_some(name)
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "passed",
            Self::Skipped => "skipped",
            Self::Warning => "warned",
            Self::Failure => "failed",
            Self::Info => "informed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_scenario() {
        assert_eq!(scenario("server-ping-2026-01-31T10-20-30-400Z"), Some("ping"));
        let own = "server-server-stateless-2026-01-31T10-20-30-400Z";
        assert_eq!(scenario(own), Some("server-stateless"));
        assert_eq!(scenario("tools_call-2026-01-31T10-20-30-400Z"), Some("tools_call"));
        for bad in ["", "x", "-2026-01-31T10-20-30-400Z", "tools_call"] {
            assert_eq!(scenario(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_worst_verdict_stands_and_information_is_none() {
        let text = r#"[{"id":"a","status":"SUCCESS"},{"id":"b","status":"INFO"},
            {"id":"a","status":"FAILURE","errorMessage":"x"},{"id":"a","status":"SKIPPED"}]"#;
        let checks = parse(text).unwrap();
        let expected = [("a".to_owned(), Verdict::Failure)];
        assert_eq!(checks, expected.into());
    }
}
