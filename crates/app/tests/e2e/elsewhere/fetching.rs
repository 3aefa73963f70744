//! An issuer that changes its keys, and one that is not what it says: what is asked of it, how often, and
//! what is believed.

use std::time::Duration;

use serde_json::{Value, json};

use super::Desk;
use super::issuer::Issuer;
use crate::stand::Plan;

const CLAIMS: &str = r#"{ sub = "somebody" }"#;
/// A little longer than the shortest time between two questions.
const LATER: Duration = Duration::from_millis(10_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_learnt_and_a_flood_of_unknown_ones_asks_once() {
    let desk = Desk::open("", CLAIMS).await;
    assert_eq!(desk.show(&desk.token(&json!({})).await).await.status, 200);
    assert_eq!(desk.issuer.asked().await, 1);
    let old = desk.token(&json!({})).await;
    let claims = desk.claims(&json!({}));
    let rotated = desk.issuer.control(json!({ "sign": claims, "rotate": true })).await;
    let new = rotated["token"].as_str().unwrap();
    // It was asked less than ten seconds ago.
    let too_soon = desk.show(new).await;
    assert!(too_soon.body.contains("`kid` is none"), "{}", too_soon.body);
    tokio::time::sleep(LATER).await;
    for number in 0..100 {
        let unknown = desk.forge(&json!({ "kid": format!("unknown-{number}") }), &json!({}));
        assert_eq!(desk.show(&unknown).await.status, 400);
    }
    let new = desk.show(new).await;
    assert_eq!(new.status, 200, "{}", new.body);
    assert_eq!(desk.issuer.asked().await, 2, "a hundred unknown keys, and one that came");
    let withdrawn = desk.show(&old).await;
    assert!(withdrawn.body.contains("`kid` is none"), "{}", withdrawn.body);
    // It goes away: what is known of it is good for a while.
    desk.issuer.control(json!({ "answer": { "status": 503 } })).await;
    tokio::time::sleep(LATER).await;
    assert_eq!(desk.show(&desk.token(&json!({})).await).await.status, 200);
}

/// How an issuer is not what it says, and what is told to whoever shows a token of its.
fn misbehaviours() -> Vec<(&'static str, Value, &'static str)> {
    let (other, metadata) = ("http://127.0.0.1:1", "http://169.254.169.254/latest/meta-data");
    let keys = |key: Value| json!({ "keys": { "keys": [key] } });
    vec![
        ("redirected", json!({"answer": {"status": 302, "location": metadata}}), "redirects"),
        ("down", json!({"answer": {"status": 500}}), "answered with status 500"),
        ("of another", json!({"metadata": {"issuer": other}}), "another `issuer`"),
        ("keys elsewhere", json!({"metadata": {"jwks_uri": metadata}}), "expected an address"),
        ("no set", json!({"keys": []}), "no list `keys`"),
        ("a shared secret", keys(json!({"kty": "oct", "k": "AA"})), "private member `k`"),
        ("a private key", keys(json!({"kty": "EC", "d": "AA"})), "private member `d`"),
        ("too many", json!({"keys": {"keys": vec![1; 65]}}), "it holds 65"),
        ("huge", json!({"keys": {"pad": "x".repeat(300_000)}}), "length limit exceeded"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_issuers_is_not_believed() {
    let (mut plan, mut odd) = (Plan::new(), Vec::new());
    for (number, (about, control, why)) in misbehaviours().into_iter().enumerate() {
        let issuer = Issuer::start(&[]).await;
        issuer.control(control).await;
        let url = &issuer.url;
        plan = plan.with(&format!("[[issuer]]\nname = \"odd-{number}\"\nurl = \"{url}\"\n\n"));
        odd.push((issuer, about, why));
    }
    let desk = Desk::with(plan, Issuer::start(&[]).await, "", CLAIMS).await;
    for (issuer, about, why) in odd {
        let token = issuer.sign(&desk.claims(&json!({ "iss": issuer.url }))).await;
        let refused = desk.show(&token).await;
        assert_eq!(refused.status, 503, "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
        assert!(!refused.header("retry-after").is_empty(), "{about}");
    }
    assert_eq!(desk.stand.ask(&["task", "list"]).await, json!([]));
    // The one that is what it says goes on all the same.
    assert_eq!(desk.show(&desk.token(&json!({})).await).await.status, 200);
}

/// Taken out of the configuration, it is nobody any more; given a file, nobody asks it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_given_and_an_issuer_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.jwks");
    let issuer = Issuer::start(&[]).await;
    let public = issuer.control(json!({})).await["public"].clone();
    std::fs::write(&file, json!({ "keys": public }).to_string()).unwrap();
    let line = format!("jwks_file = \"{}\"", file.display());
    let desk = Desk::with(Plan::new(), issuer, &line, CLAIMS).await;
    let token = desk.token(&json!({})).await;
    assert_eq!(desk.show(&token).await.status, 200);
    assert_eq!(desk.issuer.asked().await, 0, "its keys are in a file");
    let text = std::fs::read_to_string(desk.stand.config()).unwrap();
    let (before, after) = text.split_once("[[issuer]]").unwrap();
    let (_, after) = after.split_once("[[server]]").unwrap();
    let gone = before.replace("federated = ", "# federated = ");
    std::fs::write(desk.stand.config(), format!("{gone}[[server]]{after}")).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let refused = desk.show(&desk.token(&json!({})).await).await;
    assert!(refused.body.contains("no issuer that is trusted"), "{}", refused.body);
}

/// The bearer token is for the server that a person named, and only if that is certified as they said.
#[tokio::test(flavor = "multi_thread")]
async fn what_opens_the_issuers_door_is_shown_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, other) = (file("ca.pem"), file("ca.key"), file("other.pem"));
    crate::peers::certificate(certificate.as_ref(), key.as_ref()).await;
    crate::peers::certificate(other.as_ref(), file("other.key").as_ref()).await;
    std::fs::write(file("token"), "let-me-in").unwrap();
    let token = format!("token_file = \"{}\"", file("token"));
    let bearer = ["--bearer", "let-me-in"];
    // Its keys are said to be elsewhere, where the same token would open.
    let (elsewhere, issuer) = (Issuer::start(&bearer).await, Issuer::start(&bearer).await);
    let keys = format!("{}/keys", elsewhere.url);
    issuer.control(json!({ "metadata": { "jwks_uri": keys } })).await;
    let desk = Desk::with(Plan::new(), issuer, &token, CLAIMS).await;
    let refused = desk.show(&desk.token(&json!({})).await).await;
    assert!(refused.body.contains("/keys answered with status 401"), "{}", refused.body);
    assert_eq!(elsewhere.asked().await, 1);
    // A server that somebody else certified.
    let tls = ["--certificate", &certificate, "--key", &key, "--bearer", "let-me-in"];
    let lines = format!("{token}\nca_file = \"{other}\"");
    let desk = Desk::with(Plan::new(), Issuer::start(&tls).await, &lines, CLAIMS).await;
    let refused = desk.show(&desk.token(&json!({})).await).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("invalid peer certificate"), "{}", refused.body);
    assert_eq!(desk.issuer.asked().await, 0);
}
