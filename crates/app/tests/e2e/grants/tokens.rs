//! The token endpoint: a client that is known by its key alone, from discovery to the tool server and back.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::JWT_BEARER;
use super::holder::Holder;
use crate::drift::read_note;
use crate::peers::{Changing, Client, Registered, certificate};
use crate::stand::{Plan, Stand};
use crate::wire::{Answer, get};

/// A Remit that knows the agent `worker` by its key.
pub(super) struct Desk {
    pub(super) stand: Stand,
    notes: Changing,
    worker: Holder,
    pub(super) issuer: String,
    key: String,
}

impl Desk {
    pub(super) async fn open(plan: Plan) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), plan).await
    }

    async fn open_in(folder: TempDir, plan: Plan) -> Self {
        let notes = Changing::new(folder.path(), &json!([read_note("Reads a note.")]));
        let worker = Holder::new();
        let keys = folder.path().join("worker.jwks");
        std::fs::write(&keys, json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
        let key = folder.path().join("worker.pem");
        std::fs::write(&key, worker.pem()).unwrap();
        let command = notes.command();
        let plan = plan
            .agent_keys(&keys)
            .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
            .template("reading", &["notes/*"], "");
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        let issuer = format!("http://{}", stand.address());
        Self { stand, notes, worker, issuer, key: key.to_str().unwrap().to_owned() }
    }

    pub(super) fn registered<'a>(&'a self, url: &'a str) -> Registered<'a> {
        let (key, issuer) = (self.key.as_str(), self.issuer.as_str());
        Registered { url, name: "worker", key, issuer, bound: true, trusts: None }
    }

    fn assertion(&self) -> String {
        self.worker.assertion(("worker", &self.issuer), &json!({}))
    }

    /// Sends a form to `path`, as a client that signs `assertion`, with a proof if there is one.
    async fn post(
        &self,
        path: &str,
        (assertion, proof): (&str, Option<&str>),
        more: &[(&str, &str)],
    ) -> Answer {
        let at = (self.stand.address(), path);
        super::post(at, (JWT_BEARER, assertion), proof, more).await
    }

    /// Asks for a grant that is bound to `holder`'s key, a second time with the nonce it is told.
    async fn ask(&self, holder: &Holder, more: &[(&str, &str)]) -> Answer {
        let url = format!("{}/oauth/token", self.issuer);
        let more = [&[("grant_type", "client_credentials")], more].concat();
        let proof = holder.proof(&url, &json!({}));
        let first = self.post("/oauth/token", (&self.assertion(), Some(&proof)), &more).await;
        assert_eq!(first.status, 400);
        assert!(first.body.contains("use_dpop_nonce"), "{}", first.body);
        let proof = holder.proof(&url, &json!({ "nonce": first.header("dpop-nonce") }));
        self.post("/oauth/token", (&self.assertion(), Some(&proof)), &more).await
    }

    async fn call(&self, holder: &Holder, token: &str, endpoint: &str) -> Answer {
        super::call(self.stand.address(), holder, token, endpoint).await
    }
}

fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.body))
}

/// Whether `details` are as the published schema says, by somebody else's validator.
pub(crate) async fn fits_the_schema(details: &Value) -> bool {
    let schema =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authorization-details.schema.json");
    let program = "import json, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        jsonschema.validate(json.loads(sys.argv[2]), schema)\n";
    let mut python = tokio::process::Command::new(crate::peers::python());
    let run = python.args(["-c", program, schema, &details.to_string()]).output().await.unwrap();
    run.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_way_from_a_challenge_to_a_call() {
    let desk = Desk::open(Plan::new()).await;
    let (address, issuer) = (desk.stand.address(), &desk.issuer);
    let challenge = get(address, "/mcp").await;
    let at = format!("resource_metadata=\"{issuer}/.well-known/oauth-protected-resource/mcp\"");
    assert!(challenge.head.contains(&at), "{}", challenge.head);
    let resource = read(&get(address, "/.well-known/oauth-protected-resource/mcp").await);
    assert_eq!(resource["resource"], format!("{issuer}/mcp"));
    assert_eq!(resource["authorization_servers"], json!([issuer]));
    let one = read(&get(address, "/.well-known/oauth-protected-resource/mcp/notes").await);
    assert_eq!(one["resource"], format!("{issuer}/mcp/notes"));
    assert_eq!(get(address, "/.well-known/oauth-protected-resource/mcp/other").await.status, 404);
    let server = read(&get(address, "/.well-known/oauth-authorization-server").await);
    assert_eq!(server["issuer"], json!(issuer));
    assert_eq!(server["token_endpoint"], format!("{issuer}/oauth/token"));
    assert_eq!(get(address, "/oauth/authorize?response_type=code").await.status, 400);

    let holder = Holder::new();
    let details = json!([{
        "type": "remit", "template": "reading", "purpose": "read what was noted",
        "tools": [{"tool": "notes/read_*"}], "budget": {"calls": 1}, "seconds": 60,
    }]);
    let granted = desk.ask(&holder, &[("authorization_details", &details.to_string())]).await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    assert_eq!(granted.header("cache-control"), "no-store");
    let granted = read(&granted);
    assert_eq!(granted["token_type"], "DPoP");
    assert!(
        fits_the_schema(&details).await && fits_the_schema(&granted["authorization_details"]).await
    );
    assert!(!fits_the_schema(&json!([{"type": "remit", "tempalte": "reading"}])).await);
    let echoed = &granted["authorization_details"][0];
    assert_eq!(echoed["purpose"], "read what was noted");
    assert_eq!(echoed["remit"]["budget"]["calls"], 1, "{echoed}");
    let token = granted["access_token"].as_str().unwrap();
    let endpoint = format!("{issuer}/mcp");
    let good = desk.call(&holder, token, &endpoint).await;
    assert_eq!(good.status, 200, "{}", good.body);
    let over = desk.call(&holder, token, &endpoint).await;
    assert!(over.body.contains("budget"), "the second call is over the budget: {}", over.body);
    assert_eq!(desk.notes.reached().len(), 1);

    let task = echoed["task"].as_str().unwrap();
    let shown = desk.stand.ask(&["task", "show", task]).await;
    assert_eq!((&shown["agent"], &shown["template"]), (&json!("worker"), &json!("reading")));
    let keys = read(&get(address, "/oauth/jwks").await);
    assert!(keys["keys"][0]["x"].is_string() && keys["keys"][0].get("d").is_none(), "{keys}");
    crate::proof::log_is_good(&desk.stand).await;
}

/// What `remit_declare` is over MCP, and as narrow.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_says_as_it_opens_a_task_which_tools_it_needs() {
    let desk = Desk::open(Plan::new().template("planning", &["notes/*"], "declare = true")).await;
    let (holder, endpoint) = (Holder::new(), format!("{}/mcp", desk.issuer));
    let ask = async |template: &str, plan: Value| {
        let details = json!([{"type": "remit", "template": template, "plan": plan}]);
        assert!(fits_the_schema(&details).await, "{details}");
        desk.ask(&holder, &[("authorization_details", &details.to_string())]).await
    };
    for (plan, reached) in [(json!(["notes/write_note"]), 0), (json!(["notes/write_note", "*"]), 1)]
    {
        let granted = read(&ask("planning", plan.clone()).await);
        let details = &granted["authorization_details"];
        assert!(fits_the_schema(details).await, "{details}");
        let rules: Value =
            plan.as_array().unwrap().iter().map(|tool| json!({"tool": tool})).collect();
        let echoed = details[0]["plan"][0].as_array().unwrap();
        assert!(rules.as_array().unwrap().iter().all(|rule| echoed.contains(rule)), "{details}");
        let token = granted["access_token"].as_str().unwrap();
        let answer = desk.call(&holder, token, &endpoint).await;
        assert_eq!(desk.notes.reached().len(), reached, "{plan}: {}", answer.body);
    }
    let tasks = desk.stand.ask(&["task", "list"]).await;
    for (template, plan, why) in [
        ("reading", json!(["notes/read_note"]), "provide"),
        ("planning", json!(["notes/read_note"]), "from outside"),
    ] {
        let refused = ask(template, plan).await;
        assert!(refused.body.contains("invalid_authorization_details"), "{}", refused.body);
        assert!(refused.body.contains(why), "{template}: {}", refused.body);
    }
    let now = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), now.as_array().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_with_its_task_looks_at_its_grant_and_gives_it_back() {
    let desk = Desk::open(Plan::new()).await;
    let holder = Holder::new();
    let granted = read(&desk.ask(&holder, &[]).await);
    let task = &granted["authorization_details"][0]["task"];
    let further = json!([{"type": "remit", "task": task}]).to_string();
    let other = Holder::new();
    let further = read(&desk.ask(&other, &[("authorization_details", &further)]).await);
    assert_eq!(further["authorization_details"][0]["task"], *task, "{further}");
    let token = further["access_token"].as_str().unwrap();

    let look = async |token: &str| {
        let assertion = desk.assertion();
        read(&desk.post("/oauth/introspect", (&assertion, None), &[("token", token)]).await)
    };
    let looked = look(token).await;
    assert_eq!(looked["active"], true, "{looked}");
    assert_eq!((&looked["client_id"], &looked["task"]), (&json!("worker"), task));
    assert_eq!(looked["cnf"]["jkt"], other.thumbprint());
    assert_eq!(look("not a token").await, json!({"active": false}));

    let back = desk.post("/oauth/revoke", (&desk.assertion(), None), &[("token", token)]).await;
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(look(token).await, json!({"active": false}));
    let first = granted["access_token"].as_str().unwrap();
    assert_eq!(look(first).await, json!({"active": false}), "every grant of the task");
    let refused = desk.call(&other, token, &format!("{}/mcp", desk.issuer)).await;
    assert!(!refused.body.contains("a note"), "{}", refused.body);
    assert!(desk.notes.reached().is_empty());
    let again = desk.post("/oauth/revoke", (&desk.assertion(), None), &[("token", token)]).await;
    assert_eq!(again.status, 200, "{}", again.body);
    let shown = desk.stand.ask(&["task", "show", task.as_str().unwrap()]).await;
    assert_eq!(shown["state"], "closed", "{shown}");
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_one_server_is_none_for_all() {
    let desk = Desk::open(Plan::new()).await;
    let holder = Holder::new();
    let server = format!("{}/mcp/notes", desk.issuer);
    let granted = read(&desk.ask(&holder, &[("resource", &server)]).await);
    let token = granted["access_token"].as_str().unwrap();
    let everywhere = desk.call(&holder, token, &format!("{}/mcp", desk.issuer)).await;
    assert!(everywhere.body.contains("`aud` is not this resource"), "{}", everywhere.body);
    for target in ["https://evil.example/mcp", "/mcp", &format!("{}/mcp/other", desk.issuer)] {
        let refused = desk.ask(&holder, &[("resource", target)]).await;
        assert!(refused.body.contains("invalid_target"), "{target}: {}", refused.body);
    }
    assert!(desk.notes.reached().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_told_what_to_do_and_opens_nothing() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    let holder = Holder::new();
    let grant = ("grant_type", "client_credentials");
    let unproved = desk.post("/oauth/token", (&desk.assertion(), None), &[grant]).await;
    assert!(unproved.body.contains("invalid_dpop_proof"), "{}", unproved.body);
    let stranger = Holder::new().assertion(("worker", &desk.issuer), &json!({}));
    let by_stranger = desk.post("/oauth/token", (&stranger, None), &[grant]).await;
    assert_eq!(by_stranger.status, 401);
    assert!(by_stranger.body.contains("invalid_client"), "{}", by_stranger.body);
    let once = desk.assertion();
    let used = desk.post("/oauth/introspect", (&once, None), &[("token", "x")]).await;
    assert_eq!(used.status, 200, "{}", used.body);
    let twice = desk.post("/oauth/introspect", (&once, None), &[("token", "x")]).await;
    assert!(twice.body.contains("the assertion was used before"), "{}", twice.body);
    for (details, code, why) in [
        ("{}", "invalid_authorization_details", "a list of one element"),
        ("[]", "invalid_authorization_details", "a list of one element"),
        (r#"[{"type":"payment"}]"#, "invalid_authorization_details", "`remit`"),
        (r#"[{"type":"remit","tempalte":"x"}]"#, "invalid_authorization_details", "tempalte"),
        (r#"[{"type":"remit","type":"remit"}]"#, "invalid_authorization_details", "stands twice"),
        (r#"[{"type":"remit","template":"x"}]"#, "invalid_authorization_details", "no template"),
        (
            r#"[{"type":"remit","task":"tsk_00000000000000000000000000"}]"#,
            "invalid_authorization_details",
            "no open task",
        ),
        (
            r#"[{"type":"remit","task":"tsk_00000000000000000000000000","seconds":9}]"#,
            "invalid_authorization_details",
            "`task` alone",
        ),
    ] {
        let refused = desk.ask(&holder, &[("authorization_details", details)]).await;
        assert_eq!(refused.status, 400, "{details}: {}", refused.body);
        assert!(refused.body.contains(code), "{details}: {}", refused.body);
        assert!(refused.body.contains(why), "{details}: {}", refused.body);
    }
    for (more, code) in [
        (("scope", "all"), "invalid_scope"),
        (("client_id", "boss"), "invalid_client"),
        (("client_secret", "x"), "invalid_client"),
        (("grant_type", "client_credentials"), "invalid_request"),
    ] {
        let url = format!("{}/oauth/token", desk.issuer);
        let nonce = get(desk.stand.address(), "/mcp").await;
        let proof = holder.proof(&url, &json!({ "nonce": nonce.header("dpop-nonce") }));
        let shown = (desk.assertion(), Some(proof.as_str()));
        let refused = desk.post("/oauth/token", (&shown.0, shown.1), &[grant, more]).await;
        assert!(refused.body.contains(code), "{more:?}: {}", refused.body);
    }
    let (assertion, password) = (desk.assertion(), [("grant_type", "password")]);
    let refused = desk.post("/oauth/token", (&assertion, None), &password).await;
    assert!(refused.body.contains("unsupported_grant_type"), "{}", refused.body);
    assert_eq!(desk.stand.ask(&["task", "list"]).await, json!([]), "nothing was opened");
}

/// Clients that nobody here wrote, which know nothing but the endpoint and their key.
#[tokio::test(flavor = "multi_thread")]
async fn sdk_clients_get_their_own_grants() {
    let desk = Desk::open(Plan::new()).await;
    let url = format!("{}/mcp", desk.issuer);
    for (client, bound) in [
        (Client::TypeScriptStateless, true),
        (Client::TypeScriptSessions, true),
        (Client::TypeScriptStateless, false),
        (Client::PythonStateless, false),
        (Client::PythonSessions, false),
    ] {
        let who = Registered { bound, ..desk.registered(&url) };
        let mut talk = client.connect_registered(&who).await;
        let text = talk.text("notes__read_note", &json!({"title": "a"})).await;
        assert_eq!(text, "a note", "{client:?}, bound: {bound}");
        talk.end().await;
    }
    assert_eq!(desk.notes.reached().len(), 5);
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_bound_grants_are_accepted_a_client_that_can_bind_gets_in() {
    let desk = Desk::open(Plan::new().bound_only()).await;
    let url = format!("{}/mcp/notes", desk.issuer);
    let who = desk.registered(&url);
    let mut talk = Client::TypeScriptStateless.connect_registered(&who).await;
    assert_eq!(talk.text("read_note", &json!({"title": "a"})).await, "a note");
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_proof_is_for_the_https_url() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    certificate(&trusted, &key).await;
    let mut desk = Desk::open_in(folder, Plan::new().tls(&trusted, &key).bound_only()).await;
    desk.issuer = desk.issuer.replace("http:", "https:");
    let url = format!("{}/mcp", desk.issuer);
    let who = Registered { trusts: Some(&trusted), ..desk.registered(&url) };
    let mut talk = Client::TypeScriptStateless.connect_registered(&who).await;
    assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
    talk.end().await;
    assert_eq!(desk.notes.reached().len(), 1);
}
