//! Servers that are slow, crash, lie and flood (`e2e/servers/misbehaving.py`): the client is told what is
//! known (R11), its session and the other servers go on, memory stays bounded (R13), and the ledger
//! has one outcome for every permit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::peers::{
    Client, Conversation, Listening, misbehaving_over_http, peer, python, refusal_of, text_of,
};
use crate::stand::{Plan, Stand};
use crate::wire::Request;

/// What a client is told of a call.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// The server's answer, with this text.
    Answer(&'static str),
    /// Nobody knows whether it happened.
    Unknown,
    /// The server did not act on it.
    NotSent,
}
use Told::{Answer, NotSent, Unknown};

/// A tool, and what a client is told when its server runs as a process, and over HTTP.
const WAYS: [(&str, Option<Told>, Option<Told>); 19] = [
    ("read_late", Some(Answer("ok")), Some(Answer("ok"))),
    ("read_dribble", Some(Answer("ok")), Some(Answer("ok"))),
    ("read_never", Some(Unknown), Some(Unknown)),
    ("read_die", Some(Unknown), None),
    ("read_die_in_the_answer", Some(Unknown), None),
    ("read_wrong_id", Some(Unknown), Some(Unknown)),
    ("read_wrong_jsonrpc", Some(Unknown), Some(Unknown)),
    ("read_both", Some(Unknown), Some(Unknown)),
    ("read_no_object", Some(Unknown), Some(Unknown)),
    ("read_not_json", Some(Unknown), Some(Unknown)),
    ("read_twice", Some(Answer("first")), Some(Answer("first"))),
    ("read_unasked", Some(Answer("ok")), Some(Answer("ok"))),
    ("read_flood", Some(Answer("ok")), Some(Answer("ok"))),
    ("read_gigantic", Some(Unknown), Some(Unknown)),
    ("read_endless", Some(Unknown), Some(Unknown)),
    ("read_endless_line", Some(Unknown), None),
    ("read_endless_headers", None, Some(Unknown)),
    ("read_redirect", None, Some(NotSent)),
    ("read_broken", None, Some(Unknown)),
];

/// Ways to go wrong before any tool can be called, the tool that is called all the same, and whether
/// `remit doctor` soon calls the server wrong. One that is silent is given a minute; a definition that is
/// too large costs its server that one tool.
const STARTS: [(&str, &str, bool); 6] = [
    ("exit", "read_well", true),
    ("silent", "read_well", false),
    ("not-json", "read_well", true),
    ("other-version", "read_well", true),
    ("many-tools", "read_well", true),
    ("huge-tool", "read_huge", false),
];

/// How often a server is tried again that has written on into the next call, which a pipe cannot prevent.
const RECOVERY: usize = 20;

/// How much more than at rest Remit may hold with 1 MiB a result, whatever servers write.
const MOST_MEMORY_KIB: u64 = 96 << 10;

/// How many clients leave their answers unread or hang up.
const RUDE: usize = 16;

const LIMITS: &str = "[limits]\ncall = \"4s\"\nresult_bytes = 1048576\n";

/// Remit before a steady server, a misbehaving process and a misbehaving endpoint.
struct Street {
    stand: Stand,
    journal: std::path::PathBuf,
    _endpoint: Listening,
}

impl Street {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("calls.jsonl");
        let endpoint = misbehaving_over_http(&journal).await;
        let journaling = process(&["--journal", journal.to_str().unwrap()]);
        let steady = process(&[]);
        let plan = Plan::new()
            .with(LIMITS)
            .stdio("steady", &words(&steady), "")
            .stdio("process", &words(&journaling), "")
            .http("endpoint", &endpoint.url, "")
            .template("reading", &["*"], "budget = { calls = 10000 }");
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        known(&stand, &["steady", "process", "endpoint"]).await;
        Self { stand, journal, _endpoint: endpoint }
    }

    /// One client goes through every way of one server.
    async fn walk(&self, client: Client, server: &str) {
        let mut talk = client.connect(&self.stand.open("reading").await).await;
        for (tool, process, endpoint) in WAYS {
            let Some(told) = (if server == "process" { process } else { endpoint }) else {
                continue;
            };
            let result = talk.call(&format!("{server}__{tool}"), &json!({})).await;
            check(&result, told, &format!("{client:?}, {server}, {tool}"));
            // Another server's next call does not suffer from it, and this one's only until the
            // server is itself again.
            self.well(&mut talk, "steady", 1, tool).await;
            self.well(&mut talk, server, RECOVERY, tool).await;
        }
        talk.end().await;
    }

    /// The server answers as it should by the last of `tries`.
    async fn well(&self, talk: &mut Conversation, server: &str, tries: usize, after: &str) {
        let mut said = String::new();
        for _ in 0..tries {
            said = text_of(&talk.call(&format!("{server}__read_well"), &json!({})).await);
            if said == "ok" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{server} after {after} says {said}: {}", self.stand.log());
    }
}

/// Waits until these servers have said what they offer.
async fn known(stand: &Stand, servers: &[&str]) {
    let all = |tools: &Value| {
        let tools = tools.as_array().unwrap();
        servers.iter().all(|name| tools.iter().any(|tool| tool["id"]["server"] == *name))
    };
    stand.until("every server has been asked", &["tool", "list"], all).await;
}

/// The command of the server as a process.
pub(crate) fn process(more: &[&str]) -> Vec<String> {
    let mut words = vec![python(), peer("servers/misbehaving.py"), "--stdio".to_owned()];
    words.extend(more.iter().map(|&word| word.to_owned()));
    words
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

fn check(result: &Value, told: Told, case: &str) {
    let policy = match told {
        Answer(text) => {
            assert_ne!(result["isError"], true, "{case}: {result}");
            assert_eq!(text_of(result), text, "{case}");
            return;
        }
        Unknown => "remit:unknown-outcome",
        NotSent => "remit:not-sent",
    };
    let refusal = refusal_of(result);
    assert_eq!(refusal["class"], "transient", "{case}: {refusal}");
    assert_eq!(refusal["reasons"][0]["policy"], policy, "{case}: {refusal}");
}

/// What the ledger says became of each permit, by tool and outcome. The last outcomes may still be on
/// their way to the disk: their callers need not wait for that.
async fn outcomes(stand: &Stand) -> BTreeMap<(String, String), usize> {
    let mut open = BTreeMap::new();
    for _ in 0..RECOVERY {
        let found;
        (found, open) = settled(stand).await;
        if open.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("permits without an outcome: {open:?}");
}

/// The permits that have an outcome, counted, and those that have none.
async fn settled(stand: &Stand) -> (BTreeMap<(String, String), usize>, BTreeMap<u64, String>) {
    let entries = stand.entries().await;
    let mut found = BTreeMap::new();
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    for (index, entry) in (0..).zip(&entries) {
        if entry["kind"] == "decision" {
            open.insert(index, entry["clear"]["tool"].as_str().unwrap().to_owned());
        } else if entry["kind"] == "outcome" {
            let decision = entry["parents"][0]["index"].as_u64().unwrap();
            let tool = open.remove(&decision).expect("one outcome for one decision");
            let outcome = entry["clear"]["outcome"]["outcome"].as_str().unwrap().to_owned();
            *found.entry((tool, outcome)).or_default() += 1;
        }
    }
    (found, open)
}

fn outcome(told: Told) -> &'static str {
    match told {
        Answer(_) => "answered",
        Unknown => "unknown",
        NotSent => "not_sent",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_does_its_caller_is_answered_and_nobody_else_suffers() {
    let street = Arc::new(Street::up().await);
    let walks = [
        (Client::RustStateless, "process"),
        (Client::TypeScriptOld, "process"),
        (Client::RustSessions, "endpoint"),
        (Client::PythonStateless, "endpoint"),
    ];
    let mut running = JoinSet::new();
    let before = street.stand.memory().0;
    for (client, server) in walks {
        let street = Arc::clone(&street);
        running.spawn(async move { street.walk(client, server).await });
    }
    while let Some(walked) = running.join_next().await {
        walked.unwrap();
    }
    let peak = street.stand.memory().1;
    assert!(peak < before + MOST_MEMORY_KIB, "from {before} KiB to {peak} KiB");

    let found = outcomes(&street.stand).await;
    let reached = std::fs::read_to_string(&street.journal).unwrap();
    for (tool, process, endpoint) in WAYS {
        for (server, told) in [("process", process), ("endpoint", endpoint)] {
            let Some(told) = told else { continue };
            let key = (format!("{server}/{tool}"), outcome(told).to_owned());
            assert_eq!(found.get(&key), Some(&2), "{key:?} in {found:?}");
        }
        let ways = [process, endpoint].iter().flatten().count();
        let sent = reached.matches(&format!("\"{tool}\"")).count();
        assert_eq!(sent, 2 * ways, "{tool} was sent more or less often than it was called");
    }
    crate::proof::log_is_good(&street.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_wrong_from_the_start_is_named_and_the_others_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::new().with(LIMITS).stdio("steady", &words(&process(&[])), "");
    for (how, ..) in STARTS {
        plan = plan.stdio(how, &words(&process(&["--start", how])), "");
    }
    let plan = plan.template("reading", &["*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    known(&stand, &["steady"]).await;
    for client in [Client::RustStateless, Client::PythonSessions] {
        let mut talk = client.connect(&stand.open("reading").await).await;
        assert_eq!(talk.text("steady__read_well", &json!({})).await, "ok");
        for (how, tool, _) in STARTS {
            let tool = format!("{how}__{tool}");
            let line = talk.step(&json!({"do": "tools/call", "name": tool})).await;
            let refused = line["result"]["isError"] == true || line["error"]["code"] == -32602;
            assert!(refused, "{client:?}, {how}: {line}");
        }
        assert_eq!(talk.text("steady__read_well", &json!({})).await, "ok");
        talk.end().await;
    }
    let mut doctor = String::new();
    let unnamed = |said: &str| {
        let wrong: Vec<_> = said.lines().filter(|line| line.contains("WRONG")).collect();
        let named = STARTS.iter().filter(|(.., named)| *named).map(|(how, ..)| *how);
        named.filter(|how| !wrong.iter().any(|line| line.contains(how))).collect::<Vec<_>>()
    };
    for _ in 0..RECOVERY {
        doctor = stand.remit(&["doctor"]).await.said();
        if unnamed(&doctor).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(unnamed(&doctor), Vec::<&str>::new(), "{doctor}");
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_or_hang_up_cost_nobody_else_and_are_settled() {
    let street = Street::up().await;
    let (rude, polite) = (street.stand.open("reading").await, street.stand.open("reading").await);
    let address = street.stand.address();
    let before = street.stand.memory().0;
    let mut unread = Vec::new();
    for n in 0..RUDE {
        let params = json!({"name": "endpoint__read_flood", "arguments": {}});
        let mut flood = Request::new(address, &rude.token, "tools/call", params);
        flood.body["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("info");
        let connection = flood.send_only(address).await;
        if n % 2 == 0 {
            unread.push(connection);
        }
    }
    let mut talk = Client::RustStateless.connect(&polite).await;
    for _ in 0..20 {
        assert_eq!(talk.text("steady__read_well", &json!({})).await, "ok");
    }
    talk.end().await;
    let found = outcomes(&street.stand).await;
    let floods = found.iter().filter(|((tool, _), _)| tool == "endpoint/read_flood");
    let floods: usize = floods.map(|(_, count)| count).sum();
    let sent = std::fs::read_to_string(&street.journal).unwrap().matches("read_flood").count();
    assert!(sent <= floods && floods <= RUDE, "{sent} sent, {floods} recorded of {RUDE}");
    let peak = street.stand.memory().1;
    assert!(peak < before + MOST_MEMORY_KIB, "from {before} KiB to {peak} KiB");
    drop(unread);
    crate::proof::log_is_good(&street.stand).await;
}
