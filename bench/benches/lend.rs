//! What it costs to lend and to take back, by each issuer, beside the bare operation at the same server
//! in the same run: what matters is the ratio. Where a credential can be taken back at once, also how long that
//! takes from the close of its task on. The servers are real ones, which `e2e/setup` installs.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

#[path = "shared/closing.rs"]
mod closing;
#[path = "../../crates/issuers/tests/sts/moto.rs"]
mod moto;
#[path = "shared/part.rs"]
mod part;
#[path = "../../crates/issuers/tests/postgres/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use closing::closing;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use moto::{Moto, REGION};
use part::{Part, say};
use remit_fetch::{Address, Way};
use remit_issuers::{Doors, Kind as _, oauth, postgres, ssh, stored, sts, svid};
use remit_model::{Secret, SecretName, Timestamp};
use remit_ports::{Issuer, Secrets, Wanted};
use remit_sigv4::{Keys, Scope, Unsigned, sign};
use remit_spiffe::{Authority, Generation, task_id, trust_domain};
use remit_testkit::peers::{peer, started};
use remit_testkit::samples::{NOW, lent};
use remit_testkit::{ManualClock, MemorySecrets, SeededEntropy, samples};
use serde::de::DeserializeOwned;
use server::{LENDER, Server, login};
use tokio::runtime::Runtime;

/// Rounds of each part; of those whose server is slow, a tenth.
const ROUNDS: u32 = 500;
/// Tasks that are closed.
const CLOSED: u32 = 200;
const LIFETIME: Duration = Duration::from_mins(5);
/// Long to come, whatever the servers' clocks say.
const LATER: Timestamp = Timestamp::from_secs(4_000_000_000);

fn main() {
    Runtime::new().unwrap().block_on(async {
        stored_values().await;
        postgres_roles().await;
        ssh_certificates().await;
        svids().await;
        aws_sessions().await;
        oauth_tokens().await;
    });
}

async fn stored_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "a-key-that-somebody-keeps").unwrap();
    let kind: stored::Settings = settings(&format!("file = \"{}\"", file.display()));
    let doors = Doors {
        secrets: Arc::new(MemorySecrets::default()),
        entropy: entropy(),
        clock: Arc::new(ManualClock::default()),
        variable: |_| None,
        mint: None,
    };
    let issuer = kind.open(&"key".parse().unwrap(), &doors).unwrap().issuer;
    say(&closing("secret: from close to confirmed", issuer, CLOSED).await, &[]);
}

async fn postgres_roles() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let secrets = secret("db", &server.url(LENDER, "postgres"));
    let allow = "[[allow]]\ntools = [\"a/b\"]\nroles = [\"orders_reader\"]";
    let settings = settings(&format!("admin = \"db\"\n{allow}"));
    let issuer = postgres::Postgres::new(settings, secrets, entropy()).unwrap();
    let bare = server.boss().await;
    let [mut create, mut drop, mut issue, mut revoke, mut ended] = [
        "PostgreSQL: CREATE ROLE with IN ROLE, bare",
        "PostgreSQL: DROP ROLE, bare",
        "postgres: issue",
        "postgres: revoke",
        "postgres: revoke, with a session open",
    ]
    .map(Part::new);
    for n in 0..ROUNDS {
        let made = format!("CREATE ROLE bare{n} LOGIN IN ROLE orders_reader");
        create.time(bare.batch_execute(&made)).await.unwrap();
        drop.time(bare.batch_execute(&format!("DROP ROLE bare{n}"))).await.unwrap();
        let issued = issue.time(issuer.issue(wanted(&issuer, n))).await.unwrap();
        revoke.time(issuer.revoke(lent(n, &issued))).await.unwrap();
        let issued = issuer.issue(wanted(&issuer, n)).await.unwrap();
        let session = login(issued.material.get("url").unwrap()).await.unwrap();
        ended.time(issuer.revoke(lent(n, &issued))).await.unwrap();
        session.batch_execute("SELECT 1").await.unwrap_err();
    }
    let closed = closing("postgres: from close to confirmed", Arc::new(issuer), CLOSED).await;
    say(&create, &[&issue]);
    say(&drop, &[&revoke, &ended, &closed]);
}

async fn ssh_certificates() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &["-q", "-t", "ed25519", "-N", "", "-f", "ca"]);
    let secrets = secret("ca", &fs::read_to_string(folder.path().join("ca")).unwrap());
    let list = folder.path().join("revoked");
    let allow = "[[allow]]\ntools = [\"a/b\"]\nprincipals = [\"deploy\"]\ncommand = \"true\"";
    let text = format!("ca = \"ca\"\nrevoked = \"{}\"\n{allow}", list.display());
    let issuer = ssh::Ssh::new(settings(&text), secrets, entropy()).unwrap();
    let [mut bare, mut issue, mut revoke] =
        ["ssh-keygen: a key and its certificate, bare", "ssh: issue", "ssh: revoke"].map(Part::new);
    for n in 0..ROUNDS / 10 {
        let key = format!("key{n}");
        let name: &[&str] = &["-q", "-t", "ed25519", "-N", "", "-f", &key];
        let sign: &[&str] = &["-q", "-s", "ca", "-I", "x", "-n", "deploy", "-V", "+5m", &key];
        bare.time(async { [name, sign].map(|words| keygen(folder.path(), words)) }).await;
        let issued = issue.time(issuer.issue(wanted(&issuer, n))).await.unwrap();
        revoke.time(issuer.revoke(lent(n, &issued))).await.unwrap();
    }
    let closed = closing("ssh: from close to confirmed", Arc::new(issuer), CLOSED).await;
    say(&bare, &[&issue, &revoke, &closed]);
}

async fn svids() {
    let domain = trust_domain("remit.local").unwrap();
    let kept = Generation::draw(1, &domain, LIFETIME * 100, NOW, &SeededEntropy::new(1)).unwrap();
    let generation = Arc::new(Generation::open(1, &kept).unwrap());
    let authority = Arc::new(Authority::new(domain.clone(), [generation]));
    let ours = Arc::clone(&authority);
    let mint = svid::Mint {
        authority: Arc::new(move || Arc::clone(&ours)),
        issuer: "https://remit.example".to_owned(),
        lifetime: LIFETIME,
        entropy: entropy(),
        clock: Arc::new(ManualClock::default()),
    };
    let issuer = svid::Svid::new(settings("audience = [\"a\"]"), mint).unwrap();
    let [mut bare, mut issue] = ["X.509- and JWT-SVID, bare", "svid: issue"].map(Part::new);
    let id = task_id(&domain, &samples::agent_name("bot"), &samples::task_id(1)).unwrap();
    let (until, audience, entropy) = (NOW.after(LIFETIME), ["a".to_owned()], SeededEntropy::new(3));
    for n in 0..ROUNDS {
        bare.time(async {
            let x509 = authority.x509(&id, until, NOW, &entropy).unwrap();
            (x509, authority.jwt((&id, &audience), until, NOW, &entropy).unwrap())
        })
        .await;
        issue.time(issuer.issue(wanted(&issuer, n))).await.unwrap();
    }
    say(&bare, &[&issue]);
}

async fn aws_sessions() {
    let moto = Moto::start().await;
    let allow = "[[allow]]\ntools = [\"a/b\"]\nactions = [\"s3:PutObject\"]\nresources = [\"*\"]";
    let (role, endpoint) = (&moto.role, &moto.endpoint);
    let text = format!(
        "key = \"k\"\nrole = \"{role}\"\nregion = \"{REGION}\"\nendpoint = \"{endpoint}\"\n{allow}"
    );
    let clock = Arc::new(ManualClock::default());
    let issuer = sts::Sts::new(settings(&text), secret("k", &moto.key), clock).unwrap();
    let way = Way::open(None, false).await.unwrap();
    let [mut bare, mut issue] = ["moto: AssumeRole, signed, bare", "sts: issue"].map(Part::new);
    for n in 0..ROUNDS / 10 {
        bare.time(assume(&way, &moto)).await;
        issue.time(issuer.issue(wanted(&issuer, n))).await.unwrap();
    }
    say(&bare, &[&issue]);
}

async fn oauth_tokens() {
    let script = peer("servers/authorization.py");
    let server = started(&[&script, "--client", "remit", "--secret", "s"]).await;
    let url = &server.url;
    let text = format!(
        "grant = \"client_credentials\"\n[server]\nissuer = \"{url}\"\nclient_id = \"remit\"\n\
         client_secret = \"k\"\nscopes = [\"read\"]"
    );
    let doors = oauth::Doors {
        secrets: secret("k", "s"),
        entropy: entropy(),
        clock: Arc::new(ManualClock::default()),
        tasks: None,
    };
    let issuer =
        oauth::OAuth::new("api".parse().unwrap(), settings(&text), Arc::new(doors)).unwrap();
    let (way, endpoint) = (Way::open(None, false).await.unwrap(), format!("{url}/token"));
    let endpoint: Address = endpoint.parse().unwrap();
    let basic = HeaderValue::from_static("Basic cmVtaXQ6cw==");
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let [mut bare, mut issue, mut revoke] =
        ["Authlib: client credentials, bare", "oauth: issue", "oauth: revoke"].map(Part::new);
    for n in 0..ROUNDS / 10 {
        let answer = bare.time(way.post(&endpoint, Some(&basic), &form)).await.unwrap();
        assert!(answer.status.is_success(), "{}", answer.status);
        let issued = issue.time(issuer.issue(wanted(&issuer, n))).await.unwrap();
        revoke.time(issuer.revoke(lent(n, &issued))).await.unwrap();
    }
    let closed = closing("oauth: from close to confirmed", Arc::new(issuer), CLOSED).await;
    say(&bare, &[&issue, &revoke, &closed]);
}

async fn assume(way: &Way, moto: &Moto) {
    let endpoint: Address = moto.endpoint.parse().unwrap();
    let role = moto.role.replace(':', "%3A").replace('/', "%2F");
    let body = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=bare&Version=2011-06-15");
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
    let (access_key, secret_key) = moto.key.split_once(':').unwrap();
    let keys = Keys { access_key, secret_key, session_token: None };
    let (method, uri) = (&Method::POST, endpoint.uri());
    let unsigned = Unsigned { method, uri, headers: &headers, body: body.as_bytes() };
    let scope = Scope { region: REGION, service: "sts" };
    headers.extend(sign(unsigned, keys, scope, NOW.as_secs()).unwrap());
    let answer = way.post_as(&endpoint, headers, body.into()).await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.status);
}

fn keygen(folder: &Path, words: &[&str]) {
    assert!(Command::new("ssh-keygen").args(words).current_dir(folder).status().unwrap().success());
}

fn settings<T: DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).unwrap()
}

fn secret(name: &str, text: &str) -> Arc<MemorySecrets> {
    let secrets = MemorySecrets::default();
    secrets.keep(&name.parse::<SecretName>().unwrap(), &Secret::new(text.to_owned())).unwrap();
    Arc::new(secrets)
}

fn entropy() -> Arc<SeededEntropy> {
    Arc::new(SeededEntropy::new(7))
}

fn wanted(issuer: &dyn Issuer, n: u32) -> Wanted {
    samples::wanted(issuer, n, samples::holder(&["a/b"]), LATER)
}
