//! What changes is announced to whoever listens, in both eras; what ends, ends the stream.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::drift::stand;
use crate::peers::{Client, Conversation};
use crate::stand::{PATIENCE, Stand};

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
