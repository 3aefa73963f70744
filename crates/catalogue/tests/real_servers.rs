#![cfg(test)]
//! What inference says of servers that other people wrote, line by line.
//!
//! `data/servers.json` holds their `tools/list` answers, byte for byte but for the order of members
//! (server-everything, -filesystem and -memory 2026.8.31, mcp-server-git 2026.10.19, mcp-server-fetch
//! 2026.10.24; MIT). `data/profiles.txt` is the expectation; a rule that changes a line of it changes
//! what people's policies see. After a change that is meant, the failing test prints the new file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use remit_catalogue::{Definition, Overrides, flags, infer};
use remit_model::Profile;
use remit_model::tool::Origin;
use serde_json::value::RawValue;

const SERVERS: &str = include_str!("data/servers.json");
const PROFILES: &str = include_str!("data/profiles.txt");

fn definitions() -> Vec<(String, Definition)> {
    let servers: BTreeMap<String, Vec<Box<RawValue>>> = serde_json::from_str(SERVERS).unwrap();
    servers
        .into_iter()
        .flat_map(|(server, tools)| {
            tools
                .into_iter()
                .map(move |tool| (server.clone(), Definition::parse(tool.get()).unwrap()))
        })
        .collect()
}

/// `?` marks what was assumed, `@` what an annotation raised.
fn mark(origin: &Origin) -> &'static str {
    match origin {
        Origin::Assumed => "?",
        Origin::Annotated(_) => "@",
        Origin::Inferred(_) | Origin::Configured => "",
    }
}

fn render(server: &str, definition: &Definition, profile: &Profile) -> String {
    let mut line = format!(
        "{server}/{}: {:?}{} {:?}{} {:?}{} {:?}{}",
        definition.name(),
        profile.effect.value,
        mark(&profile.effect.origin),
        profile.reach.value,
        mark(&profile.reach.origin),
        profile.returns.value,
        mark(&profile.returns.origin),
        profile.sensitivity.value,
        mark(&profile.sensitivity.origin),
    )
    .to_lowercase();
    for (path, known) in &profile.arguments {
        let kind = known.value.kind.map_or(String::new(), |kind| format!(":{kind}"));
        let role = format!("{:?}", known.value.role).to_lowercase();
        let _ = write!(line, " | {path} {role}{kind}{}", mark(&known.origin));
    }
    line
}

#[test]
fn every_tool_has_the_profile_that_was_reviewed() {
    let mut found = String::new();
    for (server, definition) in definitions() {
        let profile = infer(&definition, &server, &Overrides::default());
        found.push_str(&render(&server, &definition, &profile));
        found.push('\n');
    }
    let differing: Vec<_> = found.lines().zip(PROFILES.lines()).filter(|(a, b)| a != b).collect();
    assert!(found == PROFILES, "differing: {differing:#?}\n\nall:\n{found}");
}

#[test]
fn honest_servers_raise_no_flags() {
    for (server, definition) in definitions() {
        assert_eq!(flags(&definition), [""; 0], "{server}/{}", definition.name());
    }
}

#[test]
fn a_server_whose_annotations_are_trusted_has_fewer_unknown_effects() {
    let unknown = |trust_annotations: bool| {
        let overrides = Overrides { trust_annotations, ..Overrides::default() };
        definitions()
            .iter()
            .filter(|(server, definition)| {
                infer(definition, server, &overrides).effect.origin == Origin::Assumed
            })
            .count()
    };
    assert!(unknown(false) > 0);
    assert_eq!(unknown(true), 0);
}
