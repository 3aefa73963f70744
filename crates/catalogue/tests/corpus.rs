#![cfg(test)]
//! How often the rules agree with people, on tools that were not used to write them.
//!
//! `corpus/*.json` hold what servers answer to `tools/list`, `corpus/*.txt` labels by hand. Where they
//! come from and in which order things were done is in `corpus/README.md`; the table in
//! `docs/profiles.md` is what is counted here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use remit_catalogue::{Definition, Overrides, infer};
use remit_model::{Effect, Profile, Role};
use serde_json::value::RawValue;

/// One part of one tool's profile: what the rules say, and what a person.
struct Part {
    name: &'static str,
    place: String,
    found: String,
    label: String,
    /// Whether the rules assume less than the person.
    unsafe_side: bool,
}

/// A person's word on a tool.
struct Label {
    effect: String,
    reach: String,
    returns: String,
    roles: BTreeMap<String, String>,
}

fn labels(text: &str) -> BTreeMap<String, Label> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (tool, rest) = line.split_once(": ").unwrap();
            let mut parts = rest.split(" | ");
            let first: Vec<_> = parts.next().unwrap().split(' ').map(str::to_owned).collect();
            let [effect, reach, returns] = first.try_into().unwrap();
            let roles = parts.map(|part| part.split_once(' ').unwrap());
            let roles = roles.map(|(path, role)| (path.to_owned(), role.to_owned())).collect();
            (tool.to_owned(), Label { effect, reach, returns, roles })
        })
        .collect()
}

fn word(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn rank(order: &[&str], word: &str) -> usize {
    order.iter().position(|other| *other == word).unwrap_or_else(|| panic!("no {word}"))
}

fn compare(tool: &str, profile: &Profile, label: &Label) -> Vec<Part> {
    let part = |name, place: &str, found: String, label: &str, order: &[&str]| {
        let unsafe_side = rank(order, &found) < rank(order, label);
        Part { name, place: place.to_owned(), found, label: label.to_owned(), unsafe_side }
    };
    let effects = ["read", "write", "send", "execute", "destroy"];
    let mut parts = vec![
        part("effect", tool, word(profile.effect.value), &label.effect, &effects),
        part(
            "reach",
            tool,
            word(profile.reach.value),
            &label.reach,
            &["local", "internal", "external"],
        ),
        part(
            "returns",
            tool,
            word(profile.returns.value),
            &label.returns,
            &["trusted", "untrusted"],
        ),
    ];
    if profile.effect.value != Effect::Read {
        for (path, expected) in &label.roles {
            let role = profile.argument(path).role;
            let place = format!("{tool} {path}");
            let unsafe_side = match expected.as_str() {
                "target" => role != Role::Target,
                "secret" => role != Role::Secret,
                _ => false,
            };
            let label = expected.clone();
            parts.push(Part { name: "role", place, found: word(role), label, unsafe_side });
        }
    }
    parts
}

fn parts(servers: &str, labelled: &str) -> Vec<Part> {
    let servers: BTreeMap<String, Vec<Box<RawValue>>> = serde_json::from_str(servers).unwrap();
    let mut labels = labels(labelled);
    let mut parts = Vec::new();
    for (server, tools) in servers {
        for tool in tools {
            let definition = Definition::parse(tool.get()).unwrap();
            let name = format!("{server}/{}", definition.name());
            let label = labels.remove(&name).unwrap_or_else(|| panic!("no label for {name}"));
            let profile = infer(&definition, &server, &Overrides::default());
            parts.extend(compare(&name, &profile, &label));
        }
    }
    assert!(labels.is_empty(), "no such tools: {:?}", labels.keys());
    parts
}

const DEVELOPMENT: (&str, &str) =
    (include_str!("corpus/development.json"), include_str!("corpus/development.txt"));
const HELD_OUT: (&str, &str) =
    (include_str!("corpus/held-out.json"), include_str!("corpus/held-out.txt"));
const PAGE: &str = include_str!("../../../docs/profiles.md");

/// Where the rules assume less than people, among the tools that were not used to write them.
const MISSES: &[&str] = &[
    // Whoever is assigned acts on what the comment says; nothing in the name tells that.
    "effect github/assign_copilot_to_issue",
    // Its twin `create_gist` has a switch `public`; the update has not, and its snippet may be.
    "effect github/update_gist",
];

#[test]
fn what_is_assumed_is_never_less_than_what_people_say() {
    let missed = |(servers, labels): (&str, &str)| -> Vec<String> {
        let parts = parts(servers, labels).into_iter().filter(|part| part.unsafe_side);
        parts.map(|part| format!("{} {}", part.name, part.place)).collect()
    };
    assert_eq!(missed(DEVELOPMENT), [""; 0]);
    assert_eq!(missed(HELD_OUT), MISSES);
}

#[test]
fn the_page_says_how_often_rules_and_people_agree() {
    let mut table = String::from(
        "| part | made with | same | safe side | other side | held out | same | safe side | other side |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let sets = [DEVELOPMENT, HELD_OUT].map(|(servers, labels)| parts(servers, labels));
    for name in ["effect", "reach", "returns", "role"] {
        let _ = write!(table, "| {name} ");
        for set in &sets {
            let all: Vec<&Part> = set.iter().filter(|part| part.name == name).collect();
            let same = all.iter().filter(|part| part.found == part.label).count();
            let less = all.iter().filter(|part| part.unsafe_side).count();
            let _ =
                write!(table, "| {} | {same} | {} | {less} ", all.len(), all.len() - same - less);
        }
        table.push_str("|\n");
    }
    assert!(PAGE.contains(&table), "docs/profiles.md should hold:\n{table}");
}
