//! Clients of one era with servers of the other: what is put in another form on the way.

use std::time::Duration;

use serde_json::json;

use crate::peers::{Changing, Client, Conversation, Listening, stateless_server};
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

    /// Checks how many permits of `tool` the ledger has; the last may be published a little later.
    async fn have_permits(&self, tool: &str, wanted: usize) {
        let mut found = 0;
        for _ in 0..20 {
            let entries = self.stand.entries().await;
            let permits = entries.iter().filter(|one| one["kind"] == "decision");
            found = permits.filter(|one| one["clear"]["tool"] == tool).count();
            if found >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(found, wanted, "{tool}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_question_reaches_the_client_whatever_either_speaks() {
    let eras = Eras::up().await;
    let mut calls = 0;
    for client in Client::ALL {
        for stdio in [false, true] {
            let who = format!("{client:?} over {}", if stdio { "stdio" } else { "HTTP" });
            let mut talk = if stdio {
                client.connect_stdio(&eras.stand.stdio_door("work")).await
            } else {
                client.connect(&eras.stand.open("work").await).await
            };
            let answered = asked(&mut talk, "old__read_name", &who).await;
            assert!(answered.contains("decline"), "{who}: {answered}");
            let answered = asked(&mut talk, "new__greet", &who).await;
            assert_eq!(answered, "asked once: decline", "{who}");
            talk.end().await;
            calls += 1;
        }
    }
    // The question of a server with sessions belongs to the one call; an answer to a server
    // without is a call of its own, with a record of its own.
    assert_eq!(eras.old.reached().len(), calls);
    eras.have_permits("old/read_name", calls).await;
    eras.have_permits("new/greet", 2 * calls).await;
    crate::proof::log_is_good(&eras.stand).await;
}
