//! `remit-bench parts`: what `cargo bench` last measured of the parts, as a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli;
use crate::fail::Fail;

/// What Criterion keeps of a benchmark's name.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    group_id: String,
    function_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Prints the table.
///
/// Errors: nothing was measured yet.
pub(crate) fn run(args: &cli::Parts) -> Result<(), Fail> {
    let mut measured = Vec::new();
    find(&args.criterion, &mut measured)?;
    if measured.is_empty() {
        return Err(Fail::new(format!(
            "expected what `cargo bench -p remit-bench` leaves in {}, found nothing",
            args.criterion.display()
        )));
    }
    measured.sort_by(|one, other| natural(&one.0).cmp(&natural(&other.0)));
    args.page.publish(&markdown(&measured)?)
}

fn markdown(measured: &[(Name, f64)]) -> Result<String, std::fmt::Error> {
    let mut text = "| Part | | µs |\n|---|---|---|\n".to_owned();
    for (Name { group_id, function_id }, nanoseconds) in measured {
        writeln!(text, "| {group_id} | {function_id} | {:.2} |", nanoseconds / 1e3)?;
    }
    Ok(text)
}

/// So that 1,000 comes after 100.
fn natural(name: &Name) -> (usize, &Name) {
    (name.group_id.len(), name)
}

/// Collects name and median (in ns) of every benchmark below `folder`.
fn find(folder: &Path, measured: &mut Vec<(Name, f64)>) -> Result<(), Fail> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let newest = folder.join("new");
    if newest.is_dir() {
        let estimates: Estimates = read(&newest.join("estimates.json"))?;
        measured.push((read(&newest.join("benchmark.json"))?, estimates.median.point_estimate));
        return Ok(());
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.iter().try_for_each(|folder| find(folder, measured))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Fail> {
    let bytes = std::fs::read(path)?;
    serde_json::from_slice(&bytes).map_err(|why| Fail::new(format!("{}: {why}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_left_is_found_and_ordered() {
        let dir = tempfile::tempdir().unwrap();
        for (group, median) in [("decide, 1000 policies", 7_000.0), ("decide, 100 policies", 500.0)]
        {
            let newest = dir.path().join(group).join("permit/new");
            std::fs::create_dir_all(&newest).unwrap();
            let name = format!("{{\"group_id\":\"{group}\",\"function_id\":\"permit\",\"x\":1}}");
            std::fs::write(newest.join("benchmark.json"), name).unwrap();
            let estimates = format!("{{\"median\":{{\"point_estimate\":{median}}}}}");
            std::fs::write(newest.join("estimates.json"), estimates).unwrap();
        }
        let mut measured = Vec::new();
        find(dir.path(), &mut measured).unwrap();
        measured.sort_by(|one, other| natural(&one.0).cmp(&natural(&other.0)));
        let text = markdown(&measured).unwrap();
        let lines: Vec<_> = text.lines().skip(2).collect();
        let expected = [
            "| decide, 100 policies | permit | 0.50 |",
            "| decide, 1000 policies | permit | 7.00 |",
        ];
        assert_eq!(lines, expected);
    }
}
