//! A Remit without adapters: the engine on the test kit's fakes, one agent, one template.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use remit_catalogue::Overrides;
use remit_engine::approve::Actor;
use remit_engine::client::Client;
use remit_engine::lend::Needed;
use remit_engine::open::{Opener, Proposal, Vouched};
use remit_engine::reload::ReloadError;
use remit_engine::{Caller, Elsewhere, Engine, Ports, Registry, Settings, Template};
use remit_model::agent::AttestationMethod;
use remit_model::{
    Agent, Budget, Call, Confidentiality, Door, Foreseeable, Limit, Operation, Refusal, Task,
    TaskId, Timestamp, ToolRule, Workload,
};
use remit_policy::Source;
use remit_ports::{Discovery, Entry, Kind, Outcome, Revoked, Settled};
use remit_testkit::samples::{agent, agent_name, link, server};
use remit_testkit::{
    FixedKeys, ManualClock, MemoryIssuer, MemoryKeys, MemoryLedger, MemoryStore, ScriptedUpstream,
    SeededEntropy,
};
use remit_token::{Binding, GrantKey, GrantKeys, Minter, Realm};

/// Reads pass; what has an effect passes with an approval of `operators`.
pub(crate) const POLICY: &str = r#"
@id("open") permit (principal, action in [Remit::Action::"openTask", Remit::Action::"continueTask", Remit::Action::"listTool"], resource);
@id("lend") permit (principal, action == Remit::Action::"lend", resource) when { resource.value == "key" && context.kind == "memory" };
@id("reads") permit (principal, action in Remit::Action::"effect:read", resource);
@id("approved") @reason("an effect needs the approval of an operator")
permit (principal, action in Remit::Action::"tools", resource)
when { context has approval && context.approval.group == Remit::ApproverGroup::"operators" };
"#;

/// A call under way.
pub(crate) type Underway = tokio::task::JoinHandle<Result<Settled, Refusal>>;

/// Somebody in the group `operators`.
pub(crate) fn operator() -> Actor {
    Actor { name: "olga".into() }
}

/// The definition of a tool, with an annotation that says whether it only reads.
pub(crate) fn definition(name: &str, description: &str, reads: bool) -> String {
    format!(
        r#"{{"name":"{name}","description":"{description}","inputSchema":{{"type":"object","properties":{{"path":{{"type":"string"}}}}}},"annotations":{{"readOnlyHint":{reads}}}}}"#
    )
}

/// Everything a test holds.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) upstream: Arc<ScriptedUpstream>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<MemoryStore>,
    /// Issues the credential `key`, which calls of `shop` are sent with.
    pub(crate) issuer: Arc<MemoryIssuer>,
    keys: Arc<MemoryKeys>,
    budget: Budget,
}

/// An agent at the token endpoint for which nobody else vouched.
pub(crate) fn client(agent: &str, method: AttestationMethod) -> Opener {
    let agent = agent_name(agent);
    Opener::Client(Box::new(Vouched { agent, method, named: None, on_behalf: None, process: None }))
}

/// The agent `bot`, which proves itself there by its key.
pub(crate) fn bot() -> Client {
    Client {
        agent: agent_name("bot"),
        id: "bot".into(),
        method: AttestationMethod::PrivateKeyJwt,
        named: None,
        process: None,
        binding: Binding::Nothing,
        nonce: None,
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with_budget(Budget::default()).await
    }

    pub(crate) async fn with_budget(budget: Budget) -> Self {
        let clock = Arc::new(ManualClock::default());
        let keys = Arc::new(MemoryKeys::new());
        let ledger = Arc::new(MemoryLedger::new(Arc::clone(&clock) as _, Arc::clone(&keys) as _));
        let upstream = Arc::new(ScriptedUpstream::default());
        upstream.offer(&server("files"), offer(&["read_file", "write_file", "read_page"]));
        let store = Arc::new(MemoryStore::new());
        upstream.offer(&server("shop"), offer(&["read_order", "read_stock"]));
        let issuer = Arc::new(MemoryIssuer::new(Revoked::Now));
        let ends = (&upstream, &store, &issuer);
        let engine = start(&clock, &keys, &ledger, ends, budget).await;
        let bench = Self { engine, ledger, upstream, clock, store, issuer, keys, budget };
        bench.engine.discover(&server("files")).await.unwrap();
        bench
    }

    /// The process dies and a new one starts on the same disk.
    pub(crate) async fn restart(&mut self) {
        self.ledger.restart();
        let ends = (&self.upstream, &self.store, &self.issuer);
        self.engine = start(&self.clock, &self.keys, &self.ledger, ends, self.budget).await;
        self.engine.discover(&server("files")).await.unwrap();
    }

    pub(crate) async fn opened(&self) -> Task {
        let proposal = Proposal { template: "work".into(), ..Proposal::default() };
        self.engine.open(&Opener::Peer(Workload::of_user(7)), proposal).await.unwrap()
    }

    pub(crate) async fn task(&self) -> Caller {
        let task = self.opened().await;
        self.engine.caller(task.id(), Door::McpHttp).unwrap()
    }

    pub(crate) async fn call(&self, caller: &Caller, tool: &str) -> Result<Settled, Refusal> {
        self.call_with(caller, tool, r#"{"path":"a"}"#).await
    }

    pub(crate) async fn call_with(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: &str,
    ) -> Result<Settled, Refusal> {
        self.engine.call(caller.clone(), call(tool, arguments), link()).await
    }

    /// Puts policies in force under the settings there are.
    pub(crate) async fn reload_policies(&self, sources: Vec<Source>) -> Result<(), ReloadError> {
        self.engine.reload(Settings::clone(&self.engine.settings()), sources).await
    }

    /// Puts settings in force under the policies there are.
    pub(crate) async fn reload_settings(&self, settings: Settings) {
        let sources = self.engine.world().sources.to_vec();
        self.engine.reload(settings, sources).await.unwrap();
    }

    /// The keyring fails at its next act, before it does anything.
    pub(crate) fn fail_next_key(&self) {
        self.keys.fail_next(remit_testkit::Fault::Before);
    }

    /// Whether the keyring cannot read the keys that it has.
    pub(crate) fn set_unreadable_keys(&self, unreadable: bool) {
        self.keys.set_unreadable(unreadable);
    }

    /// Whether the records of `task` can still be read.
    pub(crate) fn has_key(&self, task: &TaskId) -> bool {
        self.keys.tasks().contains(task)
    }

    /// A call under way.
    pub(crate) fn spawn(&self, caller: &Caller, tool: &str) -> Underway {
        let (engine, caller, call) = (Arc::clone(&self.engine), caller.clone(), call(tool, "{}"));
        tokio::spawn(async move { engine.call(caller, call, link()).await })
    }

    /// The records of `task`, in order.
    pub(crate) fn records(&self, task: &TaskId) -> Vec<(u64, Entry)> {
        let entries = self.ledger.entries().into_iter();
        let own = entries.filter(|entry| entry.entry.task.as_ref() == Some(task));
        own.map(|entry| (entry.index, entry.entry)).collect()
    }

    pub(crate) fn kinds(&self, task: &TaskId) -> Vec<Kind> {
        self.records(task).into_iter().map(|(_, entry)| entry.kind).collect()
    }

    /// R2 from outside: what was sent has an earlier record, each record was sent at most once,
    /// each outcome follows its decision, and sequence numbers have no gaps.
    pub(crate) fn assert_recorded_then_done(&self) {
        assert_eq!(self.ledger.violations(), Vec::<String>::new());
        let entries = self.ledger.entries();
        let mut seen = std::collections::BTreeSet::new();
        for sent in self.upstream.sent() {
            let index = usize::try_from(sent.decision).unwrap();
            assert_eq!(entries[index].entry.kind, Kind::Decision);
            assert!(seen.insert(sent.decision), "decision {} was sent twice", sent.decision);
        }
        let mut next = BTreeMap::<TaskId, u64>::new();
        for entry in &entries {
            let Some(task) = &entry.entry.task else { continue };
            let expected = next.entry(task.clone()).or_default();
            assert_eq!(entry.entry.seq, *expected, "entry {}", entry.index);
            *expected += 1;
            if let Some(Outcome::Answered { .. }) = &entry.entry.clear.outcome {
                let decision = entry.entry.parents[0].index;
                assert!(decision < entry.index && seen.contains(&decision));
            }
        }
    }
}

pub(crate) fn offer(names: &[&str]) -> Discovery {
    let reads = |name: &str| name.starts_with("read");
    let tools = names.iter().map(|name| definition(name, "A file.", reads(name))).collect();
    Discovery { tools, ..Discovery::default() }
}

pub(crate) fn call(tool: &str, arguments: &str) -> Call {
    let (at, name) = tool.split_once('/').unwrap();
    Call {
        server: server(at),
        operation: Operation::CallTool { name: name.into() },
        method: "tools/call".into(),
        params: format!(r#"{{"name":"{name}","arguments":{arguments}}}"#).into(),
    }
}

pub(crate) fn policy() -> Source {
    Source { path: "test.cedar".into(), text: POLICY.into() }
}

async fn start(
    clock: &Arc<ManualClock>,
    keys: &Arc<MemoryKeys>,
    ledger: &Arc<MemoryLedger>,
    (upstream, store, issuer): (&Arc<ScriptedUpstream>, &Arc<MemoryStore>, &Arc<MemoryIssuer>),
    budget: Budget,
) -> Arc<Engine> {
    let ports = Ports {
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(ledger.entries().len() as u64)),
        ledger: Arc::clone(ledger) as _,
        keys: Arc::clone(keys) as _,
        elsewhere: Arc::new(FixedKeys::default()),
        store: Arc::clone(store) as _,
        upstream: Arc::clone(upstream) as _,
        issuers: Arc::new(BTreeMap::from([("key".parse().unwrap(), Arc::clone(issuer) as _)])),
    };
    Engine::start(ports, settings(budget), vec![policy()], minter()).await.unwrap()
}

fn minter() -> Minter {
    let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &aws_lc_rs::rand::SystemRandom::new(),
    )
    .unwrap();
    let endpoint = "http://127.0.0.1:7070/mcp";
    let key = GrantKey::open(1, Timestamp(0), key.as_ref()).unwrap();
    Minter::new(GrantKeys::from_iter([key]), Realm::new(endpoint, endpoint, "test").unwrap())
}

/// `bot` hands on to `clerk`, which runs as another user, and back; `loner` is handed nothing.
fn agents() -> Registry {
    let agent_of = |name: &str, uid: u32, hands_to: &[&str]| Agent {
        uids: vec![uid],
        hands_to: hands_to.iter().map(|name| agent_name(name)).collect(),
        ..Agent::new(agent_name(name), "ops")
    };
    let bot = Agent { hands_to: vec![agent_name("clerk")], ..agent() };
    [bot, agent_of("clerk", 18, &["bot"]), agent_of("loner", 19, &[])].into_iter().collect()
}

fn settings(budget: Budget) -> Settings {
    let template = Template {
        name: "work".into(),
        may_open: vec![agent_name("bot")],
        purpose: Some("test".into()),
        known: Vec::new(),
        declare: false,
        foreseen: Foreseeable::default(),
        tools: ["files/*", "notes/*"]
            .map(|tools| ToolRule::any_arguments(tools.parse().unwrap()))
            .into(),
        ceiling: Confidentiality::Confidential,
        budget,
        lasts: Duration::from_hours(1),
        idle: Some(Duration::from_mins(10)),
        delegation: 20,
    };
    let lent = Template {
        name: "lent".into(),
        tools: vec![ToolRule::any_arguments("shop/*".parse().unwrap())],
        ..template.clone()
    };
    let planning = Template { name: "planning".into(), declare: true, ..template.clone() };
    let bills = Template { name: "bills".into(), foreseen: foreseeable(), ..template.clone() };
    let alone = Template {
        name: "alone".into(),
        may_open: vec![agent_name("loner")],
        tools: vec![ToolRule::any_arguments("notes/*".parse().unwrap())],
        ..template.clone()
    };
    let key = Needed {
        credential: "key".parse().unwrap(),
        lifetime: Duration::from_mins(10),
        process: true,
    };
    let overrides =
        Overrides { owner: "operators".into(), trust_annotations: true, tools: BTreeMap::new() };
    Settings {
        node: "test".into(),
        agents: agents(),
        templates: BTreeMap::from([
            ("work".into(), Arc::new(template)),
            ("lent".into(), Arc::new(lent)),
            ("alone".into(), Arc::new(alone)),
            ("planning".into(), Arc::new(planning)),
            ("bills".into(), Arc::new(bills)),
        ]),
        groups: BTreeMap::from([
            ("operators".into(), vec![]),
            ("treasury".into(), vec!["tina".into()]),
        ]),
        servers: BTreeMap::from([
            (server("files"), overrides.clone()),
            (server("notes"), overrides.clone()),
            (server("shop"), overrides),
        ]),
        lends: BTreeMap::from([(server("shop"), vec![key])]),
        pick_ups: BTreeMap::new(),
        canaries: std::collections::BTreeSet::new(),
        approval_lifetime: Duration::from_mins(5),
        renewed_within: Duration::from_hours(24),
        call_timeout: Duration::from_mins(1),
        grant_lifetime: Duration::from_mins(5),
        svid_lifetime: Duration::from_mins(10),
        own_uid: 7,
        bearer: true,
        client_keys: BTreeMap::new(),
        elsewhere: Elsewhere::default(),
    }
}

/// One flow that is in force in every task, and one that is offered.
fn foreseeable() -> Foreseeable {
    serde_json::from_str(
        r#"[{"tool":"files/write_file","argument":"path","from":"notes/*"},
            {"tool":"files/write_file","argument":"path","from":"files/read_page","times":2,
             "arguments":{"size":{"at_most":500}},"offered":{"name":"file-page","title":"File a page"}}]"#,
    )
    .unwrap()
}

/// At most this many calls.
pub(crate) fn calls(n: u64) -> Budget {
    Budget { calls: Limit::at_most(n), ..Budget::default() }
}
