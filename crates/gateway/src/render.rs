//! From what the engine says to what the client reads.

use remit_mcp::refusal::{Class as WireClass, Reason as WireReason};
use remit_mcp::results::{ResultType, for_session, for_stateless};
use remit_mcp::revision::Era;
use remit_mcp::{Object, Raw, Refused, RpcError, method};
use remit_model::{Class, Refusal};
use remit_ports::{Outcome, Reply};

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::peer::Peer;

/// How one request is to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// Who asked.
    pub(crate) peer: Peer,
    /// The method.
    pub(crate) method: String,
    /// Whether it calls a tool that declares an `outputSchema`.
    pub(crate) declares_output: bool,
    /// How long a list may be kept, in milliseconds.
    pub(crate) ttl_ms: u64,
}

impl Form {
    /// The answer to a call that is settled, from what became of it.
    pub(crate) fn settled(&self, outcome: &Outcome, reply: Option<Reply>) -> Answer {
        match reply {
            Some(Reply::Result(result)) if wants_sampling(&result) => self.refused(&Refusal::one(
                Class::Structural,
                "sampling",
                "the server wants to ask this client's model, which no server may here",
                "do without this tool, or give what it would ask for as arguments if it takes them",
            )),
            Some(Reply::Result(result)) => self.translated(&result),
            Some(Reply::Error(error)) => Answer::relayed(error, self.peer.era()),
            None => self.refused(&without_reply(outcome)),
        }
    }

    /// The answer that is a refusal.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Answer {
        let refused = to_wire(refusal);
        match refused.answer(&self.method, self.peer.revision, self.declares_output) {
            Ok(result) => Answer::Result(result),
            Err(error) => Answer::Error(error),
        }
    }

    /// A result, given as the text of a JSON object, in the form of the client's era.
    pub(crate) fn own(&self, result: &str) -> Answer {
        match Raw::parse(result).ok().and_then(|raw| Object::parse(&raw).ok()) {
            Some(result) => self.translated(&result),
            None => unreadable(),
        }
    }

    fn translated(&self, result: &Object) -> Answer {
        Answer::Result(match self.peer.era() {
            Era::Stateless => {
                for_stateless(&self.method, result, self.ttl_ms, &Gateway::server_info())
            }
            Era::Sessions => for_session(&self.method, result),
        })
    }
}

fn unreadable() -> Answer {
    RpcError::internal("the result is not usable: expected an object without duplicates").into()
}

/// Whether a result wants input first, and of the client's model: that is refused by whatever way
/// it comes.
fn wants_sampling(result: &Object) -> bool {
    if ResultType::of(result) != ResultType::InputRequired {
        return false;
    }
    let Some(wanted) = result.object("inputRequests") else { return false };
    let asked = |one: &Raw| Object::parse(one).ok()?.text("method");
    wanted.members().any(|(_, one)| asked(&one).is_some_and(|asked| asked == method::SAMPLE))
}

/// What to say where no answer came.
fn without_reply(outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::NotSent { why } => Refusal::one(
            Class::Transient,
            "not-sent",
            format!("nothing was sent, because the server could not be reached: {why}"),
            "try again later; if it stays like this, tell the operator",
        ),
        Outcome::Stopped => Refusal::one(
            Class::Transient,
            "stopped",
            "the task was stopped before the call was sent, so nothing was sent",
            "stop working; an operator decides how the task goes on",
        ),
        Outcome::Unknown { why } => uncertain(why),
        Outcome::Answered { .. } | Outcome::Unseen => uncertain("no answer was kept"),
    }
}

fn uncertain(why: &str) -> Refusal {
    Refusal::one(
        Class::Transient,
        "unknown-outcome",
        format!("the call was sent but not answered ({why}); it may or may not have happened"),
        "do not repeat the call before you have looked whether it happened",
    )
}

fn to_wire(refusal: &Refusal) -> Refused {
    let class = match refusal.class {
        Class::Structural => WireClass::Structural,
        Class::NeedsApproval => WireClass::NeedsApproval,
        Class::Budget => WireClass::Budget,
        Class::Transient => WireClass::Transient,
    };
    let reasons = refusal.reasons.iter().map(|reason| WireReason {
        policy: reason.policy.clone(),
        text: reason.text.clone(),
        controls: reason.controls.clone(),
    });
    Refused {
        class,
        reasons: reasons.collect(),
        remedy: refusal.remedy.clone(),
        hold: refusal.hold.as_ref().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(requests: &str) -> bool {
        let result = format!(r#"{{"resultType":"input_required","inputRequests":{{{requests}}}}}"#);
        wants_sampling(&Object::parse(&Raw::parse(&result).unwrap()).unwrap())
    }

    #[test]
    fn sampling_is_found_behind_any_number_of_other_requests() {
        let others = (0..100_000).map(|n| format!(r#""{n}":{{"method":"roots/list"}}"#));
        let others = others.collect::<Vec<_>>().join(",");
        assert!(wants(&format!(r#"{others},"s":{{"method":"sampling/createMessage"}}"#)));
        assert!(!wants(&format!(r#"{others},"s":{{"method":"elicitation/create"}},"t":7"#)));
    }
}
