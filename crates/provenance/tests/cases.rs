#![cfg(test)]
//! Where values came from: `cases/*.toml`, a row each.

use std::fmt::Write as _;
use std::path::Path;

use remit_model::{ArgumentPath, Confidentiality, Integrity, Label, LeafFlow, Role, ToolId, Value};
use remit_provenance::{Index, Seen, Source};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is shown.
    what: String,
    /// What people said.
    #[serde(default)]
    said: Vec<String>,
    /// What was returned, in order.
    #[serde(default)]
    saw: Vec<Saw>,
    /// The arguments of the call.
    call: String,
    /// What arguments are for; without a row, an argument is a target.
    #[serde(default)]
    role: std::collections::BTreeMap<String, Role>,
    /// `path provenance`, of every leaf, then the source and the field of the evidence if the row has them.
    found: Vec<String>,
    /// How confidential the leaves are together.
    #[serde(default)]
    carries: Confidentiality,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saw {
    tool: String,
    #[serde(default)]
    json: Option<String>,
    #[serde(default)]
    text: Vec<String>,
    #[serde(default)]
    document: Vec<String>,
    #[serde(default)]
    pointed: bool,
    #[serde(default)]
    trusted: bool,
    #[serde(default)]
    confidentiality: Confidentiality,
}

fn found(case: &Case) -> Vec<LeafFlow> {
    let mut index = Index::default();
    for said in &case.said {
        index.give("purpose", said);
    }
    for (decision, saw) in (0..).zip(&case.saw) {
        let structured = saw.json.as_ref().map(|json| Value::parse(json).unwrap());
        let texts: Vec<&str> = saw.text.iter().map(String::as_str).collect();
        let server = "store".parse().unwrap();
        let integrity =
            if saw.trusted { Integrity::Trusted } else { Integrity::untrusted("store") };
        let confidentiality = saw.confidentiality;
        let source = Source {
            tool: ToolId::new(&server, &saw.tool),
            decision,
            pointed: saw.pointed,
            label: Label { confidentiality, integrity, ..Label::default() },
        };
        let documents: Vec<&str> = saw.document.iter().map(String::as_str).collect();
        let structured = structured.as_ref();
        index.see(&source, Seen { structured, texts: &texts, documents: &documents });
    }
    let role =
        |path: &ArgumentPath| case.role.get(path.0.as_str()).copied().unwrap_or(Role::Target);
    index.trace(&role, &Value::parse(&case.call).unwrap())
}

/// The row of a leaf, with as many words as `expected` has.
fn row(leaf: &LeafFlow, expected: &str) -> String {
    let mut row = format!("{} {}", leaf.path, leaf.provenance.name());
    if let Some(evidence) = &leaf.evidence {
        write!(row, " {}", evidence.source).unwrap();
        if evidence.pointed {
            row.push_str("(pointed)");
        }
        write!(row, " {}", evidence.field.as_deref().unwrap_or("-")).unwrap();
    }
    let words = expected.split(' ').count().max(2);
    row.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_value_comes_from_where_the_cases_say() {
    let mut wrong = String::new();
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let cases: Cases = toml::from_str(&text).unwrap_or_else(|why| panic!("{file:?}: {why}"));
        for case in &cases.case {
            count += 1;
            let leaves = found(case);
            let rows: Vec<_> = (0..leaves.len())
                .map(|at| row(&leaves[at], case.found.get(at).map_or("", String::as_str)))
                .collect();
            let carried = leaves.iter().map(|leaf| leaf.label.confidentiality).max();
            if rows != case.found || carried.unwrap_or_default() != case.carries {
                writeln!(wrong, "{:?} {}: {rows:?} {carried:?}", file.file_name(), case.what)
                    .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= 60, "{count} cases");
}
