#![cfg(test)]
//! What the decision does beyond any one policy: default deny, errors, holds, typed arguments.

use remit_policy::cases::{self, Answered, CaseResult};
use remit_policy::{ENGINE, Snapshot, Source};

const TOOLS: &str = r#"
[[tool]]
id = "bank/pay"
effect = "send"
reach = "external"
owner = "bankers"
input = { to = "string", amount = "integer", price = "number", tags = "string[]", dry = "boolean" }
[tool.arguments]
"to" = { role = "target", kind = "mailbox" }

[[tool]]
id = "bank/look"

[[tool]]
id = "new/thing"
effect = "send"
admission = "quarantined"
owner = "bankers"
"#;

fn results(policies: &str, cases_text: &str) -> Vec<CaseResult> {
    let source = Source { path: "test.cedar".into(), text: policies.into() };
    let groups = ["alpha".to_owned(), "beta".to_owned()];
    let text = format!("{TOOLS}\n{cases_text}");
    cases::run(&[source], &groups, &text).unwrap_or_else(|why| panic!("{why}"))
}

/// The answer to one question; `question` is the body of a case.
fn answer(policies: &str, question: &str) -> Answered {
    let case = format!("[[case]]\nname = \"x\"\nexpect = \"permit\"\n{question}");
    results(policies, &case).remove(0).got
}

fn said(policies: &str, question: &str) -> String {
    answer(policies, question).to_string()
}

const ALL: &str = "@id(\"all\") permit (principal, action, resource);";
const PAY: &str = "call = \"bank/pay\"";

#[test]
fn without_a_policy_nothing_is_permitted() {
    let questions = [
        PAY,
        "call = \"bank/look\"",
        "list = \"bank/look\"",
        "read = \"bank file:///a\"",
        "prompt = \"bank/p\"",
        "complete = \"bank/p\"",
        "ask = \"open\"",
        "ask = \"continue\"",
        "call = \"bank/pay\"\napproved_by = \"alpha\"",
    ];
    for question in questions {
        let got = said("", question);
        assert_eq!(got, "deny (structural) because of remit:no-policy", "{question}");
        assert_eq!(said(ALL, question), "permit because of all", "{question}");
    }
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies_what_others_permit() {
    // Cedar alone would skip either policy and permit.
    for effect in ["permit", "forbid"] {
        let bad = format!(
            "{ALL}\n@id(\"bad\") {effect} (principal, action == Remit::Action::\"bank/pay\", \
             resource) when {{ context.input has amount && context.input.amount + 1 > 10 }};"
        );
        let huge = "call = \"bank/pay\"\narguments = { amount = 9223372036854775807 }";
        assert_eq!(said(&bad, huge), "deny (structural) because of remit:policy-error");
        // It says nothing about what it does not apply to.
        assert_eq!(said(&bad, "call = \"bank/look\""), "permit because of all");
    }
}

#[test]
fn a_hold_is_for_the_first_group_whose_approval_alone_suffices() {
    let needs = |group: &str| {
        format!(
            "{ALL}\n@id(\"ask\") forbid (principal, action == Remit::Action::\"bank/pay\", resource) \
             unless {{ context has approval && context.approval.group == \
             Remit::ApproverGroup::\"{group}\" }};"
        )
    };
    assert_eq!(said(&needs("beta"), PAY), "hold for beta because of ask");
    assert_eq!(said(&needs("operators"), PAY), "hold for operators because of ask");
    let approved = |group: &str| format!("{PAY}\napproved_by = \"{group}\"");
    assert_eq!(said(&needs("beta"), &approved("beta")), "permit because of all");
    assert_eq!(said(&needs("beta"), &approved("alpha")), "hold for beta because of ask");

    let any = format!(
        "{ALL}\n@id(\"ask\") forbid (principal, action, resource is Remit::Mailbox) unless \
         {{ context has approval }};"
    );
    let to = format!("{PAY}\narguments = {{ to = \"a@b.example\" }}");
    assert_eq!(said(&any, &to), "hold for alpha because of ask");

    // Two approvals of one call do not exist, so nothing is held that no single one would free.
    let both =
        format!("{}\n{}", needs("alpha"), needs("beta").replace("@id(\"all\")", "@id(\"all2\")"));
    let both = both.replacen("@id(\"ask\")", "@id(\"ask1\")", 1);
    assert_eq!(said(&both, PAY), "deny (structural) because of ask, ask1");
    assert_eq!(
        said(&both, &approved("alpha")),
        "deny (structural) because of ask",
        "an approval that does not suffice is not asked for again and again"
    );
}

#[test]
fn a_permit_that_needs_an_approval_holds_by_itself() {
    let policy = "@id(\"only\") permit (principal, action, resource) when { \
                  context has approval && context.approval.by != principal.owner };";
    let policy = policy.replace("action,", "action in Remit::Action::\"tools\",");
    assert_eq!(said(&policy, PAY), "hold for alpha because of only");
    let approved = format!("{PAY}\napproved_by = \"alpha\"");
    assert_eq!(said(&policy, &approved), "permit because of only");
    // Whoever owns the agent cannot approve for it.
    let own = format!("{approved}\nagent = {{ name = \"bot\", owner = \"case\" }}");
    assert_eq!(said(&policy, &own), "hold for alpha because of only");
}

#[test]
fn an_owner_that_is_a_declared_group_is_asked_first() {
    let policy = format!(
        "{ALL}\n@id(\"ask\") forbid (principal, action in Remit::Action::\"effect:send\", resource) \
         unless {{ context has approval }};"
    );
    assert_eq!(said(&policy, PAY), "hold for alpha because of ask");
    let declared = format!(
        "groups = [\"bankers\"]\n{TOOLS}\n[[case]]\nname = \"x\"\nexpect = \"hold\"\n{PAY}"
    );
    let source = Source { path: "p.cedar".into(), text: policy };
    let groups = ["alpha".to_owned()];
    let got = cases::run(&[source], &groups, &declared).unwrap().remove(0).got;
    assert_eq!(got.group.as_deref(), Some("bankers"));
}

#[test]
fn quarantine_needs_the_owner_and_the_policies() {
    let call = "call = \"new/thing\"";
    assert_eq!(said(ALL, call), "hold for bankers because of remit:quarantined");
    let approved = |group: &str| format!("{call}\napproved_by = \"{group}\"");
    assert_eq!(said(ALL, &approved("operators")), "hold for bankers because of remit:quarantined");
    assert_eq!(said(ALL, &approved("bankers")), "permit because of all");
    let refused = "deny (structural) because of remit:no-policy, remit:quarantined";
    assert_eq!(said("", call), refused);
    assert_eq!(said("", &approved("bankers")), "deny (structural) because of remit:no-policy");
}

#[test]
fn arguments_are_typed_and_exact() {
    let policy = "@id(\"p\") permit (principal, action == Remit::Action::\"bank/pay\", resource) when { \
                  context.input has amount && context.input.amount <= 100 && \
                  context.input has price && context.input.price.lessThan(decimal(\"9.99\")) && \
                  context.input has tags && context.input.tags.contains(\"x\") && \
                  !(context.input has amount_text) };";
    let good = |arguments: &str| said(policy, &format!("{PAY}\narguments = {arguments}"));
    assert_eq!(good("{ amount = 100, price = 9.98, tags = [\"x\"] }"), "permit because of p");
    for wrong in [
        "{ amount = 101, price = 9.98, tags = [\"x\"] }",
        "{ amount = 100, price = 9.99, tags = [\"x\"] }",
        "{ amount = 100, price = 9.98, tags = [] }",
        "{ amount = 100, price = 0.00001, tags = [\"x\"] }",
        "{ amount = 0.5, price = 9.98, tags = [\"x\"] }",
        "{}",
    ] {
        assert_eq!(good(wrong), "deny (structural) because of remit:no-policy", "{wrong}");
    }
    let beside = "@id(\"b\") permit (principal, action == Remit::Action::\"bank/pay\", resource) when { \
                  context.input has price_text && context.input.price_text == \"0.123456\" && \
                  !(context.input has price) };";
    assert_eq!(
        said(beside, &format!("{PAY}\narguments = {{ price = 0.123456 }}")),
        "permit because of b"
    );
    let wrong = "deny (structural) because of remit:input";
    assert_eq!(good("{ amount = \"100\" }"), wrong);
    assert_eq!(good("{ tags = \"x\" }"), wrong);
}

#[test]
fn what_is_touched_is_an_entity_with_its_parts() {
    let to =
        |policy: &str| said(policy, &format!("{PAY}\narguments = {{ to = \"Ann@B.example\" }}"));
    for condition in [
        "resource == Remit::Mailbox::\"ann@b.example\"",
        "resource in Remit::Server::\"bank\"",
        "resource is Remit::Mailbox in Remit::Server::\"bank\"",
    ] {
        let policy = format!("@id(\"p\") permit (principal, action, {condition});");
        assert_eq!(to(&policy), "permit because of p", "{condition}");
    }
    let domain = "@id(\"p\") permit (principal, action, resource is Remit::Mailbox) when { \
                  resource.domain == \"b.example\" && resource.server.name == \"bank\" };";
    assert_eq!(to(domain), "permit because of p");

    let host = |policy: &str| {
        said(policy, "call = \"bank/look\"\nresources = [\"Host:b.example:8443\", \"Server:bank\"]")
    };
    let by_name = "@id(\"h\") permit (principal, action, resource is Remit::Host) when { \
                   resource.name == \"b.example\" };";
    assert_eq!(
        host(by_name),
        "deny (structural) because of remit:no-policy",
        "all must be permitted"
    );
    let server = "@id(\"s\") permit (principal, action, resource == Remit::Server::\"bank\");";
    assert_eq!(host(&format!("{by_name}\n{server}")), "permit because of h, s");
}

#[test]
fn the_agent_is_in_its_team_and_zone() {
    let with = |scope: &str, agent: &str| {
        let policy = format!("@id(\"p\") permit ({scope}, action, resource);");
        said(&policy, &format!("{PAY}\nagent = {agent}"))
    };
    let agent = "{ name = \"ann\", owner = \"red\", zone = \"lab\" }";
    for scope in [
        "principal == Remit::Agent::\"ann\"",
        "principal in Remit::Team::\"red\"",
        "principal is Remit::Agent in Remit::Zone::\"lab\"",
    ] {
        assert_eq!(with(scope, agent), "permit because of p", "{scope}");
    }
    let elsewhere = "{ name = \"ann\", owner = \"red\" }";
    let denied = "deny (structural) because of remit:no-policy";
    assert_eq!(with("principal in Remit::Zone::\"lab\"", elsewhere), denied);
}

#[test]
fn time_can_be_compared() {
    let policy = "@id(\"p\") permit (principal, action, resource) when { \
                  context.now < datetime(\"2026-11-24\") && \
                  context.now.durationSince(context.task.opened) < duration(\"1h\") && \
                  context.task.deadline == datetime(\"9999-12-31T23:59:59.999Z\") };";
    assert_eq!(said(policy, PAY), "permit because of p");
    let later = format!("{PAY}\nnow = 1795600000000");
    assert_eq!(said(policy, &later), "deny (structural) because of remit:no-policy");
    let never = format!("{PAY}\nnow = 18446744073709551615");
    assert_eq!(said(policy, &never), "deny (structural) because of remit:no-policy");
}

#[test]
fn too_many_things_at_once_are_refused() {
    let many: Vec<String> = (0..65).map(|n| format!("\"File:/{n}\"")).collect();
    let with = |things: &[String]| {
        said(ALL, &format!("call = \"bank/look\"\nresources = [{}]", things.join(",")))
    };
    let refused = "deny (structural) because of remit:resources";
    assert_eq!(with(&many), refused);
    assert_eq!(with(&[]), refused);
    assert_eq!(with(&many[..64]), "permit because of all");
}

#[test]
fn a_snapshot_is_shared_and_pinned() {
    fn shared<T: Send + Sync>() {}
    shared::<Snapshot>();
    let compile = |path: &str, text: &str, groups: &[String]| {
        let source = Source { path: path.into(), text: text.into() };
        Snapshot::compile(&[source], &[], groups).unwrap().policy_digest()
    };
    let first = compile("a.cedar", ALL, &[]);
    assert_eq!(first, compile("elsewhere/b.cedar", &format!("// moved\n{ALL}"), &[]));
    assert_ne!(
        first,
        compile("a.cedar", "@id(\"all\") forbid (principal, action, resource);", &[])
    );
    assert_ne!(first, compile("a.cedar", ALL, &["finance".to_owned()]));
}

#[test]
fn the_engine_is_the_one_that_runs() {
    let version = cedar_policy::get_sdk_version();
    assert!(ENGINE.ends_with(&format!(" cedar/{version}")), "{ENGINE} runs Cedar {version}");
}

#[test]
fn a_policy_sees_what_the_caller_showed() {
    let bound = format!(
        "{ALL}\n@id(\"bound\") forbid (principal, action in Remit::Action::\"effect:send\", resource) \
         when {{ context.possession == \"bearer\" }};"
    );
    for (possession, expected) in [("bearer", "deny"), ("dpop", "permit"), ("connection", "permit")]
    {
        let said = said(&bound, &format!("{PAY}\npossession = \"{possession}\""));
        assert!(said.starts_with(expected), "{possession}: {said}");
    }
    assert!(said(&bound, PAY).starts_with("deny"), "what is not said is the weakest");
}
