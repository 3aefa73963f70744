#![cfg(test)]
//! What is found where: `cases.toml`, a row each.

use std::fmt::Write as _;

use remit_model::SecretName;
use remit_scan::{Found, find, form, replaced};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    what: String,
    file: String,
    text: String,
    found: Vec<String>,
}

/// Looks random, and is nobody's.
const RANDOM: &str = "q7Zt3VbK9xWm2RdLp8YcJ5hNf4GsTa6EuQ1oBvXiMnPrUwDyHk0zCgFjSeAlO";

/// `text` with what its `~N` stand for.
fn filled(text: &str) -> String {
    let mut parts = text.split('~');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (count, rest) = part.split_at(part.chars().take_while(char::is_ascii_digit).count());
        out.extend(RANDOM.chars().take(count.parse().unwrap()));
        out.push_str(rest);
    }
    out
}

fn cases() -> Vec<Case> {
    let cases: Cases = toml::from_str(include_str!("cases.toml")).unwrap();
    let filled = |case: Case| Case { text: filled(&case.text), ..case };
    cases.case.into_iter().map(filled).collect()
}

fn found(case: &Case) -> Vec<Found> {
    form(&case.file).map_or_else(Vec::new, |form| {
        find(&case.text, form).unwrap_or_else(|why| panic!("{}: {why}", case.what))
    })
}

fn row(found: &Found) -> String {
    let mut row = found.line.to_string() + " ";
    if let Some(server) = &found.server {
        write!(row, "{server}.").unwrap();
    }
    write!(row, "{} {}", found.name, found.kind).unwrap();
    if !(found.before.is_empty() && found.behind.is_empty()) {
        write!(row, "|{}|{}", found.before, found.behind).unwrap();
    }
    if !found.movable {
        row += " stays";
    }
    row
}

#[test]
fn each_file_gives_what_its_row_says() {
    for case in cases() {
        let rows: Vec<_> = found(&case).iter().map(row).collect();
        assert_eq!(rows, case.found, "{}", case.what);
    }
}

#[test]
fn what_was_replaced_is_found_no_more_and_all_else_stays() {
    for case in cases() {
        let movable = |mut found: Vec<Found>| {
            found.retain(|found| found.movable);
            found
        };
        let found = movable(found(&case));
        let names = |n: usize| format!("name-{n}").parse::<SecretName>().unwrap();
        let named: Vec<_> = found.iter().enumerate().map(|(n, found)| (found, names(n))).collect();
        let text = replaced(&case.text, &named);
        let again = form(&case.file).map(|form| find(&text, form).unwrap()).unwrap_or_default();
        assert_eq!(movable(again), [], "{}: {text}", case.what);
        // What was written in another way than it is meant comes back as it is meant.
        let as_written = |found: &Found| case.text.contains(found.secret.reveal());
        if found.iter().all(as_written) {
            let mut back = text;
            for (n, found) in found.iter().enumerate() {
                back = back.replace(&format!("remit:secret/name-{n}"), found.secret.reveal());
            }
            assert_eq!(back, case.text, "{}", case.what);
        }
    }
}

#[test]
fn what_a_unit_quotes_is_kept_as_its_service_gets_it() {
    let unit = |password: &str, token: &str| {
        format!("Environment=\"DB_PASSWORD={password}\" API_TOKEN={token} \"LOG=1\"\n")
    };
    let text = unit(r#"q7Zt3Vb\"K9xWm%%2"#, r#"q7Zt3"VbK9xWm"'2RdLp8'"#);
    let found = find(&text, form("a.service").unwrap()).unwrap();
    let secrets: Vec<_> = found.iter().map(|found| found.secret.reveal()).collect();
    assert_eq!(secrets, [r#"q7Zt3Vb"K9xWm%2"#, "q7Zt3VbK9xWm2RdLp8"]);
    let names = ["db", "api"].map(|name| name.parse::<SecretName>().unwrap());
    let named: Vec<_> = found.iter().zip(names).collect();
    assert_eq!(replaced(&text, &named), unit("remit:secret/db", "remit:secret/api"));
}

#[test]
fn what_is_found_does_not_print() {
    for case in cases() {
        for found in found(&case) {
            assert!(!format!("{found:?}").contains(found.secret.reveal()), "{}", case.what);
        }
    }
}

#[test]
fn names_that_are_suggested_can_be_taken() {
    for case in cases() {
        for found in found(&case) {
            let name = found.suggested_name();
            assert!(name.parse::<SecretName>().is_ok(), "{name}");
        }
    }
}

#[test]
fn what_is_no_json_is_said_with_its_line() {
    let why = find("{\n\"a\": }", form("mcp.json").unwrap()).unwrap_err();
    assert_eq!(why.to_string(), "line 2: expected JSON");
}
