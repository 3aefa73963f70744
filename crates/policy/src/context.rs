//! The context of a request, built from the question without a detour through JSON, as far as
//! policies look at it.

use remit_model::question::{Asked, ToolFacts};
use remit_model::tool::{Origin, Trust};
use remit_model::{
    ApprovalFact, Confidentiality, Door, Effect, Integrity, Label, Named, Operation, Question,
    Reach, Sources, ToolId,
};

use crate::flow;
use crate::names::{Names, uid};
use crate::native::{Value, reference, set, text};
use crate::sight::Seen;

/// What every request has, and what a call has beside it, except for the input and the approval.
pub(crate) fn fill(seen: &mut Seen<'_>, names: &Names, question: &Question) {
    seen.add_record("task", |seen| task(seen, names, question));
    seen.add_record("attestation", |seen| attestation(seen, names, question));
    seen.add("door", || text(door(question.door)));
    seen.add("possession", || text(&question.possession.to_string()));
    seen.add("now", || names.moments.at(question.now));
    let of_tool = |seen: &mut Seen<'_>, id: &ToolId| {
        if let Some(facts) = &question.tool {
            seen.add_record("tool", |seen| tool(seen, names, (id, facts)));
        }
    };
    match &question.asked {
        Asked::Call(call) => {
            seen.add_record("flow", |seen| flow::fill(seen, question));
            seen.add("wanted", || text(question.wanted.name()));
            seen.add("server", || text(call.server.as_str()));
            match &call.operation {
                Operation::CallTool { .. } => {}
                Operation::ReadResource { uri } => seen.add("uri", || text(uri)),
                Operation::GetPrompt { name } => seen.add("name", || text(name)),
                Operation::Complete { reference, .. } => seen.add("reference", || text(reference)),
            }
            let id = call.tool().unwrap_or_else(|| ToolId::new(&call.server, ""));
            of_tool(seen, &id);
        }
        Asked::ListTool(id) => of_tool(seen, id),
        Asked::OpenTask | Asked::ContinueTask => {}
        Asked::Lend(loan) | Asked::KeepLent(loan) => {
            seen.add("kind", || text(&loan.kind));
            seen.add("lifetime", || count(loan.seconds));
            seen.add("server", || text(loan.server.as_str()));
        }
    }
}

/// A person's approval.
pub(crate) fn approval(seen: &mut Seen<'_>, names: &Names, given: &ApprovalFact) {
    seen.add_record("approval", |seen| {
        seen.add("group", || reference(&uid(&names.group, &given.group)));
        seen.add("by", || text(&given.by));
        seen.add("at", || names.moments.at(given.at));
    });
}

fn task(seen: &mut Seen<'_>, names: &Names, question: &Question) {
    let task = &question.task;
    let confidentiality = task.label.confidentiality;
    seen.add("id", || text(task.id.as_str()));
    seen.add("template", || text(&task.template));
    seen.add("sealed", || Value::from(task.sealed));
    seen.add("integrity", || text(integrity(&task.label)));
    seen.add("confidentiality", || rank(confidentiality));
    seen.add("confidentiality_name", || text(confidentiality.name()));
    seen.add("sources", || set(sources(&task.label)));
    seen.add("tags", || set(task.label.tags.iter().map(|tag| text(tag))));
    seen.add("opened", || names.moments.at(task.opened));
    seen.add("deadline", || names.moments.at(task.remit.deadline));
    seen.add("calls", || count(task.spent.calls));
    seen.add("effects", || count(task.spent.effects));
    seen.add("bytes", || count(task.spent.bytes));
    seen.add("ceiling", || rank(task.remit.ceiling));
    seen.add("delegation", || count(u64::from(task.remit.delegation)));
    seen.add("lineage", || set(task.lineage.iter().map(|agent| text(agent.as_str()))));
    seen.add("suspicions", || count(task.suspicions));
    seen.add("destroyed", || count(task.destroyed));
    if let Some(person) = &task.on_behalf {
        named(seen, "on_behalf", person);
    }
}

fn attestation(seen: &mut Seen<'_>, names: &Names, question: &Question) {
    let attestation = &question.attestation;
    seen.add("method", || text(&attestation.method.to_string()));
    seen.add("at", || names.moments.at(attestation.at));
    seen.add("lapsed", || Value::from(question.lapsed));
    if let Some(whom) = &attestation.named {
        named(seen, "named", whom);
    }
}

/// Somebody as somebody else names it.
fn named(seen: &mut Seen<'_>, name: &'static str, whom: &Named) {
    seen.add_record(name, |seen| {
        seen.add("issuer", || text(&whom.issuer));
        seen.add("subject", || text(&whom.subject));
    });
}

fn tool(seen: &mut Seen<'_>, names: &Names, (id, facts): (&ToolId, &ToolFacts)) {
    let profile = &facts.profile;
    let sensitivity = profile.sensitivity.value;
    seen.add("name", || text(&id.name));
    seen.add("server", || text(id.server.as_str()));
    seen.add("owner", || reference(&uid(&names.group, &facts.owner)));
    seen.add("effect", || text(effect(profile.effect.value)));
    seen.add("known", || Value::from(profile.effect.origin != Origin::Assumed));
    seen.add("reach", || text(reach(profile.reach.value)));
    seen.add("sensitivity", || rank(sensitivity));
    seen.add("sensitivity_name", || text(sensitivity.name()));
    seen.add("returns", || text(returns(profile.returns.value)));
    seen.add("admission", || text(&facts.admission));
    seen.add("idempotent", || Value::from(profile.idempotent.value));
}

fn door(door: Door) -> &'static str {
    match door {
        Door::McpHttp => "mcp-http",
        Door::McpStdio => "mcp-stdio",
        Door::PickUp => "pick-up",
        Door::Internal => "internal",
    }
}

fn returns(returns: Trust) -> &'static str {
    match returns {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    }
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
