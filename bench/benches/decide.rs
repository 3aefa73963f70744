#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What one decision costs as the policy set grows, what it costs where policies look at something that
//! is never the same again, and what the index by scope costs where the slice of policies that can
//! apply is ready and where it has to be put together.
//!
//! A question that looks to the policies like one before is answered from memory; but for those that
//! say otherwise, the rows ask one question again and again.

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

/// A rule that applies to whatever is asked, by what a task has used.
const COUNTER: &str = "@id(\"counter\") forbid (principal, action, resource) when \
                       { context.task.bytes > 9000000000 };";

/// A rule that applies to whatever is asked, by the clock.
const CLOCK: &str = "@id(\"clock\") forbid (principal, action, resource) when \
                     { context.now > datetime(\"2999-01-01\") };";

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

/// The pack `contained` and `rules` beside it, and the questions of `cases`.
fn setting(rules: String, cases: &str) -> (Snapshot, Vec<(String, Question)>) {
    let file: CaseFile = toml::from_str(cases).unwrap();
    let tools: Vec<_> = file.tools.iter().map(|tool| tool.tool().unwrap()).collect();
    let contained =
        CONTAINED.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() });
    let rules = Source { path: "rules.cedar".into(), text: rules };
    let sources: Vec<Source> = contained.chain([rules]).collect();
    let snapshot = Snapshot::compile(&sources, &tools, &[]).unwrap();
    let question = |case: &remit_policy::cases::Case| case.scene.question(&tools).unwrap();
    (snapshot, file.cases.iter().map(|case| (case.name.clone(), question(case))).collect())
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    snapshot: &Snapshot,
    mut next: impl FnMut() -> Question,
) {
    group.bench_function(name, |b| {
        b.iter_batched(&mut next, |question| decide(snapshot, question), BatchSize::SmallInput);
    });
}

/// A permit where nothing that policies look at changes, where a counter does, and where they look at
/// the time.
fn anew(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("anew");
    for (name, rule) in [("nothing", ""), ("a counter", COUNTER), ("the time", CLOCK)] {
        let (snapshot, cases) = setting(rule.to_owned(), CASES);
        let (_, mut question) = cases.into_iter().next().unwrap();
        measure(&mut group, name, &snapshot, || {
            question.task.spent.bytes += 1;
            question.now.0 += 1;
            question.clone()
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    anew(&mut criterion);
    for count in [1, 100, 1_000, 10_000] {
        let (snapshot, cases) = setting(rules(count), CASES);
        let mut group = criterion.benchmark_group(format!("decide, {count} policies"));
        for (name, question) in &cases {
            measure(&mut group, name, &snapshot, || question.clone());
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
    let (snapshot, cases) = setting(rules(4 * RECIPIENTS), &recipients);
    let questions: Vec<Question> = cases.into_iter().map(|(_, question)| question).collect();
    let mut group = criterion.benchmark_group("index");
    measure(&mut group, "slice is ready", &snapshot, || questions.first().unwrap().clone());
    let mut next = questions.iter().cycle();
    measure(&mut group, "slice is put together", &snapshot, || next.next().unwrap().clone());
    group.finish();
    criterion.final_summary();
}
