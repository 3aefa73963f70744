//! The context of a request, built from the question without a detour through JSON.

use remit_model::question::{Asked, ToolFacts};
use remit_model::tool::{Origin, Trust};
use remit_model::{
    ApprovalFact, Confidentiality, Door, Effect, Integrity, Label, Named, Operation, Question,
    Reach, Sources, ToolId,
};

use crate::flow;
use crate::names::{Names, uid};
use crate::native::{Pair, Value, record, reference, set, text};

/// What every request has, and what a call has beside it, except for the input and the approval.
pub(crate) fn pairs(names: &Names, question: &Question) -> Vec<Pair<'static>> {
    let door = match question.door {
        Door::McpHttp => "mcp-http",
        Door::McpStdio => "mcp-stdio",
        Door::PickUp => "pick-up",
        Door::Internal => "internal",
    };
    let mut pairs = vec![
        ("task", task(names, question)),
        ("attestation", attestation(names, question)),
        ("door", text(door)),
        ("possession", text(&question.possession.to_string())),
        ("now", names.moments.at(question.now)),
    ];
    let tool = |id: &ToolId| question.tool.as_ref().map(|facts| tool(names, id, facts));
    match &question.asked {
        Asked::Call(call) => {
            pairs.push(("flow", flow::of(question)));
            pairs.push(("wanted", text(question.wanted.name())));
            pairs.push(("server", text(call.server.as_str())));
            let extra = match &call.operation {
                Operation::CallTool { .. } => None,
                Operation::ReadResource { uri } => Some(("uri", uri)),
                Operation::GetPrompt { name } => Some(("name", name)),
                Operation::Complete { reference, .. } => Some(("reference", reference)),
            };
            pairs.extend(extra.map(|(name, value)| (name, text(value))));
            let id = call.tool().unwrap_or_else(|| ToolId::new(&call.server, ""));
            pairs.extend(tool(&id).map(|facts| ("tool", facts)));
        }
        Asked::ListTool(id) => pairs.extend(tool(id).map(|facts| ("tool", facts))),
        Asked::OpenTask | Asked::ContinueTask => {}
        Asked::Lend(loan) | Asked::KeepLent(loan) => {
            pairs.push(("kind", text(&loan.kind)));
            pairs.push(("lifetime", count(loan.seconds)));
            pairs.push(("server", text(loan.server.as_str())));
        }
    }
    pairs
}

/// A person's approval.
pub(crate) fn approval(names: &Names, given: &ApprovalFact) -> Pair<'static> {
    let group = reference(&uid(&names.group, &given.group));
    let facts = [("group", group), ("by", text(&given.by)), ("at", names.moments.at(given.at))];
    ("approval", record(facts))
}

fn task(names: &Names, question: &Question) -> Value {
    let task = &question.task;
    let confidentiality = task.label.confidentiality;
    let tags = task.label.tags.iter().map(|tag| text(tag));
    let facts = [
        ("id", text(task.id.as_str())),
        ("template", text(&task.template)),
        ("sealed", Value::from(task.sealed)),
        ("integrity", text(integrity(&task.label))),
        ("confidentiality", rank(confidentiality)),
        ("confidentiality_name", text(confidentiality.name())),
        ("sources", set(sources(&task.label))),
        ("tags", set(tags)),
        ("opened", names.moments.at(task.opened)),
        ("deadline", names.moments.at(task.remit.deadline)),
        ("calls", count(task.spent.calls)),
        ("effects", count(task.spent.effects)),
        ("bytes", count(task.spent.bytes)),
        ("ceiling", rank(task.remit.ceiling)),
        ("delegation", count(u64::from(task.remit.delegation))),
        ("lineage", set(task.lineage.iter().map(|agent| text(agent.as_str())))),
        ("suspicions", count(task.suspicions)),
        ("destroyed", count(task.destroyed)),
    ];
    let on_behalf = task.on_behalf.as_ref().map(|person| ("on_behalf", named(person)));
    record(facts.into_iter().chain(on_behalf))
}

fn attestation(names: &Names, question: &Question) -> Value {
    let attestation = &question.attestation;
    let facts = [
        ("method", text(&attestation.method.to_string())),
        ("at", names.moments.at(attestation.at)),
        ("lapsed", Value::from(question.lapsed)),
    ];
    let as_whom = attestation.named.as_ref().map(|whom| ("named", named(whom)));
    record(facts.into_iter().chain(as_whom))
}

/// Somebody as somebody else names it.
fn named(whom: &Named) -> Value {
    record([("issuer", text(&whom.issuer)), ("subject", text(&whom.subject))])
}

fn tool(names: &Names, id: &ToolId, facts: &ToolFacts) -> Value {
    let profile = &facts.profile;
    let owner = uid(&names.group, &facts.owner);
    let returns = match profile.returns.value {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    };
    let sensitivity = profile.sensitivity.value;
    record([
        ("name", text(&id.name)),
        ("server", text(id.server.as_str())),
        ("owner", reference(&owner)),
        ("effect", text(effect(profile.effect.value))),
        ("known", Value::from(profile.effect.origin != Origin::Assumed)),
        ("reach", text(reach(profile.reach.value))),
        ("sensitivity", rank(sensitivity)),
        ("sensitivity_name", text(sensitivity.name())),
        ("returns", text(returns)),
        ("admission", text(&facts.admission)),
        ("idempotent", Value::from(profile.idempotent.value)),
    ])
}

fn sources(label: &Label) -> Vec<Value> {
    match &label.integrity {
        Integrity::Trusted => Vec::new(),
        Integrity::Untrusted(Sources::Named(names)) => names.iter().map(|n| text(n)).collect(),
        Integrity::Untrusted(Sources::Many) => vec![text("*")],
    }
}

fn integrity(label: &Label) -> &'static str {
    if label.integrity.is_untrusted() { "untrusted" } else { "trusted" }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Send => "send",
        Effect::Execute => "execute",
        Effect::Destroy => "destroy",
    }
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Local => "local",
        Reach::Internal => "internal",
        Reach::External => "external",
    }
}

pub(crate) fn rank(confidentiality: Confidentiality) -> Value {
    Value::from(match confidentiality {
        Confidentiality::Public => 0_i64,
        Confidentiality::Internal => 1,
        Confidentiality::Confidential => 2,
        Confidentiality::Restricted => 3,
    })
}

fn count(value: u64) -> Value {
    Value::from(i64::try_from(value).unwrap_or(i64::MAX))
}
