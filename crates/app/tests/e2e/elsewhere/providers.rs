//! The providers that there are presets for, by a stand-in that signs the claims which they document
//! (`claims.json`).

use serde_json::{Value, json};

use super::issuer::Issuer;
use super::{Desk, TYPE, form_to, granted};
use crate::grants::Holder;
use crate::stand::Plan;

/// What a provider documents, with the times of now.
fn documented(provider: &str, desk: &Desk) -> Value {
    let all: Value = serde_json::from_str(include_str!("claims.json")).unwrap();
    desk.claims(&all[provider])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_job_gets_to_a_call_with_each_token_once() {
    let desk = Desk::open(
        "preset = \"github-actions\"",
        r#"{ repository_id = "74", ref = "refs/heads/*", environment = ["prod", "staging"] }"#,
    )
    .await;
    desk.only(
        "context.attestation.method == \"oidc\" && context.attestation has named && \
         context.attestation.named.subject == \"repo:octo-org/octo-repo:environment:prod\"",
    )
    .await;
    // Its tokens name the certificate of their key.
    let claims = documented("github-actions", &desk);
    let header = json!({"x5t": "ykNaY4qM_ta4k2TgZOCEYLkcYlA"});
    let said = desk.issuer.control(json!({"sign": claims, "header": header})).await;
    let token = said["token"].as_str().unwrap().to_owned();
    let grant = granted(&desk.show(&token).await);
    assert_eq!(grant["authorization_details"][0]["template"], "reading");
    let called = desk.call(&grant).await;
    assert!(called.body.contains("a note"), "{}", called.body);
    assert_eq!(desk.notes.reached().len(), 1);
    let again = desk.show(&token).await;
    assert!(again.body.contains("was used before"), "{}", again.body);
    crate::proof::log_is_good(&desk.stand).await;
}

/// One secret of the job's, used for a task, for a further grant and for another task.
#[tokio::test(flavor = "multi_thread")]
async fn a_gitlab_jobs_token_is_used_as_often_as_it_is_needed() {
    let desk = Desk::open(
        "preset = \"gitlab\"",
        r#"{ project_path = "my-group/my-project", groups_direct = "mygroup/*", runner_id = 1 }"#,
    )
    .await;
    let token = desk.issuer.sign(&documented("gitlab", &desk)).await;
    let grant = granted(&desk.show(&token).await);
    let task = &grant["authorization_details"][0]["task"];
    let further = json!([{"type": "remit", "task": task}]).to_string();
    let form = [("grant_type", TYPE), ("assertion", &token), ("authorization_details", &further)];
    let further = granted(&desk.post(&form).await);
    assert_eq!(further["authorization_details"][0]["task"], *task);
    let other = granted(&desk.show(&token).await);
    assert_ne!(other["authorization_details"][0]["task"], *task);
}

/// The API server of a cluster: a certificate of its own, and no answer to strangers.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_proves_itself_through_a_private_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, token) = (file("ca.pem"), file("ca.key"), file("token"));
    crate::peers::certificate(certificate.as_ref(), key.as_ref()).await;
    std::fs::write(&token, "let-me-in\n").unwrap();
    let arguments = ["--certificate", &certificate, "--key", &key, "--bearer", "let-me-in"];
    let issuer = Issuer::start(&arguments).await;
    let lines = format!(
        "preset = \"kubernetes\"\naudience = \"remit\"\nca_file = \"{certificate}\"\n\
         token_file = \"{token}\""
    );
    let claims = r#"{ "kubernetes.io" = { namespace = "my-namespace", serviceaccount = { name = "my-serviceaccount" } } }"#;
    let desk = Desk::with(Plan::new().bound_only(), issuer, &lines, claims).await;
    let mut account = documented("kubernetes", &desk);
    account["aud"] = json!(["remit"]);
    let token = desk.issuer.sign(&account).await;
    // Bound to a key of the pod's, so that the token in its file is all that could be stolen with it.
    let (holder, url) = (Holder::new(), format!("{}/oauth/token", desk.ours));
    let form = [("grant_type", TYPE), ("assertion", token.as_str())];
    let unbound = desk.show(&token).await;
    assert!(unbound.body.contains("invalid_dpop_proof"), "{}", unbound.body);
    let proof = holder.proof(&url, &json!({}));
    let first = form_to(desk.stand.address(), Some(&proof), &form).await;
    assert!(first.body.contains("use_dpop_nonce"), "{}", first.body);
    let proof = holder.proof(&url, &json!({ "nonce": first.header("dpop-nonce") }));
    let grant = granted(&form_to(desk.stand.address(), Some(&proof), &form).await);
    assert_eq!(grant["token_type"], "DPoP");
    let endpoint = format!("{}/mcp", desk.ours);
    let token = grant["access_token"].as_str().unwrap();
    let called = crate::grants::call(desk.stand.address(), &holder, token, &endpoint).await;
    assert!(called.body.contains("a note"), "{}", called.body);
    // Another account of the same namespace, and one of the same name elsewhere.
    for (member, value) in
        [("namespace", json!("default")), ("serviceaccount", json!({"name": "x"}))]
    {
        let mut other = account.clone();
        other["kubernetes.io"][member] = value;
        let refused = desk.show(&desk.issuer.sign(&other).await).await;
        assert!(refused.body.contains("fits no agent"), "{member}: {}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_token_fits_two_agents_the_request_names_one() {
    let other = "[[agent]]\nname = \"other\"\nowner = \"operators\"\nuids = [0]\n\
                 federated = [{ issuer = \"ci\", claims = { sub = \"somebody\" } }]\n\n";
    let issuer = Issuer::start(&[]).await;
    let plan = Plan::new().with(other);
    let desk = Desk::with(plan, issuer, "once = false", r#"{ sub = "somebody" }"#).await;
    let token = desk.token(&json!({})).await;
    let refused = desk.show(&token).await;
    assert!(refused.body.contains("more than one agent"), "{}", refused.body);
    for (client, status) in [("worker", 200), ("other", 400), ("boss", 400)] {
        let form = [("grant_type", TYPE), ("assertion", token.as_str()), ("client_id", client)];
        let answer = desk.post(&form).await;
        assert_eq!(answer.status, status, "{client}: {}", answer.body);
    }
}
