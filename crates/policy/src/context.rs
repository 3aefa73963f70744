//! The context of a request: what is said of the question, as far as policies look at it.

use remit_model::question::{Asked, ToolFacts};
use remit_model::tool::{Origin, Trust};
use remit_model::{
    AgentName, ApprovalFact, Confidentiality, Door, Effect, Integrity, Label, Named, Operation,
    Question, Reach, ServerName, Sources,
};

use crate::fact::{Fact, count, shown, text, texts};
use crate::flow;
use crate::names::Names;
use crate::sight::Seen;

/// The attribute that holds the present.
pub(crate) const NOW: &str = "now";

/// What every request has, and what a call has beside it, except for the input and the approval.
pub(crate) fn fill<'a>(seen: &mut Seen<'a>, names: &'a Names, question: &'a Question) {
    seen.add_record("task", |seen| task(seen, question));
    seen.add_record("attestation", |seen| attestation(seen, question));
    seen.add("door", || text(door(question.door)));
    seen.add("possession", || shown(&question.possession));
    seen.add(NOW, || Fact::Moment(question.now));
    let of_tool = |seen: &mut Seen<'a>, server: &'a ServerName, name: &'a str| {
        if let Some(facts) = &question.tool {
            seen.add_record("tool", |seen| tool(seen, names, (server, name, facts)));
        }
    };
    match &question.asked {
        Asked::Call(call) => {
            seen.add_record("flow", |seen| flow::fill(seen, names, question));
            seen.add("wanted", || text(question.wanted.name()));
            seen.add("server", || text(call.server.as_str()));
            let mut tool = "";
            match &call.operation {
                Operation::CallTool { name } => tool = name,
                Operation::ReadResource { uri } => seen.add("uri", || text(uri)),
                Operation::GetPrompt { name } => seen.add("name", || text(name)),
                Operation::Complete { reference, .. } => seen.add("reference", || text(reference)),
            }
            of_tool(seen, &call.server, tool);
        }
        Asked::ListTool(id) => of_tool(seen, &id.server, &id.name),
        Asked::OpenTask | Asked::ContinueTask => {}
        Asked::Lend(loan) | Asked::KeepLent(loan) => {
            seen.add("kind", || text(&loan.kind));
            seen.add("lifetime", || count(loan.seconds));
            seen.add("server", || text(loan.server.as_str()));
        }
    }
}

/// A person's approval.
pub(crate) fn approval<'a>(seen: &mut Seen<'a>, names: &'a Names, given: &'a ApprovalFact) {
    seen.add_record("approval", |seen| {
        seen.add("group", || Fact::Entity(&names.group, &given.group));
        seen.add("by", || text(&given.by));
        seen.add("at", || Fact::Moment(given.at));
    });
}

fn task<'a>(seen: &mut Seen<'a>, question: &'a Question) {
    let task = &question.task;
    let confidentiality = task.label.confidentiality;
    seen.add("id", || text(task.id.as_str()));
    seen.add("template", || text(&*task.template));
    seen.add("sealed", || Fact::Flag(task.sealed));
    seen.add("integrity", || text(integrity(&task.label)));
    seen.add("confidentiality", || rank(confidentiality));
    seen.add("confidentiality_name", || text(confidentiality.name()));
    seen.add("sources", || sources(&task.label));
    seen.add("tags", || texts(task.label.tags.iter().map(String::as_str)));
    seen.add("opened", || Fact::Moment(task.opened));
    seen.add("deadline", || Fact::Moment(task.remit.deadline));
    seen.add("calls", || count(task.spent.calls));
    seen.add("effects", || count(task.spent.effects));
    seen.add("bytes", || count(task.spent.bytes));
    seen.add("ceiling", || rank(task.remit.ceiling));
    seen.add("delegation", || count(u64::from(task.remit.delegation)));
    seen.add("lineage", || texts(task.lineage.iter().map(AgentName::as_str)));
    seen.add("suspicions", || count(task.suspicions));
    seen.add("destroyed", || count(task.destroyed));
    if let Some(person) = &task.on_behalf {
        named(seen, "on_behalf", person);
    }
}

fn attestation<'a>(seen: &mut Seen<'a>, question: &'a Question) {
    let attestation = &question.attestation;
    seen.add("method", || shown(&attestation.method));
    seen.add("at", || Fact::Moment(attestation.at));
    seen.add("lapsed", || Fact::Flag(question.lapsed));
    if let Some(whom) = &attestation.named {
        named(seen, "named", whom);
    }
}

/// Somebody as somebody else names it.
fn named<'a>(seen: &mut Seen<'a>, name: &'static str, whom: &'a Named) {
    seen.add_record(name, |seen| {
        seen.add("issuer", || text(&whom.issuer));
        seen.add("subject", || text(&whom.subject));
    });
}

fn tool<'a>(
    seen: &mut Seen<'a>,
    names: &'a Names,
    (server, name, facts): (&'a ServerName, &'a str, &'a ToolFacts),
) {
    let profile = &facts.profile;
    let sensitivity = profile.sensitivity.value;
    seen.add("name", || text(name));
    seen.add("server", || text(server.as_str()));
    seen.add("owner", || Fact::Entity(&names.group, &facts.owner));
    seen.add("effect", || text(effect(profile.effect.value)));
    seen.add("known", || Fact::Flag(profile.effect.origin != Origin::Assumed));
    seen.add("reach", || text(reach(profile.reach.value)));
    seen.add("sensitivity", || rank(sensitivity));
    seen.add("sensitivity_name", || text(sensitivity.name()));
    seen.add("returns", || text(returns(profile.returns.value)));
    seen.add("admission", || text(&facts.admission));
    seen.add("idempotent", || Fact::Flag(profile.idempotent.value));
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

fn sources(label: &Label) -> Fact<'_> {
    match &label.integrity {
        Integrity::Trusted => texts([]),
        Integrity::Untrusted(Sources::Named(names)) => texts(names.iter().map(String::as_str)),
        Integrity::Untrusted(Sources::Many) => texts(["*"]),
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

pub(crate) fn rank<'a>(confidentiality: Confidentiality) -> Fact<'a> {
    Fact::Long(match confidentiality {
        Confidentiality::Public => 0,
        Confidentiality::Internal => 1,
        Confidentiality::Confidential => 2,
        Confidentiality::Restricted => 3,
    })
}
