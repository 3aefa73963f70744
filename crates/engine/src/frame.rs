//! Stage 4: from a call to the question about it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_model::question::{Asked, Loan, TaskFacts};
use remit_model::{
    Admission, ApprovalFact, Call, Class, Digest, Integrity, Label, Operation, Question, Refusal,
    Resource, ResourceKind, SecretSeen, Task, Timestamp, Tool, Value, Wanted, folded,
};

use crate::Caller;
use crate::knowledge::Memory;
use crate::lookout;
use crate::settings::Settings;
use crate::world::World;

/// What a question is framed from.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) settings: &'a Settings,
    pub(crate) caller: &'a Caller,
    pub(crate) task: &'a Task,
    pub(crate) now: Timestamp,
}

impl Scene<'_> {
    /// The question whether a call may be made, of this digest, in whose arguments `secrets` were seen.
    pub(crate) fn call(
        &self,
        (call, input, digest): (Call, Value, Digest),
        secrets: Vec<SecretSeen>,
        memory: &Memory,
    ) -> Question {
        // A tool that its server no longer lists is as unknown as one it never had.
        let catalogue = &self.world.catalogue;
        let tool =
            call.tool().filter(|id| catalogue.is_offered(id)).and_then(|id| catalogue.get(&id));
        let resources = resources(&call, tool, &input);
        let approval = self.approval(digest, tool);
        let unsettled = self.task.account().is_unsettled(digest);
        let (mut flow, wanted) = memory.of(self.task, |known| {
            let flow = known.flow(tool, &input, self.task);
            let wanted = match tool {
                // Who foresaw what it is called with foresaw the call.
                Some(_) if flow.iter().any(|leaf| leaf.foreseen.is_some()) => Wanted::Named,
                Some(tool) => known.wanted(tool, self.task),
                None => Wanted::No,
            };
            (flow, wanted)
        });
        lookout::label(&mut flow, &secrets);
        let question = self.question(Asked::Call(call), tool, input);
        Question { resources, approval, unsettled, flow, secrets, wanted, ..question }
    }

    /// The question whether `tool` could ever be called.
    pub(crate) fn list(&self, tool: &Tool) -> Question {
        self.question(Asked::ListTool(tool.id.clone()), Some(tool), Value::default())
    }

    /// The question whether the task may be opened.
    pub(crate) fn open(&self) -> Question {
        self.question(Asked::OpenTask, None, Value::default())
    }

    /// The question that is `asked` of a credential: whether it may be lent, or stay lent.
    pub(crate) fn lend(&self, asked: fn(Loan) -> Asked, loan: Loan) -> Question {
        let id = loan.credential.as_str().to_owned();
        let resources = vec![Resource { kind: ResourceKind::Secret, id }];
        Question { resources, ..self.question(asked(loan), None, Value::default()) }
    }

    fn question(&self, asked: Asked, tool: Option<&Tool>, input: Value) -> Question {
        Question {
            asked,
            agent: self.caller.agent.clone(),
            attestation: self.task.attestation().clone(),
            lapsed: self.task.has_lapsed(),
            task: facts(self.task),
            tool: tool.and_then(|tool| self.world.catalogue.facts(&tool.id)).cloned(),
            input,
            flow: Vec::new(),
            secrets: Vec::new(),
            wanted: Wanted::No,
            resources: vec![server(tool.map_or("remit", |tool| tool.id.server.as_str()))],
            approval: None,
            unsettled: false,
            door: self.caller.door,
            possession: self.caller.possession,
            now: self.now,
        }
    }

    /// The approval given for this call, unless it ran out or the tool has become another since.
    fn approval(&self, call: Digest, tool: Option<&Tool>) -> Option<ApprovalFact> {
        let given = self.task.account().approvals.get(&call)?;
        let ends = given.at.after(self.settings.approval_lifetime);
        let same = tool.is_none_or(|tool| since(&tool.admission) <= given.at);
        (same && self.now < ends).then(|| given.clone())
    }
}

/// Everything a call touches.
fn resources(call: &Call, tool: Option<&Tool>, input: &Value) -> Vec<Resource> {
    match (&call.operation, tool) {
        (Operation::CallTool { .. }, Some(tool)) => {
            remit_catalogue::resources(&tool.profile, input, &call.server)
        }
        (Operation::ReadResource { uri }, _) => {
            remit_catalogue::resource::of_uri(uri, &call.server)
        }
        _ => vec![server(call.server.as_str())],
    }
}

fn server(name: &str) -> Resource {
    Resource { kind: ResourceKind::Server, id: name.to_owned() }
}

fn facts(task: &Task) -> TaskFacts {
    let (charter, account) = (&task.charter, task.account());
    TaskFacts {
        id: charter.id.clone(),
        template: Arc::clone(&charter.template),
        remit: task.remit(),
        spent: account.spent,
        label: account.label.clone(),
        sealed: account.sealed,
        epoch: account.epoch,
        suspicions: account.suspicions,
        destroyed: account.destroyed,
        lineage: charter.lineage.iter().map(|ancestor| ancestor.agent.clone()).collect(),
        on_behalf: charter.on_behalf.clone(),
        opened: charter.opened,
        last_used: account.last_used,
    }
}

/// The arguments of a call, read once.
///
/// Errors: they are not one JSON value, name something twice or nest too deep, or a parameter's name
/// is one of the protocol's but for the case of its letters; nothing is lost by refusing, because no
/// two parsers need agree on what they mean.
pub(crate) fn input(call: &Call) -> Result<Value, Refusal> {
    let params = Value::parse(&call.params).map_err(|why| {
        Refusal::one(
            Class::Structural,
            "unreadable",
            format!("the arguments cannot be read: {why}"),
            "send the call again with arguments that are plain JSON",
        )
    })?;
    own_names(&params, &PARAMETERS)?;
    if let Some(reference) = params.member("ref") {
        own_names(reference, &REFERENCE)?;
    }
    let member = |name: &str| params.member(name).cloned().unwrap_or_default();
    let text = |text: &str| Value::Text(text.to_owned());
    let (named, seen): (Value, &[&str]) = match &call.operation {
        Operation::CallTool { .. } => (member("arguments"), &["name", "arguments"]),
        Operation::ReadResource { uri } => (record([("uri", text(uri))]), &["uri"]),
        Operation::GetPrompt { name } => (
            record([("name", text(name)), ("arguments", member("arguments"))]),
            &["name", "arguments"],
        ),
        Operation::Complete { reference, .. } => (
            record([("reference", text(reference)), ("argument", member("argument"))]),
            &["argument"],
        ),
    };
    with_rest(named, rest(params, seen))
}

/// What the protocol calls the parameters of requests that reach servers.
const PARAMETERS: [&str; 12] = [
    "name",
    "arguments",
    "uri",
    "ref",
    "argument",
    "context",
    "_meta",
    "task",
    "inputResponses",
    "requestState",
    "cursor",
    "level",
];

/// What it calls the members of `ref`, which says what is completed.
const REFERENCE: [&str; 3] = ["type", "name", "uri"];

/// Errors: a member of `params` is one of `names` but for the case of its letters. It would reach the
/// server, and one that does not tell them apart would act on it instead of what was decided.
fn own_names(params: &Value, names: &[&str]) -> Result<(), Refusal> {
    let Value::Record(members) = params else { return Ok(()) };
    let others = members.keys().filter(|name| !names.contains(&name.as_str()));
    for other in others {
        let fold = folded(other);
        // The protocol's names are ASCII.
        if let Some(name) = names.iter().find(|name| name.eq_ignore_ascii_case(&fold)) {
            return Err(Refusal::one(
                Class::Structural,
                "unreadable",
                format!(
                    "the parameter `{other}` differs from `{name}` only in the case of letters, \
                     so servers could read it as that"
                ),
                "send the call again without it",
            ));
        }
    }
    Ok(())
}

/// Under what name the input holds the parameters beside the arguments. They reach the server, so
/// policies, approvers and the call's digest must see them.
const REST: &str = "@params";

/// The members of `params` that are neither `seen` nor the client's `_meta`.
fn rest(params: Value, seen: &[&str]) -> BTreeMap<String, Value> {
    let Value::Record(mut members) = params else { return BTreeMap::new() };
    members.retain(|name, _| name != "_meta" && !seen.contains(&name.as_str()));
    members
}

fn with_rest(input: Value, rest: BTreeMap<String, Value>) -> Result<Value, Refusal> {
    match input {
        Value::Record(members) if members.contains_key(REST) => Err(Refusal::one(
            Class::Structural,
            "unreadable",
            format!("an argument named `{REST}` cannot be told from other parameters"),
            "send the call again without it",
        )),
        Value::Record(mut members) if !rest.is_empty() => {
            members.insert(REST.to_owned(), Value::Record(rest));
            Ok(Value::Record(members))
        }
        input => Ok(input),
    }
}

fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Record(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Since when a tool is what it is.
fn since(admission: &Admission) -> Timestamp {
    match admission {
        Admission::Quarantined { since, .. }
        | Admission::Admitted { since, .. }
        | Admission::Withdrawn { since, .. } => *since,
    }
}

/// The label that a permitted call brings into its task: what the tool returns, and what it is called
/// with, since an echo launders nothing.
pub(crate) fn incoming(question: &Question) -> Label {
    let Some(call) = question.call() else { return Label::default() };
    let returned = match &question.tool {
        Some(tool) => remit_catalogue::returned_label(&tool.profile, &call.server),
        None => Label { integrity: Integrity::untrusted(call.server.as_str()), ..Label::default() },
    };
    returned.join(question.carried())
}
