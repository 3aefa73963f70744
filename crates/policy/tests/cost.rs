#![cfg(test)]
//! What one decision costs as the policy set grows. A measurement, not a check:
//! `cargo test --release -p remit-policy --test cost -- --ignored --nocapture`.

use std::time::Instant;

use remit_model::Question;
use remit_policy::cases::CaseFile;
use remit_policy::{STARTER, Snapshot, Source, Verdict, decide};

const CASES: &str = r#"
[[tool]]
id = "mail/read_message"
returns = "untrusted"
input = { id = "string" }

[[tool]]
id = "mail/send_message"
effect = "send"
reach = "external"
input = { to = "string[]", subject = "string", body = "string" }
[tool.arguments]
"to[]" = { role = "target", kind = "mailbox" }

[[case]]
name = "permit"
expect = "permit"
call = "mail/read_message"
arguments = { id = "m1" }

[[case]]
name = "permit, three resources"
expect = "permit"
call = "mail/send_message"
arguments = { to = ["a@b.example", "b@b.example", "c@b.example"], subject = "s", body = "b" }

[[case]]
name = "hold"
expect = "hold"
call = "mail/send_message"
arguments = { to = ["a@b.example"], subject = "s", body = "b" }
task = { untrusted = ["mail"] }

[[case]]
name = "list"
expect = "permit"
list = "mail/send_message"
"#;

/// Rules as a large organisation writes them: for one agent, one team, one recipient, one server.
fn rules(count: usize) -> String {
    let rule = |n: usize| {
        let scope = match n % 4 {
            0 => format!("principal == Remit::Agent::\"agent-{n}\", action, resource"),
            1 => format!(
                "principal in Remit::Team::\"team-{n}\", action in Remit::Action::\"effect:send\", \
                 resource"
            ),
            2 => format!(
                "principal, action in Remit::Action::\"tools\", \
                 resource == Remit::Mailbox::\"user-{n}@b.example\""
            ),
            _ => format!("principal, action, resource in Remit::Server::\"server-{n}\""),
        };
        format!("@id(\"rule-{n}\") permit ({scope}) when {{ context.task.effects < {n} }};\n")
    };
    (0..count).map(rule).collect()
}

#[test]
#[ignore = "a measurement; prints figures"]
#[expect(clippy::disallowed_methods, reason = "a measurement needs a stopwatch")]
fn a_decision_costs_the_same_with_ten_thousand_policies() {
    let file: CaseFile = toml::from_str(CASES).unwrap();
    let tools: Vec<_> = file.tools.iter().map(|tool| tool.tool().unwrap()).collect();
    for count in [0, 10, 1_000, 10_000] {
        let mut sources: Vec<Source> = STARTER
            .iter()
            .map(|(path, text)| Source { path: (*path).into(), text: (*text).into() })
            .collect();
        sources.push(Source { path: "rules.cedar".into(), text: rules(count) });
        let start = Instant::now();
        let snapshot = Snapshot::compile(&sources, &tools, &[]).unwrap();
        println!("starter pack and {count} policies: loaded in {:?}", start.elapsed());
        for case in &file.cases {
            let question = case.scene.question(&tools).unwrap();
            println!("  {:<26} {:>7.2} µs", case.name, mean(&snapshot, &question, case.expect));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a stopwatch")]
fn mean(snapshot: &Snapshot, question: &Question, expect: remit_policy::cases::Expectation) -> f64 {
    let rounds: u32 = 5_000;
    let mut questions = vec![question.clone(); rounds as usize];
    let start = Instant::now();
    for question in questions.drain(..) {
        let verdict = decide(snapshot, question);
        let got = match verdict {
            Verdict::Permit(_) => "permit",
            Verdict::Hold(_) => "hold",
            Verdict::Deny(_) => "deny",
        };
        assert_eq!(got, expect.to_string());
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
}
