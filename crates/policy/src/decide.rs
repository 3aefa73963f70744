//! The decision: structural checks, then Cedar, then what an approval would change.

use std::collections::BTreeSet;

use remit_model::question::{Asked, Loan};
use remit_model::{
    ApprovalFact, Class, Effect, Operation, Question, Reason, Refusal, ResourceKind,
};

use crate::ask::{Answer, Ask};
use crate::snapshot::Snapshot;
use crate::structural;
use crate::verdict::{Denied, Hold, Permit, Verdict};

enum Outcome {
    Permit(Vec<Reason>),
    Hold(String, Vec<Reason>),
    Deny(Refusal),
}

/// Answers `question` by `snapshot`. Pure and total: the same two arguments always give the same
/// answer, and there is no third outcome.
///
/// In this order: what no policy can loosen (tool known and not withdrawn, task not over, remit,
/// ceiling, budget); every resource permitted by Cedar, any policy that cannot be evaluated
/// refuses; and where Cedar denies a call, the first approver group whose approval would make the
/// very same question pass, for which the call is then held. A call of a tool in quarantine needs
/// the approval of the tool's owner whatever the policies say.
pub fn decide(snapshot: &Snapshot, question: Question) -> Verdict {
    let question = Box::new(question);
    match outcome(snapshot, &question) {
        Outcome::Permit(reasons) => Verdict::Permit(Permit::new(
            question,
            reasons,
            snapshot.policy_digest(),
            snapshot.schema_digest(),
        )),
        Outcome::Hold(group, reasons) => Verdict::Hold(Hold::new(question, group, reasons)),
        Outcome::Deny(refusal) => Verdict::Deny(Denied::new(question, refusal)),
    }
}

fn outcome(snapshot: &Snapshot, question: &Question) -> Outcome {
    let framed = structural::check(question).and_then(|()| Ask::new(snapshot, question));
    let ask = match framed {
        Ok(ask) => ask,
        Err(refusal) => return Outcome::Deny(refusal),
    };
    let answer = ask.put(question.approval.as_ref());
    if let Answer::Failed { policy, why } = answer {
        return Outcome::Deny(failed(snapshot, &policy, &why));
    }
    match owners_matter(question) {
        Some(matter) => ask_owner(snapshot, question, &ask, answer, matter),
        None => match answer {
            Answer::Permitted(by) => Outcome::Permit(reasons(snapshot, question, &by)),
            denied => counterfactual(snapshot, question, &ask, denied),
        },
    }
}

/// Why nothing but the approval of the tool's owner lets a call pass, whatever the policies say.
struct OwnersMatter<'a> {
    owner: &'a str,
    why: Reason,
    remedy: String,
}

/// A tool in quarantine, or a call that may already have happened and would happen twice.
fn owners_matter(question: &Question) -> Option<OwnersMatter<'_>> {
    question.call()?;
    let tool = question.tool.as_ref()?;
    let owner = tool.owner.as_str();
    if tool.admission == "quarantined" {
        let text =
            format!("the tool's definition is not admitted; `{owner}` answers for its server");
        return Some(OwnersMatter {
            owner,
            why: Reason::structural("quarantined", text),
            remedy: format!("ask `{owner}` to look at the tool and admit it"),
        });
    }
    let repeatable = tool.profile.effect.value == Effect::Read || tool.profile.idempotent.value;
    (question.unsettled && !repeatable).then(|| OwnersMatter {
        owner,
        why: Reason::structural(
            "unsettled",
            "the identical call was sent before and nobody knows whether it took effect; sent \
             again it could happen twice",
        ),
        remedy: format!("find out whether it happened; else ask `{owner}`"),
    })
}

fn ask_owner(
    snapshot: &Snapshot,
    question: &Question,
    ask: &Ask<'_>,
    answer: Answer,
    matter: OwnersMatter<'_>,
) -> Outcome {
    let OwnersMatter { owner, why, remedy } = matter;
    let approved = question.approval.as_ref().is_some_and(|given| given.group == owner);
    match (approved, answer) {
        (true, Answer::Permitted(by)) => Outcome::Permit(reasons(snapshot, question, &by)),
        (true, denied) => Outcome::Deny(denial(snapshot, question, denied)),
        (false, answer) => {
            let mut all = vec![why];
            if let Answer::Permitted(_) = ask.put(Some(&imagined(question, owner))) {
                all.extend(overcome(snapshot, question, &answer));
                return Outcome::Hold(owner.to_owned(), all);
            }
            let mut refusal = denial(snapshot, question, answer);
            all.append(&mut refusal.reasons);
            let remedy = format!("{remedy}; {}", refusal.remedy);
            Outcome::Deny(Refusal { reasons: all, remedy, ..refusal })
        }
    }
}

/// Denied: would the approval of one group change that?
fn counterfactual(
    snapshot: &Snapshot,
    question: &Question,
    ask: &Ask<'_>,
    denied: Answer,
) -> Outcome {
    if question.call().is_none() {
        return Outcome::Deny(denial(snapshot, question, denied));
    }
    let owner = question.tool.as_ref().map(|tool| tool.owner.as_str());
    let owner = owner.filter(|owner| snapshot.groups.iter().any(|group| group == owner));
    let rest = snapshot.groups.iter().map(String::as_str).filter(|group| Some(*group) != owner);
    for group in owner.into_iter().chain(rest) {
        if let Answer::Permitted(by) = ask.put(Some(&imagined(question, group))) {
            let mut why = overcome(snapshot, question, &denied);
            if why.is_empty() {
                why = reasons(snapshot, question, &by);
            }
            return Outcome::Hold(group.to_owned(), why);
        }
    }
    Outcome::Deny(denial(snapshot, question, denied))
}

/// An approval by nobody in particular in `group`, now.
fn imagined(question: &Question, group: &str) -> ApprovalFact {
    ApprovalFact { group: group.to_owned(), by: String::new(), at: question.now }
}

fn overcome(snapshot: &Snapshot, question: &Question, answer: &Answer) -> Vec<Reason> {
    match answer {
        Answer::Denied { forbids, .. } => reasons(snapshot, question, forbids),
        Answer::Permitted(_) | Answer::Failed { .. } => Vec::new(),
    }
}

fn denial(snapshot: &Snapshot, question: &Question, answer: Answer) -> Refusal {
    match answer {
        Answer::Failed { policy, why } => failed(snapshot, &policy, &why),
        Answer::Denied { forbids, .. } if !forbids.is_empty() => Refusal {
            class: Class::Structural,
            reasons: reasons(snapshot, question, &forbids),
            remedy: remedy(snapshot, &forbids),
            hold: None,
        },
        Answer::Denied { unpermitted, .. } => unpermitted_by_all(question, unpermitted),
        Answer::Permitted(_) => unpermitted_by_all(question, None),
    }
}

fn reasons(snapshot: &Snapshot, question: &Question, ids: &BTreeSet<String>) -> Vec<Reason> {
    let reason = |id: &String| {
        let info = snapshot.policy(id);
        let text = info.and_then(|info| info.reason.clone()).unwrap_or_else(|| {
            info.map_or_else(String::new, |info| {
                format!("policy `{id}` ({}:{}) says {}", info.file, info.line, info.effect)
            })
        });
        let text = match info.and_then(|info| info.looks.sentence(question)) {
            Some(origin) => format!("{text}: {origin}"),
            None => text,
        };
        let controls = info.map(|info| info.controls.clone()).unwrap_or_default();
        Reason { policy: id.clone(), text, controls }
    };
    ids.iter().map(reason).collect()
}

fn remedy(snapshot: &Snapshot, forbids: &BTreeSet<String>) -> String {
    let stated = forbids.iter().filter_map(|id| snapshot.policy(id)?.remedy.clone());
    let mut stated: Vec<String> = stated.collect();
    stated.dedup();
    if stated.is_empty() {
        "do without this call, or ask whoever wrote the policy named in the reasons".to_owned()
    } else {
        stated.join("; or ")
    }
}

fn failed(snapshot: &Snapshot, policy: &str, why: &str) -> Refusal {
    let place = snapshot
        .policy(policy)
        .map_or_else(String::new, |info| format!(" ({}:{})", info.file, info.line));
    Refusal::one(
        Class::Structural,
        "policy-error",
        format!("policy `{policy}`{place} could not be evaluated, so nothing is permitted: {why}"),
        "an operator must correct the policy; a call it does not apply to may still pass",
    )
}

fn unpermitted_by_all(question: &Question, at: Option<usize>) -> Refusal {
    let agent = question.agent.name.as_str();
    let (what, action) = match &question.asked {
        Asked::Call(call) => match &call.operation {
            Operation::CallTool { .. } => {
                let name = call.scope_name();
                (format!("a call of `{name}`"), name)
            }
            Operation::ReadResource { .. } => {
                (format!("reading a resource of `{}`", call.server), "readResource".to_owned())
            }
            Operation::GetPrompt { .. } => {
                (format!("getting a prompt of `{}`", call.server), "getPrompt".to_owned())
            }
            Operation::Complete { .. } => {
                (format!("completion by `{}`", call.server), "complete".to_owned())
            }
        },
        Asked::ListTool(tool) => (format!("listing `{tool}`"), "listTool".to_owned()),
        Asked::OpenTask => ("opening this task".to_owned(), "openTask".to_owned()),
        Asked::ContinueTask => ("going on with this task".to_owned(), "continueTask".to_owned()),
        Asked::Lend(Loan { credential, server, .. }) => {
            (format!("lending `{credential}` for `{server}`"), "lend".to_owned())
        }
        Asked::KeepLent(Loan { credential, server, .. }) => {
            (format!("keeping `{credential}` lent for `{server}`"), "keepLent".to_owned())
        }
    };
    let touched = question.call().and_then(|_| question.resources.get(at?));
    let touched = touched.map_or_else(String::new, |resource| match resource.kind {
        ResourceKind::Secret => " on a secret".to_owned(),
        kind => format!(" on {kind} `{}`", resource.id),
    });
    Refusal::one(
        Class::Structural,
        "no-policy",
        format!("no policy permits agent `{agent}` {what}{touched}"),
        format!(
            "do without it; or an operator adds a policy such as `permit (principal == \
             Remit::Agent::{agent:?}, action == Remit::Action::{action:?}, resource);`"
        ),
    )
}
