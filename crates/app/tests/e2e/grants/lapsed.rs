//! An agent that goes on without having proved itself again.

use std::time::Duration;

use serde_json::json;

use super::tokens::Desk;
use crate::peers::Client;
use crate::stand::{Plan, Stand};
use crate::wire::get;

/// Until it is on record as often as `expected` that a proof has lapsed, without a call.
async fn told(stand: &Stand, expected: usize) {
    let mut seen = 0;
    for _ in 0..100 {
        seen = signals(stand).await;
        if seen >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_lapses_is_told_of_though_nobody_calls_and_once_across_restarts() {
    let mut desk = Desk::open(Plan::new().limits("attestation = \"1s\"")).await;
    desk.stand.open("reading").await;
    told(&desk.stand, 1).await;
    desk.stand.kill().await;
    desk.stand.start().await;
    // Longer than it takes from one look at all tasks to the next.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    told(&desk.stand, 1).await;
    crate::proof::log_is_good(&desk.stand).await;
}

/// How often it is on record that a proof has lapsed.
async fn signals(stand: &Stand) -> usize {
    let entries = stand.entries().await.into_iter();
    let signals = entries.filter(|entry| entry["kind"] == "signal");
    signals.filter(|entry| entry["clear"]["what"] == "lapsed").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_not_renewed_in_time_is_told_of_once_until_it_is() {
    let desk = Desk::open(Plan::new().limits("attestation = \"1s\"")).await;
    let (stand, title) = (&desk.stand, json!({"title": "a"}));
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    for lapses in 1..=2 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        for _ in 0..2 {
            assert_eq!(talk.text("notes__read_note", &title).await, "a note", "nothing ends by it");
        }
        assert_eq!(signals(stand).await, lapses);
        if lapses == 1 {
            // Whoever asks for a further grant has proved itself anew.
            stand.ask(&["task", "grant", &grant.task]).await;
        }
    }
    talk.end().await;
    let metrics = get(stand.address(), "/metrics").await.body;
    assert!(metrics.contains("remit_proofs_lapsed_total 2\n"), "{metrics}");
    crate::proof::log_is_good(stand).await;
}
