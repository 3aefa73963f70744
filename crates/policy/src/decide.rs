//! The decision: structural checks, then Cedar, then what an approval would change.

use std::collections::BTreeSet;

use remit_model::question::{Asked, Loan};
use remit_model::{
    ApprovalFact, Class, Effect, Operation, Question, Reason, Refusal, ResourceKind,
};

use crate::ask::{Answer, Applicable, Ask};
use crate::snapshot::Snapshot;
use crate::structural;
use crate::verdict::{Denied, Hold, Permit, Verdict};

enum Outcome {
    Permit(Vec<Reason>),
    Hold(String, Vec<Reason>),
}

/// Answers `question` by `snapshot`. Pure and total: the same two arguments always give the same
/// answer, whatever was asked before, and there is no third outcome.
///
/// In this order: what no policy can loosen (tool known and not withdrawn, task not over, remit,
/// ceiling, budget); every resource permitted by Cedar, any policy that cannot be evaluated
/// refuses; and where Cedar denies a call, the first approver group whose approval would make the
/// very same question pass, for which the call is then held. A call of a tool in quarantine needs
/// the approval of the tool's owner whatever the policies say.
pub fn decide(snapshot: &Snapshot, question: Question) -> Verdict {
    let question = Box::new(question);
    match outcome(snapshot, &question) {
        Ok(Outcome::Permit(reasons)) => Verdict::Permit(Permit::new(
            question,
            reasons,
            snapshot.policy_digest(),
            snapshot.schema_digest(),
        )),
        Ok(Outcome::Hold(group, reasons)) => Verdict::Hold(Hold::new(question, group, reasons)),
        Err(refusal) => Verdict::Deny(Denied::new(question, refusal)),
    }
}

/// Errors: why the question is denied.
fn outcome(snapshot: &Snapshot, question: &Question) -> Result<Outcome, Refusal> {
    structural::check(question)?;
    let applicable = Applicable::to(snapshot, question)?;
    let ask = Ask::new(snapshot, question, &applicable)?;
    let answer = ask.put(question.approval.as_ref())?;
    if let Answer::Failed { policy, why } = &*answer {
        return Err(failed(snapshot, policy, why));
    }
    match (owners_matter(question), &*answer) {
        (Some(matter), answer) => ask_owner(snapshot, question, &ask, answer, matter),
        (None, Answer::Permitted(by)) => Ok(Outcome::Permit(reasons(snapshot, question, by))),
        (None, denied) => counterfactual(snapshot, question, &ask, denied),
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
    answer: &Answer,
    matter: OwnersMatter<'_>,
) -> Result<Outcome, Refusal> {
    let OwnersMatter { owner, why, remedy } = matter;
    let approved = question.approval.as_ref().is_some_and(|given| given.group == owner);
    match (approved, answer) {
        (true, Answer::Permitted(by)) => Ok(Outcome::Permit(reasons(snapshot, question, by))),
        (true, denied) => Err(denial(snapshot, question, denied)),
        (false, answer) => {
            let mut all = vec![why];
            if let Answer::Permitted(_) = &*ask.put(Some(&imagined(question, owner)))? {
                all.extend(overcome(snapshot, question, answer));
                return Ok(Outcome::Hold(owner.to_owned(), all));
            }
            let mut refusal = denial(snapshot, question, answer);
            all.append(&mut refusal.reasons);
            let remedy = format!("{remedy}; {}", refusal.remedy);
            Err(Refusal { reasons: all, remedy, ..refusal })
        }
    }
}

/// Denied: would the approval of one group change that?
fn counterfactual(
    snapshot: &Snapshot,
    question: &Question,
    ask: &Ask<'_>,
    denied: &Answer,
) -> Result<Outcome, Refusal> {
    if question.call().is_none() {
        return Err(denial(snapshot, question, denied));
    }
    let owner = question.tool.as_ref().map(|tool| tool.owner.as_str());
    let owner = owner.filter(|owner| snapshot.groups.iter().any(|group| group == owner));
    let rest = snapshot.groups.iter().map(String::as_str).filter(|group| Some(*group) != owner);
    for group in owner.into_iter().chain(rest) {
        if let Answer::Permitted(by) = &*ask.put(Some(&imagined(question, group)))? {
            let mut why = overcome(snapshot, question, denied);
            if why.is_empty() {
                why = reasons(snapshot, question, by);
            }
            return Ok(Outcome::Hold(group.to_owned(), why));
        }
    }
    Err(denial(snapshot, question, denied))
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

fn denial(snapshot: &Snapshot, question: &Question, answer: &Answer) -> Refusal {
    match answer {
        Answer::Failed { policy, why } => failed(snapshot, policy, why),
        Answer::Denied { forbids, .. } if !forbids.is_empty() => Refusal {
            class: Class::Structural,
            reasons: reasons(snapshot, question, forbids),
            remedy: remedy(snapshot, forbids),
            hold: None,
        },
        Answer::Denied { unpermitted, .. } => unpermitted_by_all(question, *unpermitted),
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

#[cfg(test)]
mod tests {
    use std::sync::{LazyLock, Mutex};

    use proptest::prelude::*;
    use remit_model::tool::Trust;
    use remit_model::{
        Confidentiality, Door, Fixed, Integrity, Named, Possession, Reach, Resource, Sources,
        Timestamp, Tool, Value, Wanted,
    };

    use super::*;
    use crate::cases::{CaseFile, ToolCase};
    use crate::memo::Memo;
    use crate::{CONTAINED, Source};

    const CASES: &str = r#"
        [[tool]]
        id = "s/t"
        effect = "send"
        reach = "external"
        input = { to = "string[]", n = "integer", d = "number", text = "string" }
        [tool.arguments]
        "to[]" = { role = "target", kind = "mailbox" }
        "text" = { role = "content" }

        [[case]]
        name = "call"
        expect = "permit"
        call = "s/t"
        arguments = { to = ["a@b.example", "c@d.example"], n = 1, d = 2.5, text = "x" }

        [[case]]
        name = "read"
        expect = "permit"
        read = "s file:///a"

        [[case]]
        name = "lend"
        expect = "permit"
        ask = "lend db postgres s"

        [[case]]
        name = "keep"
        expect = "permit"
        ask = "keep db postgres s"

        [[case]]
        name = "open"
        expect = "permit"
        ask = "open"

        [[case]]
        name = "continue"
        expect = "permit"
        ask = "continue"

        [[case]]
        name = "list"
        expect = "permit"
        list = "s/t"

        [[case]]
        name = "prompt"
        expect = "permit"
        prompt = "s/p"

        [[case]]
        name = "complete"
        expect = "permit"
        complete = "s/p"
    "#;

    /// What single rules look at, so that all else is not seen.
    const CONDITIONS: [&str; 26] = [
        "(principal, action, resource) when { principal == Remit::Agent::\"bot\" }",
        "(principal, action, resource) when { principal in Remit::Team::\"red\" }",
        "(principal, action, resource) when { Remit::Agent::\"bot\" in Remit::Zone::\"lab\" }",
        "(principal, action, resource) when { principal has zone && principal.zone == Remit::Zone::\"lab\" }",
        "(principal, action, resource) when { principal has model && principal.model like \"a*\" }",
        "(principal, action, resource is Remit::Mailbox) when { resource.domain == \"d.example\" }",
        "(principal, action, resource is Remit::Mailbox) when { resource.server.name == \"s\" }",
        "(principal, action, resource is Remit::Mailbox) when { resource == Remit::Mailbox::\"e@f.example\" }",
        "(principal, action, resource == Remit::Mailbox::\"e@f.example\")",
        "(principal, action, resource is Remit::Mailbox) when { [resource].contains(Remit::Mailbox::\"a@b.example\") }",
        "(principal, action in Remit::Action::\"reach:external\", resource)",
        "(principal, action, resource) when { action in Remit::Action::\"reach:external\" }",
        "(principal, action in Remit::Action::\"tools\", resource) when { context.tool.owner == Remit::ApproverGroup::\"operators\" }",
        "(principal, action in Remit::Action::\"tools\", resource) unless { context has approval }",
        "(principal, action in Remit::Action::\"tools\", resource) unless { context has approval && context.approval.by == \"ann\" }",
        "(principal, action in Remit::Action::\"tools\", resource) unless { context has approval && context.approval.at > datetime(\"2026-11-23T22:00:00.005Z\") }",
        "(principal, action == Remit::Action::\"s/t\", resource) when { context.input has n && context.input.n + 1 > 3 }",
        "(principal, action == Remit::Action::\"s/t\", resource) when { context.input has n_text || context.input has d_text }",
        "(principal, action == Remit::Action::\"s/t\", resource) when { context.input has d && context.input.d.lessThan(decimal(\"2.0\")) }",
        "(principal, action == Remit::Action::\"s/t\", resource) when { context.input has to && context.input.to.contains(\"e@f.example\") }",
        "(principal, action, resource) when { context.task.calls > 2 || context.task.tags.contains(\"x\") }",
        "(principal, action, resource) when { context.task.sources.containsAny([\"s\", \"*\"]) }",
        "(principal, action, resource) when { context.now > datetime(\"2026-11-23T22:00:00.003Z\") }",
        "(principal, action in Remit::Action::\"tools\", resource) when { context.flow.content.provenance == \"tainted\" }",
        "(principal, action, resource) when { context.task has on_behalf && context.task.on_behalf.subject == \"olga\" }",
        "(principal, action, resource) when { context.possession == \"dpop\" || context.door == \"mcp-stdio\" }",
    ];

    fn tools_and_questions() -> (Vec<Tool>, Vec<Question>) {
        let file: CaseFile = toml::from_str(CASES).unwrap();
        let tools: Vec<Tool> = file.tools.iter().map(|it| ToolCase::tool(it).unwrap()).collect();
        let questions = file.cases.iter().map(|case| case.scene.question(&tools).unwrap());
        let questions = questions.collect();
        (tools, questions)
    }

    fn snapshot(sources: &[Source]) -> Snapshot {
        Snapshot::compile(sources, &tools_and_questions().0, &["alpha".to_owned()]).unwrap()
    }

    fn source(path: &str, text: String) -> Source {
        Source { path: path.to_owned(), text }
    }

    /// Each rule by itself beside one that permits everything, all of them, and the pack.
    fn snapshots() -> Vec<Snapshot> {
        let all = "@id(\"all\") permit (principal, action, resource);";
        let forbid = |n: usize| format!("@id(\"no-{n}\") forbid {};", CONDITIONS[n]);
        let numbers = 0..CONDITIONS.len();
        let alone = numbers.clone().map(|n| source("p.cedar", format!("{all} {}", forbid(n))));
        let every: String = numbers.map(forbid).collect();
        let every = source("p.cedar", format!("{all} {every}"));
        let pack = CONTAINED.iter().map(|(path, text)| source(path, (*text).to_owned()));
        let pack: Vec<Source> = pack.collect();
        let sets = alone.chain([every]).map(|one| vec![one]).chain([pack]);
        sets.map(|sources| snapshot(&sources)).collect()
    }

    /// How one question can differ from another.
    const CHANGES: usize = 31;

    fn change(question: &mut Question, number: usize) {
        let approved = |group: &str, by: &str, at| {
            Some(ApprovalFact { group: group.into(), by: by.into(), at: Timestamp(at) })
        };
        let mailbox = |id: &str| Resource { kind: ResourceKind::Mailbox, id: id.to_owned() };
        let input = |text: &str| Value::parse(text).unwrap();
        let now = question.now.0;
        match number {
            0 => other(&mut question.agent, |agent| agent.name = "ann".parse().unwrap()),
            1 => other(&mut question.agent, |agent| agent.owner = "red".into()),
            2 => other(&mut question.agent, |agent| agent.zone = Some("lab".into())),
            3 => other(&mut question.agent, |agent| agent.composition.model = Some("abc".into())),
            4 => other(&mut question.agent, |agent| agent.composition.model = Some("bc".into())),
            5 => question.resources = vec![mailbox("a@b.example")],
            6 => question.resources = vec![mailbox("a@b.example"), mailbox("a@b.example")],
            7 => question.resources = vec![mailbox("e@f.example"), mailbox("x@d.example")],
            8 => question.resources.reverse(),
            9 => question.approval = approved("operators", "ann", now),
            10 => question.approval = approved("alpha", "bob", now),
            11 => question.approval = approved("alpha", "ann", now + 10),
            12 => question.input = input(r#"{"n": 3}"#),
            13 => question.input = input(r#"{"n": 9223372036854775807}"#),
            14 => question.input = input(r#"{"n": 1e30, "d": 1.5}"#),
            15 => question.input = input(r#"{"n": "1"}"#),
            16 => question.input = input(r#"{"to": ["e@f.example"], "d": 0.00001}"#),
            17 => question.input = input(r#"{"text": "something else"}"#),
            18 => question.task.spent.calls = 3,
            19 => question.task.label.tags = ["x".to_owned()].into(),
            20 => {
                let named = Sources::Named(["s".to_owned()].into());
                question.task.label.integrity = Integrity::Untrusted(named);
                question.task.sealed = true;
            }
            21 => question.now.0 += 7,
            22 => question.wanted = Wanted::No,
            23 => question.lapsed = true,
            24 => question.unsettled = true,
            25 => question.flow.iter_mut().for_each(|leaf| {
                leaf.provenance = remit_model::Provenance::Tainted;
                leaf.label.confidentiality = Confidentiality::Restricted;
            }),
            26 => question.tool.iter_mut().for_each(|tool| {
                other(tool, |tool| {
                    tool.profile.reach.value = Reach::Local;
                    tool.profile.returns.value = Trust::Untrusted;
                });
            }),
            27 => question.possession = Possession::Dpop,
            28 => question.door = Door::McpStdio,
            29 => {
                let (issuer, subject) = ("https://idp.example".to_owned(), "olga".to_owned());
                question.task.on_behalf = Some(Named { issuer, subject });
            }
            _ => question.tool.iter_mut().for_each(|tool| {
                other(tool, |tool| {
                    tool.owner = "alpha".to_owned();
                    tool.admission = "quarantined".to_owned();
                });
            }),
        }
    }

    fn other<T: Clone>(fixed: &mut Fixed<T>, change: impl FnOnce(&mut T)) {
        let mut value = T::clone(fixed);
        change(&mut value);
        *fixed = value.into();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_was_decided_before_changes_no_answer(
            asked in 0_usize..9,
            changes in prop::collection::vec(0..CHANGES, 0..4),
        ) {
            static WARM: LazyLock<Vec<Snapshot>> = LazyLock::new(snapshots);
            static COLD: LazyLock<Mutex<Vec<Snapshot>>> = LazyLock::new(|| snapshots().into());
            static ASKED: LazyLock<Vec<Question>> = LazyLock::new(|| tools_and_questions().1);
            let mut question = ASKED[asked].clone();
            for number in changes {
                change(&mut question, number);
            }
            for (warm, cold) in WARM.iter().zip(COLD.lock().unwrap().iter_mut()) {
                cold.memo = Memo::default();
                let [warm, cold] =
                    [warm, cold].map(|set| format!("{:?}", decide(set, question.clone())));
                prop_assert_eq!(warm, cold);
            }
        }
    }

    #[test]
    fn what_nobody_looks_at_makes_no_other_question_to_the_policies() {
        let (_, questions) = tools_and_questions();
        let kept_after = |policies: &str, changes: &[usize]| {
            let snapshot = snapshot(&[source("p.cedar", policies.to_owned())]);
            for change_to in changes {
                let mut question = questions[0].clone();
                change(&mut question, *change_to);
                let _ = decide(&snapshot, question);
            }
            snapshot.memo.len()
        };
        let all = "permit (principal, action, resource);";
        let by = |condition: &str| format!("{all} forbid {condition};");
        // An agent, what is touched and the time, of which nothing is seen.
        assert_eq!(kept_after(all, &[0, 1, 2, 8, 14, 17, 21, 23]), 1);
        // What is seen tells questions apart, and so does who is compared, by all that it is in.
        assert_eq!(kept_after(&by(CONDITIONS[20]), &[0, 18, 19, 17]), 3);
        assert_eq!(kept_after(&by(CONDITIONS[0]), &[0, 1, 2, 17]), 4);
        // Of the arguments no more counts than what is looked at.
        assert_eq!(kept_after(&by(CONDITIONS[16]), &[0, 12, 17, 16]), 3);
        // Nothing is kept of what is never the same again.
        assert_eq!(kept_after(&by(CONDITIONS[22]), &[0, 18]), 0);
    }
}
