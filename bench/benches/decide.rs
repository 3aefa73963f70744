#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What one decision costs as the policy set grows, and what the index by scope costs where the
//! slice of policies that can apply is ready and where it has to be put together.

use std::fmt::Write as _;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use remit_model::Question;
use remit_policy::cases::CaseFile;
use remit_policy::{CONTAINED, Snapshot, Source, decide};

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
"#;

/// How many recipients are written to in turn, each named by a policy of its own: more than slices
/// are kept ready.
const RECIPIENTS: usize = 2_000;

/// Rules as a large organisation writes them: for one agent, one team, one recipient, one server.
fn rules(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let scope = match n % 4 {
            0 => format!("principal == Remit::Agent::\"agent-{n}\", action, resource"),
            1 => format!(
                "principal in Remit::Team::\"team-{n}\", action in Remit::Action::\"effect:send\", \
                 resource"
            ),
            2 => format!(
                "principal, action in Remit::Action::\"tools\", \
                 resource == Remit::Mailbox::\"user-{}@b.example\"",
                n / 4
            ),
            _ => format!("principal, action, resource in Remit::Server::\"server-{n}\""),
        };
        let when = format!("when {{ context.task.effects < {n} }}");
        writeln!(text, "@id(\"rule-{n}\") permit ({scope}) {when};").unwrap();
    }
    text
}

/// The pack `contained` and `count` rules beside it, and the questions of `cases`.
fn setting(count: usize, cases: &str) -> (Snapshot, Vec<(String, Question)>) {
    let file: CaseFile = toml::from_str(cases).unwrap();
    let tools: Vec<_> = file.tools.iter().map(|tool| tool.tool().unwrap()).collect();
    let contained =
        CONTAINED.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() });
    let rules = Source { path: "rules.cedar".into(), text: rules(count) };
    let sources: Vec<Source> = contained.chain([rules]).collect();
    let snapshot = Snapshot::compile(&sources, &tools, &[]).unwrap();
    let question = |case: &remit_policy::cases::Case| case.scene.question(&tools).unwrap();
    (snapshot, file.cases.iter().map(|case| (case.name.clone(), question(case))).collect())
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    snapshot: &Snapshot,
    questions: &[Question],
) {
    let mut next = questions.iter().cycle();
    group.bench_function(name, |b| {
        let setup = || next.next().unwrap().clone();
        b.iter_batched(setup, |question| decide(snapshot, question), BatchSize::SmallInput);
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for count in [1, 100, 1_000, 10_000] {
        let (snapshot, cases) = setting(count, CASES);
        let mut group = criterion.benchmark_group(format!("decide, {count} policies"));
        for (name, question) in &cases {
            measure(&mut group, name, &snapshot, std::slice::from_ref(question));
        }
        group.finish();
    }
    let tools = CASES.split("[[case]]").next().unwrap();
    let mut recipients = tools.to_owned();
    for n in 0..RECIPIENTS {
        let arguments =
            format!("{{ to = [\"user-{n}@b.example\"], subject = \"s\", body = \"b\" }}");
        let call = "name = \"n\"\nexpect = \"permit\"\ncall = \"mail/send_message\"";
        writeln!(recipients, "[[case]]\n{call}\narguments = {arguments}").unwrap();
    }
    let (snapshot, cases) = setting(4 * RECIPIENTS, &recipients);
    let questions: Vec<Question> = cases.into_iter().map(|(_, question)| question).collect();
    let mut group = criterion.benchmark_group("index");
    measure(
        &mut group,
        "slice is ready",
        &snapshot,
        std::slice::from_ref(questions.first().unwrap()),
    );
    measure(&mut group, "slice is put together", &snapshot, &questions);
    group.finish();
    criterion.final_summary();
}
