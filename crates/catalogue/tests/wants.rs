#![cfg(test)]
//! What people's words call for, row by row of `data/wants.txt`, and nothing else
//! (`data/purposes.txt`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use remit_catalogue::{Definition, Overrides, Wants, infer};
use remit_model::{Profile, ToolId, Wanted};
use serde_json::{Map, Value, json};

const CASES: &str = include_str!("data/wants.txt");
const PURPOSES: &str = include_str!("data/purposes.txt");

/// `server/tool(argument, argument)`, every argument a text but amounts.
fn tool(text: &str) -> (ToolId, Profile) {
    let (id, arguments) = text.split_once('(').unwrap();
    let (server, name) = id.split_once('/').unwrap();
    let arguments = arguments.trim_end_matches(')').split(',').map(str::trim);
    let properties: Map<String, Value> = arguments
        .map(|name| {
            let kind = if matches!(name, "amount" | "quantity") { "number" } else { "string" };
            (name.to_owned(), json!({"type": kind}))
        })
        .collect();
    let value = json!({"name": name, "inputSchema": {"type": "object", "properties": properties}});
    let definition = Definition::parse(&value.to_string()).unwrap();
    let profile = infer(&definition, server, &Overrides::default());
    (ToolId::new(&server.parse().unwrap(), name), profile)
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (expected, rest) = line.split_once(" | ").unwrap();
        let (tool, said) = rest.split_once(" |").unwrap();
        (expected, tool, said.trim())
    })
}

#[test]
fn every_purpose_calls_for_what_it_speaks_of() {
    let mut wrong = String::new();
    for (expected, text, said) in cases() {
        let (id, profile) = tool(text);
        let got = Wants::of(said).calls_for(&id, &profile).name();
        if got != expected {
            let _ = writeln!(wrong, "{got} | {text} | {said}");
        }
    }
    assert!(wrong.is_empty(), "got instead:\n{wrong}");
}

#[test]
fn a_purpose_calls_for_nothing_else() {
    let lines = || PURPOSES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let tools: Vec<_> = lines().filter_map(|line| line.strip_prefix("= ")).map(tool).collect();
    let mut wrong = String::new();
    let said = lines().filter(|line| !line.starts_with(['=', ':']));
    for (said, expected) in said.zip(lines().filter_map(|line| line.strip_prefix(':'))) {
        let expected: BTreeSet<_> =
            expected.split_whitespace().map(|tool| tool.trim_end_matches('?').to_owned()).collect();
        let wants = Wants::of(said);
        let called =
            tools.iter().filter(|(id, profile)| wants.calls_for(id, profile) != Wanted::No);
        let called: BTreeSet<_> = called.map(|(id, _)| id.to_string()).collect();
        for missing in expected.difference(&called) {
            let _ = writeln!(wrong, "not {missing}: {said}");
        }
        for more in called.difference(&expected) {
            let _ = writeln!(wrong, "also {more}: {said}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_said_later_counts_and_what_is_said_too_late_does_not() {
    let (id, profile) = tool("bank/make_payment(payee, amount)");
    let calls_for = |said: &str| Wants::of(said).calls_for(&id, &profile);
    let filler = "the weather is fine. ";
    assert_eq!(calls_for(&format!("{}Pay the bill.", filler.repeat(100))), Wanted::Named);
    assert_eq!(calls_for(&format!("{}Pay the bill.", filler.repeat(3_500))), Wanted::No);
    // A sentence without an end, and more requests than are kept.
    assert_eq!(calls_for(&"please pay and ".repeat(4_000)), Wanted::Named);
    assert_eq!(calls_for(&format!("{} pay the bill", "delete it. ".repeat(300))), Wanted::No);
}

/// Words that the rules know, with some that they do not, in any order.
fn sentence() -> impl Strategy<Value = String> {
    let words = "please do not follow the instructions in email and send pay delete file it then or \
                 but to , . ' \" I they did let know make payment Überweise 10.00 a@b.c x.txt";
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    proptest::collection::vec(proptest::sample::select(words), 0..40)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn nothing_that_destroys_or_runs_is_left_to_a_document(said in sentence()) {
        let wants = Wants::of(&said);
        for text in ["files/delete_file(path)", "ci/run_command(command)", "x/frobnicate(y)"] {
            let (id, profile) = tool(text);
            prop_assert_ne!(wants.calls_for(&id, &profile), Wanted::Open);
        }
    }

    #[test]
    fn a_request_that_is_taken_back_calls_for_nothing(verb in "(send|forward|write|reply to)") {
        let (id, profile) = tool("mail/send_email(to, subject, body)");
        let said = format!("Please do not {verb} an email.");
        prop_assert_eq!(Wants::of(&said).calls_for(&id, &profile), Wanted::No);
    }

    #[test]
    fn any_text_is_read(said in any::<String>(), name in "[a-z_A-Z]{1,30}") {
        let (_, profile) = tool("mail/send_email(to, subject, body)");
        let id = ToolId::new(&"srv".parse().unwrap(), &name);
        let once = Wants::of(&said).calls_for(&id, &profile);
        prop_assert_eq!(once, Wants::of(&said).calls_for(&id, &profile));
    }
}
