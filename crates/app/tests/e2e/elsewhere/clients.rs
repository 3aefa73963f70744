//! The TypeScript client's cross-app access provider, which nobody here wrote: with an ID-JAG as it is, and
//! with a workload's token in its place.

use serde_json::json;

use super::Desk;
use super::issuer::Issuer;
use crate::grants::Holder;
use crate::peers::{Client, Vouched};
use crate::stand::Plan;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_acts_for_a_person_and_a_workload_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let worker = Holder::new();
    std::fs::write(path("worker.jwks"), json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
    std::fs::write(path("worker.pem"), worker.pem()).unwrap();
    let plan = Plan::new().agent_keys(&path("worker.jwks"));
    let lines = "vouches_for = [\"people\", \"workloads\"]";
    let desk = Desk::with(plan, Issuer::start(&[]).await, lines, r#"{ sub = "robot" }"#).await;
    let url = format!("{}/mcp", desk.ours);
    let jag = json!({"sub": "alice", "client_id": "worker", "resource": url});
    let jag = desk.forge(&json!({"typ": "oauth-id-jag+jwt"}), &jag);
    let robot = desk.token(&json!({"sub": "robot"})).await;
    for (assertion, key, name) in [(&jag, Some("worker.pem"), "worker"), (&robot, None, "worker")] {
        let file = path("assertion");
        std::fs::write(&file, assertion).unwrap();
        let key = key.map(path);
        let who =
            Vouched { url: &url, name, assertion: &file, key: key.as_deref(), issuer: &desk.ours };
        let mut talk = Client::TypeScriptStateless.connect_vouched(&who).await;
        let text = talk.text("notes__read_note", &json!({"title": "a"})).await;
        assert_eq!(text, "a note", "{name}");
        talk.end().await;
    }
    assert_eq!(desk.notes.reached().len(), 2);
    crate::proof::log_is_good(&desk.stand).await;
}
