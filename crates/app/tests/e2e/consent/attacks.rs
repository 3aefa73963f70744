//! Whoever tries to get a grant past the person, or the person to give one that they did not see.

use serde_json::Value;

use super::browser::{Browser, ask, redeem, sent_to};
use super::{read, stand, tasks};
use crate::stand::{PASSPHRASE, Plan, Stand};
use crate::wire::{exchange, get};

/// The page says no, to the person alone.
async fn shown(stand: &Stand, path: &str) -> String {
    let answer = get(stand.address(), path).await;
    assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    assert_eq!(answer.header("location"), "", "{path}: nobody is sent anywhere");
    assert!(!answer.body.contains("passphrase"), "{path}: nobody is asked to sign in");
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn until_client_and_address_are_known_nobody_is_sent_anywhere() {
    let (stand, _) = stand(Plan::new()).await;
    for (name, value, why) in [
        ("client_id", "", "left out the parameter client_id"),
        ("client_id", "evil", "No client evil is configured"),
        ("client_id", "https://evil.example/client.json", "table [[client]] that has this address"),
        ("client_id", "<script>alert(1)</script>", "&lt;script&gt;"),
        ("redirect_uri", "", "left out the parameter redirect_uri"),
        ("redirect_uri", "https://evil.example/callback", "not registered"),
        ("redirect_uri", "https://desk.example/callback/", "not registered"),
        ("redirect_uri", "https://desk.example/callback?x=1", "not registered"),
        ("redirect_uri", "https://desk.example:8443/callback", "not registered"),
        ("redirect_uri", "https://desk.example.evil.example/callback", "not registered"),
        ("redirect_uri", "https://desk.example@evil.example/callback", "not registered"),
        ("redirect_uri", "http://desk.example/callback", "not registered"),
        ("redirect_uri", "http://localhost:1/callback", "not registered"),
        ("redirect_uri", "http://127.0.0.1:1/callback#x", "not registered"),
        ("redirect_uri", "javascript:alert(1)", "not registered"),
    ] {
        let page = shown(&stand, &ask(&[(name, value)])).await;
        assert!(page.contains(why), "{name}={value}: {page}");
    }
    let twice = format!("{}&client_id=other", ask(&[]));
    assert!(shown(&stand, &twice).await.contains("given twice"));
    let twice = format!("{}&redirect_uri=https://evil.example/", ask(&[]));
    assert!(shown(&stand, &twice).await.contains("given twice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_client_is_told_what_is_wrong_and_by_whom() {
    let (stand, _) = stand(Plan::new()).await;
    let long = "x".repeat(5000);
    for (name, value, error) in [
        ("response_type", "", "unsupported_response_type"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("dpop_jkt", "x", "invalid_request"),
        ("resource", "https://evil.example/mcp", "invalid_target"),
        ("authorization_details", "[{\"type\":\"other\"}]", "invalid_authorization_details"),
        ("state", &long, "invalid_request"),
    ] {
        let told = sent_to(&get(stand.address(), &ask(&[(name, value)])).await);
        assert_eq!(told["error"], error, "{name}={value}: {told}");
        assert_eq!(told["address"], super::CALLBACK);
        assert_eq!(told["iss"], format!("http://{}", stand.address()), "against mix-up");
        assert!(told.get("code").is_none(), "{told}");
        if name != "state" {
            assert_eq!(told["state"], "a state", "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_neither_framed_nor_reached_by_another_name_nor_made_to_run_anything() {
    let (stand, _) = stand(Plan::new()).await;
    let path = ask(&[]);
    let page = get(stand.address(), &path).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !page.body.contains("<script"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    for host in ["evil.example", "127.0.0.1.evil.example", "desk.example"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n");
        let rebound = exchange(stand.address(), &head, "").await;
        assert_eq!(rebound.status, 403, "{host}: {}", rebound.body);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n"
        );
        let rebound = exchange(stand.address(), &head, "passphrase=x").await;
        assert_eq!(rebound.status, 403, "{host}: {}", rebound.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allowed_without_the_person_or_from_another_page() {
    let (stand, _) = stand(Plan::new()).await;
    let path = ask(&[]);
    let mut person = Browser::sign_in(&stand, &path).await;
    let other = Browser::sign_in(&stand, &path).await;
    let stranger = Browser::nobody(&stand);
    person.review(&[]).await;
    let ticket = person.ticket.clone();
    let allow = [("ticket", ticket.as_str()), ("do", "allow")];
    for (who, browser) in [("no session", &stranger), ("the session of another", &other)] {
        let refused = browser.send("/oauth/consent", &allow).await;
        assert_eq!(refused.status, 403, "{who}: {}", refused.body);
    }
    let address = stand.address();
    for origin in [
        String::new(),
        "Origin: null\r\n".to_owned(),
        "Origin: https://evil.example\r\n".to_owned(),
        format!("Origin: http://{address}.evil.example\r\n"),
        format!("Origin: http://{address}\r\nOrigin: https://evil.example\r\n"),
    ] {
        let refused = person.send_with("/oauth/consent", &allow, &origin).await;
        assert_eq!(refused.status, 403, "{origin}: {}", refused.body);
        let passphrase = [("passphrase", PASSPHRASE)];
        let refused = person.send_with(&path, &passphrase, &origin).await;
        assert_eq!(refused.status, 403, "{origin}: {}", refused.body);
    }
    let large = "x".repeat(5000);
    let refused = stranger.send(&path, &[("passphrase", &large)]).await;
    assert_eq!(refused.status, 400, "more than a passphrase is not read: {}", refused.body);
    let guessed = person.send("/oauth/consent", &[("ticket", "guessed"), ("do", "allow")]).await;
    assert_eq!(guessed.status, 403);
    // None of that was the person's, whose form is still good: once.
    let allowed = sent_to(&person.step("allow", &[]).await);
    assert!(allowed["code"].is_string(), "{allowed}");
    let replayed = person.send("/oauth/consent", &allow).await;
    assert_eq!(replayed.status, 403, "{}", replayed.body);
    assert_eq!(tasks(&stand).await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_cannot_be_skipped_nor_say_more_than_the_template() {
    let (stand, _) = stand(Plan::new()).await;
    let path = ask(&[]);
    let mut skips = Browser::sign_in(&stand, &path).await;
    let skipped = skips.step("allow", &[]).await;
    assert_eq!(skipped.status, 400, "nothing was read: {}", skipped.body);

    let mut smuggles = Browser::sign_in(&stand, &path).await;
    let refused = smuggles.review(&[("template", "ruling")]).await;
    assert_eq!(refused.status, 403, "a template of another agent: {}", refused.body);

    let mut widens = Browser::sign_in(&stand, &path).await;
    let more = [
        ("calls", "100000"),
        ("effects", "100000"),
        ("minutes", "100000"),
        ("ceiling", "restricted"),
        ("tool", "notes/read_note"),
        ("tool", "notes/other"),
        ("tool", "*"),
        ("tool", "bank/pay"),
    ];
    let shown = widens.review(&more).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    // The form that allows is not read again: only its ticket counts.
    let allowed = sent_to(&widens.step("allow", &more).await);
    let granted = read(&redeem(&stand, allowed["code"].as_str().unwrap(), &[], None).await);
    let remit = &granted["authorization_details"][0]["remit"];
    assert_eq!(remit["budget"]["calls"], 50, "{remit}");
    assert_eq!(remit["budget"]["effects"], 5, "{remit}");
    assert_eq!(remit["ceiling"], "confidential", "{remit}");
    let tools = remit["tools"].to_string();
    assert!(tools.contains("notes/read_note"), "{tools}");
    assert!(!tools.contains("bank") && !tools.contains("notes/other"), "{tools}");
    let task = granted["authorization_details"][0]["task"].as_str().unwrap();
    let shown = stand.ask(&["task", "show", task]).await;
    let (opened, ends) = (shown["opened"].as_u64().unwrap(), shown["ends"].as_u64().unwrap());
    assert!(ends - opened <= 3_600_000, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_grew_meanwhile_gives_no_more_than_was_shown() {
    let (stand, _) = stand(Plan::new()).await;
    let mut browser = Browser::sign_in(&stand, &ask(&[])).await;
    browser.review(&[]).await;
    let allowed = sent_to(&browser.step("allow", &[]).await);
    let config = std::fs::read_to_string(stand.config()).unwrap();
    let grown = config.replace("calls = 50, effects = 5", "calls = 5000, effects = 500");
    std::fs::write(stand.config(), grown).unwrap();
    stand.logged("are in force").await;
    let granted = read(&redeem(&stand, allowed["code"].as_str().unwrap(), &[], None).await);
    let budget = &granted["authorization_details"][0]["remit"]["budget"];
    assert_eq!(budget["calls"], 50, "{granted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrases_cannot_be_guessed_here_faster_than_elsewhere() {
    let (stand, _) = stand(Plan::new()).await;
    let path = ask(&[]);
    let browser = Browser::nobody(&stand);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(browser.send(&path, &[("passphrase", "a wrong guess at it")]).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    let right = browser.send(&path, &[("passphrase", PASSPHRASE)]).await;
    assert_eq!(right.status, 429, "not looked at");
    // On the socket, the kernel says who tries: nobody there is locked out.
    assert!(stand.with_passphrase(&["hold", "list"]).await.ok);
}
