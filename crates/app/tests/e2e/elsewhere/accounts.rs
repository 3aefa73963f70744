//! People's own accounts at an upstream, used in their tasks and nobody else's.

use std::path::Path;

use serde_json::{Value, json};

use super::granted;
use super::people::Office;
use crate::lend::assert_nowhere;
use crate::peers::{Listening, listening, peer, started};
use crate::stand::{Plan, Stand};
use crate::wire::{Answer, Request, exchange, get, metric};

const LEND: &str =
    "lend = [{ credential = \"whose\", header = { Authorization = \"Bearer {token}\" } }]";

/// An office in which tasks of people use accounts of theirs.
struct Bureau {
    office: Office,
    accounts: Listening,
    /// What stands behind it.
    _server: Listening,
}

impl Bureau {
    async fn open() -> Self {
        let back = "http://127.0.0.1/oauth/callback/whose";
        let script = peer("servers/authorization.py");
        let accounts = started(&[&script, "--client", "remit", "--redirect", back]).await;
        let server = listening(&[&peer("servers/whose.py"), &accounts.url]).await;
        let credential = format!(
            "[[credential]]\nname = \"whose\"\nkind = \"oauth\"\ngrant = \"refresh_token\"\n\
             server = {{ issuer = \"{}\", client_id = \"remit\", scopes = [\"read\"] }}\n\
             allow = [{{ tools = [\"whose/erase\"], scopes = [\"delete\"] }}]\n\n",
            accounts.url
        );
        let plan = Plan::new().with(&credential).http("whose", &server.url, LEND);
        let plan = plan.template("looking", &["whose/read_whose"], "");
        let mut bureau = Self { office: Office::with(plan).await, accounts, _server: server };
        // Which tools there are, the server tells nobody without a token either.
        let itself = bureau.connect(&[], "robot").await;
        assert!(itself.body.contains("for what Remit itself asks"), "{}", itself.body);
        bureau.office.desk.stand.kill().await;
        bureau.office.desk.stand.start().await;
        bureau.office.desk.ours = format!("http://{}", bureau.stand().address());
        let there = |tools: &Value| tools.to_string().contains("read_whose");
        bureau.stand().until("its tools are known", &["tool", "list"], there).await;
        bureau
    }

    fn stand(&self) -> &Stand {
        &self.office.desk.stand
    }

    /// The account of `user` is connected for whoever `whom` names, in a browser: the last page.
    async fn connect(&self, whom: &[&str], user: &str) -> Answer {
        let stand = self.stand();
        let begun = [&["credential", "connect", "whose"], whom, &["--json"]].concat();
        let begun = stand.with_passphrase(&begun).await.json();
        let path = begun["address"].as_str().unwrap().strip_prefix("http://").unwrap();
        let path = path.strip_prefix(stand.address()).unwrap();
        let shown = get(stand.address(), path).await;
        let named = whom.get(1).unwrap_or(&"nobody");
        assert!(shown.body.contains(&format!("<strong>{named}</strong>")), "{}", shown.body);
        let sent = post(stand, path, &format!("http://{}", stand.address())).await;
        assert!(sent.head.contains("httponly; samesite=lax"), "{}", sent.head);
        let cookie = sent.header("set-cookie").split(';').next().unwrap();
        let address = sent.header("refresh").strip_prefix("0; url=").unwrap();
        let page = address.strip_prefix(&self.accounts.url).unwrap();
        let at = self.accounts.url.strip_prefix("http://").unwrap();
        let signed_in = get(at, &format!("{page}&user={user}")).await;
        let back = signed_in.header("location").strip_prefix("http://").unwrap().to_owned();
        let back = back.strip_prefix(stand.address()).unwrap();
        let head = format!("GET {back} HTTP/1.1\r\nHost: {}\r\n", stand.address());
        exchange(stand.address(), &format!("{head}Cookie: {cookie}\r\n"), "").await
    }

    /// A task of `person`, and what the tool says in it.
    async fn ask(&self, person: &str) -> (Value, String) {
        let details = json!([{"type": "remit", "template": "looking", "purpose": "look"}]);
        let details = [("authorization_details", details.to_string())];
        let details: Vec<_> = details.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let jag = self.office.jag(&json!({ "sub": person }));
        let grant = granted(&self.office.show(&jag, &details).await);
        let said = self.call(&grant).await;
        (grant, said)
    }

    async fn call(&self, grant: &Value) -> String {
        self.call_with(grant, json!({})).await
    }

    async fn call_with(&self, grant: &Value, arguments: Value) -> String {
        let params = json!({"name": "whose__read_whose", "arguments": arguments});
        let token = grant["access_token"].as_str().unwrap();
        let address = self.stand().address();
        Request::new(address, token, "tools/call", params).send(address).await.body
    }
}

async fn post(stand: &Stand, path: &str, origin: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n",
        stand.address()
    );
    exchange(stand.address(), &head, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_use_their_own_accounts_and_a_third_is_told_how() {
    let bureau = Bureau::open().await;
    let issuer = bureau.office.desk.issuer.url.clone();
    for (person, user) in [("alice", "alice-at-work"), ("bob", "bob-at-work")] {
        let done = bureau.connect(&["--as", person, "--issuer", &issuer], user).await;
        assert!(done.status == 200 && done.body.contains("Connected"), "{}", done.body);
    }
    for (person, user) in [("alice", "alice-at-work"), ("bob", "bob-at-work")] {
        let (_, said) = bureau.ask(person).await;
        assert!(said.contains(&format!("{user}: read\"")), "{person}: {said}");
    }
    let (grant, said) = bureau.ask("carol").await;
    let remedy = format!("remit credential connect whose --as carol --issuer {issuer}");
    assert!(said.contains(&remedy) && !said.contains("-at-work"), "{said}");
    bureau.connect(&["--as", "carol", "--issuer", &issuer], "carol-at-work").await;
    let said = bureau.call(&grant).await;
    assert!(said.contains("carol-at-work: read"), "in the same task: {said}");
    let nobodys = bureau.stand().open("looking").await;
    let said = bureau.call(&json!({ "access_token": nobodys.token })).await;
    assert!(said.contains("this task has none") && !said.contains("-at-work"), "{said}");
    let tokens = get(bureau.accounts.url.strip_prefix("http://").unwrap(), "/tokens").await.body;
    let tokens: Vec<String> = serde_json::from_str(&tokens).unwrap();
    assert!(tokens.len() >= 8, "of four accounts: {tokens:?}");
    for token in &tokens {
        assert_nowhere(bureau.stand(), token, Path::new("")).await;
    }
    crate::proof::log_is_good(bureau.stand()).await;
}

/// It was kept a moment ago, by an issuer and not by a person.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_looked_for_as_soon_as_it_is_kept() {
    let bureau = Bureau::open().await;
    let issuer = bureau.office.desk.issuer.url.clone();
    bureau.connect(&["--as", "alice", "--issuer", &issuer], "alice-at-work").await;
    let (grant, _) = bureau.ask("alice").await;
    let tokens = get(bureau.accounts.url.strip_prefix("http://").unwrap(), "/tokens").await.body;
    let tokens: Vec<String> = serde_json::from_str(&tokens).unwrap();
    let refresh = tokens.last().unwrap();
    let other: String = refresh.chars().rev().collect();
    let seen = async || metric(bureau.stand(), "remit_secrets_in_calls_total").await;
    bureau.call_with(&grant, json!({ "note": other })).await;
    assert_eq!(seen().await, 0, "no other text of this form is taken for one");
    bureau.call_with(&grant, json!({ "note": format!("use {refresh} there") })).await;
    assert_eq!(seen().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_anywhere_who_was_not_asked() {
    let bureau = Bureau::open().await;
    let stand = bureau.stand();
    let refused = stand.with_guess(&["credential", "connect", "whose"]).await;
    assert!(!refused.ok, "only an operator says for whom: {}", refused.said());
    let begun = stand.with_passphrase(&["credential", "connect", "whose", "--json"]).await.json();
    let address = begun["address"].as_str().unwrap();
    let path = address.strip_prefix(&format!("http://{}", stand.address())).unwrap();
    let shown = get(stand.address(), path).await;
    for header in ["frame-ancestors 'none'", "cache-control: no-store"] {
        assert!(shown.head.contains(header), "{}", shown.head);
    }
    let foreign = post(stand, path, "https://evil.example").await;
    assert_eq!(foreign.status, 403, "{}", foreign.body);
    let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n");
    let rebound = exchange(stand.address(), &head, "").await;
    assert!(rebound.status >= 400 && !rebound.body.contains("<form"), "{}", rebound.body);
    let own = format!("http://{}", stand.address());
    assert_eq!(post(stand, path, &own).await.status, 200);
    assert_eq!(post(stand, path, &own).await.status, 404, "once");
    assert_eq!(get(stand.address(), path).await.status, 404);
    for query in ["", "?state=x&code=y", "?state=x&state=y", "?error=access_denied"] {
        let answer = get(stand.address(), &format!("/oauth/callback/whose{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    let none = stand.with_passphrase(&["credential", "connect", "nothing"]).await;
    assert!(none.said().contains("no credential `nothing` that people connect"), "{}", none.said());
}
