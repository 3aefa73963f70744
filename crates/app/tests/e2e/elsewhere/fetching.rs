//! An issuer that changes its keys, and one that is not what it says: what is asked of it, how often, and
//! what is believed.

use std::time::Duration;

use serde_json::json;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_issuers_is_not_believed() {
    let (other, metadata) = ("http://127.0.0.1:1/latest/meta-data", "http://169.254.169.254/");
    for (about, control, why) in [
        ("redirected", json!({"answer": {"status": 302, "location": metadata}}), "redirects"),
        ("down", json!({"answer": {"status": 500}}), "answered with status 500"),
        ("of another", json!({"metadata": {"issuer": other}}), "another `issuer`"),
        ("keys at a name", json!({"metadata": {"jwks_uri": metadata}}), "expected an address"),
        ("no set", json!({"keys": []}), "no list `keys`"),
        (
            "a shared secret",
            json!({"keys": {"keys": [{"kty": "oct", "k": "AA"}]}}),
            "private member `k`",
        ),
        (
            "a private key",
            json!({"keys": {"keys": [{"kty": "EC", "d": "AA"}]}}),
            "private member `d`",
        ),
        ("too many", json!({"keys": {"keys": vec![1; 65]}}), "it holds 65"),
        ("huge", json!({"keys": {"pad": "x".repeat(300_000)}}), "length limit exceeded"),
    ] {
        let desk = Desk::open("", CLAIMS).await;
        desk.issuer.control(control).await;
        let refused = desk.show(&desk.token(&json!({})).await).await;
        assert_eq!(refused.status, 503, "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
        assert!(!refused.header("retry-after").is_empty(), "{about}");
        assert_eq!(desk.stand.ask(&["task", "list"]).await, json!([]), "{about}");
    }
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
