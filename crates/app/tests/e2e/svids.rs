//! SVIDs from the Workload API's socket, fetched, watched, used and verified by software that nobody
//! here wrote: the `spiffe` and `spiffe-rustls` crates, Python's `spiffe`, and OpenSSL.

mod attacks;
mod handshakes;
mod rotated;
mod runs;
mod selectors;

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64_MIME;
use serde_json::Value;
use spiffe::{JwtSource, JwtSvid, SpiffeId, WorkloadApiClient, X509Source};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stand::{PATIENCE, Plan, Stand};

/// Keys that come and go within seconds; a loaded machine still renews in time.
const FAST: &str = "[svid]\nlifetime = \"6s\"\nrotate = \"12s\"\n";

async fn stand(tables: &str) -> Stand {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan::new().template("work", &["*"], "").with(tables);
    up(&plan, dir).await
}

async fn up(plan: &Plan, dir: TempDir) -> Stand {
    let state = dir.path().join("state");
    Stand::up(plan, dir, state).await
}

fn endpoint(stand: &Stand) -> String {
    format!("unix://{}", stand.state().join("workload.sock").display())
}

pub(crate) async fn client(stand: &Stand) -> WorkloadApiClient {
    WorkloadApiClient::connect_to(endpoint(stand)).await.unwrap()
}

async fn x509_source(stand: &Stand) -> X509Source {
    X509Source::builder().endpoint(endpoint(stand)).build().await.unwrap()
}

fn worker() -> SpiffeId {
    SpiffeId::new("spiffe://remit.local/agent/worker").unwrap()
}

/// In the form of RFC 7468.
pub(crate) fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}-----END {kind}-----\n", BASE64_MIME.encode(der))
}

/// The bundle as anybody sees it.
async fn published(stand: &Stand) -> Value {
    let answer = crate::wire::get(stand.address(), "/spiffe/bundle").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_fetches_both_kinds_and_believes_them() {
    let stand = stand("").await;
    let client = client(&stand).await;
    let context = client.fetch_x509_context().await.unwrap();
    let svid = context.default_svid().unwrap();
    assert_eq!((svid.spiffe_id(), svid.hint()), (&worker(), Some("worker")));
    let token = client.fetch_jwt_svid(["bank"], Some(&worker())).await.unwrap();
    assert_eq!((token.spiffe_id(), token.audience()), (&worker(), &["bank".to_owned()][..]));
    let bundles = client.fetch_jwt_bundles().await.unwrap();
    JwtSvid::parse_and_validate(token.token(), &bundles, &["bank"]).unwrap();
    assert!(JwtSvid::parse_and_validate(token.token(), &bundles, &["shop"]).is_err());
    client.validate_jwt_token("bank", token.token()).await.unwrap();
    let status = stand.ask(&["status"]).await;
    assert_eq!(status["setup"]["workload_api"], endpoint(&stand), "{status}");
}

/// Two rotations of keys under a client that never fetches by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_holds_is_good_at_every_moment_of_a_rotation() {
    let stand = stand(FAST).await;
    let x509 = x509_source(&stand).await;
    let jwt = JwtSource::builder().endpoint(endpoint(&stand)).build().await.unwrap();
    let first = published(&stand).await;
    let mut signers = std::collections::BTreeSet::new();
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let svid = x509.svid().unwrap();
        let bundle = x509.bundle_set().unwrap();
        handshakes::assert_verifies(&svid, &bundle);
        assert!(x509.is_healthy() && jwt.is_healthy());
        let token = jwt.fetch_jwt_svid(["bank"]).await.unwrap();
        JwtSvid::parse_and_validate(token.token(), &jwt, &["bank"]).unwrap();
        signers.insert(token.key_id().to_owned());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(signers.len() >= 3, "keys were replaced twice: {signers:?}");
    let last = published(&stand).await;
    let sequence = |bundle: &Value| bundle["spiffe_sequence"].as_u64().unwrap();
    assert!(sequence(&last) > sequence(&first), "{first} {last}");
    let made = stand.entries().await;
    let made = made.iter().filter(|entry| entry["kind"] == "key").count();
    assert!(made >= 4, "the key of grants and each replacement is on record, {made} are");
}

/// gRPC's C core puts the socket's path into a header where HTTP/2 allows no slash, escaped or not;
/// named without a path, the socket serves it too.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_the_c_core_fetches_and_watches() {
    let stand = stand(FAST).await;
    let run = Command::new(crate::peers::python())
        .arg(crate::peers::peer("clients/workload.py"))
        .args(["workload.sock", "bank", "10"])
        .current_dir(stand.state())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| said.iter().filter(|it| it[kind] == worker().to_string()).count();
    assert_eq!(count("jwt"), 1, "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(count("x509") >= 3, "renewed in time: {text}");
    assert_eq!(said.len(), 1 + count("x509"), "and nothing else: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outlive_the_process_and_clients_find_back() {
    let mut stand = stand("").await;
    let source = x509_source(&stand).await;
    let before = source.svid().unwrap();
    let token = client(&stand).await.fetch_jwt_token(["bank"], None).await.unwrap();
    let mut updates = source.updated();
    stand.kill().await;
    stand.start().await;
    tokio::time::timeout(PATIENCE, updates.changed()).await.expect("the client is back").unwrap();
    let after = source.svid().unwrap();
    assert_ne!(before.cert_chain(), after.cert_chain());
    let bundle = source.bundle_set().unwrap();
    handshakes::assert_verifies(&before, &bundle);
    handshakes::assert_verifies(&after, &bundle);
    client(&stand).await.validate_jwt_token("bank", &token).await.unwrap();
}

/// Lets every user pass through to what is in `dir`.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)).unwrap();
}
