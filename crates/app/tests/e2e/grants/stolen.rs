//! Whoever has a grant that is bound to a certificate, and not that certificate; and certificates that
//! say too much.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::process::Command;

use super::certified::{Desk, WORKER, ask, token};
use super::holder::{Holder, hash};
use super::line::Setup;
use crate::stand::Plan;
use crate::wire::Request;

const OTHER: &str = "[[agent]]\nname = \"other\"\nowner = \"operators\"\nuids = [0]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_grant_is_worth_nothing_on_any_other_connection() {
    let desk = Desk::open(Plan::new().with(OTHER)).await;
    let (mut own, _) = desk.connected().await;
    let granted = ask(&mut own, &[]).await;
    let grant = token(&granted);
    let task = granted.json()["authorization_details"][0]["task"].as_str().unwrap().to_owned();
    // What a process that may be both agents, and has a run, can show.
    let run = desk.stand.open("reading").await.task;
    assert_ne!(run, task);
    let (other, run) = (desk.svid("agent/other").await, format!("agent/worker/task/{run}"));
    let run = desk.svid(&run).await;
    let mut without = desk.connect(None).await.unwrap();
    let mut others = desk.connect(Some(&other)).await.unwrap();
    let mut runs = desk.connect(Some(&run)).await.unwrap();
    let (mut newer, _) = desk.connected().await;
    for (about, line, why) in [
        ("none", &mut without, "this connection has no client certificate"),
        ("another agent's", &mut others, "is not of the grant's agent"),
        ("a run's", &mut runs, "is not of the grant's agent"),
        ("a newer one", &mut newer, "bound to another certificate of its agent"),
    ] {
        let refused = line.call(("Bearer", &grant)).await;
        assert_eq!(refused.status, 401, "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
        assert!(refused.challenge.starts_with("Bearer realm="), "{about}: {}", refused.challenge);
        assert!(refused.challenge.contains("invalid_token"), "{about}: {}", refused.challenge);
    }
    let (endpoint, thief) = (format!("{}/mcp", desk.issuer()), Holder::new());
    let nonce = without.get("/mcp").await.nonce;
    let proof = thief.proof(&endpoint, &json!({ "ath": hash(&grant), "nonce": nonce }));
    for line in [&mut own, &mut without] {
        let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
        let request = Request::new(desk.stand.address(), &grant, "tools/call", params)
            .with("Authorization", Some(&format!("DPoP {grant}")))
            .with("DPoP", Some(&proof));
        let refused = line.send(&request).await;
        assert!(refused.body.contains("so no proof can go with it"), "{}", refused.body);
        assert!(refused.challenge.starts_with("Bearer realm="), "{}", refused.challenge);
    }
    assert!(desk.notes.reached().is_empty(), "{:?}", desk.notes.reached());
    assert_eq!(own.call(("Bearer", &grant)).await.status, 200);
    let metrics = without.get("/metrics").await.body;
    // Those above, and the one that asked for a nonce.
    assert!(metrics.contains("remit_requests_unauthenticated_total 7\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_svid_of_ours_is_refused_in_the_handshake() {
    let (desk, twin) = (Desk::open(Plan::new()).await, Desk::open(Plan::new()).await);
    let foreign = twin.svid("agent/worker").await;
    let why = desk.connect(Some(&foreign)).await.err().expect("of another Remit, with our name");
    assert!(why.contains("UnknownCA"), "{why}");

    let files = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-keyout", "own.key", "-out", "own.pem", "-days", "1", "-subj", "/O=Remit"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "keyUsage=critical,digitalSignature"])
        .args(["-addext", &format!("subjectAltName=URI:{WORKER}")])
        .current_dir(files.path())
        .output();
    let made = made.await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (chain, key) = (files.path().join("own.pem"), files.path().join("own.key"));
    let chain = vec![CertificateDer::from_pem_file(chain).unwrap()];
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_file(key).unwrap();
    let shown = (chain.clone(), key.secret_pkcs8_der().to_vec());
    let setup = Setup::with(rustls::ALL_VERSIONS, &desk.trusted, Some(shown));
    let why = setup.connect(desk.stand.address()).await.err().expect("signed by itself");
    assert!(why.contains("UnknownCA"), "{why}");

    // Another's certificate, with a key of one's own.
    let own = desk.svid("agent/worker").await;
    let theirs = CertificateDer::from(own.leaf().as_bytes().to_vec());
    let resolver = rustls::sign::CertifiedKey::new(
        vec![theirs],
        rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key.into()).unwrap(),
    );
    let setup = Setup::resolving(&desk.trusted, resolver);
    let why = setup.connect(desk.stand.address()).await.err().expect("not the holder of its key");
    assert!(why.contains("DecryptError"), "{why}");
    assert!(desk.connect(None).await.is_ok() && desk.connect(Some(&own)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_compromised_key_signed_counts_no_more_on_connections_that_stand() {
    let desk = Desk::open(Plan::new()).await;
    let (mut line, old) = desk.connected().await;
    let granted = ask(&mut line, &[]).await;
    let (grant, details) = (token(&granted), granted.json()["authorization_details"].take());
    assert_eq!(line.call(("Bearer", &grant)).await.status, 200);
    desk.stand.act(&["keys", "rotate", "svid", "--compromised"]).await;
    for refused in [line.call(("Bearer", &grant)).await, ask(&mut line, &[]).await] {
        assert_eq!(refused.status, 401, "{}", refused.body);
        assert!(refused.body.contains("was taken back"), "{}", refused.body);
    }
    let why = desk.connect(Some(&old)).await.err().expect("nor on new ones");
    assert!(why.contains("UnknownCA"), "{why}");
    let (mut line, _) = desk.connected().await;
    let further = json!([{ "type": "remit", "task": details[0]["task"] }]).to_string();
    let again = token(&ask(&mut line, &[("authorization_details", &further)]).await);
    assert_eq!(line.call(("Bearer", &again)).await.status, 200, "without a restart");
    assert_eq!(desk.notes.reached().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_proves_no_other_client_than_its_own_agent() {
    let desk = Desk::open(Plan::new().with(OTHER)).await;
    let run = desk.stand.open("reading").await.task;
    let run = desk.svid(&format!("agent/worker/task/{run}")).await;
    let runs = desk.connect(Some(&run)).await.unwrap();
    let (own, _) = desk.connected().await;
    let other = desk.svid("agent/other").await;
    let others = desk.connect(Some(&other)).await.unwrap();
    let without = desk.connect(None).await.unwrap();
    let id = spiffe::SpiffeId::new(WORKER).unwrap();
    let mut assertions = Vec::new();
    for _ in 0..2 {
        assertions.push(desk.client.fetch_jwt_token([desk.issuer()], Some(&id)).await.unwrap());
    }
    let spiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    let asserted = |at: usize| {
        vec![("client_assertion_type", spiffe), ("client_assertion", assertions[at].as_str())]
    };
    let named = || vec![("client_id", WORKER)];
    let mut lines = [runs, others, without, own];
    for (about, line, client, why) in [
        ("a run", 0, named(), "the X.509-SVID is not an agent's"),
        ("another", 1, named(), "not whom the certificate names"),
        ("nobody", 2, named(), "no client certificate"),
        ("unnamed", 3, vec![], "name it as `client_id`"),
        ("another's", 1, asserted(0), "is not the client's"),
        ("a run's", 0, asserted(1), "is not the client's"),
    ] {
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let more = [("grant_type", "client_credentials"), ("token", "x")];
            let refused = lines[line].post(path, None, &[client.as_slice(), &more].concat()).await;
            assert_eq!(refused.status, 401, "{about} at {path}: {}", refused.body);
            assert!(refused.body.contains("invalid_client"), "{about}: {}", refused.body);
            assert!(refused.body.contains(why), "{about}: {}", refused.body);
        }
    }
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "nothing was opened: {tasks}");
    // None of that used the assertions up.
    let form = [asserted(0).as_slice(), &[("token", "x")]].concat();
    assert_eq!(lines[2].post("/oauth/introspect", None, &form).await.status, 200);
}
