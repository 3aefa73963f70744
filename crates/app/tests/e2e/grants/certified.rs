//! A client that is known by its X.509-SVID over mutual TLS, and grants that are bound to that: from the
//! Workload API to the tool server and back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use spiffe::{SpiffeId, WorkloadApiClient, X509Source, X509Svid};
use tempfile::TempDir;
use tokio::process::Command;

use super::holder::Holder;
use super::line::{Line, Reply, Setup};
use super::stand;
use crate::peers::Changing;
use crate::peers::certificate;
use crate::stand::{PATIENCE, Plan, Stand};
use crate::svids::pem;

pub(super) const WORKER: &str = "spiffe://remit.local/agent/worker";
/// SVIDs come and go within seconds; a loaded machine still gets something done with one.
const FAST: &str = "[svid]\nlifetime = \"6s\"\nrotate = \"12s\"\n";
const GRANT_TYPE: (&str, &str) = ("grant_type", "client_credentials");

/// A Remit that speaks TLS and knows no key of anybody's, and a process that it takes for `worker`.
pub(super) struct Desk {
    pub(super) stand: Stand,
    pub(super) notes: Changing,
    pub(super) client: WorkloadApiClient,
    /// The server's certificate.
    pub(super) trusted: PathBuf,
    files: TempDir,
}

impl Desk {
    pub(super) async fn open(plan: Plan) -> Self {
        let files = tempfile::tempdir().unwrap();
        let (trusted, key) = (files.path().join("tls.pem"), files.path().join("tls.key"));
        certificate(&trusted, &key).await;
        let (stand, notes) = stand(plan.tls(&trusted, &key)).await;
        let socket = format!("unix://{}", stand.state().join("workload.sock").display());
        let client = WorkloadApiClient::connect_to(socket).await.unwrap();
        Self { stand, notes, client, trusted, files }
    }

    pub(super) fn issuer(&self) -> String {
        format!("https://{}", self.stand.address())
    }

    /// A new SVID of this ID, below the trust domain.
    pub(super) async fn svid(&self, path: &str) -> Arc<X509Svid> {
        let id = SpiffeId::new(format!("spiffe://remit.local/{path}")).unwrap();
        let context = self.client.fetch_x509_context().await.unwrap();
        let mut svids = context.svids().iter();
        Arc::clone(svids.find(|svid| *svid.spiffe_id() == id).expect("it is given that one"))
    }

    pub(super) async fn connect(&self, svid: Option<&X509Svid>) -> Result<Line, String> {
        Setup::new(&self.trusted, svid).connect(self.stand.address()).await
    }

    /// A connection of the agent's, with a new SVID.
    pub(super) async fn connected(&self) -> (Line, Arc<X509Svid>) {
        let svid = self.svid("agent/worker").await;
        (self.connect(Some(&svid)).await.unwrap(), svid)
    }
}

/// Asks for a grant as whoever the connection says.
pub(super) async fn ask(line: &mut Line, more: &[(&str, &str)]) -> Reply {
    let form = [&[GRANT_TYPE, ("client_id", WORKER)], more].concat();
    line.post("/oauth/token", None, &form).await
}

/// The grant that is answered with.
pub(super) fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn thumbprint(svid: &X509Svid) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, svid.leaf().as_bytes()).as_ref())
}

/// The `cnf` in a grant.
fn confirmation(token: &str) -> Value {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["cnf"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_alone_leads_from_the_socket_to_a_call() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    // Only who came this way may act: the record of the task says how its agent was known.
    let policy = "@id(\"by-mtls\")\nforbid (principal, action in Remit::Action::\"tools\", resource)\n\
                  unless { context.attestation.method == \"x509-svid\" && context.possession == \"mtls\" };\n";
    std::fs::write(desk.stand.state().join("policies/mtls.cedar"), policy).unwrap();
    let check = desk.stand.remit(&["policy", "check"]).await;
    assert!(check.ok, "{}", check.said());

    let (mut line, svid) = desk.connected().await;
    let metadata = line.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true, "{metadata}");
    for at in ["token", "introspection", "revocation"] {
        let methods = metadata[format!("{at}_endpoint_auth_methods_supported")].as_array().unwrap();
        for method in ["private_key_jwt", "spiffe_jwt", "spiffe_x509", "tls_client_auth"] {
            assert!(methods.contains(&json!(method)), "{at}: {methods:?}");
        }
        // At the token endpoint those may come that a person allowed something in a browser.
        assert_eq!(methods.contains(&json!("none")), at == "token", "{methods:?}");
    }
    let about = line.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert_eq!(about["tls_client_certificate_bound_access_tokens"], true, "{about}");
    assert_eq!(about["dpop_bound_access_tokens_required"], false, "{about}");

    let granted = ask(&mut line, &[]).await;
    let grant = token(&granted);
    assert_eq!(granted.json()["token_type"], "Bearer", "{}", granted.body);
    let bound = json!({ "x5t#S256": thumbprint(&svid) });
    assert_eq!(confirmation(&grant), bound);
    let called = line.call(("Bearer", &grant)).await;
    assert!(called.status == 200 && called.body.contains("a note"), "{}", called.body);
    // RFC 8705 names no session: any connection with that certificate will do, also of TLS 1.2.
    let older = Setup::speaking(&[&rustls::version::TLS12], &desk.trusted, Some(&svid));
    let mut second = older.connect(desk.stand.address()).await.unwrap();
    let called = second.call(("bearer", &grant)).await;
    assert!(called.status == 200 && called.body.contains("a note"), "{}", called.body);
    assert_eq!(desk.notes.reached().len(), 2);

    let form = [("client_id", "worker"), ("token", grant.as_str())];
    let looked = line.post("/oauth/introspect", None, &form).await.json();
    assert_eq!((&looked["active"], &looked["cnf"]), (&json!(true), &bound), "{looked}");
    assert_eq!(looked["token_type"], "Bearer");
    let back = line.post("/oauth/revoke", None, &form).await;
    assert_eq!(back.status, 200, "{}", back.body);
    let task = granted.json()["authorization_details"][0]["task"].as_str().unwrap().to_owned();
    let shown = desk.stand.ask(&["task", "show", &task]).await;
    assert_eq!((&shown["agent"], &shown["state"]), (&json!("worker"), &json!("closed")));
    let entries = desk.stand.entries().await;
    let decisions = entries.iter().filter(|entry| entry["kind"] == "decision");
    let shown: Vec<_> = decisions.map(|entry| &entry["clear"]["possession"]).collect();
    assert_eq!(shown, ["mtls", "mtls"]);
    crate::proof::log_is_good(&desk.stand).await;
}

/// What a client shows beside its certificate decides what its grant is bound to.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_binds_before_a_certificate_and_a_certificate_before_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, keys) = (Holder::new(), folder.path().join("worker.jwks"));
    std::fs::write(&keys, json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
    let desk = Desk::open(Plan::new().agent_keys(&keys)).await;
    let (mut line, svid) = desk.connected().await;
    let mut bare = desk.connect(None).await.unwrap();
    let url = format!("{}/oauth/token", desk.issuer());
    let nonce = json!(bare.get("/mcp").await.nonce);
    let (holder, proof) = (Holder::new(), json!({ "nonce": nonce }));

    let own = [GRANT_TYPE, ("client_id", WORKER)];
    let bound = line.post("/oauth/token", Some(&holder.proof(&url, &proof)), &own).await;
    assert_eq!(bound.json()["token_type"], "DPoP", "{}", bound.body);
    assert_eq!(confirmation(&token(&bound)), json!({ "jkt": holder.thumbprint() }));

    let issuer = desk.issuer();
    let granted = async |line: &mut Line, proof: Option<&str>| {
        let assertion = worker.assertion(("worker", &issuer), &json!({}));
        let kind = ("client_assertion_type", super::JWT_BEARER);
        let form = [GRANT_TYPE, kind, ("client_assertion", &assertion)];
        confirmation(&token(&line.post("/oauth/token", proof, &form).await))
    };
    let proof = holder.proof(&url, &proof);
    let bindings = [
        granted(&mut line, None).await,
        granted(&mut bare, None).await,
        granted(&mut bare, Some(&proof)).await,
    ];
    let certificate = json!({ "x5t#S256": thumbprint(&svid) });
    assert_eq!(bindings, [certificate, Value::Null, json!({ "jkt": holder.thumbprint() })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_certificates_are_not_asked_for_everything_else_goes_on() {
    let off = "client_certificates = false\n";
    let desk = Desk::open(Plan::new().listening(off)).await;
    let (mut line, _) = desk.connected().await;
    let metadata = line.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], false, "{metadata}");
    let methods = &metadata["token_endpoint_auth_methods_supported"];
    assert_eq!(*methods, json!(["none", "private_key_jwt", "spiffe_jwt"]));
    let refused = ask(&mut line, &[]).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(refused.body.contains("expected `client_assertion_type`"), "{}", refused.body);
    let grant = desk.stand.open("reading").await.token;
    assert_eq!(line.call(("Bearer", &grant)).await.status, 200);
}

/// By which a browser with certificates of its own does not ask its user for one.
#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_says_whose_certificates_are_meant() {
    let desk = Desk::open(Plan::new()).await;
    let run = Command::new("openssl")
        .args(["s_client", "-connect", desk.stand.address(), "-CAfile"])
        .arg(&desk.trusted)
        .stdin(std::process::Stdio::null())
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, names) = said.split_once("Acceptable client certificate CA names\n").expect(&said);
    let names: Vec<_> = names.lines().take_while(|line| line.contains("CN")).collect();
    assert_eq!(names, ["O = Remit, CN = SVID signer 1"], "{said}");
}

/// A client that keeps sessions would go on showing the certificate of the first handshake.
#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_taken_up_again() {
    let desk = Desk::open(Plan::new()).await;
    let svid = desk.svid("agent/worker").await;
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let setup = Setup::speaking(versions, &desk.trusted, Some(&svid));
        for _ in 0..2 {
            let line = setup.connect(desk.stand.address()).await.unwrap();
            assert_eq!(line.kind, Some(rustls::HandshakeKind::Full));
        }
    }
}

/// SVIDs of seconds, over two of them: the task stays, its grants follow the certificates.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_renewed_certificate_a_client_asks_for_a_further_grant_and_goes_on() {
    let desk = Desk::open(Plan::new().with(FAST)).await;
    let (mut first, old) = desk.connected().await;
    let granted = ask(&mut first, &[]).await;
    let (grant, details) = (token(&granted), granted.json()["authorization_details"].take());
    assert_eq!(first.call(("Bearer", &grant)).await.status, 200);
    let (mut second, _) = desk.connected().await;
    let refused = second.call(("Bearer", &grant)).await;
    assert!(refused.body.contains("ask for a further grant"), "{}", refused.body);
    let further = json!([{ "type": "remit", "task": details[0]["task"] }]).to_string();
    let again = token(&ask(&mut second, &[("authorization_details", &further)]).await);
    assert_eq!(second.call(("Bearer", &again)).await.status, 200);

    tokio::time::sleep(Duration::from_secs(7)).await;
    for reply in [first.call(("Bearer", &grant)).await, ask(&mut first, &[]).await] {
        assert_eq!(reply.status, 401, "{}", reply.body);
        assert!(reply.body.contains("certificate of this connection ran out"), "{}", reply.body);
    }
    let late = desk.connect(Some(&old)).await.err().expect("it ran out");
    assert!(late.contains("CertificateExpired"), "{late}");
    let (mut third, _) = desk.connected().await;
    let last = token(&ask(&mut third, &[("authorization_details", &further)]).await);
    assert_eq!(third.call(("Bearer", &last)).await.status, 200);
    assert_eq!(desk.notes.reached().len(), 3);
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "one task all the while: {tasks}");
}

/// The same by the `spiffe` and `spiffe-rustls` crates, which renew by themselves: a new connection shows
/// the SVID of the moment, and whoever is told so asks for a further grant on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_follows_its_renewals_is_never_shut_out() {
    let desk = Desk::open(Plan::new().with(FAST)).await;
    let socket = format!("unix://{}", desk.stand.state().join("workload.sock").display());
    let source = X509Source::builder().endpoint(&socket).build().await.unwrap();
    let setup = Setup::following(&desk.trusted, source);
    let mut line = setup.connect(desk.stand.address()).await.unwrap();
    let granted = ask(&mut line, &[]).await;
    let details = granted.json()["authorization_details"].take();
    let further = json!([{ "type": "remit", "task": details[0]["task"] }]).to_string();
    let (mut grant, mut renewed, mut called) = (token(&granted), 0, 0);
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(14) {
        let mut line = setup.connect(desk.stand.address()).await.unwrap();
        if line.call(("Bearer", &grant)).await.status == 401 {
            grant = token(&ask(&mut line, &[("authorization_details", &further)]).await);
            renewed += 1;
            assert_eq!(line.call(("Bearer", &grant)).await.status, 200);
        }
        called += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(renewed >= 3, "{renewed} renewals");
    assert_eq!(desk.notes.reached().len(), called);
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "one task all the while: {tasks}");
}

/// Python: the SVID by `spiffe`, the token by `httpx2` over OpenSSL, the call by the MCP SDK.
#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_gets_in_by_openssl() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    let mut python = Command::new(crate::peers::python());
    python.arg(crate::peers::peer("clients/mtls.py"));
    python.args(["workload.sock", &desk.issuer(), desk.trusted.to_str().unwrap()]);
    python.args(["notes__read_note", "{\"title\": \"a\"}"]);
    let run = python.current_dir(desk.stand.state()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let (said, why) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("a note"), "{said}{why}");
    assert_eq!(desk.notes.reached().len(), 1);
}

/// The recipe of docs/grants.md.
#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_in_with_an_svid_in_files() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    let svid = desk.svid("agent/worker").await;
    let (chain, key) = (svid.leaf().as_bytes(), svid.private_key().as_bytes());
    std::fs::write(desk.files.path().join("svid.pem"), pem("CERTIFICATE", chain)).unwrap();
    std::fs::write(desk.files.path().join("svid.key"), pem("PRIVATE KEY", key)).unwrap();
    let token_endpoint = format!("{}/oauth/token", desk.issuer());
    let run = Command::new("curl")
        .args(["--silent", "--show-error", "--cert", "svid.pem", "--key", "svid.key"])
        .args(["--cacert", "tls.pem", &token_endpoint, "-d", "grant_type=client_credentials"])
        .args(["-d", &format!("client_id={WORKER}")])
        .current_dir(desk.files.path())
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let granted: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{errors}"));
    let bound = confirmation(granted["access_token"].as_str().unwrap());
    assert_eq!(bound, json!({ "x5t#S256": thumbprint(&svid) }));
}
