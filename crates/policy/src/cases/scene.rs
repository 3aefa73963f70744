//! The question of a case: defaults for everything the case does not speak about.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::agent::AttestationMethod;
use remit_model::label::MAX_SOURCES;
use remit_model::question::{Asked, Completed, Loan, TaskFacts, ToolFacts};
use remit_model::{
    Agent, AgentName, ApprovalFact, Attestation, Budget, Call, Confidentiality, Door, Evidence,
    Integrity, Label, LeafFlow, Limit, Operation, Possession, Provenance, Question, Remit,
    Resource, ResourceKind, Role, SecretSeen, Sources, Spent, Timestamp, Tool, ToolRule, ToolScope,
    Value, Wanted,
};
use serde::Deserialize;

use super::tools::{id, touched};

/// The moment every case happens at unless it says otherwise, 2026-11-23T22:00:00Z.
const NOW: u64 = 1_795_471_200_000;

/// The question of a case: exactly one of the things that can be asked, and what surrounds it.
#[derive(Clone, Debug, Deserialize)]
pub struct Scene {
    /// What is asked.
    #[serde(flatten)]
    pub asks: Asks,
    /// The arguments of a call.
    #[serde(default)]
    pub arguments: toml::Table,
    /// What is touched, as `Kind:id`; absent: what the arguments name, else the server.
    pub resources: Option<Vec<String>>,
    /// The agent; absent: a supervised one called `bot`.
    pub agent: Option<Agent>,
    /// The task.
    #[serde(default)]
    pub task: TaskCase,
    /// The group that approved this call.
    pub approved_by: Option<String>,
    /// What the caller showed, `bearer`, `dpop` or `connection`; absent: `bearer`.
    #[serde(default)]
    pub possession: Possession,
    /// Where the arguments came from, by path; absent: the agent made them of all that is in the task.
    #[serde(default)]
    pub flow: BTreeMap<String, FlowCase>,
    /// Whether the person's words call for such a tool; absent: they name it.
    pub wanted: Option<Wanted>,
    /// Milliseconds since the Unix epoch.
    pub now: Option<u64>,
}

/// Where an argument of a case came from: the word for it, or more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FlowCase {
    /// The word for it, with the task's own label.
    Word(Provenance),
    /// In full.
    Full {
        /// The word for it.
        provenance: Provenance,
        /// Whether a person's words led to where it stands.
        #[serde(default)]
        pointed: bool,
        /// How sensitive it is.
        #[serde(default)]
        confidentiality: Confidentiality,
        /// Where the links in it came from; absent: there are none.
        link: Option<Provenance>,
        /// The rules by which secrets were found in it.
        #[serde(default)]
        secrets: Vec<String>,
    },
}

/// What is asked; exactly one.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asks {
    /// Call this tool, `server/tool`.
    pub call: Option<String>,
    /// List this tool, `server/tool`.
    pub list: Option<String>,
    /// Read this resource, `server` and URI with a blank between.
    pub read: Option<String>,
    /// Get this prompt, `server/prompt`.
    pub prompt: Option<String>,
    /// Complete an argument of this prompt, `server/prompt`.
    pub complete: Option<String>,
    /// Something about the task: `open` or `continue`.
    pub ask: Option<String>,
}

/// The task of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskCase {
    /// The template.
    pub template: String,
    /// Servers whose untrusted content has entered; more than a label names: many.
    pub untrusted: BTreeSet<String>,
    /// The most sensitive data that has entered.
    pub confidentiality: Confidentiality,
    /// Marks on what has entered.
    pub tags: BTreeSet<String>,
    /// The remit's tools; absent: all.
    pub tools: Option<Vec<ToolRule>>,
    /// The remit's data ceiling; absent: restricted.
    pub ceiling: Option<Confidentiality>,
    /// The agents that handed it on.
    pub lineage: Vec<AgentName>,
    /// The remit's budget.
    pub budget: Budget,
    /// What is used of it.
    pub calls: u64,
    /// What is used of it.
    pub effects: u64,
    /// What is used of it.
    pub bytes: u64,
    /// The remit's deadline, milliseconds since the Unix epoch.
    pub deadline: Option<u64>,
    /// The remit's idle limit, milliseconds.
    pub idle: Option<u64>,
    /// Milliseconds since the task was last used.
    pub unused: u64,
    /// How often text from outside seems to have tried to steer it.
    pub suspicions: u64,
    /// How often something was destroyed in it.
    pub destroyed: u64,
}

impl Scene {
    /// The question in full, with the defaults filled in; `tools` are those it may name.
    ///
    /// Errors: nothing or more than one thing is asked, or something named does not exist.
    pub fn question(&self, tools: &[Tool]) -> Result<Question, String> {
        let now = Timestamp(self.now.unwrap_or(NOW));
        let arguments = serde_json::to_string(&self.arguments).map_err(|why| why.to_string())?;
        let input = Value::parse(&arguments).map_err(|why| why.to_string())?;
        let (asked, tool, default) = self.asked(tools, &input, &arguments)?;
        let resources = match &self.resources {
            Some(texts) => texts.iter().map(|t| resource(t)).collect::<Result<_, _>>()?,
            None => default,
        };
        let approval = self.approved_by.as_ref().map(|group| ApprovalFact {
            group: group.clone(),
            by: "case".to_owned(),
            at: now,
        });
        let task = self.task.facts(now)?;
        Ok(Question {
            asked,
            agent: self.agent.clone().map_or_else(agent, Ok)?.into(),
            attestation: Attestation::own(AttestationMethod::UnixPeer, now),
            lapsed: false,
            flow: self.flow(tool, &input, &task),
            secrets: self.secrets(),
            wanted: self.wanted.unwrap_or(Wanted::Named),
            task,
            tool: tool.map(|tool| ToolFacts::of(tool).into()),
            input,
            resources,
            approval,
            unsettled: false,
            door: Door::McpHttp,
            possession: self.possession,
            now,
        })
    }

    /// The secrets in its arguments, as the case states them.
    fn secrets(&self) -> Vec<SecretSeen> {
        let each = self.flow.iter().flat_map(|(path, flow)| match flow {
            FlowCase::Full { secrets, .. } => secrets.iter().map(|rule| (path, rule)).collect(),
            FlowCase::Word(_) => Vec::new(),
        });
        let seen = |(path, rule): (&String, &String)| {
            let (path, fingerprint) = (path.as_str().into(), String::new());
            SecretSeen { path, rule: rule.clone(), fingerprint }
        };
        each.map(seen).collect()
    }

    /// Each argument's origin, as the case states it.
    fn flow(&self, tool: Option<&Tool>, input: &Value, task: &TaskFacts) -> Vec<LeafFlow> {
        let mut found = Vec::new();
        input.leaves(&mut |path, _| {
            let role = tool.map_or(Role::Selector, |tool| tool.profile.argument(path).role);
            let (provenance, pointed, label, link) = match self.flow.get(path) {
                None => (Provenance::Derived, false, task.label.clone(), None),
                Some(FlowCase::Word(word)) => (*word, false, task.label.clone(), None),
                Some(FlowCase::Full { provenance, pointed, confidentiality, link, .. }) => {
                    let label = Label { confidentiality: *confidentiality, ..Label::default() };
                    (*provenance, *pointed, label, *link)
                }
            };
            let leaf = |role, provenance| LeafFlow {
                path: path.into(),
                role,
                provenance,
                label: label.clone(),
                evidence: Some(Evidence {
                    source: "case".to_owned(),
                    decision: None,
                    field: None,
                    pointed,
                    excerpt: String::new(),
                }),
                foreseen: None,
            };
            found.push(leaf(role, provenance));
            found.extend(link.map(|provenance| leaf(Role::Link, provenance)));
        });
        found
    }

    fn asked<'t>(
        &self,
        tools: &'t [Tool],
        input: &Value,
        params: &str,
    ) -> Result<(Asked, Option<&'t Tool>, Vec<Resource>), String> {
        let find = |text: &str| id(text).map(|id| (tools.iter().find(|tool| tool.id == id), id));
        let call = |server, operation, method: &str| {
            Asked::Call(Call {
                server,
                operation,
                method: method.to_owned(),
                params: params.into(),
            })
        };
        let Asks { call: tool, list, read, prompt, complete, ask } = &self.asks;
        match (tool, list, read, prompt, complete, ask.as_deref()) {
            (Some(text), None, None, None, None, None) => {
                let (tool, id) = find(text)?;
                let fallback = || vec![server(id.server.as_str())];
                let resources = tool.map_or_else(fallback, |tool| touched(tool, input));
                let operation = Operation::CallTool { name: id.name };
                Ok((call(id.server, operation, "tools/call"), tool, resources))
            }
            (None, Some(text), None, None, None, None) => {
                let (tool, id) = find(text)?;
                let resources = vec![server(id.server.as_str())];
                Ok((Asked::ListTool(id), tool, resources))
            }
            (None, None, Some(text), None, None, None) => {
                let (name, uri) = text
                    .split_once(' ')
                    .ok_or_else(|| format!("expected a server and a URI, got `{text}`"))?;
                let uri = uri.to_owned();
                let resources = vec![Resource { kind: ResourceKind::File, id: uri.clone() }];
                let name = name.parse().map_err(|why| format!("{why}"))?;
                let operation = Operation::ReadResource { uri };
                Ok((call(name, operation, "resources/read"), None, resources))
            }
            (None, None, None, Some(text), None, None) => {
                let id = id(text)?;
                let resources = vec![server(id.server.as_str())];
                let operation = Operation::GetPrompt { name: id.name };
                Ok((call(id.server, operation, "prompts/get"), None, resources))
            }
            (None, None, None, None, Some(text), None) => {
                let id = id(text)?;
                let resources = vec![server(id.server.as_str())];
                let operation = Operation::Complete { reference: id.name, of: Completed::Prompt };
                Ok((call(id.server, operation, "completion/complete"), None, resources))
            }
            (None, None, None, None, None, Some("open")) => {
                Ok((Asked::OpenTask, None, vec![server("remit")]))
            }
            (None, None, None, None, None, Some("continue")) => {
                Ok((Asked::ContinueTask, None, vec![server("remit")]))
            }
            (None, None, None, None, None, Some(text)) if text.starts_with("lend ") => {
                let (loan, resources) = loan(text)?;
                Ok((Asked::Lend(loan), None, resources))
            }
            (None, None, None, None, None, Some(text)) if text.starts_with("keep ") => {
                let (loan, resources) = loan(text)?;
                Ok((Asked::KeepLent(loan), None, resources))
            }
            _ => Err("expected exactly one of `call`, `list`, `read`, `prompt`, `complete`, \
                      `ask = \"open\"`, `ask = \"continue\"` and \
                      `ask = \"lend CREDENTIAL KIND SERVER [SECONDS]\"` or `keep` in its place"
                .to_owned()),
        }
    }
}

/// For how long a case lends unless it says otherwise, in seconds.
const LENT: u64 = 900;

/// `lend CREDENTIAL KIND SERVER [SECONDS]`, or the same with `keep`.
fn loan(text: &str) -> Result<(Loan, Vec<Resource>), String> {
    let mut words = text.split(' ').skip(1);
    let (Some(credential), Some(kind), Some(to), seconds, None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!(
            "expected `lend` or `keep` and `CREDENTIAL KIND SERVER [SECONDS]`, got `{text}`"
        ));
    };
    let resources = vec![Resource { kind: ResourceKind::Secret, id: credential.to_owned() }];
    let credential = credential.parse().map_err(|why| format!("{why}"))?;
    let server = to.parse().map_err(|why| format!("{why}"))?;
    let seconds = seconds.map_or(Ok(LENT), str::parse);
    let seconds = seconds.map_err(|why| format!("expected seconds, got `{text}`: {why}"))?;
    Ok((Loan { credential, kind: kind.to_owned(), server, seconds }, resources))
}

impl TaskCase {
    fn facts(&self, now: Timestamp) -> Result<TaskFacts, String> {
        let integrity = match self.untrusted.len() {
            0 => Integrity::Trusted,
            n if n > MAX_SOURCES => Integrity::Untrusted(Sources::Many),
            _ => Integrity::Untrusted(Sources::Named(self.untrusted.clone())),
        };
        let last_used = Timestamp(now.0.saturating_sub(self.unused));
        Ok(TaskFacts {
            id: "tsk_00000000000000000000000000".parse().map_err(|why| format!("{why}"))?,
            template: self.template.as_str().into(),
            remit: Remit {
                tools: self.tools.clone().map_or_else(ToolScope::default, ToolScope::any_of),
                ceiling: self.ceiling.unwrap_or(Confidentiality::Restricted),
                budget: self.budget,
                deadline: Timestamp(self.deadline.unwrap_or(u64::MAX)),
                idle: Limit::from(self.idle),
                ..Remit::default()
            },
            spent: Spent { calls: self.calls, effects: self.effects, bytes: self.bytes },
            sealed: integrity.is_untrusted(),
            label: Label {
                confidentiality: self.confidentiality,
                integrity,
                tags: self.tags.clone(),
            },
            epoch: 0,
            suspicions: self.suspicions,
            destroyed: self.destroyed,
            lineage: self.lineage.clone(),
            on_behalf: None,
            opened: last_used,
            last_used,
        })
    }
}

fn agent() -> Result<Agent, String> {
    Ok(Agent::new("bot".parse().map_err(|why| format!("{why}"))?, "team"))
}

fn server(name: &str) -> Resource {
    Resource { kind: ResourceKind::Server, id: name.to_owned() }
}

fn resource(text: &str) -> Result<Resource, String> {
    let kinds = ResourceKind::ALL;
    let found = text.split_once(':').and_then(|(kind, id)| {
        let kind = kinds.into_iter().find(|known| known.entity_type() == kind)?;
        Some(Resource { kind, id: id.to_owned() })
    });
    found.ok_or_else(|| format!("expected a resource such as `Mailbox:a@b.example`, got `{text}`"))
}
