//! A client that acts on behalf of a person, whom an issuer elsewhere names (ID-JAG).

use serde_json::{Value, json};
use tempfile::TempDir;

use super::issuer::Issuer;
use super::{Desk, TYPE, granted};
use crate::grants::{Holder, now};
use crate::stand::Plan;
use crate::wire::{Answer, get};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A Remit that believes an issuer about people, and a client that it knows by its key.
pub(super) struct Office {
    pub(super) desk: Desk,
    worker: Holder,
    /// Where the client's public key is.
    _folder: TempDir,
}

impl Office {
    async fn open() -> Self {
        Self::with(Plan::new()).await
    }

    pub(super) async fn with(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let worker = Holder::new();
        let keys = folder.path().join("worker.jwks");
        std::fs::write(&keys, json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
        let plan = plan.agent_keys(&keys);
        let lines = "vouches_for = [\"people\", \"workloads\"]";
        let issuer = Issuer::start(&[]).await;
        issuer.control(json!({ "oauth": true })).await;
        let desk = Desk::with(plan, issuer, lines, r#"{ sub = "robot" }"#).await;
        Self { desk, worker, _folder: folder }
    }

    /// An ID-JAG for `alice`, given to the client.
    pub(super) fn jag(&self, beside: &Value) -> String {
        let mut claims = json!({"sub": "alice", "client_id": "worker"});
        claims.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        self.desk.forge(&json!({"typ": "oauth-id-jag+jwt"}), &claims)
    }

    /// Shows an assertion as the client, which proves to be it.
    pub(super) async fn show(&self, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let proof = self.worker.assertion(("worker", &self.desk.ours), &json!({}));
        let form = [
            ("grant_type", TYPE),
            ("assertion", assertion),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &proof),
        ];
        self.desk.post(&[&form, more].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_is_on_record_and_policies_see_who_it_is() {
    let office = Office::open().await;
    let desk = &office.desk;
    let metadata = get(desk.stand.address(), "/.well-known/oauth-authorization-server").await;
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    let profile = "urn:ietf:params:oauth:grant-profile:id-jag";
    assert_eq!(metadata["authorization_grant_profiles_supported"], json!([profile]));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(TYPE)));
    let methods = &metadata["token_endpoint_auth_methods_supported"];
    assert_eq!(*methods, json!(["none", "private_key_jwt", "spiffe_jwt"]));
    desk.only(&format!(
        "context.task has on_behalf && context.task.on_behalf.subject == \"alice\" && \
         context.task.on_behalf.issuer == \"{}\" && \
         context.attestation.method == \"private-key-jwt\"",
        desk.issuer.url
    ))
    .await;
    let alice = granted(&office.show(&office.jag(&json!({})), &[]).await);
    assert!(desk.call(&alice).await.body.contains("a note"));
    let bob = granted(&office.show(&office.jag(&json!({"sub": "bob"})), &[]).await);
    assert!(!desk.call(&bob).await.body.contains("a note"));
    assert_eq!(desk.notes.reached().len(), 1);

    let task = bob["authorization_details"][0]["task"].as_str().unwrap();
    let shown = desk.stand.remit(&["task", "show", task]).await.stdout;
    let line = format!("on behalf bob, says {}", desk.issuer.url);
    assert!(shown.contains(&line), "{shown}");

    // A further grant is for whoever acts for the same person.
    let task = &alice["authorization_details"][0]["task"];
    let further = json!([{"type": "remit", "task": task}]).to_string();
    let further = [("authorization_details", further.as_str())];
    granted(&office.show(&office.jag(&json!({})), &further).await);
    let as_bob = office.show(&office.jag(&json!({"sub": "bob"})), &further).await;
    assert!(as_bob.body.contains("no open task"), "{}", as_bob.body);
    let proof = office.worker.assertion(("worker", &desk.ours), &json!({}));
    let for_itself = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &proof),
        further[0],
    ];
    let for_itself = desk.post(&for_itself).await;
    assert!(for_itself.body.contains("no open task"), "{}", for_itself.body);
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_issuer_narrows_stays_narrow() {
    let office = Office::open().await;
    let desk = &office.desk;
    let (all, notes) = (format!("{}/mcp", desk.ours), format!("{}/mcp/notes", desk.ours));
    for (claimed, asked, expected) in [
        (json!(notes), None, Some(&notes)),
        (json!([notes]), Some(&notes), Some(&notes)),
        (json!(all), Some(&notes), Some(&notes)),
        (json!([notes, all]), Some(&all), Some(&all)),
        (json!(notes), Some(&all), None),
        (json!([notes, all]), None, None),
        (json!("https://elsewhere.example/mcp"), None, None),
        (json!([]), None, None),
    ] {
        let jag = office.jag(&json!({ "resource": claimed }));
        let more: Vec<_> = asked.iter().map(|asked| ("resource", asked.as_str())).collect();
        let answer = office.show(&jag, &more).await;
        let Some(expected) = expected else {
            assert_eq!(answer.status, 400, "{claimed} {asked:?}: {}", answer.body);
            continue;
        };
        let grant = granted(&answer);
        let token = grant["access_token"].as_str().unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], *expected.as_str(), "{claimed} {asked:?}");
    }
    let details = json!([{"type": "remit", "template": "reading", "budget": {"calls": 1}}]);
    let narrow = |beside: Value| office.jag(&json!({ "authorization_details": beside }));
    let grant = granted(&office.show(&narrow(details.clone()), &[]).await);
    assert_eq!(grant["authorization_details"][0]["remit"]["budget"]["calls"], 1);
    let wider = [("authorization_details", r#"[{"type":"remit","template":"reading"}]"#)];
    let refused = office.show(&narrow(details), &wider).await;
    assert!(refused.body.contains("says itself what it is for"), "{}", refused.body);
    let refused = office.show(&narrow(json!([{"type": "payment"}])), &[]).await;
    assert!(refused.body.contains("invalid_authorization_details"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_jag_of_this_client_speaks_for_nobody() {
    let office = Office::open().await;
    let desk = &office.desk;
    let id_token = desk.forge(&json!({}), &json!({"sub": "alice", "client_id": "worker"}));
    let used = office.jag(&json!({}));
    granted(&office.show(&used, &[]).await);
    for (about, assertion, why) in [
        ("an ID token", id_token, "is not `oauth-id-jag+jwt`"),
        ("for another client", office.jag(&json!({"client_id": "other"})), "another client's"),
        ("for no client", office.jag(&json!({"client_id": null})), "claim `client_id`"),
        ("for somebody else", office.jag(&json!({"aud": "https://bank"})), "nothing else"),
        ("for two", office.jag(&json!({"aud": [desk.ours, "https://bank"]})), "nothing else"),
        (
            "for the resource",
            office.jag(&json!({"aud": format!("{}/mcp", desk.ours)})),
            "nothing else",
        ),
        ("without a name", office.jag(&json!({"jti": null})), "claim `jti`"),
        ("of nobody", office.jag(&json!({"sub": null})), "claim `sub`"),
        ("with an actor", office.jag(&json!({"act": {"sub": "mallory"}})), "`act`"),
        ("for too long", office.jag(&json!({"exp": now() + 601})), "more than 600 s"),
        (
            "run out",
            office.jag(&json!({"iat": now() - 90, "nbf": null, "exp": now() - 30})),
            "ran out",
        ),
        (
            "bound to a key",
            office.jag(&json!({"cnf": {"jkt": Holder::new().thumbprint()}})),
            "bound to a key",
        ),
        (
            "of another issuer",
            office.jag(&json!({"iss": "https://evil.example"})),
            "no issuer that is",
        ),
        ("used before", used, "was used before"),
    ] {
        let refused = office.show(&assertion, &[]).await;
        assert_eq!(refused.status, 400, "{about}: {}", refused.body);
        assert!(refused.body.contains("invalid_grant"), "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
    }
    // Without the client it is nothing at all, whoever holds it.
    let alone = desk.show(&office.jag(&json!({}))).await;
    assert!(alone.body.contains("send it with client authentication"), "{}", alone.body);
    let thief = Holder::new().assertion(("worker", &desk.ours), &json!({}));
    let jag = office.jag(&json!({}));
    let stolen = [
        ("grant_type", TYPE),
        ("assertion", jag.as_str()),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &thief),
    ];
    assert_eq!(desk.post(&stolen).await.status, 401);
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "nothing else was opened: {tasks}");
}
