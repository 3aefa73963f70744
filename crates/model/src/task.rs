//! A task: the unit of authority, as a fold over what the ledger recorded of it.
//!
//! Open ⇄ Frozen → Closing → Closed. The states are types, the transitions consume, and
//! [`Task::apply`] is the only way on: the live engine and recovery run the same fold, so what is
//! in memory is what the ledger says.

mod charter;
mod event;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::charter::{Ancestor, Charter, Consented, MAX_LINEAGE};
pub use self::event::{CloseReason, Event, Permitted};
use crate::agent::Attestation;
use crate::budget::Spent;
use crate::digest::Digest;
use crate::flow::LeafFlow;
use crate::foreseen::Foreseen;
use crate::id::{HoldId, TaskId};
use crate::label::Label;
use crate::question::ApprovalFact;
use crate::remit::Remit;
use crate::scope::ToolScope;
use crate::time::Timestamp;
use crate::value::Value;

/// How many unused approvals a task keeps; the oldest gives way to a further one (R13).
pub const MAX_APPROVALS: usize = 64;
/// How many calls with an unknown outcome a task remembers one by one (R13); beyond that, every
/// call counts as one of them.
pub const MAX_UNSETTLED: usize = 64;
/// How many tasks that were handed on from one may be open at a time (R13).
pub const MAX_HANDED_ON: usize = 64;

/// What changes while a task runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What it has used.
    pub spent: Spent,
    /// What has entered it.
    pub label: Label,
    /// Whether the remit is sealed.
    pub sealed: bool,
    /// The tools that the agent said it needs, all until it does: they narrow the remit.
    #[serde(default)]
    pub plan: ToolScope,
    /// How its agent proved to be it last, if it did after it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attestation>,
    /// When that proof was made that got too old last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Timestamp>,
    /// By what it is known who has worked on it since, besides those of its charter.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub workers: BTreeSet<Digest>,
    /// How often text from outside seems to have tried to steer it: an effect was refused because such text
    /// had chosen its target, or after such text had entered one was of a tool that the remit does not cover,
    /// or was denied by a person.
    #[serde(default)]
    pub suspicions: u64,
    /// How often something was destroyed.
    #[serde(default)]
    pub destroyed: u64,
    /// In how many calls each foreseen flow was used, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub foreseen: BTreeMap<usize, u64>,
    /// Moves with everything that can change an answer already given.
    pub epoch: u64,
    /// The number of records of this task so far; the next record's sequence number.
    pub sequence: u64,
    /// When it was last used.
    pub last_used: Timestamp,
    /// Approvals given and not yet used, by the digest of the call they are for.
    pub approvals: BTreeMap<Digest, ApprovalFact>,
    /// Calls held for a person, by id, with the call's digest.
    pub holds: BTreeMap<HoldId, Digest>,
    /// Calls of which nobody knows whether they happened, by digest.
    #[serde(default)]
    pub unsettled: BTreeSet<Digest>,
    /// Tasks that were handed on from it and have not ended, and what of its budget each took along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handed_on: BTreeMap<TaskId, Spent>,
}

/// An event that does not fit the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task is {state}; expected {expected}")]
pub struct InvalidTransition {
    state: &'static str,
    expected: &'static str,
}

/// A task that takes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    account: Account,
}

/// A task that takes no calls until it is thawed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    account: Account,
}

/// A task that takes no more calls; some may still be on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    account: Account,
    reason: CloseReason,
}

/// A task that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    account: Account,
    reason: CloseReason,
}

/// The state of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum State {
    /// Takes calls.
    Open(Open),
    /// Takes none until thawed.
    Frozen(Frozen),
    /// Takes no more.
    Closing(Closing),
    /// Has ended.
    Closed(Closed),
}

/// A task: what is fixed, and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What is fixed.
    pub charter: Arc<Charter>,
    /// Where it stands.
    pub state: State,
}

// === impl Account ===

impl Account {
    fn settle(&mut self, bytes: u64, unknown: Option<Digest>, label: &Label) {
        self.raise(label);
        self.spent.bytes = self.spent.bytes.saturating_add(bytes);
        if self.unsettled.len() < MAX_UNSETTLED {
            self.unsettled.extend(unknown);
        }
    }

    fn raise(&mut self, label: &Label) {
        if self.label.raise(label) {
            self.epoch += 1;
            self.sealed |= self.label.integrity.is_untrusted();
        }
    }

    /// Tasks that were handed on from it and have not ended.
    pub fn children(&self) -> Vec<TaskId> {
        self.handed_on.keys().cloned().collect()
    }

    fn take_back(&mut self, child: &TaskId, used: Spent) {
        if let Some(taken) = self.handed_on.remove(child) {
            self.spent = self.spent.minus(taken).plus(used);
        }
    }

    fn approve(&mut self, hold: &HoldId, call: Digest, approval: ApprovalFact) {
        self.holds.remove(hold);
        if self.approvals.len() >= MAX_APPROVALS {
            let oldest = self.approvals.iter().min_by_key(|(_, given)| given.at);
            if let Some(call) = oldest.map(|(call, _)| *call) {
                self.approvals.remove(&call);
            }
        }
        self.approvals.insert(call, approval);
    }

    /// Whoever has to say no to what outsiders may have led to has found them trying to steer the task.
    fn deny(&mut self, hold: &HoldId) {
        self.holds.remove(hold);
        if self.sealed {
            self.suspect();
        }
    }

    fn suspect(&mut self) {
        self.suspicions = self.suspicions.saturating_add(1);
    }

    /// What was permitted on the word of a fresh proof is asked again.
    fn lapse(&mut self, proof: Timestamp) {
        self.epoch += 1;
        self.lapsed = Some(proof);
    }

    /// Whether `call` may already have happened.
    pub fn is_unsettled(&self, call: Digest) -> bool {
        self.unsettled.contains(&call) || self.unsettled.len() >= MAX_UNSETTLED
    }
}

// === impl states ===

impl Open {
    fn permit(mut self, permitted: &Permitted, at: Timestamp) -> Self {
        let account = &mut self.account;
        account.spent = account.spent.plus(permitted.cost);
        account.destroyed = account.destroyed.saturating_add(u64::from(permitted.destroys));
        account.last_used = account.last_used.max(at);
        if let Some(call) = &permitted.approval {
            account.approvals.remove(call);
        }
        for flow in &permitted.foreseen {
            let used = account.foreseen.entry(*flow).or_default();
            *used = used.saturating_add(1);
        }
        account.raise(&permitted.label);
        self
    }

    fn declare(mut self, plan: ToolScope) -> Self {
        self.account.plan = self.account.plan.meet(plan);
        self.account.epoch += 1;
        self
    }

    fn attest(mut self, proof: Attestation, workers: &BTreeSet<Digest>) -> Self {
        self.account.epoch += 1;
        self.account.attested = Some(proof);
        self.account.workers.extend(workers);
        self
    }

    fn hand_on(mut self, child: &TaskId, budget: Spent, at: Timestamp) -> Self {
        self.account.spent = self.account.spent.plus(budget);
        self.account.handed_on.insert(child.clone(), budget);
        self.account.last_used = self.account.last_used.max(at);
        self
    }

    fn freeze(mut self) -> Frozen {
        self.account.epoch += 1;
        Frozen { account: self.account }
    }

    fn close(mut self, reason: CloseReason) -> Closing {
        self.account.epoch += 1;
        Closing { account: self.account, reason }
    }
}

impl Frozen {
    fn thaw(mut self) -> Open {
        self.account.epoch += 1;
        Open { account: self.account }
    }

    fn close(mut self, reason: CloseReason) -> Closing {
        self.account.epoch += 1;
        Closing { account: self.account, reason }
    }
}

impl Closing {
    fn finish(self) -> Closed {
        Closed { account: self.account, reason: self.reason }
    }
}

impl State {
    /// `open`, `frozen`, `closing` or `closed`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Frozen(_) => "frozen",
            Self::Closing(_) => "closing",
            Self::Closed(_) => "closed",
        }
    }

    fn account_mut(&mut self) -> &mut Account {
        match self {
            Self::Open(Open { account })
            | Self::Frozen(Frozen { account })
            | Self::Closing(Closing { account, .. })
            | Self::Closed(Closed { account, .. }) => account,
        }
    }

    fn apply(self, event: &Event, at: Timestamp) -> Result<Self, Box<(Self, InvalidTransition)>> {
        match (self, event) {
            (Self::Open(open), Event::Permitted(permitted)) => {
                Ok(Self::Open(open.permit(permitted, at)))
            }
            (Self::Open(open), Event::Declared { plan }) => {
                Ok(Self::Open(open.declare(plan.clone())))
            }
            (Self::Open(open), Event::Attested { method, at, named, workers }) => {
                let (method, at, named) = (*method, *at, named.clone());
                Ok(Self::Open(open.attest(Attestation { method, at, named }, workers)))
            }
            (Self::Open(open), Event::HandedOn { task, budget }) => {
                Ok(Self::Open(open.hand_on(task, *budget, at)))
            }
            (Self::Open(open), Event::Frozen) => Ok(Self::Frozen(open.freeze())),
            (Self::Frozen(frozen), Event::Thawed) => Ok(Self::Open(frozen.thaw())),
            (Self::Open(open), Event::Closing { reason }) => Ok(Self::Closing(open.close(*reason))),
            (Self::Frozen(frozen), Event::Closing { reason }) => {
                Ok(Self::Closing(frozen.close(*reason)))
            }
            (Self::Closing(closing), Event::Closed) => Ok(Self::Closed(closing.finish())),
            (mut state, Event::Settled { bytes, unknown, label }) => {
                state.account_mut().settle(*bytes, *unknown, label);
                Ok(state)
            }
            (mut state, Event::GivenBack { task, used }) => {
                state.account_mut().take_back(task, *used);
                Ok(state)
            }
            (mut state, Event::Held { hold, call }) => {
                state.account_mut().holds.insert(hold.clone(), *call);
                Ok(state)
            }
            (mut state, Event::Approved { hold, call, approval }) => {
                state.account_mut().approve(hold, *call, approval.clone());
                Ok(state)
            }
            (mut state, Event::Denied { hold }) => {
                state.account_mut().deny(hold);
                Ok(state)
            }
            (mut state, Event::Suspected) => {
                state.account_mut().suspect();
                Ok(state)
            }
            (mut state, Event::Shown { label }) => {
                state.account_mut().raise(label);
                Ok(state)
            }
            (mut state, Event::Lapsed { at }) => {
                state.account_mut().lapse(*at);
                Ok(state)
            }
            (mut state, Event::CanarySeen) => {
                state.account_mut().raise(&Label::of_canary());
                Ok(state)
            }
            (state, Event::Noted) => Ok(state),
            (state, event) => {
                let expected = expected_state(event);
                let refused = InvalidTransition { state: state.name(), expected };
                Err(Box::new((state, refused)))
            }
        }
    }
}

fn expected_state(event: &Event) -> &'static str {
    match event {
        Event::Thawed => "a frozen task",
        Event::Closing { .. } => "an open or frozen task",
        Event::Closed => "a closing task",
        _ => "an open task",
    }
}

// === impl Task ===

impl Task {
    /// A task as it is opened, its opening record being sequence number 0. What it inherits seals it
    /// if an outsider could have written any of that (promise R5).
    pub fn open(charter: Charter) -> Self {
        let account = Account {
            sequence: 1,
            last_used: charter.opened,
            label: charter.inherited.clone(),
            sealed: charter.inherited.integrity.is_untrusted(),
            plan: charter.plan.clone(),
            unsettled: charter.unsettled.clone(),
            ..Account::default()
        };
        Self { charter: Arc::new(charter), state: State::Open(Open { account }) }
    }

    /// The number of the foreseen flow by which `leaf` of a call of `name` with `input` came, unless it
    /// is used up.
    pub fn foresees(&self, name: &str, input: &Value, leaf: &LeafFlow) -> Option<usize> {
        let used = &self.account().foreseen;
        let mut flows = self.charter.foreseen.iter().enumerate();
        let left = |number: &usize, flow: &Foreseen| {
            used.get(number).copied().unwrap_or_default() < flow.times
        };
        flows
            .find(|(number, flow)| left(number, flow) && flow.covers(name, input, leaf))
            .map(|(number, _)| number)
    }

    /// Its authority as it stands: what it was opened with, narrowed by what its agent declared.
    pub fn remit(&self) -> Remit {
        let mut remit = self.charter.remit.clone();
        remit.tools = remit.tools.meet(self.account().plan.clone());
        remit
    }

    /// How its agent proved to be it, the last time that it did.
    pub fn attestation(&self) -> &Attestation {
        self.account().attested.as_ref().unwrap_or(&self.charter.attestation)
    }

    /// Whether that has got too old.
    pub fn has_lapsed(&self) -> bool {
        self.account().lapsed == Some(self.attestation().at)
    }

    /// By what it is known who has worked on it.
    pub fn workers(&self) -> impl Iterator<Item = &Digest> {
        self.charter.workers.iter().chain(&self.account().workers)
    }

    /// The task it was handed on from.
    pub fn parent(&self) -> Option<&TaskId> {
        self.charter.lineage.last().map(|ancestor| &ancestor.task)
    }

    /// Which task.
    pub fn id(&self) -> &TaskId {
        &self.charter.id
    }

    /// What changes while it runs.
    pub fn account(&self) -> &Account {
        match &self.state {
            State::Open(Open { account })
            | State::Frozen(Frozen { account })
            | State::Closing(Closing { account, .. })
            | State::Closed(Closed { account, .. }) => account,
        }
    }

    /// Why it ended or is about to.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match &self.state {
            State::Closing(Closing { reason, .. }) | State::Closed(Closed { reason, .. }) => {
                Some(*reason)
            }
            State::Open(_) | State::Frozen(_) => None,
        }
    }

    /// Whether it takes calls.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// The task after one more record of it, at `at`.
    ///
    /// Errors: the event does not fit the state; the task comes back unchanged with the reason.
    pub fn apply(
        self,
        event: &Event,
        at: Timestamp,
    ) -> Result<Self, Box<(Self, InvalidTransition)>> {
        let Self { charter, state } = self;
        match state.apply(event, at) {
            Ok(mut state) => {
                state.account_mut().sequence += 1;
                Ok(Self { charter, state })
            }
            Err(refused) => {
                let (state, why) = *refused;
                Err(Box::new((Self { charter, state }, why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AttestationMethod;
    use crate::label::Integrity;

    fn task() -> Task {
        Task::open(Charter {
            id: "tsk_00000000000000000000000000".parse().unwrap(),
            agent: "bot".parse().unwrap(),
            template: "t".into(),
            purpose: "p".into(),
            purpose_given: true,
            declares: false,
            plan: ToolScope::default(),
            known: Vec::new(),
            foreseen: Vec::new(),
            remit: Remit::default(),
            attestation: Attestation::own(AttestationMethod::UnixPeer, Timestamp(1)),
            uid: None,
            consent: None,
            on_behalf: None,
            lineage: Vec::new(),
            workers: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            inherited: Label::default(),
            opened: Timestamp(1),
        })
    }

    fn permitted(label: Label) -> Event {
        let cost = Spent { calls: 1, effects: 0, bytes: 10 };
        Event::Permitted(Permitted { cost, label, ..Permitted::default() })
    }

    fn run(task: Task, events: &[Event]) -> Task {
        events.iter().fold(task, |task, event| task.apply(event, Timestamp(5)).unwrap())
    }

    #[test]
    fn untrusted_content_seals_and_moves_the_epoch_once() {
        let untrusted = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
        let task = run(task(), &[permitted(Label::default())]);
        assert_eq!((task.account().epoch, task.account().sealed), (0, false));
        let task = run(task, &[permitted(untrusted.clone()), permitted(untrusted)]);
        assert_eq!((task.account().epoch, task.account().sealed), (1, true));
        assert_eq!(task.account().spent, Spent { calls: 3, effects: 0, bytes: 30 });
        assert_eq!(task.account().sequence, 4);
    }

    #[test]
    fn a_stopped_task_permits_nothing() {
        let frozen = run(task(), &[Event::Frozen]);
        let (unchanged, why) =
            *frozen.clone().apply(&permitted(Label::default()), Timestamp(9)).unwrap_err();
        assert_eq!(unchanged, frozen);
        assert_eq!(why.to_string(), "the task is frozen; expected an open task");
        let closed = run(
            frozen,
            &[
                Event::Closing { reason: CloseReason::Done },
                Event::Settled { bytes: 3, unknown: None, label: Label::default() },
                Event::Closed,
            ],
        );
        assert!(closed.is_closed());
        assert!(closed.apply(&Event::Thawed, Timestamp(9)).is_err());
    }

    #[test]
    fn an_approval_is_used_once() {
        let hold: HoldId = "hld_00000000000000000000000000".parse().unwrap();
        let call = Digest::of(b"call");
        let approval = ApprovalFact { group: "g".into(), by: "op".into(), at: Timestamp(2) };
        let task = run(
            task(),
            &[Event::Held { hold: hold.clone(), call }, Event::Approved { hold, call, approval }],
        );
        assert!(task.account().holds.is_empty() && task.account().approvals.contains_key(&call));
        let use_it = Event::Permitted(Permitted { approval: Some(call), ..Permitted::default() });
        assert!(run(task, &[use_it]).account().approvals.is_empty());
    }
}
