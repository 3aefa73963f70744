#![cfg(test)]
//! Sessions are lent by a service that verifies signatures, with the policy that the remit comes to.

mod moto;

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use moto::{Moto, REGION, boto};
use remit_issuers::sts::{Settings, Sts};
use remit_model::Timestamp;
use remit_ports::{Holder, Issued, Issuer as _, IssuerError, Lent, Revoked, Wanted};
use remit_sigv4::{Keys, Scope, Unsigned, sign};
use remit_testkit::samples::{holder, lease_id as lease};
use remit_testkit::{ManualClock, MemorySecrets, samples};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

impl Moto {
    /// What boto3 says when it uses what was issued.
    pub(crate) async fn boto(&self, issued: &Issued, words: &[&str]) -> Output {
        let field = |name| issued.material.get(name).unwrap();
        let keys = (field("access_key"), field("secret_key"), Some(field("session_token")));
        boto(&self.endpoint, words, keys).await
    }
}

/// A minute after [`samples::NOW`].
const UNTIL: Timestamp = Timestamp(samples::NOW.0 + 60_000);

fn issuer(endpoint: &str, key: &str, role: &str, more: &str) -> Sts {
    let settings = format!(
        r#"
        key = "aws-lender"
        role = "{role}"
        region = "{REGION}"
        endpoint = "{endpoint}"
        {more}
        [[allow]]
        tools = ["files/put"]
        actions = ["s3:PutObject"]
        resources = ["arn:aws:s3:::out/{{task}}/*"]
        [[allow]]
        tools = ["files/get", "files/list"]
        actions = ["s3:GetObject", "s3:ListBucket"]
        resources = ["arn:aws:s3:::out", "arn:aws:s3:::out/*"]
        "#
    );
    let settings: Settings = toml::from_str(&settings).unwrap();
    let secrets = Arc::new(MemorySecrets::with("aws-lender", key).unwrap());
    Sts::new(settings, secrets, Arc::new(ManualClock::default())).unwrap()
}

const ROLE: &str = "arn:aws:iam::123456789012:role/writer";

fn wanted(issuer: &Sts, tools: &[&str]) -> Wanted {
    samples::wanted(issuer, 1, holder(tools), UNTIL)
}

#[tokio::test]
async fn a_session_puts_an_object() {
    let moto = Moto::start().await;
    let issuer = issuer(&moto.endpoint, &moto.key, &moto.role, "");
    issuer.probe().await.unwrap();
    let issued = issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap();
    assert_eq!((issued.until, issued.material.get("region")), (UNTIL, Some(REGION)));

    let who = moto.boto(&issued, &["whoami"]).await;
    let who = String::from_utf8(who.stdout).unwrap();
    let session = format!("arn:aws:sts::123456789012:assumed-role/writer/{}\n", lease(1));
    assert_eq!(who, session, "named after the lease");
    let name = format!("{}/report.txt", samples::task_id(1));
    let put = moto.boto(&issued, &["put", "out", &name]).await;
    assert!(put.status.success(), "{put:?}");

    let lent =
        Lent { lease: lease(1), task: Some(samples::task_id(1)), handle: None, until: UNTIL };
    assert_eq!(issuer.revoke(lent).await, Ok(Revoked::AtExpiry));
    let shown = format!("{issued:?} {issuer:?}");
    assert!(issued.material.secrets().all(|secret| !shown.contains(secret.reveal())), "{shown}");
}

/// As the delivery does for an agent that holds nothing.
#[tokio::test]
async fn a_request_that_is_signed_with_a_session_is_taken() {
    let moto = Moto::start().await;
    let issuer = issuer(&moto.endpoint, &moto.key, &moto.role, "");
    let issued = issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap();
    let field = |name| issued.material.get(name).unwrap();
    let url = format!("{}out/{}/a%20report%2B.txt", moto.endpoint, samples::task_id(1));
    let (uri, body) = (url.parse().unwrap(), b"an object");
    let headers =
        HeaderMap::from_iter([("content-type".parse().unwrap(), "text/plain".parse().unwrap())]);
    let put = Unsigned { method: &Method::PUT, uri: &uri, headers: &headers, body };
    let keys = Keys {
        access_key: field("access_key"),
        secret_key: field("secret_key"),
        session_token: Some(field("session_token")),
    };
    let scope = Scope { region: REGION, service: "s3" };
    let signature = sign(put, keys, scope, samples::NOW.as_secs()).unwrap();
    let send = async |signature: Vec<(HeaderName, HeaderValue)>| {
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["-sS", "-X", "PUT", "-o", "/dev/null", "-w", "%{http_code}"]);
        curl.args(["--data-binary", "an object", "-H", "content-type: text/plain", &url]);
        for (name, value) in signature {
            curl.arg("-H").arg(format!("{name}: {}", value.to_str().unwrap()));
        }
        let output = curl.stderr(Stdio::inherit()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(send(signature).await, "200");
    let wrong = Keys { secret_key: "wrong", ..keys };
    let forged = sign(put, wrong, scope, samples::NOW.as_secs()).unwrap();
    assert_eq!(send(forged).await, "403");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_shown() {
    let moto = Moto::start().await;
    let (id, _) = moto.key.split_once(':').unwrap();
    let issuer = issuer(&moto.endpoint, &format!("{id}:canary"), &moto.role, "");
    let why = issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap_err();
    assert!(
        matches!(&why, IssuerError::Refused(it) if it.contains("SignatureDoesNotMatch")),
        "{why}"
    );
    assert!(!why.to_string().contains("canary"), "{why}");
}

/// Answers each request with `answer`, and gives what the first one asked for.
async fn scripted(answer: &str) -> (String, tokio::task::JoinHandle<BTreeMap<String, String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        let body = loop {
            let read = stream.read(&mut chunk).await.unwrap();
            request.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8(request.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                break body.to_owned();
            }
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    });
    (endpoint, serving)
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

const SESSION: &str = "<R><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                       <SessionToken>t</SessionToken></Credentials></R>";

#[tokio::test]
async fn what_is_asked_for_is_cut_from_the_remit() {
    let (endpoint, asked) = scripted(&response("200 OK", SESSION)).await;
    let issuer = issuer(&endpoint, "AKIA:key", ROLE, "external_id = \"ours\"\ntags = true");
    issuer.issue(wanted(&issuer, &["files/put", "mail/send"])).await.unwrap();
    let mut asked = asked.await.unwrap();
    let (task, session) = (samples::task_id(1).to_string(), lease(1));
    let policy = asked.remove("Policy").unwrap();
    let until = json!({ "DateLessThan": { "aws:CurrentTime": "2026-11-23T22:01:00Z" } });
    let statement = json!({
        "Effect": "Allow",
        "Action": ["s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::out/{task}/*")],
        "Condition": until,
    });
    let cut = json!({ "Version": "2012-10-17", "Statement": [statement] });
    assert_eq!(serde_json::from_str::<Value>(&policy).unwrap(), cut);
    let expected = [
        ("Action", "AssumeRole"),
        ("DurationSeconds", "900"),
        ("ExternalId", "ours"),
        ("RoleArn", ROLE),
        ("RoleSessionName", session.as_str()),
        ("SourceIdentity", &task),
        ("Tags.member.1.Key", "remit:task"),
        ("Tags.member.1.Value", &task),
        ("Tags.member.2.Key", "remit:agent"),
        ("Tags.member.2.Value", "bot"),
        ("Version", "2011-06-15"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked, BTreeMap::from(expected));
}

/// Remit itself asks a server what it offers: the server has its keys, and they open nothing.
#[tokio::test]
async fn a_session_of_no_task_may_do_nothing() {
    let (endpoint, asked) = scripted(&response("200 OK", SESSION)).await;
    let issuer = issuer(&endpoint, "AKIA:key", ROLE, "tags = true");
    let remit = Holder::default();
    let scope = issuer.scope(&remit).unwrap();
    let (now, until) = (samples::NOW, UNTIL);
    issuer.issue(Wanted { lease: lease(1), holder: remit, scope, now, until }).await.unwrap();
    let asked = asked.await.unwrap();
    let nothing = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
    let nothing = json!({ "Version": "2012-10-17", "Statement": [nothing] });
    assert_eq!(serde_json::from_str::<Value>(&asked["Policy"]).unwrap(), nothing);
    assert!(!asked.contains_key("SourceIdentity") && !asked.contains_key("Tags.member.1.Key"));
}

#[tokio::test]
async fn a_scope_says_what_is_granted() {
    let issuer = issuer("https://sts.example/", "AKIA:key", ROLE, "");
    let put = format!("s3:PutObject on arn:aws:s3:::out/{}/*", samples::task_id(1));
    assert_eq!(issuer.scope(&holder(&["files/put"])).unwrap(), put);
    let both = issuer.scope(&holder(&["files/put", "files/get"])).unwrap();
    assert_eq!(
        both,
        format!("{put}; s3:GetObject,s3:ListBucket on arn:aws:s3:::out,arn:aws:s3:::out/*")
    );
    assert!(matches!(issuer.scope(&holder(&["mail/send"])), Err(IssuerError::Refused(_))));
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_without_its_words() {
    let error = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>canary</Message></Error></ErrorResponse>";
    let giant = format!("<R>{}</R>", "canary".repeat(100_000));
    for (answer, says, passes) in [
        (response("403 Forbidden", error), "AccessDenied", false),
        (response("503 Slow Down", "canary"), "without a code", true),
        (response("200 OK", "<html>canary</html>"), "got something else", false),
        (response("200 OK", &giant), "length limit exceeded", true),
        ("HTTP/1.1 307 Go\r\nlocation: http://canary/\r\n\r\n".to_owned(), "redirects", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncanary".to_owned(), "end of file", true),
    ] {
        let (endpoint, _) = scripted(&answer).await;
        let issuer = issuer(&endpoint, "AKIA:key", ROLE, "");
        let why = issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap_err();
        assert_eq!(matches!(why, IssuerError::Unavailable(_)), passes, "{why}");
        assert!(why.to_string().contains(says) && !why.to_string().contains("canary"), "{why}");
    }
}

/// What a task may have out is not used up by refusals.
#[tokio::test]
async fn what_was_refused_is_owed_no_more() {
    let error = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
    let lent =
        Lent { lease: lease(1), task: Some(samples::task_id(1)), handle: None, until: UNTIL };
    let (endpoint, _) = scripted(&response("400 Bad Request", error)).await;
    let throttled = issuer(&endpoint, "AKIA:key", ROLE, "");
    let keyless = issuer("https://sts.example/", "canary", ROLE, "");
    for issuer in [throttled, keyless] {
        // Another process may have asked.
        assert_eq!(issuer.revoke(lent.clone()).await, Ok(Revoked::AtExpiry));
        issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap_err();
        assert_eq!(issuer.revoke(lent.clone()).await, Ok(Revoked::Now));
        let other = Lent { lease: lease(2), ..lent.clone() };
        assert_eq!(issuer.revoke(other).await, Ok(Revoked::AtExpiry));
    }
}

#[tokio::test]
async fn a_session_whose_answer_is_lost_is_owed() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncanary";
    let (endpoint, _) = scripted(cut).await;
    let issuer = issuer(&endpoint, "AKIA:key", ROLE, "");
    issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap_err();
    let lent =
        Lent { lease: lease(1), task: Some(samples::task_id(1)), handle: None, until: UNTIL };
    assert_eq!(issuer.revoke(lent).await, Ok(Revoked::AtExpiry));
}

#[tokio::test]
async fn a_service_that_is_down_or_silent_keeps_nobody_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let issuer = issuer(&endpoint, "AKIA:canary", ROLE, "");
    let silent = issuer.issue(wanted(&issuer, &["files/put"])).await.unwrap_err();
    drop(listener);
    let down = issuer.probe().await.unwrap_err();
    for why in [silent, down] {
        assert!(matches!(&why, IssuerError::Unavailable(_)), "{why}");
        assert!(!why.to_string().contains("canary"), "{why}");
    }
}

#[tokio::test]
async fn a_secret_that_is_no_key_says_what_it_should_be() {
    let issuer = issuer("https://sts.example/", "canary", ROLE, "");
    let why = issuer.probe().await.unwrap_err().to_string();
    assert!(
        why.contains("`ID:KEY` in the secret `aws-lender`") && !why.contains("canary"),
        "{why}"
    );
}

#[test]
fn settings_that_lead_nowhere_are_refused() {
    let good = [("role", ROLE), ("region", REGION), ("endpoint", "https://sts.example/")];
    let allow = "[[allow]]\ntools = [\"a/b\"]\nactions = [\"s3:*\"]\nresources = [\"*\"]";
    let made = |wrong: (&str, &str), allow: &str| {
        let lines = good.map(|(name, value)| {
            format!("{name} = \"{}\"", if name == wrong.0 { wrong.1 } else { value })
        });
        let text = format!("key = \"k\"\n{}\n{allow}", lines.join("\n"));
        let settings = toml::from_str::<Settings>(&text).map_err(|why| why.to_string())?;
        let secrets = Arc::new(MemorySecrets::default());
        Sts::new(settings, secrets, Arc::new(ManualClock::default())).map(drop)
    };
    assert_eq!(made(("", ""), allow), Ok(()));
    for wrong in [
        ("role", "writer"),
        ("role", "arn:aws:iam::1:user/writer"),
        ("region", ""),
        ("region", "evil.example/"),
        ("endpoint", "http://sts.example/"),
    ] {
        assert!(made(wrong, allow).unwrap_err().contains("expected"), "{wrong:?}");
    }
    for bad in [
        "[[allow]]\ntools = [\"a/b\"]\nactions = [\"s3:*\"]",
        "[[allow]]\ntools = [\"a/b\"]\nactions = [\"*\"]\nresources = [\"*\"]",
        "[[allow]]\ntools = [\"a/b\"]\nactions = [\"s3:*\"]\nresources = [\"arn:aws:s3:::{tasks}\"]",
    ] {
        assert!(made(("", ""), bad).unwrap_err().contains("expected"), "{bad}");
    }
}
