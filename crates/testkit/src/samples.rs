//! Samples of the nouns: valid, small, with public fields to change what a test is about.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a sample that cannot be made fails the test that asked for it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use remit_model::agent::AttestationMethod;
use remit_model::question::{Asked, TaskFacts, ToolFacts};
use remit_model::task::Charter;
use remit_model::tool::{Known, Origin, Trust};
use remit_model::{
    Admission, Agent, AgentName, Attestation, Call, Confidentiality, Digest, Door, Effect, Label,
    LeaseId, Operation, Possession, Profile, Question, Reach, Remit, Resource, ResourceKind,
    ServerName, Spent, TaskId, Timestamp, Tool, ToolId, ToolScope, Value,
};
use remit_policy::{Permit, Snapshot, Source, Verdict};
use remit_ports::{Holder, Issued, Issuer, Lent, Link, Veil, Wanted};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// When samples are made: 2026-11-23T22:00:00Z, where [`crate::ManualClock`] starts.
pub const NOW: Timestamp = Timestamp(1_795_471_200_000);

/// A task id that ends in `n`.
pub fn task_id(n: u8) -> TaskId {
    format!("tsk_{n:026}").parse().expect("26 digits are an id")
}

/// A lease's id that ends in `n`.
pub fn lease_id(n: u32) -> LeaseId {
    format!("lse_{n:026}").parse().expect("26 digits are an id")
}

/// Task 1 of `bot`, whose remit covers these tools (`server/tool`).
pub fn holder(tools: &[&str]) -> Holder {
    let tools = tools.iter().map(|&tool| tool.to_owned()).collect();
    Holder { agent: Some(agent_name("bot")), task: Some(task_id(1)), on_behalf: None, tools }
}

/// What [`lease_id`] `n` is to be for `holder`, from [`NOW`] on.
pub fn wanted(issuer: &dyn Issuer, n: u32, holder: Holder, until: Timestamp) -> Wanted {
    let scope = issuer.scope(&holder).expect("the test's holder can have something");
    Wanted { lease: lease_id(n), holder, scope, now: NOW, until }
}

/// What was issued to task 1 as [`lease_id`] `n`, as it stands on record.
pub fn lent(n: u32, issued: &Issued) -> Lent {
    let (handle, until) = (issued.handle.clone(), issued.until);
    Lent { lease: lease_id(n), task: Some(task_id(1)), handle, until }
}

/// The server `name`.
pub fn server(name: &str) -> ServerName {
    name.parse().expect("the test names a server well")
}

/// The agent `name`.
pub fn agent_name(name: &str) -> AgentName {
    name.parse().expect("the test names an agent well")
}

/// A supervised agent called `bot`.
pub fn agent() -> Agent {
    Agent { purpose: "tests".to_owned(), ..Agent::new(agent_name("bot"), "ops") }
}

/// Proved by the kernel at [`NOW`].
pub fn attestation() -> Attestation {
    Attestation::own(AttestationMethod::UnixPeer, NOW)
}

/// A charter of `bot` for task `n`: everything, for an hour.
pub fn charter(n: u8) -> Charter {
    Charter {
        id: task_id(n),
        agent: agent_name("bot"),
        template: "sample".into(),
        purpose: "answer the mail".to_owned(),
        purpose_given: true,
        declares: false,
        plan: ToolScope::default(),
        known: Vec::new(),
        foreseen: Vec::new(),
        remit: Remit { deadline: NOW.after(Duration::from_hours(1)), ..Remit::default() },
        attestation: attestation(),
        uid: Some(7),
        consent: None,
        on_behalf: None,
        lineage: Vec::new(),
        workers: std::collections::BTreeSet::new(),
        unsettled: std::collections::BTreeSet::new(),
        inherited: Label::default(),
        opened: NOW,
    }
}

/// A profile as a person would configure it: local, public, trusted results, no arguments known.
pub fn profile(effect: Effect) -> Profile {
    fn known<T>(value: T) -> Known<T> {
        Known { value, origin: Origin::Configured }
    }
    Profile {
        effect: known(effect),
        reach: known(Reach::Local),
        sensitivity: known(Confidentiality::Public),
        returns: known(Trust::Trusted),
        idempotent: known(effect == Effect::Read),
        arguments: BTreeMap::new(),
        undo: None,
    }
}

/// The admitted tool `id` (`server/tool`) whose input is any object.
pub fn tool(id: &str, effect: Effect) -> Tool {
    let (at, name) = id.split_once('/').expect("the test names a tool `server/tool`");
    let definition = format!(
        r#"{{"name":"{name}","description":"A sample.","inputSchema":{{"type":"object"}}}}"#
    );
    let canonical = Value::parse(&definition).expect("the sample is JSON").canonical();
    Tool {
        id: ToolId::new(&server(at), name),
        definition,
        digest: Digest::of(canonical.as_bytes()),
        profile: profile(effect),
        flags: Vec::new(),
        admission: Admission::Admitted { since: NOW, by: "configuration".to_owned() },
        owner: "ops".to_owned(),
    }
}

/// A `tools/call` of `tool` with these arguments (a JSON object).
pub fn call(tool: &ToolId, arguments: &str) -> Call {
    Call {
        server: tool.server.clone(),
        operation: Operation::CallTool { name: tool.name.clone() },
        method: "tools/call".to_owned(),
        params: format!(r#"{{"name":"{}","arguments":{arguments}}}"#, tool.name).into(),
    }
}

/// The connection of a call to a client that hears nothing, says nothing and does not give up.
pub fn link() -> Link {
    Link {
        to_client: mpsc::channel(1).0,
        capabilities: None,
        progress_token: None,
        session: false,
        veil: Veil::default(),
        cancelled: CancellationToken::new(),
    }
}

/// The question whether task 1 of `bot` may call `tool` with these arguments (a JSON object).
pub fn question(tool: &Tool, arguments: &str) -> Question {
    let charter = charter(1);
    Question {
        asked: Asked::Call(call(&tool.id, arguments)),
        agent: agent().into(),
        attestation: attestation(),
        lapsed: false,
        task: TaskFacts {
            id: charter.id,
            template: charter.template,
            remit: charter.remit,
            spent: Spent::default(),
            label: Label::default(),
            sealed: false,
            epoch: 0,
            suspicions: 0,
            destroyed: 0,
            lineage: Vec::new(),
            on_behalf: None,
            opened: NOW,
            last_used: NOW,
        },
        tool: Some(ToolFacts::of(tool).into()),
        input: Value::parse(arguments).expect("the test's arguments are JSON"),
        flow: Vec::new(),
        secrets: Vec::new(),
        wanted: remit_model::Wanted::No,
        resources: vec![Resource { kind: ResourceKind::Server, id: tool.id.server.to_string() }],
        approval: None,
        unsettled: false,
        door: Door::McpHttp,
        possession: Possession::Bearer,
        now: NOW,
    }
}

/// A policy file that permits everything the structural checks let through.
pub fn permit_all() -> Source {
    Source {
        path: "permit-all.cedar".to_owned(),
        text: "permit (principal, action, resource);\n".to_owned(),
    }
}

/// A policy set for `tools`.
pub fn snapshot(sources: &[Source], tools: &[Tool]) -> Arc<Snapshot> {
    let snapshot = Snapshot::compile(sources, tools, &[]);
    Arc::new(snapshot.expect("the test's policies are good"))
}

/// A permit for a call of `tool` with these arguments, decided by [`permit_all`].
pub fn permit(tool: &Tool, arguments: &str) -> Permit {
    let snapshot = snapshot(&[permit_all()], std::slice::from_ref(tool));
    let verdict = remit_policy::decide(&snapshot, question(tool, arguments));
    let permit = match verdict {
        Verdict::Permit(permit) => Ok(permit),
        other => Err(other),
    };
    permit.expect("a call of an admitted tool is permitted by a policy that permits everything")
}
