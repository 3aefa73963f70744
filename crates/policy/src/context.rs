//! The context of a request, built from the question without a detour through JSON.
//!
//! Until the provenance of single arguments is known, every role in `flow` carries the task's own
//! label, the safe side: an argument is at worst what has entered the task.

use cedar_policy::{EntityUid, ExpressionConstructionError, RestrictedExpression};
use remit_model::question::{Asked, ToolFacts};
use remit_model::tool::{Origin, Trust};
use remit_model::{
    ApprovalFact, Confidentiality, Door, Effect, Integrity, Label, Operation, Question, Reach,
    Sources, ToolId,
};

use crate::names::{Names, uid};

type Pair = (String, RestrictedExpression);
type Built<T> = Result<T, ExpressionConstructionError>;

/// What every request has, and what a call has beside it, except for the input and the approval.
pub(crate) fn pairs(names: &Names, question: &Question) -> Built<Vec<Pair>> {
    let door = match question.door {
        Door::McpHttp => "mcp-http",
        Door::McpStdio => "mcp-stdio",
        Door::Internal => "internal",
    };
    let mut pairs = vec![
        pair("task", task(names, question)?),
        pair("attestation", attestation(names, question)?),
        pair("door", text(door)),
        pair("now", names.moments.at(question.now)),
    ];
    let tool = |id: &ToolId| question.tool.as_ref().map(|facts| tool(names, id, facts)).transpose();
    match &question.asked {
        Asked::Call(call) => {
            pairs.push(pair("flow", flow(&question.task.label)?));
            pairs.push(pair("server", text(call.server.as_str())));
            let extra = match &call.operation {
                Operation::CallTool { .. } => None,
                Operation::ReadResource { uri } => Some(("uri", uri)),
                Operation::GetPrompt { name } => Some(("name", name)),
                Operation::Complete { reference, .. } => Some(("reference", reference)),
            };
            pairs.extend(extra.map(|(name, value)| pair(name, text(value))));
            let id = call.tool().unwrap_or_else(|| ToolId::new(&call.server, ""));
            pairs.extend(tool(&id)?.map(|facts| pair("tool", facts)));
        }
        Asked::ListTool(id) => pairs.extend(tool(id)?.map(|facts| pair("tool", facts))),
        Asked::OpenTask | Asked::ContinueTask => {}
    }
    Ok(pairs)
}

/// A person's approval.
pub(crate) fn approval(names: &Names, given: &ApprovalFact) -> Built<Pair> {
    let group = RestrictedExpression::new_entity_uid(uid(&names.group, &given.group));
    let facts =
        [pair("group", group), pair("by", text(&given.by)), pair("at", names.moments.at(given.at))];
    Ok(pair("approval", RestrictedExpression::new_record(facts)?))
}

fn task(names: &Names, question: &Question) -> Built<RestrictedExpression> {
    let task = &question.task;
    let confidentiality = task.label.confidentiality;
    let tags = task.label.tags.iter().map(|tag| text(tag));
    RestrictedExpression::new_record([
        pair("id", text(task.id.as_str())),
        pair("template", text(&task.template)),
        pair("sealed", RestrictedExpression::new_bool(task.sealed)),
        pair("integrity", text(integrity(&task.label))),
        pair("confidentiality", rank(confidentiality)),
        pair("confidentiality_name", text(level(confidentiality))),
        pair("sources", RestrictedExpression::new_set(sources(&task.label))),
        pair("tags", RestrictedExpression::new_set(tags)),
        pair("opened", names.moments.at(task.opened)),
        pair("deadline", names.moments.at(task.remit.deadline)),
        pair("calls", count(task.spent.calls)),
        pair("effects", count(task.spent.effects)),
        pair("bytes", count(task.spent.bytes)),
        pair("ceiling", rank(task.remit.ceiling)),
        pair("delegation", count(u64::from(task.remit.delegation))),
    ])
}

fn attestation(names: &Names, question: &Question) -> Built<RestrictedExpression> {
    RestrictedExpression::new_record([
        pair("method", text(&question.attestation.method.to_string())),
        pair("at", names.moments.at(question.attestation.at)),
    ])
}

fn tool(names: &Names, id: &ToolId, facts: &ToolFacts) -> Built<RestrictedExpression> {
    let profile = &facts.profile;
    let owner: EntityUid = uid(&names.group, &facts.owner);
    let returns = match profile.returns.value {
        Trust::Trusted => "trusted",
        Trust::Untrusted => "untrusted",
    };
    let sensitivity = profile.sensitivity.value;
    RestrictedExpression::new_record([
        pair("name", text(&id.name)),
        pair("server", text(id.server.as_str())),
        pair("owner", RestrictedExpression::new_entity_uid(owner)),
        pair("effect", text(effect(profile.effect.value))),
        pair("known", RestrictedExpression::new_bool(profile.effect.origin != Origin::Assumed)),
        pair("reach", text(reach(profile.reach.value))),
        pair("sensitivity", rank(sensitivity)),
        pair("sensitivity_name", text(level(sensitivity))),
        pair("returns", text(returns)),
        pair("admission", text(&facts.admission)),
        pair("idempotent", RestrictedExpression::new_bool(profile.idempotent.value)),
    ])
}

fn flow(label: &Label) -> Built<RestrictedExpression> {
    let label = RestrictedExpression::new_record([
        pair("integrity", text(integrity(label))),
        pair("confidentiality", rank(label.confidentiality)),
    ])?;
    let roles = ["target", "content", "selector", "amount", "secret"];
    RestrictedExpression::new_record(roles.map(|role| pair(role, label.clone())))
}

fn sources(label: &Label) -> Vec<RestrictedExpression> {
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

/// The word for a level.
pub(crate) fn level(confidentiality: Confidentiality) -> &'static str {
    match confidentiality {
        Confidentiality::Public => "public",
        Confidentiality::Internal => "internal",
        Confidentiality::Confidential => "confidential",
        Confidentiality::Restricted => "restricted",
    }
}

fn rank(confidentiality: Confidentiality) -> RestrictedExpression {
    RestrictedExpression::new_long(match confidentiality {
        Confidentiality::Public => 0,
        Confidentiality::Internal => 1,
        Confidentiality::Confidential => 2,
        Confidentiality::Restricted => 3,
    })
}

fn pair(name: &str, value: RestrictedExpression) -> Pair {
    (name.to_owned(), value)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn count(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}
