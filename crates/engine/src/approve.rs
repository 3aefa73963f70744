//! Answering a hold: one person, one call, one use (promise R8).

use remit_model::task::Event;
use remit_model::{ApprovalFact, Call, HoldId, Question, Refusal, TaskId};
use remit_ports::{Clear, Kind, LedgerError};

use crate::cell::CommitError;
use crate::{Change, Engine, draft};

/// A person who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Their name.
    pub name: String,
}

/// A held call as a person sees it.
#[derive(Clone, Debug)]
pub struct HeldCall {
    /// The hold.
    pub hold: HoldId,
    /// Its task.
    pub task: TaskId,
    /// The index of the record that holds it.
    pub index: u64,
    /// The question, with the exact call.
    pub question: Question,
    /// What the caller was told.
    pub refusal: Refusal,
}

/// Why a hold was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// There is no such hold, or it was answered already.
    #[error("no call is held as `{0}`; `remit hold list` shows those there are")]
    NoHold(HoldId),
    /// Its record cannot be read.
    #[error("the held call cannot be read: {0}")]
    Unreadable(String),
    /// The tool is not the one that the call was held for.
    #[error(
        "the tool changed after the call was held as `{0}`; deny it, and look at the tool: sent \
         again, the call is held anew"
    )]
    Drifted(HoldId),
    /// The person is not in the group whose approval is needed.
    #[error("`{name}` is not a member of a group that may approve this: {groups}")]
    NotMember {
        /// Who.
        name: String,
        /// Which groups.
        groups: String,
    },
    /// It could not be recorded, so nothing was approved.
    #[error("nothing was approved: {0}")]
    Ledger(LedgerError),
    /// The task's state does not allow it.
    #[error(transparent)]
    State(#[from] remit_model::task::InvalidTransition),
}

impl Engine {
    /// The calls that wait for a person.
    pub fn held_calls(&self) -> Vec<HeldCall> {
        let holds: Vec<HoldId> = self.held().keys().cloned().collect();
        holds.iter().filter_map(|hold| self.held_call(hold).ok()).collect()
    }

    /// How many calls wait for a person.
    pub fn holds_waiting(&self) -> usize {
        self.held().len()
    }

    /// One held call, read back from the record that holds it.
    ///
    /// Errors: there is no such hold, or its record cannot be read.
    pub fn held_call(&self, hold: &HoldId) -> Result<HeldCall, ApproveError> {
        let held =
            self.held().get(hold).cloned().ok_or_else(|| ApproveError::NoHold(hold.clone()))?;
        let unreadable = |why: String| ApproveError::Unreadable(why);
        let record = self.ports.ledger.read(held.index).map_err(|e| unreadable(e.to_string()))?;
        let record = record
            .ok_or_else(|| unreadable("its record is still on its way to disk".to_owned()))?;
        let body = record.body.ok_or_else(|| unreadable("its record was erased".to_owned()))?;
        let field = |name: &str| body.get(name).map_or("null", String::as_str);
        let question: Question =
            serde_json::from_str(field("question")).map_err(|e| unreadable(e.to_string()))?;
        let refusal: Refusal =
            serde_json::from_str(field("refusal")).map_err(|e| unreadable(e.to_string()))?;
        Ok(HeldCall { hold: hold.clone(), task: held.task, index: held.index, question, refusal })
    }

    /// Lets the held call pass once: the identical call, in the same task, before the approval
    /// runs out. Waits until that is durable.
    ///
    /// Errors: nothing was approved.
    pub async fn approve(&self, actor: &Actor, hold: &HoldId) -> Result<HeldCall, ApproveError> {
        let held = self.held_call(hold)?;
        let group = self.group_of(actor, &held)?;
        if self.has_drifted(&held) {
            return Err(ApproveError::Drifted(hold.clone()));
        }
        let call = held.question.call().map(|call| call.digest(&held.question.input));
        let call = call.ok_or_else(|| ApproveError::Unreadable("it is not a call".to_owned()))?;
        let approval = ApprovalFact { group, by: actor.name.clone(), at: self.now() };
        let event = Event::Approved { hold: hold.clone(), call, approval };
        self.answer(actor, &held, event, "approved").await?;
        Ok(held)
    }

    /// Answers a held call with no.
    ///
    /// Errors: nothing was recorded.
    pub async fn deny(&self, actor: &Actor, hold: &HoldId) -> Result<HeldCall, ApproveError> {
        let held = self.held_call(hold)?;
        self.group_of(actor, &held)?;
        self.answer(actor, &held, Event::Denied { hold: hold.clone() }, "denied").await?;
        Ok(held)
    }

    async fn answer(
        &self,
        actor: &Actor,
        held: &HeldCall,
        event: Event,
        what: &str,
    ) -> Result<(), ApproveError> {
        let cell = self.cell(&held.task).ok_or_else(|| ApproveError::NoHold(held.hold.clone()))?;
        let mut record = draft::note(Kind::Approval, self.world().pins, what);
        record.parents = vec![held.index];
        record.clear = Clear {
            actor: Some(actor.name.clone()),
            event: Some(event),
            hold: Some(held.hold.clone()),
            ..record.clear
        };
        let committed = {
            let mut task = cell.lock();
            // Taken out under the task's lock, so that a hold is answered once.
            if self.held().remove(&held.hold).is_none() {
                return Err(ApproveError::NoHold(held.hold.clone()));
            }
            cell.commit(&mut task, self.ports.ledger.as_ref(), record, self.now())
        };
        let accepted = committed.map_err(|why| match why {
            CommitError::State(why) => ApproveError::State(why),
            CommitError::Ledger(why) => {
                let index = held.index;
                let task = held.task.clone();
                self.held().insert(held.hold.clone(), crate::Held { task, index });
                ApproveError::Ledger(why)
            }
        })?;
        accepted.durable().await.map_err(ApproveError::Ledger)?;
        self.announce(Change::Task(held.task.clone()));
        Ok(())
    }

    /// Whether the tool is another than the one that the person is shown.
    fn has_drifted(&self, held: &HeldCall) -> bool {
        let world = self.world();
        let id = held.question.call().and_then(Call::tool);
        let now = id.and_then(|id| world.catalogue.get(&id)).map(|tool| tool.digest);
        now != held.question.tool.as_ref().map(|tool| tool.digest)
    }

    /// The first group that would make the call pass and that the person is a member of. A group
    /// without members stands for every authenticated operator.
    fn group_of(&self, actor: &Actor, held: &HeldCall) -> Result<String, ApproveError> {
        let settings = self.settings();
        let member = |group: &&String| {
            let members = settings.groups.get(*group);
            members.is_some_and(|members| members.is_empty() || members.contains(&actor.name))
        };
        let needed = self.groups_needed(&held.question);
        needed.iter().find(member).cloned().ok_or_else(|| ApproveError::NotMember {
            name: actor.name.clone(),
            groups: needed.join(", "),
        })
    }

    /// The groups whose approval would let the question pass under the policy in force now.
    pub fn groups_needed(&self, question: &Question) -> Vec<String> {
        let world = self.world();
        let passes = |group: &String| {
            let mut asked = question.clone();
            asked.now = self.now();
            asked.approval = Some(ApprovalFact {
                group: group.clone(),
                by: "counterfactual".to_owned(),
                at: asked.now,
            });
            matches!(remit_policy::decide(&world.snapshot, asked), remit_policy::Verdict::Permit(_))
        };
        self.settings.load().group_names().into_iter().filter(passes).collect()
    }
}
