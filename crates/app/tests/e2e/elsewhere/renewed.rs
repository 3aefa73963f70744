//! Whoever goes on with a task is judged by its newest token, also after a restart.

use serde_json::json;

use super::{Desk, TYPE, granted};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_whose_its_newest_token_is() {
    let mut desk = Desk::open("preset = \"gitlab\"", r#"{ project_path = "p" }"#).await;
    desk.only(
        "context.attestation.method == \"oidc\" && context.attestation has named && \
         context.attestation.named.subject == \"second\"",
    )
    .await;
    let first = desk.token(&json!({"sub": "first", "project_path": "p"})).await;
    let grant = granted(&desk.show(&first).await);
    assert!(!desk.call(&grant).await.body.contains("a note"));
    let task = grant["authorization_details"][0]["task"].as_str().unwrap();
    let further = json!([{"type": "remit", "task": task}]).to_string();
    let second = desk.token(&json!({"sub": "second", "project_path": "p"})).await;
    let form = [("grant_type", TYPE), ("assertion", &second), ("authorization_details", &further)];
    let renewed = granted(&desk.post(&form).await);
    let called = desk.call(&renewed).await;
    assert!(called.body.contains("a note"), "{}", called.body);
    let entries = desk.stand.entries().await;
    let attested = entries.iter().find(|entry| entry["clear"]["what"] == "attested").unwrap();
    assert_eq!(attested["clear"]["event"]["method"], "oidc", "{attested}");
    assert!(
        !attested.to_string().contains("second"),
        "names of others stand in the body: {attested}"
    );

    // What is not in the projection is told by the log, with what is in its bodies.
    desk.stand.kill().await;
    drop(std::fs::remove_file(desk.stand.state().join("projection.redb")));
    desk.stand.start().await;
    let shown = desk.stand.ask(&["task", "show", task]).await;
    assert_eq!(shown["named"]["subject"], "second", "{shown}");
    crate::proof::log_is_good(&desk.stand).await;
}
