//! What a grant costs at the token endpoint of a running `remit serve`, beside the signature that it cannot
//! do without: a client asks for a further one of its task, and exchanges one for that of a child task
//! (RFC 8693), which opens that task on record.
//!
//! Tasks are opened no faster than Remit lets anybody open them, so the exchanges are counted one by one.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

#[path = "shared/part.rs"]
mod part;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use part::{Part, say};
use remit_fetch::{Address, Way};
use remit_jose::{SigningKey, draw_es256, draw_id};
use remit_testkit::SeededEntropy;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Grants of one task.
const GRANTS: u32 = 1000;
/// Exchanges: fewer than the tasks that may be opened in ten seconds.
const EXCHANGES: u32 = 90;

const CONFIG: &str = r#"
policies = "policies"
[listen]
address = "127.0.0.1:0"
[[agent]]
name = "worker"
owner = "operators"
uids = [4242]
jwks_file = "worker.jwks"
hands_to = ["clerk"]
[[agent]]
name = "clerk"
owner = "operators"
uids = [4242]
jwks_file = "clerk.jwks"
[[approver]]
group = "operators"
[[template]]
name = "reading"
may_open = ["worker"]
purpose = "read"
tools = ["notes/*"]
delegation = 2
"#;

/// A running Remit.
struct Desk {
    server: Child,
    issuer: String,
    way: Way,
    entropy: SeededEntropy,
    _folder: TempDir,
}

impl Desk {
    async fn open(worker: &SigningKey, clerk: &SigningKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (state, passphrase) = (folder.path().join("state"), folder.path().join("passphrase"));
        std::fs::write(&passphrase, "a passphrase of a measurement").unwrap();
        let [state, passphrase] = [&state, &passphrase].map(|path| path.to_str().unwrap());
        let init = ["init", "--state", state, "--passphrase-file", passphrase];
        let ran = Command::new(program()).args(init).stdout(Stdio::null()).status().unwrap();
        assert!(ran.success(), "remit init");
        let within = |name: &str| Path::new(state).join(name);
        std::fs::write(within("remit.toml"), CONFIG).unwrap();
        for (name, key) in [("worker.jwks", worker), ("clerk.jwks", clerk)] {
            let keys = json!({ "keys": [key.jwk("sig")] }).to_string();
            std::fs::write(within(name), keys).unwrap();
        }
        let serve = ["serve", "--json", "--state", state];
        let mut server = Command::new(program())
            .args(serve)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).expect("remit serve starts");
        let issuer = ready["endpoint"].as_str().unwrap().strip_suffix("/mcp").unwrap().to_owned();
        let way = Way::open(None, false).await.unwrap();
        Self { server, issuer, way, entropy: SeededEntropy::new(5), _folder: folder }
    }

    fn assertion(&self, client: &str, key: &SigningKey) -> String {
        let now = seconds();
        let claims = json!({
            "iss": client, "sub": client, "aud": self.issuer, "jti": draw_id(&self.entropy),
            "iat": now, "exp": now + 60,
        });
        key.sign("JWT", &claims).unwrap()
    }

    /// Sends `form` with this assertion; an answer other than 200 ends the measurement.
    async fn post(&self, path: &str, assertion: &str, form: &[(&str, &str)]) -> Value {
        let of = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let proof = [("client_assertion_type", of), ("client_assertion", assertion)];
        let at: Address = format!("{}{path}", self.issuer).parse().unwrap();
        let answer = self.way.post(&at, None, &[&proof, form].concat()).await.unwrap();
        let said = String::from_utf8_lossy(&answer.body);
        assert!(answer.status.is_success(), "{}: {said}", answer.status);
        serde_json::from_str(&said).unwrap_or(Value::Null)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// The program that is measured: that of the command line, else the one that was built for release.
fn program() -> PathBuf {
    let named = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/remit");
    named.map_or(built, PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the client has a clock of its own")]
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn main() {
    Runtime::new().unwrap().block_on(measured());
}

async fn measured() {
    let key =
        |seed| SigningKey::from_pkcs8(&draw_es256(&SeededEntropy::new(seed)).unwrap()).unwrap();
    let (worker, clerk) = (key(1), key(2));
    let desk = Desk::open(&worker, &clerk).await;
    let [mut bare, mut grants, mut exchanges] =
        ["a signature, bare", "client credentials", "exchange"].map(Part::new);
    let opening = json!([{ "type": "remit", "template": "reading" }]).to_string();
    let form = |details| [("grant_type", "client_credentials"), ("authorization_details", details)];
    let opened = desk.assertion("worker", &worker);
    let opened = desk.post("/oauth/token", &opened, &form(&opening)).await;
    let subject = opened["access_token"].as_str().unwrap();
    let task = &opened["authorization_details"][0]["task"];
    let further = json!([{ "type": "remit", "task": task }]).to_string();
    for _ in 0..GRANTS {
        let assertion = bare.time(async { desk.assertion("worker", &worker) }).await;
        grants.time(desk.post("/oauth/token", &assertion, &form(&further))).await;
    }
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    for _ in 0..EXCHANGES {
        let assertion = desk.assertion("clerk", &clerk);
        let child = exchanges.time(desk.post("/oauth/token", &assertion, &exchange)).await;
        // Its task ends with it, so that the next has room beside it.
        let token = child["access_token"].as_str().unwrap();
        let assertion = desk.assertion("clerk", &clerk);
        desk.post("/oauth/revoke", &assertion, &[("token", token)]).await;
    }
    say(&bare, &[&grants, &exchanges]);
}
