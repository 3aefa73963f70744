//! `kill -9` at ten moments: the log recovers, no outcome without a decision, no call without a record.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::peers::Client;
use crate::stand::Stand;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_recovers_from_a_kill_at_ten_moments() {
    let (mut stand, notes) = crate::drift::stand().await;
    for moment in 0..10u64 {
        let grant = stand.open("reading").await;
        let caller = tokio::spawn(async move {
            let mut talk = Client::TypeScriptOld.connect(&grant).await;
            loop {
                let call = |n: usize| {
                    json!({"do": "tools/call", "name": "notes__read_note",
                    "arguments": {"title": format!("{moment}-{n}")}})
                };
                talk.parallel(&(0..8).map(call).collect::<Vec<_>>()).await;
            }
        });
        let before = notes.reached().len();
        // The first moments fall before and into the first calls, the later ones into full flow.
        let pause = Duration::from_millis(3 * moment * moment);
        while moment > 0 && notes.reached().len() == before && !caller.is_finished() {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(pause).await;
        stand.kill().await;
        caller.abort();
        stand.start().await;
        recovered(&stand, &notes.reached()).await;
    }
    crate::proof::log_is_good(&stand).await;
    assert!(notes.reached().len() > 20, "the test killed too early to mean anything");
}

/// Verifies, and holds what really happened against what was recorded.
pub(crate) async fn recovered(stand: &Stand, reached: &[Value]) -> usize {
    let verified = stand.ask(&["audit", "verify"]).await;
    assert_eq!(verified["open_calls"], 0, "a permit without an outcome after a start: {verified}");
    let entries = exported(stand, verified["journal"].as_u64().unwrap()).await;
    let mut decisions = BTreeSet::new();
    let mut settled = BTreeSet::new();
    for (index, entry) in (0u64..).zip(&entries) {
        match entry["kind"].as_str() {
            Some("decision") => drop(decisions.insert(index)),
            Some("outcome") => {
                let decision =
                    entry["parents"][0]["index"].as_u64().unwrap_or_else(|| panic!("{entry}"));
                assert!(
                    decisions.contains(&decision),
                    "an outcome without an earlier decision: {entry}"
                );
                assert!(settled.insert(decision), "a decision was settled twice: {entry}");
            }
            _ => {}
        }
    }
    assert_eq!(settled, decisions, "after a start every decision has an outcome");
    assert!(reached.len() <= decisions.len(), "a call reached the server without a record");
    decisions.len()
}

/// The export, once the signed checkpoint covers what was in the journal.
async fn exported(stand: &Stand, journal: u64) -> Vec<Value> {
    for _ in 0..100 {
        let export = stand.remit(&["audit", "export", "--format", "jsonl"]).await;
        assert!(export.ok, "{}", export.said());
        let lines = export.stdout.lines();
        let entries: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        if entries.len() as u64 >= journal {
            return entries;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{journal} entries of the journal are not published within ten seconds");
}
