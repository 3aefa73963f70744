//! Agents of a trust domain that somebody else issues SVIDs for, known by his Workload API. Another Remit
//! stands in for SPIRE: its socket speaks the same protocol, and its agents' SVIDs are what SPIRE would
//! issue. The clients are the `spiffe` and `spiffe-rustls` crates.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use spiffe::{SpiffeId, WorkloadApiClient, X509Source, X509Svid};
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};

use super::certified::token;
use super::line::{Line, Reply, Setup};
use super::stand;
use crate::peers::Changing;
use crate::stand::{PATIENCE, Plan, Stand};

const DOMAIN: &str = "spire.example";
const WORKER: &str = "spiffe://spire.example/agent/worker";
/// Its entry for Remit itself; named first, so that it is the default of whoever may be several.
const GATE: &str = "spiffe://spire.example/agent/gate";
const MORE: &str = "[[agent]]\nname = \"gate\"\nowner = \"operators\"\n\n\
                    [[agent]]\nname = \"stranger\"\nowner = \"operators\"\n\n";
const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const COMPROMISED: [&str; 4] = ["keys", "rotate", "svid", "--compromised"];

/// What stands in for SPIRE.
async fn spire(more: &str) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let plan = Plan::new().trust_domain(DOMAIN).with(MORE).with(more);
    Stand::up(&plan, folder, state).await
}

fn socket(spire: &Stand) -> PathBuf {
    spire.state().join("workload.sock")
}

/// A Remit that takes its trust from `socket`, and its own certificate as well.
async fn house(socket: &Path, more: &str) -> (Stand, Changing) {
    let plan = Plan::new()
        .agent(&format!("federated = [{{ spiffe_id = \"{WORKER}\" }}]"))
        .listening("tls = \"svid\"\n")
        .with(&format!(
            "[spiffe]\nsource = \"unix://{}\"\ntrust_domains = [\"{DOMAIN}\"]\n{more}\n",
            socket.display()
        ));
    stand(plan).await
}

async fn workloads(spire: &Stand) -> WorkloadApiClient {
    WorkloadApiClient::connect_to(format!("unix://{}", socket(spire).display())).await.unwrap()
}

/// The SVIDs of one of its agents, always the newest.
async fn following(spire: &Stand, id: &'static str) -> X509Source {
    let picker = move |svids: &[Arc<X509Svid>]| {
        svids.iter().position(|svid| svid.spiffe_id().to_string() == id)
    };
    let endpoint = format!("unix://{}", socket(spire).display());
    X509Source::builder().endpoint(endpoint).picker(Picker(picker)).build().await.unwrap()
}

struct Picker<F>(F);

impl<F: Fn(&[Arc<X509Svid>]) -> Option<usize> + Send + Sync + 'static>
    spiffe::x509_source::SvidPicker for Picker<F>
{
    fn pick_svid(&self, svids: &[Arc<X509Svid>]) -> Option<usize> {
        (self.0)(svids)
    }
}

/// A connection, on which each end has proved its SPIFFE ID.
async fn meet(source: &X509Source, house: &Stand) -> Result<Line, String> {
    let setup = Setup::meeting(source.clone(), GATE);
    loop {
        match setup.connect(house.address()).await {
            // For a moment after its SVID was renewed `spiffe-rustls` connects to nobody. If that comes as it says
            // which signatures it takes, it says none, which is no list to a server.
            Err(why) if why.contains("is pending") || why.contains("DecodeError") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            met => return met,
        }
    }
}

async fn ask(line: &mut Line, client: &str) -> Reply {
    line.post("/oauth/token", None, &[CREDENTIALS, ("client_id", client)]).await
}

/// Tries again, for as long as news take to get around.
async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut why = String::new();
    for _ in 0..PATIENCE.as_millis() / 200 {
        match attempt().await {
            Ok(got) => return got,
            Err(error) => why = error,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{what}: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_known_by_both_kinds_of_svids_and_remit_by_its_own() {
    let spire = spire("").await;
    let (house, notes) = house(&socket(&spire), "").await;
    // Only who came this way may act: the record of the task says how its agent was known.
    let policy = format!(
        "@id(\"only\")\nforbid (principal, action in Remit::Action::\"tools\", resource)\nunless {{ \
         (context.attestation.method == \"federated-x509-svid\" && context.possession == \"mtls\" \
         || context.attestation.method == \"federated-jwt-svid\") && context.attestation has named \
         && context.attestation.named.subject == \"{WORKER}\" }};\n"
    );
    std::fs::write(house.state().join("policies/only.cedar"), policy).unwrap();
    let check = house.remit(&["policy", "check"]).await;
    assert!(check.ok, "{}", check.said());
    // Applied live, once a second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let worker = following(&spire, WORKER).await;
    let mut line = meet(&worker, &house).await.unwrap();
    let issuer = format!("https://{}", house.address());
    let metadata = line.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], issuer, "{metadata}");

    let granted = ask(&mut line, WORKER).await;
    let called = line.call(("Bearer", &token(&granted))).await;
    assert!(called.status == 200 && called.body.contains("a note"), "{}", called.body);
    let id = SpiffeId::new(WORKER).unwrap();
    let svid = workloads(&spire).await.fetch_jwt_token([&issuer], Some(&id)).await.unwrap();
    let assertion = [
        CREDENTIALS,
        ("client_id", WORKER),
        ("client_assertion_type", JWT_SPIFFE),
        ("client_assertion", svid.as_str()),
    ];
    let bearer = [("grant_type", crate::elsewhere::TYPE), ("assertion", svid.as_str())];
    for form in [&assertion[..], &bearer] {
        let grant = token(&line.post("/oauth/token", None, form).await);
        let called = line.call(("Bearer", &grant)).await;
        assert!(called.status == 200 && called.body.contains("a note"), "{}", called.body);
    }
    assert_eq!(notes.reached().len(), 3);

    let task = granted.json()["authorization_details"][0]["task"].as_str().unwrap().to_owned();
    let shown = house.ask(&["task", "show", &task]).await;
    let named = json!({ "issuer": format!("spiffe://{DOMAIN}"), "subject": WORKER });
    assert_eq!((&shown["agent"], &shown["named"]), (&json!("worker"), &named), "{shown}");
    crate::proof::log_is_good(&house).await;
}

/// Of one who does not issue it is asked for nothing that only an issuer has.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_source_remit_issues_nothing_itself() {
    let spire = spire("").await;
    let (house, _) = house(&socket(&spire), "").await;
    let worker = following(&spire, WORKER).await;
    let mut line = meet(&worker, &house).await.unwrap();
    assert_eq!(line.get("/spiffe/bundle").await.status, 404);
    assert!(!house.state().join("workload.sock").exists());
    let keys = house.ask(&["keys", "list"]).await;
    assert_eq!(keys.as_array().unwrap().len(), 2, "of the log and of grants: {keys}");
    for rotate in [&COMPROMISED[..3], &COMPROMISED] {
        let refused = house.with_passphrase(rotate).await;
        assert!(
            !refused.ok && refused.said().contains("keys are replaced there"),
            "{}",
            refused.said()
        );
    }
    let status = house.ask(&["status"]).await;
    let source = format!("unix://{}", socket(&spire).display());
    assert_eq!(status["setup"]["workload_api"], source, "where processes here get theirs");
}

/// What ran out, whose root is gone, whom nobody names, and who only says that he is of that domain.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_in() {
    let real = spire("").await;
    let (house, notes) = house(&socket(&real), "").await;
    let (worker, stranger) = (
        following(&real, WORKER).await,
        following(&real, "spiffe://spire.example/agent/stranger").await,
    );
    let mut line = meet(&stranger, &house).await.expect("TLS believes who it is");
    for client in ["spiffe://spire.example/agent/stranger", "worker", WORKER] {
        let refused = ask(&mut line, client).await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        assert!(refused.body.contains("no agent is known by its SPIFFE ID"), "{}", refused.body);
    }
    // An impostor has the same names and keys of his own.
    let impostor = spire("").await;
    let forged = following(&impostor, WORKER).await;
    let issuer = format!("https://{}", house.address());
    let id = SpiffeId::new(WORKER).unwrap();
    let svid = forged.svid().unwrap();
    let shown = Setup::meeting_with(worker.clone(), GATE, &svid).connect(house.address()).await;
    let alert = shown.err().expect("his root is in no bundle");
    assert!(alert.contains("UnknownCA"), "{alert}");
    let svid = workloads(&impostor).await.fetch_jwt_token([&issuer], Some(&id)).await.unwrap();
    let bearer = [("grant_type", crate::elsewhere::TYPE), ("assertion", svid.as_str())];
    let refused = line.post("/oauth/token", None, &bearer).await;
    assert!(refused.status >= 400 && refused.body.contains("`kid`"), "{}", refused.body);

    let mut line = meet(&worker, &house).await.unwrap();
    let grant = token(&ask(&mut line, WORKER).await);
    let old = worker.svid().unwrap();
    let jwt = workloads(&real).await.fetch_jwt_token([&issuer], Some(&id)).await.unwrap();
    real.act(&COMPROMISED).await;
    until("the root is gone", async || {
        let reply = line.call(("Bearer", &grant)).await;
        let gone = reply.status == 401 && reply.body.contains("was taken back");
        if gone { Ok(()) } else { Err(reply.body) }
    })
    .await;
    let bearer = [("grant_type", crate::elsewhere::TYPE), ("assertion", jwt.as_str())];
    until("its key of tokens, too", async || {
        let reply = line.post("/oauth/token", None, &bearer).await;
        if reply.body.contains("`kid`") { Ok(()) } else { Err(reply.body) }
    })
    .await;
    let again = Setup::meeting_with(worker.clone(), GATE, &old);
    // The client has to know Remit's new certificate first.
    until("nor by a new connection", async || match again.connect(house.address()).await {
        Err(alert) if alert.contains("UnknownCA") => Ok(()),
        Err(other) => Err(other),
        Ok(_) => panic!("its root is gone"),
    })
    .await;
    // An agent that is named no more loses what it had at once.
    let mut fresh = until("a new one", async || meet(&worker, &house).await).await;
    let grant = token(&ask(&mut fresh, WORKER).await);
    assert_eq!(fresh.call(("Bearer", &grant)).await.status, 200);
    let config = std::fs::read_to_string(house.config()).unwrap();
    std::fs::write(house.config(), config.replace(WORKER, "spiffe://spire.example/other")).unwrap();
    until("another ID", async || {
        let reply = fresh.call(("Bearer", &grant)).await;
        if reply.status == 401 { Ok(()) } else { Err(reply.body) }
    })
    .await;
    assert!(notes.reached().len() >= 2);
    crate::proof::log_is_good(&house).await;
}

/// SVIDs of seconds, and the death of whoever issues them: the task stays, and no call is lost.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_and_death_of_the_source_interrupt_nobody() {
    let mut spire = spire("[svid]\nlifetime = \"10s\"\nrotate = \"20s\"\n").await;
    let (house, notes) = house(&socket(&spire), "").await;
    let worker = following(&spire, WORKER).await;
    let mut line = meet(&worker, &house).await.unwrap();
    let granted = ask(&mut line, WORKER).await;
    let details = granted.json()["authorization_details"].take();
    let further = json!([{ "type": "remit", "task": details[0]["task"] }]).to_string();
    let mut grant = token(&granted);
    let (mut own, mut calls) = (BTreeSet::from([line.server()]), 0);
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(26) {
        if calls == 8 {
            spire.kill().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            meet(&worker, &house).await.expect("what was said last still counts");
            spire.start().await;
        }
        let met = meet(&worker, &house).await;
        let mut line = met.unwrap_or_else(|why| panic!("{why}: {}", house.log()));
        own.insert(line.server());
        if line.call(("Bearer", &grant)).await.status == 401 {
            let form = [CREDENTIALS, ("client_id", WORKER), ("authorization_details", &further)];
            grant = token(&line.post("/oauth/token", None, &form).await);
            assert_eq!(line.call(("Bearer", &grant)).await.status, 200);
        }
        calls += 1;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(own.len() >= 3, "Remit's own certificate was renewed: {}", own.len());
    assert_eq!(notes.reached().len(), calls);
    let tasks = house.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "one task all the while: {tasks}");
}

/// Passes on what comes on a socket that another user listens at.
fn relay(folder: &Path, uid: u32, to: PathBuf) -> PathBuf {
    let path = folder.join("agent.sock");
    let listened = path.clone();
    // A thread of its own, since it is never again who it was.
    let listener = std::thread::spawn(move || {
        let uid = rustix::process::Uid::from_raw(uid);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        std::os::unix::net::UnixListener::bind(listened).unwrap()
    });
    let listener = listener.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = UnixListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = UnixStream::connect(&to).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut here, &mut there).await });
        }
    });
    path
}

/// Whoever may write where the socket lies can put another there.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_a_user_whom_nobody_named_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let spire = spire("").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = relay(folder.path(), 1600, socket(&spire));
    let worker = following(&spire, WORKER).await;
    let (refusing, _) = house(&path, "").await;
    assert!(meet(&worker, &refusing).await.is_err(), "it has no certificate");
    assert!(refusing.log().contains("user 1600 listens there"), "{}", refusing.log());
    let (named, _) = house(&path, "uid = 1600").await;
    let mut line = meet(&worker, &named).await.unwrap();
    token(&ask(&mut line, "worker").await);
}
