#![cfg(test)]
//! The pack `contained` answers as its case files say, and every rule of it is shown to matter.

use std::collections::BTreeSet;
use std::path::Path;

use remit_policy::cases::{self, CaseResult};
use remit_policy::{CONTAINED, Snapshot, Source};

fn contained() -> Vec<Source> {
    let source = |(path, text): &(&str, &str)| Source {
        path: format!("contained/{path}"),
        text: (*text).to_owned(),
    };
    CONTAINED.iter().map(source).collect()
}

fn policies() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"))
}

fn cases() -> Vec<CaseResult> {
    let text = std::fs::read_to_string(policies().join("cases/contained.toml")).unwrap();
    cases::run(&contained(), &[], &text).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn every_case_gets_its_answer() {
    let results = cases();
    let wrong: Vec<String> = results
        .iter()
        .filter(|result| !result.passed)
        .map(|result| format!("{}: expected {}, got {}", result.name, result.expected, result.got))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(results.len() > 40);
}

#[test]
fn every_rule_determines_some_case() {
    let reasons: BTreeSet<String> =
        cases().into_iter().filter_map(|result| result.got.reasons).flatten().collect();
    let snapshot = Snapshot::compile(&contained(), &[], &[]).unwrap();
    for policy in snapshot.policies() {
        assert!(reasons.contains(&policy.id), "no case is determined by `{}`", policy.id);
    }
}

#[test]
fn the_pack_loads_without_tools_and_without_warnings_and_documents_itself() {
    let snapshot = Snapshot::compile(&contained(), &[], &[]).unwrap();
    assert_eq!(snapshot.warnings(), []);
    for policy in snapshot.policies() {
        assert!(policy.reason.is_some(), "`{}` states no @reason", policy.id);
        assert!(!policy.controls.is_empty(), "`{}` states no @controls", policy.id);
        assert!(!policy.text.contains("Action::\"server:"), "`{}` names a server", policy.id);
        let forbids = policy.effect.to_string() == "forbid";
        assert!(!forbids || policy.remedy.is_some(), "`{}` states no @remedy", policy.id);
    }
}

#[test]
fn the_binary_carries_the_files_as_they_are() {
    let mut files: Vec<String> = std::fs::read_dir(policies().join("contained"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut carried: Vec<&str> = CONTAINED.iter().map(|(name, _)| *name).collect();
    carried.sort_unstable();
    assert_eq!(files, carried);
    for (name, text) in CONTAINED {
        let on_disk = std::fs::read_to_string(policies().join("contained").join(name)).unwrap();
        assert_eq!(*text, on_disk);
    }
}
