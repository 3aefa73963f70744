//! A small fake of Remit with its own idea of policy, and with faults that can be switched on.
//!
//! It is a real MCP server over HTTP in front of the real demo servers, so the story runs against
//! it exactly as against the real thing. It shares no code with Remit and keeps its promises by
//! the shortest way; each [`Fault`] breaks one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use remit_demo::drift::Flag;
use remit_demo::server::DeskServer;
use remit_demo::setting::PURPOSE;
use remit_demo::stage::{
    Decision, Held, Logged, Opened, Shown, Stage, StageError, Standing, Verified,
};
use remit_demo::{DemoServer, Seat};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

/// A promise that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    SendsToAnyone,
    RefusesWithoutRemedy,
    PaysUnasked,
    ShowsAnotherCall,
    ApprovalIsReusable,
    IgnoresDrift,
    ShowsChangedWords,
    BudgetIsEndless,
    GrantOutlivesTask,
    LogForgetsRefusals,
}

#[derive(Default)]
struct Memory {
    open: bool,
    effects: usize,
    holds: BTreeMap<String, (String, Value)>,
    approved: BTreeSet<String>,
    admitted: BTreeMap<String, Value>,
    log: Vec<(String, Decision)>,
}

type Upstreams = BTreeMap<&'static str, RunningService<RoleClient, ()>>;

/// The fake, and its operator's side.
#[derive(Clone)]
pub(crate) struct FakeRemit {
    fault: Fault,
    memory: Arc<Mutex<Memory>>,
    upstreams: Arc<Upstreams>,
    endpoint: String,
}

const GRANT: &str = "grant-1";

impl FakeRemit {
    /// Starts the demo servers and the endpoint.
    pub(crate) async fn start(fault: Fault, flag: &Flag) -> Self {
        let mut upstreams = Upstreams::new();
        for kind in DemoServer::ALL {
            let (near, far) = tokio::io::duplex(1 << 16);
            let seat = Seat { directory: None, drift: Some(flag.clone()) };
            let server = DeskServer::new(kind, seat).unwrap();
            tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
            upstreams.insert(kind.name(), ().serve(near).await.unwrap());
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/mcp", listener.local_addr().unwrap());
        let upstreams = Arc::new(upstreams);
        let fake = Self { fault, memory: Arc::default(), upstreams, endpoint };
        let admitted = fake.definitions().await;
        fake.memory.lock().unwrap().admitted = admitted;
        let gateway = fake.clone();
        let service: StreamableHttpService<Self, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(gateway.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default().with_json_response(true),
        );
        let router = axum::Router::new()
            .nest_service("/mcp", service)
            .layer(axum::middleware::from_fn_with_state(fake.clone(), authenticate));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    async fn definitions(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (server, upstream) in self.upstreams.iter() {
            for tool in upstream.list_all_tools().await.unwrap() {
                let name = format!("{server}/{}", tool.name);
                all.insert(name, serde_json::to_value(tool).unwrap());
            }
        }
        all
    }

    async fn drifted(&self, tool: &str) -> bool {
        let now = self.definitions().await;
        self.fault != Fault::IgnoresDrift
            && now.get(tool) != self.memory.lock().unwrap().admitted.get(tool)
    }

    async fn decide(&self, tool: &str, arguments: &Value) -> Result<(), Value> {
        let drifted = self.drifted(tool).await;
        let mut memory = self.memory.lock().unwrap();
        let digest = format!("{tool} {arguments}");
        if tool == "mail/send_message"
            && arguments["to"] != "jonas@nordlicht.example"
            && self.fault != Fault::SendsToAnyone
        {
            return Err(refusal("structural", "the recipient is outside of the remit", None));
        }
        let account = arguments["account"].as_str();
        if tool == "payments/transfer" && account.is_some_and(|it| !PURPOSE.contains(it)) {
            return Err(refusal("structural", "nobody named that account", None));
        }
        let approved = if self.fault == Fault::ApprovalIsReusable {
            memory.approved.contains(&digest)
        } else {
            memory.approved.remove(&digest)
        };
        let asks = tool == "payments/transfer" && self.fault != Fault::PaysUnasked;
        if (asks || drifted) && !approved {
            let hold = format!("hld_{}", memory.holds.len());
            memory.holds.insert(hold.clone(), (tool.to_owned(), arguments.clone()));
            return Err(refusal("needs_approval", "a person must look at this", Some(&hold)));
        }
        if ["payments/transfer", "mail/send_message", "files/write_file"].contains(&tool) {
            if memory.effects == 2 && self.fault != Fault::BudgetIsEndless {
                return Err(refusal("budget", "two effects are used up", None));
            }
            memory.effects += 1;
        }
        Ok(())
    }
}

fn refusal(class: &str, why: &str, hold: Option<&str>) -> Value {
    let reasons = json!([{ "policy": "fake-policy", "text": why, "controls": ["ASI02"] }]);
    let mut refusal = json!({ "class": class, "reasons": reasons, "remedy": "ask a person" });
    if let Some(hold) = hold {
        refusal["hold"] = json!(hold);
    }
    refusal
}

async fn authenticate(State(fake): State<FakeRemit>, request: Request, next: Next) -> Response {
    let open = fake.memory.lock().unwrap().open || fake.fault == Fault::GrantOutlivesTask;
    let expected = format!("Bearer {GRANT}");
    let given = request.headers().get(http::header::AUTHORIZATION);
    if open && given.is_some_and(|value| value == expected.as_str()) {
        return next.run(request).await;
    }
    let challenge = [("www-authenticate", "Bearer error=\"invalid_token\"")];
    (http::StatusCode::UNAUTHORIZED, challenge, "the task is closed").into_response()
}

impl ServerHandler for FakeRemit {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let definitions = if self.fault == Fault::ShowsChangedWords {
            self.definitions().await
        } else {
            self.memory.lock().unwrap().admitted.clone()
        };
        let tools = definitions.into_iter().map(|(name, definition)| {
            let mut tool: Tool = serde_json::from_value(definition).unwrap();
            tool.name = name.replace('/', "__").into();
            tool
        });
        Ok(ListToolsResult::with_all_items(tools.collect()).with_ttl_ms(0))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = request.name.replace("__", "/");
        let arguments = Value::Object(request.arguments.clone().unwrap_or_default());
        let decided = self.decide(&tool, &arguments).await;
        let decision = match &decided {
            Ok(()) => Decision::Permit,
            Err(refusal) if refusal.get("hold").is_some() => Decision::Hold,
            Err(_) => Decision::Deny,
        };
        if decision != Decision::Deny || self.fault != Fault::LogForgetsRefusals {
            self.memory.lock().unwrap().log.push((tool.clone(), decision));
        }
        if let Err(mut refusal) = decided {
            if self.fault == Fault::RefusesWithoutRemedy {
                refusal["remedy"] = json!(" ");
            }
            let mut result = CallToolResult::error(vec![ContentBlock::text("refused")]);
            result.structured_content = Some(refusal);
            return Ok(result.into());
        }
        let (server, name) = tool.split_once('/').unwrap();
        let mut forward = CallToolRequestParams::new(name.to_owned());
        forward.arguments = request.arguments;
        Ok(self.upstreams[server].call_tool(forward).await.unwrap().into())
    }
}

impl Stage for FakeRemit {
    async fn open(&mut self, template: &str, purpose: &str) -> Result<Opened, StageError> {
        assert!(!template.is_empty() && !purpose.is_empty());
        self.memory.lock().unwrap().open = true;
        Ok(Opened {
            task: "tsk_1".into(),
            endpoint: self.endpoint.clone(),
            grant: GRANT.into(),
            opened_by: "anna".into(),
            remit: vec![("budget".into(), "40 calls, 2 effects".into())],
            unprotected: Some("agent, operator and Remit share one uid".into()),
        })
    }

    async fn held(&mut self, hold: &str) -> Result<Held, StageError> {
        let (tool, mut arguments) =
            self.memory.lock().unwrap().holds.get(hold).ok_or("no such hold")?.clone();
        if self.fault == Fault::ShowsAnotherCall {
            arguments["amount"] = json!(1);
        }
        let digest = "sha256:0123".into();
        Ok(Held { tool, arguments, approvers: "finance".into(), digest })
    }

    async fn approve(&mut self, hold: &str) -> Result<(), StageError> {
        let mut memory = self.memory.lock().unwrap();
        let (tool, arguments) = memory.holds.get(hold).ok_or("no such hold")?.clone();
        memory.approved.insert(format!("{tool} {arguments}"));
        Ok(())
    }

    async fn deny(&mut self, hold: &str) -> Result<(), StageError> {
        self.memory.lock().unwrap().holds.get(hold).ok_or("no such hold")?;
        Ok(())
    }

    async fn tool(&mut self, tool: &str) -> Result<Shown, StageError> {
        let now = self.definitions().await;
        let words = |definition: &Value| definition["description"].as_str().unwrap().to_owned();
        let before = words(&self.memory.lock().unwrap().admitted[tool]);
        let after = words(&now[tool]);
        let findings = after.contains('\u{200b}').then(|| "invisible characters".to_owned());
        let standing =
            if self.drifted(tool).await { Standing::Quarantined } else { Standing::Admitted };
        let signed = |sign: &str, text: &str| {
            text.lines().flat_map(|line| [sign, line, "\n"]).collect::<String>()
        };
        let diff = signed("-", &before) + &signed("+", &after);
        Ok(Shown { standing, diff, findings: findings.into_iter().collect() })
    }

    async fn admit(&mut self, tool: &str) -> Result<(), StageError> {
        let now = self.definitions().await;
        self.memory.lock().unwrap().admitted.insert(tool.to_owned(), now[tool].clone());
        Ok(())
    }

    async fn close(&mut self, _: &str) -> Result<(), StageError> {
        self.memory.lock().unwrap().open = false;
        Ok(())
    }

    async fn verify(&mut self, _: &str) -> Result<Verified, StageError> {
        let log = self.memory.lock().unwrap().log.clone();
        let calls = log.into_iter().zip(0..);
        let calls: Vec<Logged> =
            calls.map(|((tool, decision), entry)| Logged { entry, tool, decision }).collect();
        Ok(Verified { entries: calls.len() as u64, root: "Zm9v".into(), calls })
    }
}
