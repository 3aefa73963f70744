//! Servers that misbehave, and what must not happen then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remit_issuers::oauth::{OAuth, Settings};
use remit_model::Clock as _;
use remit_ports::{Issuer as _, IssuerError, Revoked};

use crate::peer::{Liar, json, metadata};
use crate::stand::{SECRET, Stand, holder, on_record};

const CANARY: &str = "canary-71c2";

fn table(issuer: &str) -> String {
    format!(
        "grant = \"client_credentials\"\nserver.issuer = \"{issuer}\"\nserver.client_id = \"remit\"\n\
         server.client_secret = \"client\"\nserver.scopes = [\"read\"]\n"
    )
}

/// A server with good metadata that answers so at its token endpoint.
async fn tokens(answer: String) -> Liar {
    Liar::start(move |own, path, _| if path == "/token" { answer.clone() } else { metadata(own) })
        .await
}

#[tokio::test]
async fn nothing_follows_a_redirect_least_of_all_a_secret() {
    let stand = Stand::new();
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reached);
    let thief = Liar::start(move |own, _, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        metadata(own)
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!(
            "HTTP/1.1 {status} Go\r\nLocation: {}/token\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            thief.url
        );
        let liar = tokens(to.clone()).await;
        let why =
            stand.issue(&stand.credential(&table(&liar.url)), holder(None, &[])).await.unwrap_err();
        assert!(why.to_string().contains("redirects"), "{why}");
        let liar = Liar::start(move |_, _, _| to.clone()).await;
        let why = stand.credential(&table(&liar.url)).probe().await.unwrap_err();
        assert!(why.to_string().contains("redirects"), "{why}");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_no_token_as_it_was_asked_for_is_not_lent() {
    let stand = Stand::new();
    let token = |more: &str| json(200, &format!(r#"{{"access_token":"{CANARY}"{more}}}"#));
    let giant = format!(r#"{{"access_token":"{CANARY}","x":"{}"}}"#, "x".repeat(300 << 10));
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let endless = format!("{head}{}", chunk.repeat(80));
    for (about, answer, why) in [
        ("no expiry", token(r#","token_type":"Bearer""#), "how long its tokens live"),
        ("a token of a key", token(r#","token_type":"DPoP","expires_in":60"#), "a bearer token"),
        ("no type", token(r#","expires_in":60"#), "a bearer token"),
        ("no life", token(r#","token_type":"Bearer","expires_in":0"#), "`expires_in`"),
        ("for ever", token(r#","token_type":"Bearer","expires_in":1e99"#), "`expires_in`"),
        (
            "more than asked for",
            token(r#","token_type":"Bearer","expires_in":60,"scope":"read write""#),
            "more than was asked for",
        ),
        ("giant", json(200, &giant), "length limit"),
        ("endless", endless, "length limit"),
        ("another's words", json(400, &format!(r#"{{"error":"{CANARY}"}}"#)), "status 400"),
        (
            "a description",
            json(
                400,
                &format!(r#"{{"error":"invalid_client","error_description":"{CANARY} {SECRET}"}}"#),
            ),
            "`invalid_client`",
        ),
        ("no answer", String::new(), "connection"),
        ("down", json(503, CANARY), "status 503"),
    ] {
        let liar = tokens(answer).await;
        let api = stand.credential(&table(&liar.url));
        let lease = stand.lease();
        let error = stand.issue_as(&api, holder(None, &[]), lease.clone()).await.unwrap_err();
        let soon = stand.clock.now().after(Duration::from_secs(9));
        assert_eq!(api.revoke(on_record(lease, soon)).await, Ok(Revoked::Now), "nobody has it");
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{about}: {text}");
        assert!(!text.contains(CANARY) && !text.contains(SECRET), "{about}: {text}");
        let later = ["giant", "endless", "no answer", "down"].contains(&about);
        assert_eq!(matches!(error, IssuerError::Unavailable(_)), later, "{about}: {text}");
    }
    let liar = tokens(token(r#","token_type":"Bearer""#)).await;
    let api = stand.credential(&format!("expires_in = 60\n{}", table(&liar.url)));
    let issued = stand.issue(&api, holder(None, &[])).await.unwrap();
    assert!(!format!("{issued:?} {api:?}").contains(CANARY));
}

#[tokio::test]
async fn what_is_not_lent_is_taken_back() {
    let stand = Stand::new();
    let (kept, seen) = (Arc::new(std::sync::Mutex::new(String::new())), CANARY);
    let taken = Arc::clone(&kept);
    let liar = Liar::start(move |own, path, body| match path {
        "/token" => {
            json(200, &format!(r#"{{"access_token":"{seen}","token_type":"mac","expires_in":9}}"#))
        }
        "/revoke" => {
            body.clone_into(&mut taken.lock().unwrap());
            json(200, "{}")
        }
        _ => metadata(own),
    })
    .await;
    stand.issue(&stand.credential(&table(&liar.url)), holder(None, &[])).await.unwrap_err();
    assert!(kept.lock().unwrap().contains(CANARY));
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_again_and_one_that_cannot_revoke_is_not() {
    let stand = Stand::new();
    let answers = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answers);
    let liar = Liar::start(move |own, path, _| match path {
        "/token" => json(200, r#"{"access_token":"t","token_type":"Bearer","expires_in":600}"#),
        "/revoke" => match count.fetch_add(1, Ordering::SeqCst) {
            0 => json(503, "{}"),
            1 => json(200, ""),
            _ => json(400, r#"{"error":"unsupported_token_type"}"#),
        },
        _ => metadata(own),
    })
    .await;
    let api = stand.credential(&table(&liar.url));
    let lease = stand.lease();
    let issued = stand.issue_as(&api, holder(None, &[]), lease.clone()).await.unwrap();
    let lent = on_record(lease, issued.until);
    assert!(matches!(api.revoke(lent.clone()).await, Err(IssuerError::Unavailable(_))));
    assert_eq!(api.revoke(lent).await, Ok(Revoked::Now));
    let lease = stand.lease();
    let issued = stand.issue_as(&api, holder(None, &[]), lease.clone()).await.unwrap();
    for _ in 0..2 {
        let lent = on_record(lease.clone(), issued.until);
        assert_eq!(api.revoke(lent).await, Ok(Revoked::AtExpiry));
    }
    assert_eq!(answers.load(Ordering::SeqCst), 3, "what it refused once it is not asked again");
}

#[tokio::test]
async fn somebody_elses_metadata_is_not_believed() {
    let stand = Stand::new();
    for (from, to, why) in [
        ("{\"issuer\":\"http", "{\"issuer\":\"https", "another `issuer`"),
        ("/token", "/token#x", "`token_endpoint`"),
        ("token_endpoint", "token_endpoynt", "no `token_endpoint`"),
    ] {
        let liar = Liar::start(move |own, _, _| {
            let body = metadata(own).split_once("\r\n\r\n").unwrap().1.replacen(from, to, 1);
            json(200, &body)
        })
        .await;
        let error = stand.credential(&table(&liar.url)).probe().await.unwrap_err();
        assert!(error.to_string().contains(why), "{to}: {error}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_says_why() {
    let stand = Stand::new();
    let good = table("https://as.example");
    let identity = "[identity]\nissuer = \"https://idp.example\"\nclient_id = \"remit\"\n";
    for (from, to, why) in [
        ("https://as", "http://as", "expected an address"),
        ("server.issuer = \"https://as.example\"", "", "`issuer` is missing"),
        (
            "server.issuer = \"https://as.example\"",
            "resource = \"https://api.example\"",
            "shown to nobody but an `issuer`",
        ),
        ("server.client_secret = \"client\"", "", "needs `server.client_secret`"),
        (
            "server.client_secret = \"client\"",
            "server.client_auth = \"none\"\nserver.client_secret = \"client\"",
            "uses no",
        ),
        ("client_credentials", "id_jag", "needs the table `identity`"),
        ("[\"read\"]", "[\"read write\"]", "expected a scope"),
        ("[\"read\"]", "[\"\"]", "expected a scope"),
        ("[\"read\"]", "[\"read\"]\nexpires_in = 0", "`expires_in`"),
        ("[\"read\"]\n", &format!("[\"read\"]\n{identity}"), "`identity` is for"),
        ("[\"read\"]\n", "[\"read\"]\nserver.token_endpoint = \"ftp://x\"", "`token_endpoint`"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        let settings: Settings = toml::from_str(&text).unwrap();
        let error =
            OAuth::new("api".parse().unwrap(), settings, Arc::clone(&stand.doors)).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn a_persons_token_goes_to_no_server_that_the_one_with_the_tools_names() {
    let stand = Stand::new();
    let identity = "[identity]\nissuer = \"https://idp.example\"\nclient_id = \"remit\"\n";
    let text = table("https://as.example")
        .replace("client_credentials", "token_exchange")
        .replace("server.client_secret = \"client\"", "server.client_auth = \"none\"")
        .replace("server.issuer = \"https://as.example\"", "resource = \"https://api.example\"");
    let issuer = |text: &str| {
        let settings: Settings = toml::from_str(text).unwrap();
        OAuth::new("api".parse().unwrap(), settings, Arc::clone(&stand.doors))
    };
    let error = issuer(&format!("{text}\n{identity}")).unwrap_err();
    assert!(error.contains("needs `server.issuer`"), "{error}");
    issuer(&text).unwrap();
}
