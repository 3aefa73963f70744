//! Clients of one era with servers of the other: what is put in another form on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::peers::{Changing, Client, Conversation, Listening, everywhere, stateless_server};
use crate::stand::{Plan, Stand};

/// A server with sessions that asks in the middle of a call, and one without that answers with what
/// it wants to know.
struct Eras {
    stand: Stand,
    old: Changing,
    _new: Listening,
}

impl Eras {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tool = json!({"name": "read_name", "description": "Reads a name.", "ask": "Who is there?",
            "inputSchema": {"type": "object", "properties": {}},
            "annotations": {"readOnlyHint": true, "openWorldHint": false}});
        let old = Changing::new(folder.path(), &json!([tool]));
        let new = stateless_server().await;
        let command = old.command();
        let harmless = "[server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\n\
            sensitivity = \"public\"\nreturns = \"trusted\"\n";
        let plan = Plan::new()
            .stdio("old", &command.iter().map(String::as_str).collect::<Vec<_>>(), harmless)
            .http("new", &new.url, harmless)
            .template("work", &["*"], "");
        let state = folder.path().join("state");
        Self { stand: Stand::up(&plan, folder, state).await, old, _new: new }
    }

    /// Checks how many entries of a kind the ledger has about `tool`; an outcome may be
    /// recorded a little after the answer.
    async fn have(&self, kind: &str, tool: &str, wanted: usize) {
        let mut found = 0;
        for _ in 0..20 {
            let entries = self.stand.entries().await;
            let entries = entries.iter().filter(|one| one["kind"] == kind);
            found = entries.filter(|one| one["clear"]["tool"] == tool).count();
            if found >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(found, wanted, "{kind} of {tool}");
    }
}

/// Calls `tool`; the client must have been asked once, and declines, as its driver does.
async fn asked(talk: &mut Conversation, tool: &str, who: &str) -> String {
    let before = talk.beside.len();
    let answered = talk.text(tool, &json!({})).await;
    let questions: Vec<_> = talk.beside[before..]
        .iter()
        .filter(|line| line["asked"] == "elicitation/create")
        .map(|line| line["params"]["message"].as_str().unwrap())
        .collect();
    assert_eq!(questions, ["Who is there?"], "{who}, {tool}: {answered}");
    answered
}

/// A client is asked by both servers.
async fn asked_by_both(mut talk: Conversation, who: &str) {
    let answered = asked(&mut talk, "old__read_name", who).await;
    assert!(answered.contains("decline"), "{who}: {answered}");
    let answered = asked(&mut talk, "new__greet", who).await;
    assert_eq!(answered, "asked once: decline", "{who}");
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_question_reaches_the_client_whatever_either_speaks() {
    let eras = Arc::new(Eras::up().await);
    everywhere(
        &eras,
        "work",
        |eras| &eras.stand,
        |_, talk, who| async move { asked_by_both(talk, &who).await },
    )
    .await;
    // The question of a server with sessions belongs to the one call; an answer to a server
    // without is a call of its own, with a record of its own.
    let calls = 2 * Client::ALL.len();
    assert_eq!(eras.old.reached().len(), calls);
    eras.have("decision", "old/read_name", calls).await;
    eras.have("input", "old/read_name", calls).await;
    eras.have("decision", "new/greet", 2 * calls).await;
    crate::proof::log_is_good(&eras.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_on_the_side_is_as_loud_as_its_client_wants() {
    let eras = Eras::up().await;
    let said = |talk: &Conversation| {
        let notes = talk.beside.iter().filter(|one| one["notification"] == "notifications/message");
        notes.map(|one| one["params"]["level"].clone()).collect::<Vec<_>>()
    };
    for (level, heard) in [("warning", vec![json!("warning")]), ("error", vec![])] {
        // A client of 2025-06-18, and a server of 2026-07-28.
        let mut talk = Client::RustSessions.connect(&eras.stand.open("work").await).await;
        talk.result(&json!({"do": "logging/setLevel", "level": level})).await;
        assert_eq!(talk.text("new__chatter", &json!({})).await, "said");
        talk.result(&json!({"do": "ping"})).await;
        assert_eq!(said(&talk), heard, "{level}");
        talk.end().await;
    }
}
