//! The token endpoint for a client that has no key there: its JWT-SVID, which the `spiffe` crate fetches,
//! says who it is.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use spiffe::{SpiffeId, WorkloadApiClient};

use super::holder::Holder;
use super::stand;
use super::{JWT_BEARER, call, post};
use crate::peers::Changing;
use crate::stand::{PATIENCE, Plan, Stand};
use crate::wire::{Answer, Request, get, metric};

const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const GRANT_TYPE: (&str, &str) = ("grant_type", "client_credentials");

/// A Remit that knows no key of anybody's, and a process that it takes for the agent `worker`.
struct Desk {
    stand: Stand,
    notes: Changing,
    issuer: String,
    client: WorkloadApiClient,
}

impl Desk {
    async fn open(plan: Plan) -> Self {
        let (stand, notes) = stand(plan).await;
        let issuer = format!("http://{}", stand.address());
        let socket = format!("unix://{}", stand.state().join("workload.sock").display());
        let client = WorkloadApiClient::connect_to(socket).await.unwrap();
        Self { stand, notes, issuer, client }
    }

    async fn svid(&self, path: &str, audience: &[&str]) -> String {
        let id = SpiffeId::new(format!("spiffe://remit.local/{path}")).unwrap();
        self.client.fetch_jwt_token(audience, Some(&id)).await.unwrap()
    }

    /// As somebody would have it who wants to be believed.
    async fn good(&self) -> String {
        self.svid("agent/worker", &[&self.issuer]).await
    }

    async fn post(&self, path: &str, shown: (&str, &str), more: &[(&str, &str)]) -> Answer {
        post((self.stand.address(), path), shown, None, more).await
    }

    /// Asks for a grant that is bound to `holder`'s key, a second time with the nonce it is told.
    async fn ask(&self, holder: &Holder) -> Answer {
        let url = format!("{}/oauth/token", self.issuer);
        let (at, svid) = ((self.stand.address(), "/oauth/token"), self.good().await);
        let proof = holder.proof(&url, &json!({}));
        let first = post(at, (JWT_SPIFFE, &svid), Some(&proof), &[GRANT_TYPE]).await;
        assert!(first.body.contains("use_dpop_nonce"), "{}", first.body);
        let proof = holder.proof(&url, &json!({ "nonce": first.header("dpop-nonce") }));
        post(at, (JWT_SPIFFE, &svid), Some(&proof), &[GRANT_TYPE]).await
    }
}

fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_gets_from_its_socket_to_a_call_without_a_key_of_its_own() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    let metadata = get(desk.stand.address(), "/.well-known/oauth-authorization-server").await;
    let metadata = read(&metadata);
    for at in ["token", "introspection", "revocation"] {
        let methods = &metadata[format!("{at}_endpoint_auth_methods_supported")];
        // What a person allowed a public client, it fetches without proof of what it is.
        let public = (at == "token").then_some("none");
        let expected: Vec<_> =
            public.into_iter().chain(["private_key_jwt", "spiffe_jwt"]).collect();
        assert_eq!(*methods, json!(expected), "{at}");
    }
    // Only who came this way may act: the record of the task says how its agent was known.
    let policy = "@id(\"by-svid\")\nforbid (principal, action in Remit::Action::\"tools\", resource)\n\
                  unless { context.attestation.method == \"jwt-svid\" };\n";
    std::fs::write(desk.stand.state().join("policies/svid.cedar"), policy).unwrap();
    let check = desk.stand.remit(&["policy", "check"]).await;
    assert!(check.ok, "{}", check.said());

    let holder = Holder::new();
    let granted = desk.ask(&holder).await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    let granted = read(&granted);
    assert_eq!(granted["token_type"], "DPoP");
    let token = granted["access_token"].as_str().unwrap();
    let endpoint = format!("{}/mcp", desk.issuer);
    let called = call(desk.stand.address(), &holder, token, &endpoint).await;
    assert!(called.status == 200 && called.body.contains("a note"), "{}", called.body);
    assert_eq!(desk.notes.reached().len(), 1);

    let (svid, more) = (desk.good().await, [("token", token)]);
    let looked = read(&desk.post("/oauth/introspect", (JWT_SPIFFE, &svid), &more).await);
    assert_eq!((&looked["active"], &looked["client_id"]), (&json!(true), &json!("worker")));
    let svid = desk.good().await;
    let back = desk.post("/oauth/revoke", (JWT_SPIFFE, &svid), &more).await;
    assert_eq!(back.status, 200, "{}", back.body);
    let task = granted["authorization_details"][0]["task"].as_str().unwrap();
    let shown = desk.stand.ask(&["task", "show", task]).await;
    assert_eq!((&shown["agent"], &shown["state"]), (&json!("worker"), &json!("closed")));
    crate::proof::log_is_good(&desk.stand).await;
}

/// A fresh task of a process that has read something is no way to forget it, also by a token; who else that
/// concerns is up to the names in the token, which nobody but us gets to see.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_us_says_which_process_asked_and_no_other_does() {
    let desk = Desk::open(Plan::new()).await;
    let claims = |token: &str| -> Value {
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        serde_json::from_slice(&claims).unwrap()
    };
    let process = claims(&desk.good().await)["remit_process"].clone();
    assert!(!process["kin"].as_array().unwrap().is_empty(), "{process}");
    for audience in [&["bank"][..], &["bank", &desk.issuer]] {
        let other = claims(&desk.svid("agent/worker", audience).await);
        assert_eq!(other.get("remit_process"), None, "{other}");
    }
    let open = async || {
        let svid = desk.good().await;
        let granted = read(&desk.post("/oauth/token", (JWT_SPIFFE, &svid), &[GRANT_TYPE]).await);
        let task = granted["authorization_details"][0]["task"].as_str().unwrap().to_owned();
        (granted["access_token"].as_str().unwrap().to_owned(), task)
    };
    let sealed = async |task: &str| {
        let shown = desk.stand.ask(&["task", "show", task]).await;
        shown["sealed"].as_bool().unwrap()
    };
    let ((token, first), (_, before)) = (open().await, open().await);
    assert!(!sealed(&first).await);
    let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
    let called = Request::new(desk.stand.address(), &token, "tools/call", params);
    assert_eq!(called.send(desk.stand.address()).await.status, 200);
    assert!(sealed(&first).await, "else this shows nothing");
    assert!(!sealed(&before).await && sealed(&open().await.1).await);
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_svid_of_an_agent_for_this_issuer_proves_no_client() {
    let (desk, other) = (Desk::open(Plan::new()).await, Desk::open(Plan::new()).await);
    let grant = desk.stand.open("reading").await;
    let run = desk.svid(&format!("agent/worker/task/{}", grant.task), &[&desk.issuer]).await;
    let token_endpoint = format!("{}/oauth/token", desk.issuer);
    let (good, used) = (desk.good().await, desk.good().await);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(signature.len()));
    let signed = Holder::new().assertion(("worker", &desk.issuer), &json!({}));
    let first = desk.post("/oauth/introspect", (JWT_SPIFFE, &used), &[("token", "x")]).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let elsewhere = desk.svid("agent/worker", &["bank"]).await;
    let endpoint = desk.svid("agent/worker", &[&token_endpoint]).await;
    let several = desk.svid("agent/worker", &[&desk.issuer, "bank"]).await;
    let foreign = other.svid("agent/worker", &[&desk.issuer]).await;
    for (about, kind, shown, why) in [
        ("for somebody else", JWT_SPIFFE, &elsewhere, "`aud` does not name this audience"),
        ("for the endpoint", JWT_SPIFFE, &endpoint, "`aud` does not name this audience"),
        ("for two", JWT_SPIFFE, &several, "this issuer, and nothing else"),
        ("of a run", JWT_SPIFFE, &run, "is not an agent's"),
        ("of another Remit", JWT_SPIFFE, &foreign, "`kid` is not in the bundle"),
        ("forged", JWT_SPIFFE, &forged, "signature does not fit"),
        ("a grant", JWT_SPIFFE, &grant.token, "expected a JWT-SVID, not any other kind"),
        ("an assertion", JWT_SPIFFE, &signed, "names no `kid`"),
        ("as an assertion", JWT_BEARER, &good, "no agent with registered keys"),
        ("of no kind", "jwt-spiffe", &good, "jwt-bearer or jwt-spiffe"),
        ("used before", JWT_SPIFFE, &used, "was used before"),
    ] {
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let more = [GRANT_TYPE, ("token", grant.token.as_str())];
            let refused = desk.post(path, (kind, shown), &more).await;
            assert_eq!(refused.status, 401, "{about} at {path}: {}", refused.body);
            assert!(refused.body.contains("invalid_client"), "{about}: {}", refused.body);
            assert!(refused.body.contains(why), "{about}: {}", refused.body);
        }
    }
    // The reverse: it is no grant.
    let asked = Request::new(desk.stand.address(), &good, "tools/list", json!({}));
    let refused = asked.send(desk.stand.address()).await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("expected an access token, not any other"), "{}", refused.body);
    // None of that used it up.
    for (client_id, status) in [
        ("boss", 401),
        ("spiffe://remit.local/agent/boss", 401),
        ("spiffe://remit.local/agent/worker", 200),
    ] {
        let more = [("token", grant.token.as_str()), ("client_id", client_id)];
        let answer = desk.post("/oauth/introspect", (JWT_SPIFFE, &good), &more).await;
        assert_eq!(answer.status, status, "{client_id}: {}", answer.body);
    }
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "nothing was opened: {tasks}");
    assert_eq!(tasks[0]["state"], "open", "nor ended: {tasks}");
    assert_eq!(metric(&desk.stand, "remit_requests_unauthenticated_total").await, 36);
}

/// Two rotations of keys: what is fetched now is believed now, and what a key signed that has ended is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_a_client_is_known_by_are_those_of_now() {
    let fast = "[svid]\nlifetime = \"3s\"\nrotate = \"12s\"\n";
    let desk = Desk::open(Plan::new().with(fast)).await;
    let (old, mut signers) = (desk.good().await, BTreeSet::new());
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(25) {
        let svid = desk.good().await;
        let looked = desk.post("/oauth/introspect", (JWT_SPIFFE, &svid), &[("token", "x")]).await;
        assert_eq!(looked.status, 200, "{}", looked.body);
        signers.insert(svid.split('.').next().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(signers.len() >= 2, "keys were replaced: {signers:?}");
    let refused = desk.post("/oauth/introspect", (JWT_SPIFFE, &old), &[("token", "x")]).await;
    assert!(refused.body.contains("`kid` is not in the bundle"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_taken_out_of_the_configuration_is_no_client() {
    let other = "[[agent]]\nname = \"other\"\nowner = \"operators\"\nuids = [0]\n";
    let desk = Desk::open(Plan::new().with(other)).await;
    let mut svids = Vec::new();
    for _ in 0..2 {
        svids.push(desk.svid("agent/other", &[&desk.issuer]).await);
    }
    let look = async |svid: &str| {
        desk.post("/oauth/introspect", (JWT_SPIFFE, svid), &[("token", "x")]).await
    };
    assert_eq!(look(&svids[0]).await.status, 200);
    let text = std::fs::read_to_string(desk.stand.config()).unwrap();
    std::fs::write(desk.stand.config(), text.replace(other, "")).unwrap();
    let id = SpiffeId::new("spiffe://remit.local/agent/other").unwrap();
    let began = tokio::time::Instant::now();
    while desk.client.fetch_jwt_token([&desk.issuer], Some(&id)).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "the configuration was not read again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = look(&svids[1]).await;
    assert!(refused.body.contains("agent is not in the configuration"), "{}", refused.body);
}
