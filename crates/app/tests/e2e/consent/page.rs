//! What the page says, in whose words.

use serde_json::json;

use super::browser::{Browser, ask, redeem, sent_to};
use super::{read, stand};
use crate::stand::Plan;
use crate::wire::get;

/// A name that would turn what stands beside it, if the page let it.
const ODD: &str = "
[[client]]
id = \"odd\"
name = \"<img src=x onerror=alert(1)> \\u202eksed eht\\u0007\"
redirect_uris = [\"http://127.0.0.1/callback\"]
agent = \"worker\"
";

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_where_the_answer_goes_is_said_before_anybody_signs_in() {
    let (stand, _) = stand(Plan::new()).await;
    let page = get(stand.address(), &ask(&[])).await.body;
    for part in
        ["The desk", "registered here as", "desk", "worker", "127.0.0.1:5050", "any program"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let away = ask(&[("redirect_uri", "https://desk.example/callback")]);
    let page = get(stand.address(), &away).await.body;
    assert!(page.contains("desk.example") && !page.contains("any program"), "{page}");
    let mut browser = Browser::sign_in(&stand, &away).await;
    let shown = browser.review(&[]).await;
    let policy = shown.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://desk.example;"), "{policy}");
    assert_eq!(
        sent_to(&browser.step("allow", &[]).await)["address"],
        "https://desk.example/callback"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_others_are_shown_as_theirs_and_run_nothing() {
    let (stand, _) = stand(Plan::new().with(ODD)).await;
    let wish = json!([{"type": "remit", "purpose": "<b>pay</b> \u{202e}everybody",
        "budget": {"calls": 7}, "seconds": 120}]);
    let path = ask(&[("client_id", "odd"), ("authorization_details", &wish.to_string())]);
    let mut browser = Browser::sign_in(&stand, &path).await;
    let page = &browser.page;
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt; ksed eht<"), "{page}");
    assert!(
        page.contains("The application says it wants to: <q><bdi>&lt;b&gt;pay&lt;/b&gt; everybody")
    );
    assert!(
        !page.contains('\u{202e}') && !page.contains('\u{7}') && !page.contains("<img"),
        "{page}"
    );
    // What it would like narrows; its purpose is not put into the person's mouth.
    assert!(
        page.contains(r#"name="calls" value="7""#) && page.contains(r#"name="minutes" value="2""#)
    );
    assert!(page.contains(">test reading</textarea>"), "{page}");
    let shown = browser.review(&[("purpose", "\"><script>alert(1)</script>")]).await;
    assert!(
        shown.body.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{}",
        shown.body
    );
    assert!(!shown.body.contains("<script"), "{}", shown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_asked_for_again_with_what_was_said() {
    let (stand, _) = stand(Plan::new()).await;
    let mut browser = Browser::sign_in(&stand, &ask(&[])).await;
    for (more, why) in [
        (&[("purpose", " ")][..], "Say what the agent is to do."),
        (&[("tool", "notes/gone")], "Choose at least one"),
        (&[("calls", "many")], "Expected a whole number, or nothing."),
        (&[("calls", "-1")], "Expected a whole number, or nothing."),
        (&[("minutes", "0")], "Expected a whole number of minutes."),
    ] {
        let again = browser.review(more).await;
        assert_eq!(again.status, 422, "{more:?}");
        assert!(again.body.contains(why), "{more:?}: {}", again.body);
    }
    let again = browser.review(&[("purpose", "mine"), ("minutes", "x")]).await;
    assert!(again.body.contains(">mine</textarea>"), "{}", again.body);
    browser.review(&[("calls", "0"), ("purpose", "look")]).await;
    let changed = browser.step("edit", &[]).await;
    assert!(changed.body.contains(r#"name="calls" value="0""#), "{}", changed.body);
    browser.review(&[]).await;
    let denied = sent_to(&browser.step("deny", &[]).await);
    assert_eq!(denied["error"], "access_denied");
    assert_eq!((&denied["state"], denied.get("code")), (&json!("a state"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_forbids_is_told_to_the_person() {
    let (stand, _) = stand(Plan::new()).await;
    let forbid = "@id(\"no-consent\")\n@reason(\"no task from a browser\")\nforbid (principal, \
        action == Remit::Action::\"openTask\", resource) when { context.attestation.method == \"consent\" };\n";
    std::fs::write(stand.state().join("policies/consent.cedar"), forbid).unwrap();
    stand.logged("are in force").await;
    let mut browser = Browser::sign_in(&stand, &ask(&[])).await;
    let refused = browser.review(&[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("no task from a browser"), "{}", refused.body);
    stand.ask(&["task", "open", "--template", "reading"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_one_server_offers_that_servers_tools() {
    let (stand, _) = stand(Plan::new()).await;
    let one = format!("http://{}/mcp/notes", stand.address());
    let mut browser = Browser::sign_in(&stand, &ask(&[("resource", &one)])).await;
    assert!(browser.page.contains("notes/read_note"), "{}", browser.page);
    browser.review(&[]).await;
    let allowed = sent_to(&browser.step("allow", &[]).await);
    let code = allowed["code"].as_str().unwrap();
    let granted = read(&redeem(&stand, code, &[("resource", &one)], None).await);
    assert!(granted["access_token"].is_string(), "{granted}");
}
