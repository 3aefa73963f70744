//! The walk of one governed call: pin, frame, decide, record, arm, send, observe, settle.
//!
//! The walk runs to its end: a client that hangs up ends the reply, not the record (see
//! [`Walking`]). A call that was recorded and then stopped by a moved epoch is asked again from the
//! start, because nothing of it was sent; every other end is final.

use std::sync::{Arc, MutexGuard};

use remit_model::task::{Event, Permitted};
use remit_model::{
    Call, Class, Digest, Effect, HoldId, LeafFlow, Provenance, Question, Refusal, Role, Task,
    Timestamp, Value, Wanted,
};
use remit_policy::{Hold, Permit, Verdict, decide};
use remit_ports::{
    Accepted, Done, Draft, Drafted, Kind, LedgerError, Link, Outcome, Pins, Recorded, Room,
    Settled, Ticket,
};
use remit_provenance::Source;
use remit_secrets::{CANARY, Finding};

use crate::cell::{CommitError, TaskCell};
use crate::frame::{Scene, incoming, input};
use crate::lend::Need;
use crate::relay::Relay;
use crate::stored::written;
use crate::{Caller, Change, Engine, Held, Walking, draft, extent, knowledge, lookout};

/// How often a call is asked again after the epoch moved under it.
const ATTEMPTS: usize = 3;
/// How many calls of one task may wait for a person (R13).
const MAX_HOLDS: usize = 32;

/// A permit that has its place in the log and is not yet durable.
struct Pending {
    drafted: Drafted,
    needs: Vec<Need>,
    accepted: Accepted,
    /// As what is known what comes of it.
    source: Option<Source>,
    ticket: Ticket,
    pins: Pins,
}

/// A call that is not sent, and the record of that, where there is one.
struct Refused {
    refusal: Refusal,
    record: Option<Accepted>,
}

/// A call that is not permitted yet.
enum Undecided {
    /// Nor will it be.
    Refused(Refused),
    /// There is no room for its record right now; the call and its input, to be asked again.
    NoRoom(Call, Value),
}

impl<T: Into<Refused>> From<T> for Undecided {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, record: None }
    }
}

/// A task under its lock, with what is in force, for one call.
struct Desk<'a> {
    cell: &'a TaskCell,
    task: MutexGuard<'a, Task>,
    pins: Pins,
    /// The call's digest (see [`Call::digest`]).
    call: Digest,
}

impl Desk<'_> {
    /// The digest of the call, if that is what `question` asks for: it may ask for what a call needs.
    fn call_in(&self, question: &Question) -> Option<Digest> {
        question.call().map(|_| self.call)
    }

    fn commit(
        &mut self,
        engine: &Engine,
        record: Draft,
        now: Timestamp,
    ) -> Result<Accepted, CommitError> {
        self.cell.commit(&mut self.task, engine.ports.ledger.as_ref(), record, now)
    }
}

impl Engine {
    /// Decides `call`, records it, sends it, and settles what became of it.
    ///
    /// Errors: the call was not sent, or nobody knows what became of it; the refusal says which.
    pub fn call(
        self: &Arc<Self>,
        caller: Caller,
        call: Call,
        link: Link,
    ) -> Walking<Result<Settled, Refusal>> {
        let engine = Arc::clone(self);
        Walking::new(async move { engine.walk(&caller, call, link).await })
    }

    async fn walk(
        self: &Arc<Self>,
        caller: &Caller,
        call: Call,
        link: Link,
    ) -> Result<Settled, Refusal> {
        let cell = self.cell(&caller.task).ok_or_else(unknown_task)?;
        let input = extent::bounded(input(&call)?)?;
        let mut asked = Some((call, input));
        for _ in 0..ATTEMPTS {
            let Some((call, input)) = asked.take() else { break };
            let pending = match self.permitted(&cell, caller, call, input).await {
                Ok(pending) => pending,
                Err(refused) => return Err(self.told(refused).await),
            };
            cell.enter();
            let ended = self.carry_out(&cell, pending, &link).await;
            self.left(&cell);
            let settled = ended?;
            if !matches!(settled.outcome(), Outcome::Stopped) || !cell.lock().is_open() {
                return Ok(settled);
            }
            asked = settled.into_call();
        }
        Err(transient(
            "moved",
            "the task's state kept changing while the call was on its way; nothing was sent",
            "send the call again",
        ))
    }

    /// As [`Self::decided`]. Where the disk does not keep up the call waits, as long as a call may
    /// take, and is asked anew then (promise R2); a stop is told meanwhile.
    async fn permitted(
        &self,
        cell: &TaskCell,
        caller: &Caller,
        call: Call,
        input: Value,
    ) -> Result<Pending, Refused> {
        let mut asked = (call, input);
        let mut ends = None;
        loop {
            asked = match self.decided(cell, caller, asked.0, asked.1) {
                Ok(pending) => return Ok(pending),
                Err(Undecided::Refused(refused)) => return Err(refused),
                Err(Undecided::NoRoom(call, input)) => (call, input),
            };
            let timeout = self.settings.load().call_timeout;
            let left = ends.get_or_insert_with(|| self.now().after(timeout)).since(self.now());
            if left.is_zero() {
                return Err(self.unrecorded(&CommitError::Ledger(LedgerError::Busy)).into());
            }
            let stop = cell.stop_token();
            tokio::select! {
                () = self.ports.ledger.room() => {}
                () = stop.cancelled() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Stages 3 to 6, under the task's lock: what is decided is what is recorded next.
    fn decided(
        &self,
        cell: &TaskCell,
        caller: &Caller,
        call: Call,
        input: Value,
    ) -> Result<Pending, Undecided> {
        let secrets = lookout::seen(&self.lookout.load(), &input);
        if !secrets.is_empty() {
            self.counters.secrets_in_calls.add();
        }
        let digest = call.digest(&input);
        let task = cell.lock();
        // Only now: a change that is in force before the lock is held is seen here, and one that
        // comes later moves the epoch after the lock is let go.
        let world = self.world();
        let settings = self.settings.load();
        let now = self.now();
        let mut desk = Desk { cell, task, pins: world.pins, call: digest };
        if secrets.iter().any(|secret| secret.rule == CANARY) {
            let alarmed = self.alarm((cell, &mut desk.task), Some((&call, None)));
            alarmed.map_err(|why| self.unrecorded(&why))?;
        }
        let lapsed = self.lapse((cell, &mut desk.task), (now, settings.renewed_within));
        lapsed.map_err(|why| self.unrecorded(&why))?;
        let scene = Scene { world: &world, settings: &settings, caller, task: &desk.task, now };
        let question = scene.call((call, input, digest), secrets, cell.memory());
        if !desk.task.is_open() {
            let refusal = not_open(&desk.task);
            return Err(self.refuse(&mut desk, &question, refusal).into());
        }
        match decide(&world.snapshot, question) {
            Verdict::Permit(permit) => match self.needs(&scene, permit.question()) {
                Ok(needs) => self.reserve(&mut desk, permit, needs),
                Err(unlent) => Err(self.refuse(&mut desk, &unlent.0, unlent.1).into()),
            },
            Verdict::Hold(held) => Err(self.hold(&mut desk, &held).into()),
            Verdict::Deny(denied) => {
                let refusal = denied.refusal().clone();
                Err(self.refuse(&mut desk, denied.question(), refusal).into())
            }
        }
    }

    fn reserve(
        &self,
        desk: &mut Desk<'_>,
        permit: Permit,
        needs: Vec<Need>,
    ) -> Result<Pending, Undecided> {
        let reasons = permit.reasons().iter().map(|reason| reason.policy.clone()).collect();
        let (drafted, json) = Drafted::new(permit).map_err(|why| {
            let why = LedgerError::TooLarge(format!("not expressible: {why}"));
            self.unrecorded(&CommitError::Ledger(why))
        })?;
        let question = drafted.permit().question();
        let now = question.now;
        let brought = self.shelves.brought(question);
        let writes = written(question, &brought);
        let label = incoming(question).join(brought);
        let text = (drafted.question_digest(), json);
        let asked = (question, desk.call_in(question));
        let mut record = draft::question(Kind::Decision, desk.pins, "permit", asked, text);
        record.clear.policies = reasons;
        record.clear.event = Some(Event::Permitted(Permitted {
            cost: remit_policy::cost(question),
            label: label.clone(),
            approval: question.approval.is_some().then_some(desk.call),
            destroys: effect(question) == Effect::Destroy,
            foreseen: question.flow.iter().filter_map(|leaf| leaf.foreseen).collect(),
            writes: writes.clone(),
        }));
        record.room = Room::Permit;
        let ends = desk.task.charter.remit.ends_at(now);
        let deadline = now.after(self.settings.load().call_timeout).min(ends);
        let accepted = self.shelves.write(writes.as_ref(), || desk.commit(self, record, now));
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                let again = drafted.into_call().filter(|_| why.is_busy());
                let again = again.map(|(call, input)| Undecided::NoRoom(call, input));
                return Err(again.unwrap_or_else(|| self.unrecorded(&why).into()));
            }
        };
        let question = drafted.permit().question();
        if is_steered(question, Role::Selector) {
            self.counters.steered_reads.add();
        }
        let source = knowledge::source(question, (accepted.index(), label));
        let (epoch, expected) = desk.cell.epoch();
        self.calls_open().insert(accepted.index(), desk.cell.id().clone());
        let ticket = Ticket { epoch, expected, deadline };
        Ok(Pending { drafted, needs, accepted, source, ticket, pins: desk.pins })
    }

    /// Stages 6 to 10.
    async fn carry_out(
        self: &Arc<Self>,
        cell: &Arc<TaskCell>,
        pending: Pending,
        link: &Link,
    ) -> Result<Settled, Refusal> {
        let Pending { drafted, needs, accepted, source, ticket, pins } = pending;
        let decision = accepted.index();
        let recorded: Recorded = match accepted.durable().await {
            Ok(receipt) => drafted.recorded(receipt).map_err(|why| {
                transient("ledger", &why.to_string(), "restart the server and verify its ledger")
            })?,
            Err(why) => {
                self.calls_open().remove(&decision);
                return Err(self.unrecorded(&CommitError::Ledger(why)));
            }
        };
        self.counters.permitted.add();
        let arming = self.arm(cell, (recorded, needs), ticket, &link.cancelled);
        let armed = match arming.await {
            Ok(armed) => armed,
            Err(done) => return self.settle(cell, pins, *done, Vec::new()),
        };
        // The call ends with the client's patience or with the task's stop, whichever is first.
        let stop = cell.stop_token();
        let cancelled = link.cancelled.child_token();
        let link = Link { cancelled: cancelled.clone(), ..link.clone() };
        let (mut relay, link) = Relay::on(link, source);
        let mut sent = self.ports.upstream.send(armed, link);
        let done = loop {
            tokio::select! {
                done = &mut sent => break done,
                Some(said) = relay.heard() => relay.pass_on(self, cell, said),
                () = stop.cancelled(), if !cancelled.is_cancelled() => cancelled.cancel(),
            }
        };
        let overheard = relay.end(self, cell);
        self.settle(cell, pins, done, overheard)
    }

    /// Stages 9 and 10; `overheard` was cut from what the server said before.
    fn settle(
        &self,
        cell: &Arc<TaskCell>,
        pins: Pins,
        done: Done,
        overheard: Vec<Finding>,
    ) -> Result<Settled, Refusal> {
        self.counters.settled(done.outcome());
        self.withdraw_echoed(&done);
        let (done, mut secrets) = self.without_secrets(done);
        secrets.extend(overheard);
        // Before anybody is shown it: what a later call is made of must be found. It is read beside all that follows.
        let brought = self.shelves.brought(done.question());
        if let Some(reply) = done.reply() {
            let label = incoming(done.question()).join(brought.clone());
            if cell.memory().see(done.question(), (done.decision(), label), reply) {
                let reader = Arc::clone(cell);
                tokio::spawn(async move { reader.memory().read() });
            }
        }
        let mut task = cell.lock();
        if secrets.iter().any(Finding::is_canary) {
            let call = done.question().call().map(|call| (call, Some(done.decision())));
            // Its outcome carries the mark, too.
            drop(self.alarm((cell, &mut task), call));
        }
        let late = Some(brought).filter(|label| !label.flows_to(&task.account().label));
        let label = late.unwrap_or_default().join(lookout::brought(&secrets));
        let record = draft::outcome(pins, &done, label, &secrets);
        let decision = done.decision();
        let ledger = self.ports.ledger.as_ref();
        let commit = || cell.commit(&mut task, ledger, record, self.now());
        match self.shelves.settle(decision, commit) {
            Ok(accepted) => {
                self.calls_open().remove(&decision);
                Ok(done.settle(&accepted))
            }
            Err(why) => Err(transient(
                "unsettled",
                &format!("the call was made but its outcome could not be recorded: {why}"),
                "do not repeat the call; ask the operator",
            )),
        }
    }

    /// Records a refusal, unless there were too many.
    fn refuse(&self, desk: &mut Desk<'_>, question: &Question, refusal: Refusal) -> Refused {
        self.counters.refused(refusal.class);
        if !desk.cell.may_record_refusal(question.now) {
            self.counters.throttled.add();
            let throttled = transient(
                "throttled",
                "too many calls of this task were refused in a short time",
                "stop repeating refused calls; wait ten seconds",
            );
            return throttled.into();
        }
        let asked = (question, desk.call_in(question));
        let mut draft = draft::refusal(desk.pins, asked, &refusal);
        if refusal.hold.is_none() && (is_steered(question, Role::Target) || is_foreign(question)) {
            self.counters.suspected.add();
            draft.clear.event = Some(Event::Suspected);
        }
        let record = desk.commit(self, draft, question.now).inspect_err(|why| {
            tracing::warn!(task = %desk.cell.id(), %why, "a refusal could not be recorded");
        });
        Refused { refusal, record: record.ok() }
    }

    /// Parks the call for a person; the same call held already keeps its hold.
    fn hold(&self, desk: &mut Desk<'_>, held: &Hold) -> Refused {
        let question = held.question();
        let call = desk.call;
        let account = desk.task.account();
        if let Some((hold, _)) = account.holds.iter().find(|(_, digest)| **digest == call) {
            let again = needs_approval(held, hold.clone());
            return self.refuse(desk, question, again);
        }
        if account.holds.len() >= MAX_HOLDS {
            let full = transient(
                "holds",
                &format!("{MAX_HOLDS} calls of this task already wait for a person"),
                "wait until some are answered",
            );
            return self.refuse(desk, question, full);
        }
        self.counters.held.add();
        let hold = HoldId::draw(self.ports.entropy.as_ref());
        let refusal = needs_approval(held, hold.clone());
        let asked = (question, desk.call_in(question));
        let mut record = draft::refusal(desk.pins, asked, &refusal);
        record.clear.event = Some(Event::Held { hold: hold.clone(), call });
        match desk.commit(self, record, question.now) {
            Ok(accepted) => {
                let task = desk.cell.id().clone();
                self.held().insert(hold, Held { task: task.clone(), index: accepted.index() });
                self.announce(Change::Task(task));
                Refused { refusal, record: Some(accepted) }
            }
            Err(why) => self.unrecorded(&why).into(),
        }
    }

    /// What the caller is told, once it is on record. A ledger that fails keeps nobody from being
    /// refused, but a hold's id is worth something only once its record can be read.
    async fn told(&self, refused: Refused) -> Refusal {
        if let Some(accepted) = refused.record
            && let Err(why) = accepted.durable().await
            && refused.refusal.hold.is_some()
        {
            return self.unrecorded(&CommitError::Ledger(why));
        }
        refused.refusal
    }

    pub(crate) fn unrecorded(&self, why: &CommitError) -> Refusal {
        self.counters.transient.add();
        match why {
            CommitError::Ledger(LedgerError::TooLarge(_)) => Refusal::one(
                Class::Structural,
                "too-large",
                why.to_string(),
                "send less in one call",
            ),
            CommitError::Ledger(_) | CommitError::State(_) => transient(
                "ledger",
                &format!("the decision could not be recorded, so nothing was sent: {why}"),
                "try again later; the operator sees the cause in `remit status`",
            ),
        }
    }

    fn left(&self, cell: &TaskCell) {
        if cell.leave() == 0 {
            self.finish_if_closing(cell);
        }
    }
}

fn effect(question: &Question) -> Effect {
    question.tool.as_ref().map_or(Effect::Read, |tool| tool.profile.effect.value)
}

/// Whether text from outside has chosen what a call of this `role` of argument is about: the target of an
/// effect, what a read selects. For an effect that nobody asked for, so has a field of somebody's record.
fn is_steered(question: &Question, role: Role) -> bool {
    let reads = effect(question) == Effect::Read;
    let unasked = !reads && question.wanted == Wanted::No;
    let steers = |from| from == Provenance::Tainted || (unasked && from == Provenance::Identified);
    let chosen = |leaf: &LeafFlow| leaf.role == role && steers(leaf.provenance);
    question.task.sealed && reads == (role == Role::Selector) && question.flow.iter().any(chosen)
}

/// Whether a call is of an effect for which the task is not there, after text from outside has entered it.
fn is_foreign(question: &Question) -> bool {
    let foreign = |call: &Call| !question.task.remit.tools.could_cover(&call.scope_name());
    let acts = effect(question) != Effect::Read;
    question.task.sealed && acts && question.call().is_some_and(foreign)
}

fn transient(check: &str, text: &str, remedy: &str) -> Refusal {
    Refusal::one(Class::Transient, check, text, remedy)
}

pub(crate) fn unknown_task() -> Refusal {
    Refusal::one(
        Class::Structural,
        "no-task",
        "the grant's task is not known here",
        "open a task with `remit task open`",
    )
}

fn not_open(task: &Task) -> Refusal {
    let state = task.state.name();
    let remedy = match state {
        "frozen" => "stop working; an operator can resume the task with `remit task thaw`",
        _ => "stop working; a new task is needed for more",
    };
    let reason =
        task.close_reason().map_or(String::new(), |why| format!(" ({why:?})").to_lowercase());
    Refusal::one(Class::Structural, "task", format!("the task is {state}{reason}"), remedy)
}

/// The answer to a held call.
fn needs_approval(held: &Hold, hold: HoldId) -> Refusal {
    Refusal {
        class: Class::NeedsApproval,
        reasons: held.reasons().to_vec(),
        remedy: format!(
            "ask a person of group `{}` to run `remit approve {hold}`, then send the identical \
             call again",
            held.group()
        ),
        hold: Some(hold),
    }
}

/// Whether a task that was used at `now` would still be within its remit.
pub(crate) fn is_over(task: &Task, now: Timestamp) -> bool {
    task.charter.remit.ends_at(task.account().last_used) < now
}
