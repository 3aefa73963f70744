#![cfg(test)]
//! The pack keeps what the invariants say, and a loosened copy is found out by a question that shows it.
//! Needs cvc5.

use std::path::{Path, PathBuf};

use remit_model::{
    ArgumentPath, Confidentiality, Evidence, Label, LeafFlow, Provenance, Question, Role, Wanted,
};
use remit_policy::cases::{CaseFile, ToolCase};
use remit_policy::{Snapshot, Source, Verdict as Decided, decide};
use remit_prove::{Claim, Inquiry, Report, Solver, Verdict, invariants, prove};
use serde::Deserialize;

fn policies() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"))
}

/// The files of the pack.
fn pack() -> Vec<Source> {
    let entries = std::fs::read_dir(policies().join("contained")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| Source {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}

fn inquiry(policies: Vec<Source>) -> Inquiry {
    Inquiry {
        policies,
        invariants: invariants(),
        against: None,
        tools: Vec::new(),
        groups: Vec::new(),
    }
}

async fn report(inquiry: &Inquiry) -> Report {
    let mut solver = Solver::start(Path::new("cvc5")).unwrap();
    prove(inquiry, &mut solver, &mut |_, _| {}).await.unwrap_or_else(|why| panic!("{why}"))
}

fn verdict<'r>(report: &'r Report, id: &str) -> &'r Verdict {
    let claim = report.claims.iter().find(|claim: &&Claim| claim.id == id);
    &claim.unwrap_or_else(|| panic!("{id} is not among {report}")).verdict
}

fn shown(report: &Report, id: &str) -> String {
    match verdict(report, id) {
        Verdict::Broken { question } => question.to_string(),
        other => panic!("{id} is {other:?}"),
    }
}

#[tokio::test]
async fn the_pack_keeps_every_invariant_for_every_question() {
    let report = report(&inquiry(pack())).await;
    assert!(report.is_proven(), "{report}");
    assert_eq!(report.claims.len(), 5);
    // All that is lent is taken back from a task that stands still, unless somebody writes a rule.
    assert_eq!(report.warnings, ["`keepLent` is never permitted, whoever approves"]);
}

#[tokio::test]
async fn without_a_solver_it_is_said_what_to_install() {
    let why = Solver::start(Path::new("/nowhere/cvc5")).unwrap_err().to_string();
    assert!(why.starts_with("cannot start the solver `/nowhere/cvc5`: "), "{why}");
    assert!(why.contains("apt-get install cvc5") && why.contains("`CVC5`"), "{why}");
}

/// One way to loosen the pack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loosened {
    name: String,
    find: String,
    replace: String,
    /// The claim that it breaks.
    breaks: String,
    /// Words of the question that shows it.
    shows: Vec<String>,
}

#[derive(Deserialize)]
struct LoosenedFile {
    case: Vec<Loosened>,
}

#[tokio::test]
async fn whatever_loosens_the_pack_is_shown_by_a_question() {
    let file: LoosenedFile = toml::from_str(include_str!("loosened.toml")).unwrap();
    let mut loosened = pack();
    for case in &file.case {
        let stands: usize = loosened.iter().map(|file| file.text.matches(&case.find).count()).sum();
        assert_eq!(stands, 1, "{}", case.name);
        for file in &mut loosened {
            file.text = file.text.replace(&case.find, &case.replace);
        }
    }
    let against = Some(("before".to_owned(), pack()));
    let report = report(&Inquiry { against, ..inquiry(loosened) }).await;
    for case in &file.case {
        let shown = shown(&report, &case.breaks);
        for words in &case.shows {
            assert!(shown.contains(words), "{}: no {words} in {shown}", case.name);
        }
    }
    assert_eq!(report.claims.len(), file.case.len() + 1);
    let wider = shown(&report, "nothing that before does not permit");
    assert!(wider.contains("-within-remit"), "{wider}");
}

/// The facts that proofs rest on hold of what Remit really asks, wherever arguments may come from.
#[test]
fn the_facts_hold_of_every_case() {
    let facts = include_str!("../src/facts.cedar");
    let all = "permit (principal, action, resource);";
    let source = Source { path: "facts.cedar".into(), text: format!("{facts}\n{all}") };
    let text = std::fs::read_to_string(policies().join("cases/contained.toml")).unwrap();
    let file: CaseFile = toml::from_str(&text).unwrap();
    let tools: Vec<_> = file.tools.iter().map(|tool| ToolCase::tool(tool).unwrap()).collect();
    let snapshot = Snapshot::compile(std::slice::from_ref(&source), &tools, &file.groups).unwrap();
    let mut asked = 0;
    for case in file.cases {
        let question = case.scene.question(&tools).unwrap();
        for question in [vec![question.clone()], wherever_from(&question)].concat() {
            let reasons = match decide(&snapshot, question) {
                Decided::Permit(_) => Vec::new(),
                Decided::Hold(hold) => hold.reasons().to_vec(),
                Decided::Deny(denied) => denied.refusal().reasons.clone(),
            };
            let own = reasons.iter().filter(|reason| !reason.policy.starts_with("remit:"));
            assert_eq!(own.count(), 0, "{}: {reasons:?}", case.name);
            asked += 1;
        }
    }
    assert!(asked > 1000, "{asked}");
}

/// `question` with arguments of each role from everywhere, in tasks that are sealed and that are not.
fn wherever_from(question: &Question) -> Vec<Question> {
    let mut all = Vec::new();
    let roles = [Role::Target, Role::Content, Role::Selector, Role::Amount, Role::Secret];
    for role in roles {
        for provenance in Provenance::ALL {
            for (sealed, pointed) in [(false, false), (false, true), (true, false), (true, true)] {
                let evidence = Evidence {
                    source: "mail/read".into(),
                    decision: None,
                    field: None,
                    pointed,
                    excerpt: String::new(),
                };
                let path = ArgumentPath("x".into());
                let label =
                    Label { confidentiality: Confidentiality::Restricted, ..Label::default() };
                let leaf = LeafFlow {
                    path,
                    role,
                    provenance,
                    label,
                    evidence: Some(evidence),
                    foreseen: None,
                };
                let mut question = question.clone();
                question.task.sealed = sealed;
                question.flow = vec![leaf];
                all.push(question);
            }
        }
    }
    for wanted in [Wanted::Named, Wanted::Open, Wanted::Planned, Wanted::No] {
        all.push(Question { wanted, ..question.clone() });
    }
    all
}
