//! An agent that does whatever it reads, behind Remit (promise R5): a sample of the recordings in `e2e/dojo`, which
//! `cargo xtask dojo` plays whole.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::peers::{peer, python};
use crate::stand::REMIT;

/// Attacked runs of each suite, mode and order; of honest ones all are played.
const SAMPLE: &str = "6";

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_obeys_what_it_reads_still_gets_its_own_work_done() {
    for (suite, figures) in replayed(&[]).await.as_object().unwrap() {
        let honest = figures["honest"].as_object().unwrap();
        assert_eq!(honest.len(), 2, "both modes are played");
        for (mode, run) in honest {
            let done = &run["completable"];
            assert_eq!(done["met"], done["of"], "{suite}, {mode}: {:#}", figures["bothered"]);
        }
        attacked(suite, figures);
    }
}

/// Whether attacks of a suite were tried, in each mode and order.
fn attacked(suite: &str, figures: &Value) {
    let attacked = figures["attacked"].as_array().unwrap();
    assert_eq!(attacked.len(), 4, "{suite}: each mode and order is played");
    for run in attacked {
        assert!(run["careful"]["of"].as_u64().unwrap() > 0, "{suite}: nothing was tried: {run}");
    }
}

/// What the replay says of this sample, by suite.
async fn replayed(options: &[&str]) -> Value {
    let output = Command::new(python())
        .arg(peer("dojo/run.py"))
        .args(["--remit", REMIT, "--json", "--sample", SAMPLE])
        .args(options)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the replay broke: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
