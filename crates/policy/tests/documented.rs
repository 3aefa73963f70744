#![cfg(test)]
//! What `docs/policy.md` shows works, and it names every rule of the pack `contained`.

use remit_policy::cases;
use remit_policy::{CONTAINED, Snapshot, Source};

const PAGE: &str = include_str!("../../../docs/policy.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let found: Vec<&str> =
        PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!found.is_empty());
    found
}

fn contained() -> Vec<Source> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).into(), text: (*text).into() };
    CONTAINED.iter().map(source).collect()
}

#[test]
fn the_case_file_runs() {
    let (file, task) = (blocks("toml")[1], blocks("toml")[2]);
    let results = cases::run(&contained(), &[], file).unwrap_or_else(|why| panic!("{why}"));
    assert!(!results.is_empty() && results.iter().all(|result| result.passed), "{results:?}");

    let head = file.split("[[case]]").next().unwrap();
    let case = "[[case]]\nname = \"x\"\ncall = \"payments/transfer\"\nexpect = \"deny\"\n";
    let results = cases::run(&contained(), &[], &format!("{head}{case}{task}")).unwrap();
    assert_eq!(results[0].got.reasons.as_deref(), Some(&["remit:scope".to_owned()][..]));
}

#[test]
fn the_rules_shown_do_what_is_said() {
    let head = blocks("toml")[1].split("[[case]]").next().unwrap();
    let case = |amount: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"{amount}\"\ncall = \"payments/transfer\"\nexpect = \"{expect}\"\n\
             arguments = {{ {amount} }}\n"
        )
    };
    let outcomes = [["permit", "deny", "deny", "deny"], ["permit", "hold", "hold", "hold"]];
    for (rule, expected) in blocks("cedar").into_iter().zip(outcomes) {
        let all = "permit (principal, action, resource);";
        let source = Source { path: "doc.cedar".into(), text: format!("{rule}\n{all}") };
        let amounts = ["amount = 499.99", "amount = 500", "amount = 499.999999", ""];
        let text: String = amounts.iter().zip(expected).map(|(a, e)| case(a, e)).collect();
        let results = cases::run(&[source], &[], &format!("{head}{text}")).unwrap();
        assert!(results.iter().all(|result| result.passed), "{results:#?}");
    }
    assert_eq!(blocks("cedar").len(), outcomes.len());
}

#[test]
fn every_rule_of_the_pack_is_named() {
    let snapshot = Snapshot::compile(&contained(), &[], &[]).unwrap();
    for policy in snapshot.policies() {
        assert!(PAGE.contains(&format!("`{}`", policy.id)), "`{}` is not named", policy.id);
    }
}

#[test]
fn the_rule_about_bound_grants_does_what_is_said() {
    let page = include_str!("../../../docs/grants.md");
    let rule = page.split("```cedar\n").nth(1).unwrap().split("```").next().unwrap();
    let all = "@id(\"all\") permit (principal, action, resource);";
    let source = Source { path: "page.cedar".into(), text: format!("{all}\n{rule}") };
    let case = |call: &str, possession: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"{call} {possession}\"\ncall = \"mail/{call}\"\n\
             possession = \"{possession}\"\nexpect = \"{expect}\"\n"
        )
    };
    let cases = [
        "[[tool]]\nid = \"mail/read\"\neffect = \"read\"\n".to_owned(),
        "[[tool]]\nid = \"mail/send\"\neffect = \"send\"\n".to_owned(),
        case("read", "bearer", "permit"),
        case("send", "bearer", "deny"),
        case("send", "dpop", "permit"),
        case("send", "connection", "permit"),
    ];
    let results = cases::run(&[source], &[], &cases.concat()).unwrap();
    assert!(results.iter().all(|result| result.passed), "{results:?}");
}
