//! The key of grants is replaced while clients work, also because somebody else may have it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::tokens::Desk;
use crate::peers::{Client, Registered, peer, python};
use crate::stand::{PATIENCE, Plan, Stand};
use crate::wire::{Answer, Request, get};

const ROTATE: [&str; 3] = ["keys", "rotate", "token"];
const COMPROMISED: [&str; 4] = ["keys", "rotate", "token", "--compromised"];

/// When the server is killed: as soon as this file of the old key (0) or the next (1) is there, or no more.
const KILLS: [(u64, &str, bool); 3] = [(0, "made", false), (1, "key", true), (1, "made", true)];

async fn read(stand: &Stand, token: &str) -> Answer {
    let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
    Request::new(stand.address(), token, "tools/call", params).send(stand.address()).await
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(answer.body.contains("`kid` is not that of a key in use"), "{}", answer.body);
}

/// The keys of grants, as they are listed.
async fn keys(stand: &Stand) -> Vec<Value> {
    let keys = stand.ask(&["keys", "list"]).await;
    keys.as_array().unwrap().iter().filter(|key| key["signs"] == "grants").cloned().collect()
}

/// The ids of the keys that signed `grants`, by two libraries that know the published keys alone.
async fn verified_elsewhere(issuer: &str, grants: &[&str]) -> Result<Vec<String>, String> {
    let run = Command::new(python())
        .arg(peer("clients/verify_grants.py"))
        .args([format!("{issuer}/oauth/jwks"), format!("{issuer}/mcp")])
        .args(grants)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    if run.status.success() { Ok(serde_json::from_slice(&run.stdout).unwrap()) } else { Err(said) }
}

/// At an address that stays the same after a restart, as the issuer of grants must.
fn lasting() -> Plan {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Plan::new().at(&free.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_while_the_key_is_replaced_and_others_verify_both() {
    let desk = Desk::open(Plan::new()).await;
    let (stand, url) = (&desk.stand, format!("{}/mcp", desk.issuer));
    let (old, title) = (stand.open("reading").await, json!({"title": "a"}));
    let mut bearer = Client::TypeScriptSessions.connect(&old).await;
    let mut bound = Client::TypeScriptStateless.connect_registered(&desk.registered(&url)).await;
    let calls = async {
        for _ in 0..40 {
            assert_eq!(bearer.text("notes__read_note", &title).await, "a note");
            assert_eq!(bound.text("notes__read_note", &title).await, "a note");
        }
    };
    let rotations = async {
        stand.act(&ROTATE).await;
        stand.act(&ROTATE).await;
    };
    tokio::join!(calls, rotations);
    assert_eq!(bearer.text("notes__read_note", &title).await, "a note", "verified anew");
    assert_eq!(stand.ask(&["task", "list"]).await.as_array().unwrap().len(), 2, "none began anew");

    let new = stand.open("reading").await;
    assert_eq!(read(stand, &new.token).await.status, 200);
    let listed = keys(stand).await;
    let id = |at: usize| listed[at]["id"].as_str().unwrap().to_owned();
    let signed = verified_elsewhere(&desk.issuer, &[&old.token, &new.token]).await.unwrap();
    assert_eq!(signed, [id(0), id(2)], "the newest signs at once");
    let names: Vec<_> = listed.iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["token-1", "token-2", "token-3"]);
    for (at, replaced) in [(0, true), (1, true), (2, false)] {
        let times = ["signs_until", "good_until"].map(|time| listed[at][time].is_number());
        assert_eq!(times, [replaced, replaced], "{}", listed[at]);
        assert_eq!(listed[at]["next_made"].is_number(), !replaced, "{}", listed[at]);
    }
    crate::proof::log_is_good(stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_compromised_key_signed_is_refused_and_clients_get_in_again() {
    let mut desk = Desk::open(lasting()).await;
    let (url, title) = (format!("{}/mcp", desk.issuer), json!({"title": "a"}));
    let stolen = desk.stand.open("reading").await.token;
    let who = desk.registered(&url);
    let mut bound = Client::TypeScriptStateless.connect_registered(&who).await;
    let unbound = Registered { bound: false, ..desk.registered(&url) };
    let mut bearer = Client::TypeScriptStateless.connect_registered(&unbound).await;
    for talk in [&mut bound, &mut bearer] {
        assert_eq!(talk.text("notes__read_note", &title).await, "a note");
    }
    assert_eq!(read(&desk.stand, &stolen).await.status, 200, "so it is remembered as verified");
    desk.stand.act(&ROTATE).await;

    desk.stand.act(&COMPROMISED).await;
    assert_refused(&read(&desk.stand, &stolen).await);
    let elsewhere = verified_elsewhere(&desk.issuer, &[&stolen]).await.unwrap_err();
    assert!(elsewhere.contains("Unable to find a signing key"), "{elsewhere}");
    for talk in [&mut bound, &mut bearer] {
        let text = talk.text("notes__read_note", &title).await;
        assert_eq!(text, "a note", "the client asked for a new grant by itself");
    }
    bound.end().await;
    bearer.end().await;

    desk.stand.kill().await;
    desk.stand.start().await;
    assert_refused(&read(&desk.stand, &stolen).await);
    let new = desk.stand.open("reading").await.token;
    assert_eq!(read(&desk.stand, &new).await.status, 200);
    let listed = keys(&desk.stand).await;
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &json!("token-3")));
    let folder = desk.stand.state().join("keys");
    assert!(!folder.join("token-1.key").exists() && !folder.join("token-2.key").exists());
    let entries = desk.stand.entries().await;
    let withdrawn = entries.iter().find(|entry| entry["clear"]["what"] == "withdrawn").unwrap();
    assert_eq!(
        (&withdrawn["kind"], &withdrawn["clear"]["actor"]),
        (&"key".into(), &"operator".into())
    );
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_keys_are_taken_back_brings_none_back() {
    let mut desk = Desk::open(lasting()).await;
    for (after, kind, there) in KILLS {
        let stand = &mut desk.stand;
        let old = stand.open("reading").await.token;
        assert_eq!(read(stand, &old).await.status, 200);
        let name = keys(stand).await[0]["name"].as_str().unwrap().to_owned();
        let number: u64 = name.strip_prefix("token-").unwrap().parse().unwrap();
        let file = stand.state().join(format!("keys/token-{}.{kind}", number + after));
        let killing = async {
            while file.exists() != there {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            stand.die(None).await;
        };
        let command = stand.with_passphrase(&COMPROMISED);
        timeout(PATIENCE, async { tokio::join!(command, killing) }).await.unwrap();
        stand.kill().await;
        stand.start().await;
        assert_refused(&read(stand, &old).await);
        let new = stand.open("reading").await.token;
        assert_eq!(read(stand, &new).await.status, 200, "killed by {file:?}");
        assert_eq!(keys(stand).await.len(), 1, "killed by {file:?}");
    }
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_operator_replaces_the_key() {
    let desk = Desk::open(Plan::new()).await;
    let stand = &desk.stand;
    let before = get(stand.address(), "/oauth/jwks").await.body;
    let guessed = [stand.with_guess(&ROTATE).await, stand.with_guess(&COMPROMISED).await];
    let bare = [stand.remit(&ROTATE).await, stand.remit(&COMPROMISED).await];
    for ran in guessed.iter().chain(&bare) {
        assert!(!ran.ok && ran.said().contains("passphrase"), "{}", ran.said());
    }
    let grant = stand.open("reading").await.token;
    for token in ["", "guess", &grant] {
        for path in ["/v1/keys/token/rotate", "/v1/keys/log/rotate", "/v1/keys/log/retire"] {
            let body = r#"{"compromised":true}"#;
            assert_eq!(crate::operators::knock(stand, path, token, body).await, 401, "{path}");
        }
    }
    assert_eq!(get(stand.address(), "/oauth/jwks").await.body, before);
}
