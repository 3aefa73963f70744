#![cfg(test)]
//! The decision is total and deterministic, whatever names and values come from outside, and
//! without a policy none of them is permitted (promise R1).

use proptest::prelude::*;
use remit_model::question::{Asked, ToolFacts};
use remit_model::{Agent, ApprovalFact, Operation, Timestamp};
use remit_model::{Question, Resource, ResourceKind, Tool, ToolId, Value};
use remit_policy::cases::{CaseFile, ToolCase};
use remit_policy::{CONTAINED, Snapshot, Source, Verdict, decide};

const FILE: &str = r#"
[[tool]]
id = "s/t"
effect = "send"
reach = "external"
input = { text = "string", many = "string[]", n = "integer", d = "number", b = "boolean" }

[[case]]
name = "x"
expect = "permit"
call = "s/t"
"#;

fn contained() -> Vec<Source> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).into(), text: (*text).into() };
    CONTAINED.iter().map(source).collect()
}

/// Strings that break naive escaping, and any other.
fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("a\"::b".to_owned()),
        Just("\u{202e}\0".to_owned()),
        Just("__cedar".to_owned()),
        Just("remit:scope".to_owned()),
        Just("operators".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        odd().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(odd(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn resource() -> impl Strategy<Value = Resource> {
    (prop::sample::select(ResourceKind::ALL.to_vec()), odd())
        .prop_map(|(kind, id)| Resource { kind, id })
}

fn arguments() -> impl Strategy<Value = serde_json::Value> {
    let name = prop::sample::select(vec!["text", "many", "n", "d", "b", "other"]);
    prop::collection::btree_map(name, value(), 0..6).prop_map(|map| {
        serde_json::Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    })
}

fn question(tool_name: &str, input: &serde_json::Value) -> (Tool, Question) {
    let file: CaseFile = toml::from_str(FILE).unwrap();
    let tools: Vec<Tool> = file.tools.iter().map(|tool| ToolCase::tool(tool).unwrap()).collect();
    let mut question = file.cases[0].scene.question(&tools).unwrap();
    let mut tool = tools[0].clone();
    tool.id = ToolId::new(&tool.id.server, tool_name);
    if let Asked::Call(call) = &mut question.asked {
        call.operation = Operation::CallTool { name: tool_name.to_owned() };
    }
    question.input = Value::parse(&input.to_string()).unwrap();
    (tool, question)
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Permit(permit) => format!("permit {:?}", permit.reasons()),
        Verdict::Hold(hold) => format!("hold {} {:?}", hold.group(), hold.reasons()),
        Verdict::Deny(denied) => format!("deny {:?}", denied.refusal()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_gets_one_answer(
        name in odd(),
        owner in odd(),
        zone in proptest::option::of(odd()),
        group in proptest::option::of(odd()),
        input in arguments(),
        resources in prop::collection::vec(resource(), 0..6),
        now in any::<u64>(),
        quarantined in any::<bool>(),
    ) {
        let (mut tool, mut question) = question(&name, &input);
        tool.owner.clone_from(&owner);
        question.agent = Agent { owner, zone, ..Agent::clone(&question.agent) }.into();
        question.resources = resources;
        question.now = Timestamp(now);
        question.approval =
            group.map(|group| ApprovalFact { group, by: name.clone(), at: Timestamp(now) });
        if let Some(facts) = &mut question.tool {
            let admission = if quarantined { "quarantined" } else { "admitted" }.to_owned();
            let changed = ToolFacts { owner: tool.owner.clone(), admission, ..ToolFacts::clone(facts) };
            *facts = changed.into();
        }
        let snapshot = Snapshot::compile(&contained(), &[tool.clone()], &[]).unwrap();
        let first = told(&decide(&snapshot, question.clone()));
        prop_assert_eq!(&first, &told(&decide(&snapshot, question.clone())));
        // Nothing here is a name that the schema or the policies could stumble over.
        prop_assert!(!first.contains("remit:policy-error"), "{}", first);
        prop_assert!(!first.contains("remit:unreadable"), "{}", first);

        let nothing = Snapshot::compile(&[], &[tool], &[]).unwrap();
        let denied = matches!(decide(&nothing, question), Verdict::Deny(_));
        prop_assert!(denied);
    }
}
