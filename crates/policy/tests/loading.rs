#![cfg(test)]
//! What is wrong with a policy file is said with its place and what to do.

use remit_policy::{Issue, Snapshot, Source};

fn issues(files: &[(&str, &str)]) -> Vec<Issue> {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source { path: (*path).into(), text: (*text).into() })
        .collect();
    Snapshot::compile(&sources, &[], &[]).map_or_else(|why| why.issues, |_| Vec::new())
}

fn one(text: &str) -> Issue {
    let mut found = issues(&[("a.cedar", text)]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn place(issue: &Issue) -> (&str, usize, usize) {
    (&issue.file, issue.line, issue.column)
}

#[test]
fn a_syntax_error_names_its_line_and_hides_nothing_else() {
    let broken = "permit (principal, action,\n  resource) whenever { true };\n";
    let other = "// fine\npermit (principal, action, resource);\n\nforbid principal;\n";
    let found = issues(&[("a.cedar", broken), ("b.cedar", other)]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(place(&found[0]), ("a.cedar", 2, 13));
    assert_eq!((found[1].file.as_str(), found[1].line), ("b.cedar", 4));
    let shown = found[0].to_string();
    assert!(shown.starts_with("a.cedar:2:13: "), "{shown}");
}

#[test]
fn an_unknown_attribute_is_named_with_a_likely_one() {
    let issue = one(
        "@id(\"x\")\npermit (principal, action in Remit::Action::\"tools\", resource)\nwhen { \
         context.tool.sensitivty > 1 };",
    );
    assert_eq!((issue.file.as_str(), issue.line), ("a.cedar", 3));
    assert!(issue.message.contains("sensitivty"), "{issue}");
    assert!(issue.hint.as_deref().unwrap_or_default().contains("sensitivity"), "{issue}");
}

#[test]
fn an_unknown_tool_type_or_group_is_an_error() {
    let tool = one("permit (principal, action == Remit::Action::\"mail/sned\", resource);");
    assert!(tool.message.contains("mail/sned"), "{tool}");
    assert!(tool.hint.is_some(), "{tool}");
    let kind = one("permit (principal, action, resource is Remit::Fiel);");
    assert!(kind.to_string().contains("Fiel") && kind.to_string().contains("File"), "{kind}");
    let group =
        one("permit (principal, action in Remit::Action::\"tools\", resource) when { context has \
         approval && context.approval.group == Remit::ApproverGroup::\"operatros\" };");
    assert!(group.message.contains("operatros"), "{group}");
}

#[test]
fn an_optional_attribute_must_be_asked_for_first() {
    let issue = one("permit (principal, action in Remit::Action::\"tools\", resource) when { \
         context.approval.by == \"ann\" };");
    assert!(issue.to_string().contains("has"), "{issue}");
}

#[test]
fn ids_are_distinct_and_not_remits_own() {
    let twice = issues(&[
        ("a.cedar", "@id(\"x\") permit (principal, action, resource);"),
        ("b.cedar", "\n@id(\"x\") forbid (principal, action, resource);"),
    ]);
    assert_eq!(twice.len(), 1);
    assert_eq!(place(&twice[0]), ("b.cedar", 2, 1));
    assert!(twice[0].message.contains("a.cedar:1"), "{}", twice[0]);
    let reserved = one("@id(\"remit:scope\") permit (principal, action, resource);");
    assert!(reserved.hint.is_some_and(|hint| hint.contains("remit:")));
    let same_stem = issues(&[
        ("x/a.cedar", "permit (principal, action, resource);"),
        ("y/a.cedar", "permit (principal, action, resource);"),
    ]);
    assert_eq!(same_stem.len(), 1, "two files of one name need ids");
}

#[test]
fn templates_are_refused() {
    let issue = one("permit (principal == ?principal, action, resource);");
    assert!(issue.message.contains("template"), "{issue}");
}

#[test]
fn a_policy_that_can_never_apply_is_a_warning() {
    let text = "@id(\"x\") permit (principal, action == Remit::Action::\"openTask\", \
                resource is Remit::File);";
    let source = Source { path: "a.cedar".into(), text: text.into() };
    let snapshot = Snapshot::compile(&[source], &[], &[]).unwrap();
    let said = |words: &str| snapshot.warnings().iter().any(|issue| issue.message.contains(words));
    assert!(said("impossible"), "{:?}", snapshot.warnings());
    assert!(snapshot.warnings().iter().all(|issue| issue.file == "a.cedar"));
}

#[test]
fn policies_are_described() {
    let text = "// why\n@id(\"x\")\n@reason(\" because \")\n@controls(\"ASI02, NHI5,\")\n@remedy(\"\")\n\
                forbid (principal, action, resource);\npermit (principal, action, resource);";
    let source = Source { path: "dir/mine.cedar".into(), text: text.into() };
    let snapshot = Snapshot::compile(&[source], &[], &[]).unwrap();
    let [second, first] = snapshot.policies().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((first.id.as_str(), first.line), ("x", 2));
    assert_eq!(first.effect.to_string(), "forbid");
    assert_eq!(first.reason.as_deref(), Some("because"));
    assert_eq!(first.remedy, None);
    assert_eq!(first.controls, ["ASI02", "NHI5"]);
    assert!(first.text.starts_with("@id") && first.text.ends_with(';'));
    assert_eq!((second.id.as_str(), second.line), ("mine-2", 7));
    assert!(snapshot.schema_text().contains("namespace Remit"));
}

#[test]
fn no_policy_is_too_deep_for_the_stack() {
    let when = |what: String| format!("permit (principal, action, resource) when {{ {what} }};");
    let nested =
        |open: &str, close: &str, n| when(format!("{}1{}", open.repeat(n), close.repeat(n)));
    let texts = [
        nested("(", ")", 1000),
        nested("(", ")", 60),
        nested("[", "]", 60),
        nested("{a:", "}", 60),
        when(format!("{}1 > 0", "1+".repeat(4_000))),
        when(format!("context{}", ".a".repeat(4_000))),
        when(format!("{}true", "if true then true else ".repeat(360))),
        when(format!("{}true", "true&&".repeat(1_300))),
    ];
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let read = small.spawn(move || {
        let found: Vec<_> = texts.iter().map(|text| issues(&[("a.cedar", text)])).collect();
        found.len()
    });
    assert_eq!(read.unwrap().join().unwrap(), 8);
    let message = one(&nested("(", ")", 1000)).message;
    assert_eq!(message, "expected at most 64 brackets within each other, got 1001");
    let message = one(&when(format!("{}true", "true && ".repeat(1_100)))).message;
    assert_eq!(message, "expected a policy of at most 8192 bytes, got 8851");
}
