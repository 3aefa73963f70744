//! Codes and refresh tokens: each for one client, one purpose, one use.

use serde_json::{Value, json};

use super::browser::{Browser, ask, code, nonce, redeem, sent_to, token};
use super::{error, read, stand, tasks};
use crate::grants::{Holder, call};
use crate::stand::{Plan, Stand};
use crate::wire::{Answer, Request, metric};

async fn use_bearer(stand: &Stand, granted: &Value) -> Answer {
    let token = granted["access_token"].as_str().unwrap();
    let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
    Request::new(stand.address(), token, "tools/call", params).send(stand.address()).await
}

async fn refresh(stand: &Stand, granted: &Value, change: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", granted["refresh_token"].as_str().unwrap()),
        ("client_id", "desk"),
        // SDKs send scopes that nobody told them.
        ("scope", "offline_access"),
    ];
    for (name, value) in change {
        fields.retain(|(other, _)| other != name);
        fields.push((name, value));
    }
    token(stand, &fields, None).await
}

async fn state(stand: &Stand, granted: &Value) -> String {
    let task = granted["authorization_details"][0]["task"].as_str().unwrap();
    let shown = stand.ask(&["task", "show", task]).await;
    shown["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_allowed_is_opened_for_its_client_and_stands_on_record() {
    let (stand, notes) = stand(Plan::new()).await;
    let mut browser = Browser::sign_in(&stand, &ask(&[("scope", "mcp:tools")])).await;
    let more = [("calls", "2"), ("effects", "0"), ("minutes", "10"), ("ceiling", "internal")];
    let shown = browser.review(&more).await;
    assert!(shown.body.contains("At most 2 calls, none of which"), "{}", shown.body);
    let allowed = sent_to(&browser.step("allow", &[]).await);
    assert_eq!(allowed["address"], super::CALLBACK);
    assert_eq!(allowed["state"], "a state");
    assert_eq!(allowed["iss"], format!("http://{}", stand.address()));
    assert_eq!(tasks(&stand).await, [] as [Value; 0], "nobody came for it yet");

    let granted = read(&redeem(&stand, allowed["code"].as_str().unwrap(), &[], None).await);
    assert_eq!(granted["token_type"], "Bearer", "{granted}");
    let detail = &granted["authorization_details"][0];
    assert_eq!(detail["purpose"], "read what was noted");
    let remit = &detail["remit"];
    assert_eq!(remit["budget"], json!({"calls": 2, "effects": 0, "bytes": null}), "{remit}");
    assert_eq!(remit["ceiling"], "internal");
    let lasts = remit["deadline"].as_u64().unwrap() - stand_now();
    assert!(lasts < 10 * 60 * 1000, "no later than was shown: {lasts}");
    assert!(remit["tools"].to_string().contains("notes/read_note"), "{remit}");

    assert_eq!(use_bearer(&stand, &granted).await.status, 200);
    assert_eq!(notes.reached().len(), 1);
    let entries = stand.entries().await;
    let opened = entries.iter().find(|entry| entry["clear"]["what"] == "opened").unwrap();
    assert_eq!(opened["clear"]["actor"], "operator");
    assert_eq!(opened["clear"]["agent"], "worker");
    let task = detail["task"].as_str().unwrap();
    let shown = stand.ask(&["task", "show", task]).await;
    assert_eq!(shown["consent"], json!({"by": "operator", "client": "desk"}), "{shown}");
    crate::proof::log_is_good(&stand).await;
}

#[expect(clippy::disallowed_methods, reason = "a test has a clock of its own")]
fn stand_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_for_whoever_asked_for_it_alone() {
    let (stand, _) = stand(Plan::new()).await;
    for (change, expected) in [
        (("client_id", "other"), "invalid_grant"),
        (("client_id", "nobody"), "invalid_grant"),
        (("client_id", ""), "invalid_request"),
        (("redirect_uri", "http://127.0.0.1:5051/callback"), "invalid_grant"),
        (("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"), "invalid_grant"),
        (("code_verifier", super::CHALLENGE), "invalid_grant"),
        (("code_verifier", ""), "invalid_request"),
        (("code", "guessed"), "invalid_grant"),
        (("client_secret", "x"), "invalid_client"),
    ] {
        let code = code(&stand, &ask(&[])).await;
        let refused = redeem(&stand, &code, &[change], None).await;
        assert_eq!(error(&refused), expected, "{change:?}: {}", refused.body);
    }
    let narrow = format!("http://{}/mcp/notes", stand.address());
    let all = format!("http://{}/mcp", stand.address());
    let code = code(&stand, &ask(&[("resource", &narrow)])).await;
    let refused = redeem(&stand, &code, &[("resource", &all)], None).await;
    assert_eq!(error(&refused), "invalid_target", "{}", refused.body);
    assert_eq!(tasks(&stand).await, [] as [Value; 0], "nothing was opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_shown_again_closes_its_task() {
    let (stand, notes) = stand(Plan::new()).await;
    let once = code(&stand, &ask(&[])).await;
    let granted = read(&redeem(&stand, &once, &[], None).await);
    assert_eq!(state(&stand, &granted).await, "open");
    // Whoever has a copy of the code has no verifier.
    let again = redeem(&stand, &once, &[("code_verifier", super::CHALLENGE)], None).await;
    assert_eq!(error(&again), "invalid_grant");
    assert!(again.body.contains("used before"), "{}", again.body);
    assert_eq!(state(&stand, &granted).await, "closed");
    let refused = use_bearer(&stand, &granted).await;
    assert!(!refused.body.contains("a note"), "{}", refused.body);
    assert_eq!(error(&refresh(&stand, &granted, &[]).await), "invalid_grant");
    assert!(notes.reached().is_empty());
    assert_eq!(metric(&stand, "remit_grants_replayed_total").await, 1);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_failed_is_used_up_because_it_leaked() {
    let (stand, _) = stand(Plan::new()).await;
    let code = code(&stand, &ask(&[])).await;
    let stolen = redeem(&stand, &code, &[("code_verifier", super::CHALLENGE)], None).await;
    assert_eq!(error(&stolen), "invalid_grant");
    assert_eq!(error(&redeem(&stand, &code, &[], None).await), "invalid_grant");
    assert_eq!(tasks(&stand).await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_turns_and_an_old_one_closes_the_task() {
    let (stand, notes) = stand(Plan::new()).await;
    let code = code(&stand, &ask(&[])).await;
    // Clients of OAuth 2.1 do not repeat it.
    let first = read(&redeem(&stand, &code, &[("redirect_uri", "")], None).await);
    assert_eq!(error(&refresh(&stand, &first, &[("client_id", "other")]).await), "invalid_grant");
    let second = read(&refresh(&stand, &first, &[]).await);
    assert_eq!(
        second["authorization_details"][0]["task"],
        first["authorization_details"][0]["task"]
    );
    assert_eq!(use_bearer(&stand, &second).await.status, 200);
    let third = read(&refresh(&stand, &second, &[]).await);
    let stolen = refresh(&stand, &first, &[]).await;
    assert_eq!(error(&stolen), "invalid_grant");
    assert!(stolen.body.contains("used before"), "{}", stolen.body);
    assert_eq!(state(&stand, &third).await, "closed");
    assert_eq!(error(&refresh(&stand, &third, &[]).await), "invalid_grant");
    assert_eq!(notes.reached().len(), 1);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ended_is_not_gone_on_with() {
    let (stand, _) = stand(Plan::new()).await;
    let code = code(&stand, &ask(&[])).await;
    let granted = read(&redeem(&stand, &code, &[], None).await);
    let task = granted["authorization_details"][0]["task"].as_str().unwrap();
    stand.ask(&["task", "close", task]).await;
    assert_eq!(error(&refresh(&stand, &granted, &[]).await), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_code_and_its_refresh_tokens_need_the_key() {
    let (stand, notes) = stand(Plan::new().bound_only()).await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let url = format!("http://{}/oauth/token", stand.address());
    let proof = async |who: &Holder| who.proof(&url, &json!({ "nonce": nonce(&stand).await }));
    let announced = ask(&[("dpop_jkt", &holder.thumbprint())]);

    let leaked = code(&stand, &announced).await;
    let stolen = redeem(&stand, &leaked, &[], Some(&proof(&thief).await)).await;
    assert_eq!(error(&stolen), "invalid_grant");
    assert!(stolen.body.contains("another key"), "{}", stolen.body);

    let code = code(&stand, &announced).await;
    let first = holder.proof(&url, &json!({}));
    let first = redeem(&stand, &code, &[], Some(&first)).await;
    assert_eq!(error(&first), "use_dpop_nonce", "which leaves the code as it is");
    let granted = read(&redeem(&stand, &code, &[], Some(&proof(&holder).await)).await);
    assert_eq!(granted["token_type"], "DPoP", "{granted}");
    let token = granted["access_token"].as_str().unwrap();
    let endpoint = format!("http://{}/mcp", stand.address());
    assert_eq!(call(stand.address(), &holder, token, &endpoint).await.status, 200);

    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", granted["refresh_token"].as_str().unwrap()),
        ("client_id", "desk"),
    ];
    let without = super::browser::token(&stand, &fields, None).await;
    assert_eq!(error(&without), "invalid_grant");
    let stolen = super::browser::token(&stand, &fields, Some(&proof(&thief).await)).await;
    assert!(stolen.body.contains("another key"), "{}", stolen.body);
    let good = super::browser::token(&stand, &fields, Some(&proof(&holder).await)).await;
    assert_eq!(read(&good)["token_type"], "DPoP");
    assert_eq!(notes.reached().len(), 1);
}
