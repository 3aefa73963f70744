//! Stage 7: what a permitted call's server needs, lent for this decision.
//!
//! May it be lent is a question of its own, asked with the call's. Before an issuer is asked, a record
//! names the lease, so that a crash at any moment leaves either nothing at the server or a record that
//! leads to it; what the issuer needs to take it back is on record before anybody can use it. A lease
//! is bound to its task and server, and used again within the task as long as it is worth the same.

pub(crate) mod book;
mod own;
pub mod pick_up;
mod reconsider;
pub mod take_back;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::question::{Asked, Loan};
use remit_model::{
    Class, CredentialName, Digest, LeaseId, Question, Refusal, ServerName, TaskId, Timestamp,
};
use remit_policy::{Hold, Verdict, decide};
use remit_ports::lend::MAX_HANDLE;
use remit_ports::{
    Accepted, Armed, Done, Holder, Issued, Issuer, Kind, Lease, LeaseEvent, LeaseNote, LeaseOut,
    Recorded, Ticket, Veil, Wanted,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cell::{CommitError, TaskCell};
use crate::frame::Scene;
use crate::lend::book::Book;
use crate::lend::reconsider::Asking;
use crate::{Engine, Walking, draft};

/// How long an issuer may take (R13).
const ISSUE: Duration = Duration::from_secs(15);
/// How many credentials one task may have out (R13): what a server needs, times the servers of a task.
const MAX_OF_TASK: usize = 32;
/// How many of one task may be running out that cannot be taken back (R13).
const MAX_RUNNING_OUT: usize = 256;
/// How many of one credential may be out (R13): its issuer has to keep and to end each of them.
const MAX_OF_CREDENTIAL: usize = 1_000;
/// How many may be out at all (R13).
const MAX_OUT: usize = 100_000;

/// A credential that calls of a server are sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Which.
    pub credential: CredentialName,
    /// How long one may be used.
    pub lifetime: Duration,
    /// Whether it is given to a process when that starts, and not to each request.
    pub process: bool,
}

/// What is lent, and what it is found by.
#[derive(Debug, Default)]
pub(crate) struct Lending {
    /// Everything that is out. A line is made before its record and removed after its last, so that
    /// a projection of it lacks nothing.
    book: Mutex<Book>,
    /// What can be used again. Whoever holds a place is the one who has it issued.
    places: Mutex<BTreeMap<Place, Held>>,
    /// Something became due.
    due: Notify,
}

/// The lease of a place, once there is one.
type Held = Arc<tokio::sync::Mutex<Option<Arc<Lease>>>>;

/// Leases of equal places are worth the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    task: Option<TaskId>,
    server: ServerName,
    credential: CredentialName,
    scope: String,
}

/// What a call needs, and may have.
pub(crate) struct Need {
    issuer: Arc<dyn Issuer>,
    needed: Needed,
    server: ServerName,
    holder: Holder,
    scope: String,
    /// The question that was permitted; none for Remit itself.
    question: Option<Question>,
}

/// For what a credential is lent.
struct Use {
    /// Until when the call may take.
    deadline: Timestamp,
    /// The latest end of the lease.
    ends: Timestamp,
    /// The decision.
    decision: Option<u64>,
}

impl Lending {
    pub(crate) fn recovered(out: BTreeMap<LeaseId, LeaseOut>, now: Timestamp) -> Self {
        Self { book: Mutex::new(Book::recovered(out, now)), ..Self::default() }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, place: &Place) -> Held {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(place.clone()).or_default())
    }

    /// Nothing in the places that `which` picks is used again.
    fn clear(&self, which: impl Fn(&Place) -> bool) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place, _| !which(place));
    }
}

impl Engine {
    /// What the permitted call `question` needs, each with the answer to whether it may be lent.
    ///
    /// Errors: it may not, or this task can have nothing from its issuer; with the question that was
    /// answered.
    pub(crate) fn needs(
        &self,
        scene: &Scene<'_>,
        question: &Question,
    ) -> Result<Vec<Need>, Box<(Question, Refusal)>> {
        let Some(server) = question.call().map(|call| &call.server) else { return Ok(Vec::new()) };
        let Some(needed) = scene.settings.lends.get(server) else { return Ok(Vec::new()) };
        let need = |needed: &Needed| self.need(scene, server, needed);
        needed.iter().map(need).collect()
    }

    fn need(
        &self,
        scene: &Scene<'_>,
        server: &ServerName,
        needed: &Needed,
    ) -> Result<Need, Box<(Question, Refusal)>> {
        let issuer = self.ports.issuers.get(&needed.credential);
        let kind = issuer.map_or("", |issuer| issuer.kind()).to_owned();
        let credential = needed.credential.clone();
        let (server_name, seconds) = (server.clone(), needed.lifetime.as_secs());
        let asked =
            scene.lend(Asked::Lend, Loan { credential, kind, server: server_name, seconds });
        let Some(issuer) = issuer else {
            let why = format!("nobody issues `{}`", needed.credential);
            return Err(Box::new((
                asked,
                unlent(why, "restart the server with its configuration"),
            )));
        };
        let question = match decide(&scene.world.snapshot, asked) {
            Verdict::Permit(permit) => permit.into_question(),
            Verdict::Hold(held) => {
                return Err(Box::new((held.question().clone(), unapprovable(&held))));
            }
            Verdict::Deny(denied) => {
                return Err(Box::new((denied.question().clone(), denied.refusal().clone())));
            }
        };
        let holder = holder(scene, server);
        match issuer.scope(&holder) {
            Ok(scope) => Ok(Need {
                issuer: Arc::clone(issuer),
                needed: needed.clone(),
                server: server.clone(),
                holder,
                scope,
                question: Some(question),
            }),
            Err(why) => {
                let why = format!("credential `{}` cannot be lent: {why}", needed.credential);
                Err(Box::new((question, unlent(why, "ask the operator of this server"))))
            }
        }
    }

    /// Stage 7: binds a recorded permit to the task's epoch and to the credentials it needs.
    ///
    /// Errors: one of them could not be had; nothing is sent.
    pub(crate) async fn arm(
        self: &Arc<Self>,
        cell: &Arc<TaskCell>,
        (recorded, needs): (Recorded, Vec<Need>),
        ticket: Ticket,
        cancelled: &CancellationToken,
    ) -> Result<Armed, Box<Done>> {
        let mut leases = Vec::with_capacity(needs.len());
        let stop = cell.stop_token();
        for need in needs {
            let ends = cell.lock().charter.remit.deadline;
            let decision = Some(recorded.index());
            let to = Use { deadline: ticket.deadline, ends, decision };
            let credential = need.needed.credential.clone();
            // Whoever stops waiting gives up the lease, not the issue: that goes on to its record.
            let leased = tokio::select! {
                leased = self.lease(Some(Arc::clone(cell)), need, to) => leased,
                () = tokio::time::sleep(ticket.deadline.since(self.now())) => {
                    Err("it could not be had in time".to_owned())
                }
                () = stop.cancelled() => Err("the task was stopped meanwhile".to_owned()),
                () = cancelled.cancelled() => Err("the call was cancelled meanwhile".to_owned()),
            };
            match leased {
                Ok(lease) => leases.push(lease),
                Err(why) => {
                    let why = format!("credential `{credential}`: {why}");
                    return Err(Box::new(recorded.not_sent(why)));
                }
            }
        }
        leases.into_iter().try_fold(recorded.arm(ticket), Armed::lend).map_err(Box::new)
    }

    /// The lease that is in use for such a need, prolonged if it would end too soon, or a new one.
    fn lease(
        self: &Arc<Self>,
        cell: Option<Arc<TaskCell>>,
        need: Need,
        to: Use,
    ) -> Walking<Result<Arc<Lease>, String>> {
        let engine = Arc::clone(self);
        Walking::new(async move { engine.leased(cell.as_deref(), &need, to).await })
    }

    async fn leased(
        &self,
        cell: Option<&TaskCell>,
        need: &Need,
        to: Use,
    ) -> Result<Arc<Lease>, String> {
        let place = self.lending.place(&Place {
            task: cell.map(|cell| cell.id().clone()),
            server: need.server.clone(),
            credential: need.needed.credential.clone(),
            scope: need.scope.clone(),
        });
        let mut held = place.lock().await;
        if cell.is_some_and(|cell| !cell.lock().is_open()) {
            return Err("the task was stopped meanwhile".to_owned());
        }
        let now = self.now();
        if now >= to.deadline {
            return Err("it could not be had in time".to_owned());
        }
        let enough = to.deadline.min(now.after(need.needed.lifetime / 2)).min(to.ends);
        // Whoever waited here may find what was taken back meanwhile.
        if let Some(lease) = held.as_ref().filter(|lease| self.lending.book().is_out(&lease.id)) {
            if lease.until >= enough {
                return Ok(Arc::clone(lease));
            }
            if let Some(renewed) = self.prolong(cell, need, lease, &to).await {
                *held = Some(Arc::clone(&renewed));
                return Ok(renewed);
            }
        }
        // The old one may still be in use by a call; it is taken back when it ends.
        *held = None;
        let lease = self.issue(cell, need, to).await?;
        *held = Some(Arc::clone(&lease));
        Ok(lease)
    }

    async fn issue(
        &self,
        cell: Option<&TaskCell>,
        need: &Need,
        to: Use,
    ) -> Result<Arc<Lease>, String> {
        let now = self.now();
        let until = now.after(need.needed.lifetime).min(to.ends);
        let note = LeaseNote {
            credential: need.needed.credential.clone(),
            handle: None,
            id: LeaseId::draw(self.ports.entropy.as_ref()),
            kind: need.issuer.kind().to_owned(),
            server: need.server.clone(),
            until,
        };
        let (task, agent) = (need.holder.task.clone(), need.holder.agent.clone());
        let mut out = LeaseOut { note, task, agent, since: now, runs_out: false };
        self.begin(&out, need.question.as_ref())?;
        let mut body = asked_with(need.question.as_ref());
        body.push(("scope", quoted(&need.scope)));
        let begun = self.note_lease(cell, LeaseEvent::Lending, &out, (to.decision, &body));
        let begun = match begun {
            Ok(accepted) => accepted.durable().await.map(drop).map_err(CommitError::Ledger),
            Err(why) => Err(why),
        };
        if let Err(why) = begun {
            // Nothing was asked of the issuer, so nothing has to be taken back.
            self.lending.book().gone(&out.note.id);
            return Err(format!("it could not be put on record: {why}"));
        }
        let wanted = Wanted {
            lease: out.note.id.clone(),
            holder: need.holder.clone(),
            scope: need.scope.clone(),
            now,
            until,
        };
        let issued = tokio::time::timeout(ISSUE, need.issuer.issue(wanted)).await;
        let issued = issued.unwrap_or_else(|_| Err(late()));
        let issued = self.issued(cell, &mut out, issued).await;
        let usable = issued.is_ok() && cell.is_none_or(|cell| cell.lock().is_open());
        let good = self.lending.book().issued(out.clone(), usable, self.now());
        if good.is_none() {
            self.lending.due.notify_one();
        }
        let material = issued?.material;
        let good = good.ok_or("it was taken back while it was issued")?;
        let veil = Veil::over(material.secrets());
        let LeaseNote { id, credential, server, until: worth, .. } = out.note;
        let until = until.min(worth);
        let task = out.task;
        Ok(Arc::new(Lease { id, credential, server, task, until, material, veil, good }))
    }

    fn begin(&self, out: &LeaseOut, question: Option<&Question>) -> Result<(), String> {
        let mut book = self.lending.book();
        if let Some(task) = &out.task {
            let (live, running_out) = book.of_task(task);
            if live >= MAX_OF_TASK || running_out >= MAX_RUNNING_OUT {
                return Err(format!(
                    "this task has {live} credentials out already, and {running_out} that run out"
                ));
            }
        }
        let credential = &out.note.credential;
        if book.of_credential(credential) >= MAX_OF_CREDENTIAL {
            return Err(format!("{MAX_OF_CREDENTIAL} of `{credential}` are out already"));
        }
        if book.len() >= MAX_OUT {
            return Err(format!("{MAX_OUT} credentials are out already"));
        }
        book.begin(out.clone(), question.map(Asking::of));
        Ok(())
    }

    /// Puts on record what was issued, before anybody can use it where taking it back needs that.
    async fn issued(
        &self,
        cell: Option<&TaskCell>,
        out: &mut LeaseOut,
        issued: Result<Issued, remit_ports::IssuerError>,
    ) -> Result<Issued, String> {
        let issued = issued.map_err(|why| {
            tracing::warn!(lease = %out.note.id, credential = %out.note.credential, %why, "not issued");
            why.to_string()
        })?;
        if issued.handle.as_ref().is_some_and(|handle| handle.len() > MAX_HANDLE) {
            return Err(format!("its issuer left a handle of more than {MAX_HANDLE} bytes"));
        }
        out.note.until = issued.until;
        out.note.handle.clone_from(&issued.handle);
        let unrecorded =
            |why: &dyn std::fmt::Display| format!("it could not be put on record: {why}");
        let accepted = self.note_lease(cell, LeaseEvent::Lent, out, (None, &[]));
        let accepted = accepted.map_err(|why| unrecorded(&why))?;
        if issued.handle.is_some() {
            accepted.durable().await.map_err(|why| unrecorded(&why))?;
        }
        Ok(issued)
    }

    /// Prolongs `lease`; `None` if another has to be issued.
    async fn prolong(
        &self,
        cell: Option<&TaskCell>,
        need: &Need,
        lease: &Lease,
        to: &Use,
    ) -> Option<Arc<Lease>> {
        let mut out = self.lending.book().find(&lease.id)?;
        let until = self.now().after(need.needed.lifetime).min(to.ends);
        let renewing = need.issuer.renew(book::lent(&out), until);
        let renewed = tokio::time::timeout(ISSUE, renewing).await.ok()?.ok()?;
        out.note.until = renewed;
        self.note_lease(cell, LeaseEvent::Renewed, &out, (to.decision, &[])).ok()?;
        let usable = self.lending.book().renewed(&lease.id, renewed);
        usable.then(|| Arc::new(Lease { until: renewed, ..lease.clone() }))
    }

    /// Puts on record what became of a lease.
    fn note_lease(
        &self,
        cell: Option<&TaskCell>,
        what: LeaseEvent,
        out: &LeaseOut,
        (decision, body): (Option<u64>, &[(&str, String)]),
    ) -> Result<Accepted, CommitError> {
        let mut record = draft::note(Kind::Lease, self.world().pins, what.word());
        record.parents = decision.into_iter().collect();
        record.clear.agent = out.agent.as_ref().map(ToString::to_string);
        record.clear.lease = Some(out.note.clone());
        record.body = body.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        if let Some(question) = record.body.get("question") {
            record.clear.question = Some(Digest::of(question.as_bytes()));
        }
        match cell {
            Some(cell) => {
                let mut guard = cell.lock();
                cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now())
            }
            None => Ok(self.ports.ledger.append(record)?),
        }
    }
}

/// The body of a record that follows from what was asked, if something was.
fn asked_with(question: Option<&Question>) -> Vec<(&'static str, String)> {
    let json = question.and_then(|question| question.to_json().ok());
    json.map(|json| ("question", json)).into_iter().collect()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn late() -> remit_ports::IssuerError {
    let why = format!("the issuer gave no answer within {} s", ISSUE.as_secs());
    remit_ports::IssuerError::Unavailable(why)
}

/// What a hold comes to: a person approves calls, not what they need.
fn unapprovable(held: &Hold) -> Refusal {
    let remedy = "a policy would let a person approve this; credentials cannot be approved";
    let reasons = held.reasons().to_vec();
    Refusal { class: Class::Structural, reasons, remedy: remedy.to_owned(), hold: None }
}

fn unlent(why: String, remedy: &str) -> Refusal {
    Refusal::one(Class::Structural, "lend", why, remedy)
}

/// The task as an issuer sees it: of the server's tools those that its remit could cover.
fn holder(scene: &Scene<'_>, server: &ServerName) -> Holder {
    let charter = &scene.task.charter;
    let covered = scene.task.remit().tools;
    let of_server = scene.world.catalogue.tools().filter(|tool| tool.id.server == *server);
    let names = of_server.map(|tool| tool.id.to_string());
    let tools: BTreeSet<String> = names.filter(|name| covered.could_cover(name)).collect();
    Holder {
        agent: Some(charter.agent.clone()),
        task: Some(charter.id.clone()),
        on_behalf: charter.on_behalf.clone(),
        tools,
    }
}
