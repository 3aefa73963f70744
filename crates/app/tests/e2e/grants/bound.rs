//! A grant that is bound to a key, from the command line to the tool server.

use serde_json::{Value, json};

use super::holder::{Holder, hash};
use crate::drift::read_note;
use crate::peers::{Changing, Client};
use crate::stand::{Grant, Plan, Stand};
use crate::wire::{Answer, Request, metric};

/// A server with one tool, and a template that may use it.
pub(crate) async fn stand(plan: Plan) -> (Stand, Changing) {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), &json!([read_note("Reads a note.")]));
    let command = notes.command();
    let plan = plan
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("reading", &["notes/*"], "");
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, notes)
}

async fn open(stand: &Stand, holder: &Holder) -> Grant {
    let jkt = holder.thumbprint();
    let opened = stand.ask(&["task", "open", "--template", "reading", "--jkt", &jkt]).await;
    assert_eq!(opened["token_type"], "DPoP", "{opened}");
    Grant::of(&opened)
}

fn call(stand: &Stand, grant: &Grant) -> Request {
    let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
    Request::new(stand.address(), &grant.token, "tools/call", params)
}

async fn call_with(stand: &Stand, grant: &Grant, proof: &str) -> Answer {
    let shown = format!("DPoP {}", grant.token);
    let call = call(stand, grant).with("Authorization", Some(&shown)).with("DPoP", Some(proof));
    call.send(stand.address()).await
}

fn nonce(answer: &Answer) -> Value {
    json!(answer.header("dpop-nonce"))
}

/// What the record of the one call there was says in the clear of how the caller held its grant.
async fn possession(stand: &Stand) -> String {
    let entries = stand.entries().await;
    let mut decisions = entries.iter().filter(|entry| entry["kind"] == "decision");
    let decision = decisions.next().expect("a call was made");
    assert!(decisions.next().is_none(), "one call was made");
    decision["clear"]["possession"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_grant_is_worth_nothing_without_its_key() {
    let (stand, notes) = stand(Plan::new()).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let grant = open(&stand, &holder).await;

    let stolen = call(&stand, &grant).send(stand.address()).await;
    assert_eq!(stolen.status, 401, "{}", stolen.body);
    assert!(stolen.body.contains("the grant is bound to a key"), "{}", stolen.body);
    assert!(stolen.head.contains("www-authenticate: dpop realm="), "{}", stolen.head);
    let shown = format!("DPoP {}", grant.token);
    let without = call(&stand, &grant).with("Authorization", Some(&shown));
    let without = without.send(stand.address()).await;
    assert!(without.body.contains("invalid_dpop_proof"), "{}", without.body);

    let ath = json!({ "ath": hash(&grant.token) });
    let first = call_with(&stand, &grant, &holder.proof(&grant.endpoint, &ath)).await;
    assert_eq!(first.status, 401);
    assert!(first.body.contains("use_dpop_nonce"), "{}", first.body);
    assert!(first.head.contains("error=\"use_dpop_nonce\""), "{}", first.head);
    let fresh = json!({ "ath": ath["ath"], "nonce": nonce(&first) });
    let by_thief = call_with(&stand, &grant, &thief.proof(&grant.endpoint, &fresh)).await;
    assert!(by_thief.body.contains("another key"), "{}", by_thief.body);
    assert!(notes.reached().is_empty(), "{:?}", notes.reached());

    let proof = holder.proof(&grant.endpoint, &fresh);
    let good = call_with(&stand, &grant, &proof).await;
    assert_eq!(good.status, 200, "{}", good.body);
    let replayed = call_with(&stand, &grant, &proof).await;
    assert!(replayed.body.contains("was used before"), "{}", replayed.body);
    let elsewhere = holder.proof("https://evil.example/mcp", &fresh);
    let elsewhere = call_with(&stand, &grant, &elsewhere).await;
    assert!(elsewhere.body.contains("`htu` is not this URL"), "{}", elsewhere.body);
    assert_eq!(notes.reached().len(), 1);
    assert_eq!(possession(&stand).await, "dpop");
    assert_eq!(metric(&stand, "remit_proofs_remembered").await, 1);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_from_before_a_restart_is_not_believed_again() {
    let port = free_port();
    let (mut stand, notes) = stand(Plan::new().at(&format!("127.0.0.1:{port}"))).await;
    let holder = Holder::new();
    let grant = open(&stand, &holder).await;
    let ath = json!({ "ath": hash(&grant.token) });
    let first = call_with(&stand, &grant, &holder.proof(&grant.endpoint, &ath)).await;
    let fresh = json!({ "ath": ath["ath"], "nonce": nonce(&first) });
    let proof = holder.proof(&grant.endpoint, &fresh);
    assert_eq!(call_with(&stand, &grant, &proof).await.status, 200);
    stand.kill().await;
    stand.start().await;
    let replayed = call_with(&stand, &grant, &proof).await;
    assert!(replayed.body.contains("use_dpop_nonce"), "{}", replayed.body);
    let fresh = json!({ "ath": ath["ath"], "nonce": nonce(&replayed) });
    let again = call_with(&stand, &grant, &holder.proof(&grant.endpoint, &fresh)).await;
    assert_eq!(again.status, 200, "the grant outlives the process: {}", again.body);
    assert_eq!(notes.reached().len(), 2);
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_bearer_grants_are_not_accepted_none_is_made_and_stdio_needs_none() {
    let (stand, notes) = stand(Plan::new().bound_only()).await;
    let refused = stand.remit(&["task", "open", "--template", "reading"]).await;
    assert!(!refused.ok && refused.said().contains("--jkt"), "{}", refused.said());
    let tasks = stand.ask(&["task", "list"]).await;
    assert_eq!(tasks, json!([]), "nothing was opened");

    let holder = Holder::new();
    let grant = open(&stand, &holder).await;
    let bearer = stand.remit(&["task", "grant", &grant.task]).await;
    assert!(!bearer.ok && bearer.said().contains("--jkt"), "{}", bearer.said());
    let jkt = holder.thumbprint();
    let further = stand.ask(&["task", "grant", &grant.task, "--jkt", &jkt]).await;
    assert_eq!(further["token_type"], "DPoP");
    let none = call(&stand, &grant).with("Authorization", None).send(stand.address()).await;
    assert!(none.head.contains("www-authenticate: dpop"), "{}", none.head);
    assert!(!none.head.contains("bearer realm"), "{}", none.head);

    let mut talk = Client::PythonSessions.connect_stdio(&stand.stdio_door("reading")).await;
    assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
    talk.end().await;
    assert_eq!(possession(&stand).await, "connection");
    assert_eq!(notes.reached().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_grant_is_marked_and_ends_where_the_configuration_stops_accepting_it() {
    let (stand, notes) = stand(Plan::new()).await;
    let grant = stand.open("reading").await;
    assert_eq!(call(&stand, &grant).send(stand.address()).await.status, 200);
    assert_eq!(possession(&stand).await, "bearer");
    let config = std::fs::read_to_string(stand.config()).unwrap();
    std::fs::write(stand.config(), config.replace("[listen]\n", "[listen]\nbearer = false\n"))
        .unwrap();
    let mut last = String::new();
    for _ in 0..100 {
        last = call(&stand, &grant).send(stand.address()).await.body;
        if last.contains("grants that are bound to no key are not accepted here") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(last.contains("bound to no key are not accepted"), "{last}");
    let reached = notes.reached().len();
    assert_eq!(call(&stand, &grant).send(stand.address()).await.status, 401);
    assert_eq!(notes.reached().len(), reached);
}
