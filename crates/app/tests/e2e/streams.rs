//! What changes is announced to whoever listens, in both eras; what ends, ends the stream.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::drift::stand;
use crate::peers::{Client, Conversation, node, npm_server};
use crate::stand::{PATIENCE, Plan, Stand};

async fn withdraw(stand: &Stand) {
    // Time for the listening stream to be there; a change before it is the next list's matter.
    sleep(Duration::from_secs(1)).await;
    stand.act(&["tool", "withdraw", "notes/read_note"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_tool_is_announced_on_a_subscription() {
    for client in [Client::PythonStateless, Client::TypeScriptStateless] {
        let (stand, _notes) = stand().await;
        let mut talk = client.connect(&stand.open("reading").await).await;
        assert_eq!(talk.tools().await.len(), 2);
        let listen = json!({"do": "subscriptions/listen", "for_ms": 15_000, "events": 1});
        let (heard, ()) = tokio::join!(talk.result(&listen), withdraw(&stand));
        assert_eq!(heard["events"], json!(["ToolsListChanged"]), "{client:?}");
        assert_eq!(talk.tools().await, ["notes__read_list"], "{client:?}");
        talk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_tool_is_announced_in_a_session() {
    for client in [Client::PythonSessions, Client::TypeScriptSessions, Client::TypeScriptOld] {
        let (stand, _notes) = stand().await;
        let mut talk = client.connect(&stand.open("reading").await).await;
        assert_eq!(talk.tools().await.len(), 2);
        withdraw(&stand).await;
        timeout(PATIENCE, announced(&mut talk))
            .await
            .unwrap_or_else(|_| panic!("{client:?} heard nothing"));
        assert_eq!(talk.tools().await, ["notes__read_list"], "{client:?}");
        talk.end().await;
    }
}

async fn announced(talk: &mut Conversation) {
    let heard = |talk: &Conversation| {
        let mut beside = talk.beside.iter();
        beside.any(|line| line["notification"] == "notifications/tools/list_changed")
    };
    while !heard(talk) {
        talk.result(&json!({"do": "ping"})).await;
        sleep(Duration::from_millis(50)).await;
    }
}

/// The clients that hand on a notification before the answer that follows it.
const TOLD_AT_ONCE: [Client; 5] = [
    Client::PythonStateless,
    Client::PythonSessions,
    Client::TypeScriptStateless,
    Client::TypeScriptSessions,
    Client::TypeScriptOld,
];

/// Calls with this many steps of progress and gives the totals that were reported to it.
async fn progress_of(talk: &mut Conversation, steps: usize) -> Vec<String> {
    let long = json!({"do": "tools/call", "name": "everything__trigger-long-running-operation",
        "arguments": {"duration": 2, "steps": steps}, "progress": true});
    let done = crate::peers::text_of(&talk.result(&long).await);
    assert!(done.contains(&format!("Steps: {steps}")), "somebody else's answer: {done}");
    let progress =
        talk.beside.iter().filter(|line| line["notification"] == "notifications/progress");
    progress.map(|line| line["params"]["total"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_one_shared_server_do_not_hear_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new()
        .stdio(
            "everything",
            &[&node(), &npm_server("everything"), "stdio"],
            "shared = true\n[server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\n",
        )
        .template("work", &["*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    // All of them number their requests and progress tokens from the same beginning.
    let mut heard = JoinSet::new();
    for (client, steps) in TOLD_AT_ONCE.into_iter().zip(3..) {
        let mut talk = client.connect(&stand.open("work").await).await;
        heard.spawn(async move { (steps, progress_of(&mut talk, steps).await) });
    }
    while let Some(one) = heard.join_next().await {
        let (steps, totals) = one.unwrap();
        // Python writes a whole number as `3.0`.
        let totals: Vec<_> = totals.iter().map(|total| total.trim_end_matches(".0")).collect();
        assert_eq!(totals, vec![steps.to_string(); steps]);
    }
}
