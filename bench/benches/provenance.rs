#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What it costs to keep what a tool returned, new or read again, and to trace a call of 2 KiB in a task that has
//! seen little or much.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use remit_model::{ArgumentPath, Integrity, Label, Role, ToolId, Value};
use remit_provenance::{Index, Seen, Source};

fn source() -> Source {
    let server = "store".parse().unwrap();
    let label = Label { integrity: Integrity::untrusted("store"), ..Label::default() };
    Source { tool: ToolId::new(&server, "search_mail"), decision: 0, pointed: false, label }
}

/// Words that differ from each other, as many as make `bytes`.
fn prose(from: usize, bytes: usize) -> String {
    let word = |at: usize| match at % 19 {
        7 => format!("user{at}@host{}.example", at % 97),
        13 => format!("{}.{:02}", at % 1_000, at % 100),
        _ => letters(at * 31 + 11),
    };
    let mut text = String::new();
    for at in from.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&word(at));
        text.push(if at % 12 == 11 { '\n' } else { ' ' });
    }
    text
}

fn letters(mut number: usize) -> String {
    let mut word = String::new();
    while number > 0 {
        word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    word
}

/// A list as a store of mail returns it.
fn records(count: usize) -> Value {
    let record = |at: usize| {
        serde_json::json!({
            "id": format!("m{at}"),
            "subject": format!("Report {} of {}", letters(at * 7919 + 13), letters(at * 31 + 5)),
            "sender": format!("user{at}@host{}.example", at % 9),
            "recipients": [format!("ann{at}@acme.example"), "bob@acme.example"],
            "date": format!("2024-05-{:02}T10:00:00Z", 1 + at % 28),
            "amount": at * 3,
            "body": prose(at * 40, 200),
        })
    };
    let records: Vec<_> = (0..count).map(record).collect();
    Value::parse(&serde_json::json!({ "result": records }).to_string()).unwrap()
}

/// A task that has seen at least `values` things.
fn index(values: usize) -> Index {
    let mut index = Index::default();
    index.give("purpose", "Find the mail about the birthday and answer it to ann@acme.example");
    let mut from = 0;
    while index.values() < values {
        let text = prose(from, 4 << 10);
        from += 1_000;
        index.see(&source(), Seen { texts: &[&text], ..Seen::default() });
    }
    index
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("provenance");

    let (text, list) = (prose(0, 16 << 10), records(30));
    let texts = [text.as_str()];
    for (what, structured, texts) in
        [("16 KiB", None, &texts[..]), ("a list of 30", Some(&list), &[])]
    {
        let seen = Seen { structured, texts, ..Seen::default() };
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("see {what}"), |b| {
            let fresh = || index(0);
            let see = |index: &mut Index| index.see(&source(), black_box(seen));
            b.iter_batched_ref(fresh, see, BatchSize::LargeInput);
        });
        group.bench_function(format!("see {what} again"), |b| {
            let mut index = index(0);
            b.iter(|| index.see(&source(), black_box(seen)));
        });
    }

    let body = prose(7_000_000, 2 << 10);
    let call =
        serde_json::json!({"to": ["ann@acme.example"], "subject": "Re: birthday", "body": body});
    let call = Value::parse(&call.to_string()).unwrap();
    let role = |path: &ArgumentPath| {
        if path.0.starts_with("to") { Role::Target } else { Role::Content }
    };
    for values in [10, 1_000, 100_000] {
        let index = index(values);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("trace 2 KiB, {values} seen"), |b| {
            b.iter(|| index.trace(&role, black_box(&call)));
        });
    }
    group.finish();
    criterion.final_summary();
}
