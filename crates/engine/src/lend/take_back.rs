//! Taking back is a duty: when a task ends or stands still, when somebody says so, when a server gave a
//! credential away, when it ends, and after a crash. It is tried until the issuer confirms it, in view
//! of everybody, and the end is on record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use remit_model::{AgentName, CredentialName, LeaseId, ServerName, TaskId, Timestamp};
use remit_ports::{Done, IssuerError, LeaseEvent, LeaseOut, Revoked};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::book::{self, Due, Stage};
use crate::Engine;

/// How long an issuer may take to take something back (R13).
const REVOKE: Duration = Duration::from_secs(30);
/// How many of one credential are taken back at a time (R13): one issuer that does not answer holds up
/// nobody else's.
const AT_A_TIME: usize = 32;
/// How long to wait before looking again whether everything is back, at the end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long to wait where nothing is known to become due.
const IDLE: Duration = Duration::from_mins(1);

/// A credential that is out, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// The lease.
    pub lease: LeaseId,
    /// Of which credential.
    pub credential: CredentialName,
    /// Its kind.
    pub kind: String,
    /// For which server.
    pub server: ServerName,
    /// Within which task; `None` for Remit itself.
    pub task: Option<TaskId>,
    /// For which agent.
    pub agent: Option<AgentName>,
    /// Since when.
    pub since: Timestamp,
    /// When it is worth nothing any more.
    pub until: Timestamp,
    /// `issuing`, `lent`, `returning`, `overdue` or `runs out`.
    pub state: &'static str,
    /// Why it could not be taken back so far.
    pub trouble: Option<String>,
}

impl Engine {
    /// What is lent and not taken back, oldest first.
    pub fn leases(&self) -> Vec<LeaseView> {
        let now = self.now();
        let view = |(out, stage): (&LeaseOut, &Stage)| LeaseView {
            lease: out.note.id.clone(),
            credential: out.note.credential.clone(),
            kind: out.note.kind.clone(),
            server: out.note.server.clone(),
            task: out.task.clone(),
            agent: out.agent.clone(),
            since: out.since,
            until: out.note.until,
            state: stage.name(now),
            trouble: match stage {
                Stage::Owed { why, .. } => why.clone(),
                _ => None,
            },
        };
        let mut leases: Vec<_> = self.lending.book().lines().map(view).collect();
        leases.sort_by(|one, other| (one.since, &one.lease).cmp(&(other.since, &other.lease)));
        leases
    }

    /// Takes back what `which` picks, and lends it to nobody again; says how many that are. Whoever
    /// needs one gets another.
    pub fn withdraw(&self, which: impl Fn(&LeaseOut) -> bool) -> usize {
        let now = self.now();
        let picked: Vec<LeaseOut> = {
            let book = self.lending.book();
            book.lines().map(|(out, _)| out).filter(|out| which(out)).cloned().collect()
        };
        // What can be used again goes first, so that nobody takes up what is being taken back.
        self.lending.clear(|place| {
            let same = |out: &LeaseOut| {
                out.task == place.task
                    && out.note.server == place.server
                    && out.note.credential == place.credential
            };
            picked.iter().any(same)
        });
        let owed =
            self.lending.book().owe(now, |out| picked.iter().any(|it| it.note.id == out.note.id));
        if owed > 0 {
            self.lending.due.notify_one();
        }
        owed
    }

    /// Takes back what a server gave away: it may be elsewhere by now.
    pub(crate) fn withdraw_echoed(&self, done: &Done) {
        if done.echoed().is_empty() {
            return;
        }
        self.counters.echoed.add();
        tracing::warn!(
            decision = done.decision(),
            "an answer held the credential it was asked with"
        );
        self.withdraw(|out| done.echoed().contains(&out.note.id));
    }

    /// Takes back everything that is lent within `task`.
    pub(crate) fn take_back_from(&self, task: &TaskId) {
        self.withdraw(|out| out.task.as_ref() == Some(task));
        // Also the places of what has ended before.
        self.lending.clear(|place| place.task.as_ref() == Some(task));
    }

    /// Takes back what is due, for ever.
    pub async fn keep_returning(self: Arc<Self>) {
        let (mut under_way, mut rooms) = (JoinSet::new(), BTreeMap::new());
        loop {
            let due = self.lending.book().due(self.now());
            for due in due {
                let room = rooms.entry(due.out().note.credential.clone());
                let room = Arc::clone(room.or_insert_with(|| Arc::new(Semaphore::new(AT_A_TIME))));
                let engine = Arc::clone(&self);
                under_way.spawn(async move {
                    let given_up = GivenUp { engine: &engine, due: Some(&due) };
                    // INVARIANT: it is never closed.
                    let _room = room.acquire().await;
                    engine.settle_due(&due).await;
                    given_up.not();
                });
            }
            let next = self.lending.book().next();
            let wait = next.map_or(IDLE, |next| next.since(self.now()).min(IDLE));
            tokio::select! {
                () = self.lending.due.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    }

    /// Takes everything back, within `bound`: what is lent is of no use once this process is gone.
    pub async fn return_all(self: &Arc<Self>, bound: Duration) {
        let returning = tokio::spawn(Arc::clone(self).keep_returning());
        let all = async {
            // Again and again: what was being issued or taken back when this began comes after.
            while self.withdraw(|out| !out.runs_out) > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(bound, all).await.is_err() {
            tracing::warn!("not everything lent was taken back; the next start goes on with it");
        }
        returning.abort();
    }

    async fn settle_due(&self, due: &Due) {
        match due {
            Due::RanOut(out) => self.ended(LeaseEvent::RanOut, out),
            Due::Return(out) => match self.revoke(out).await {
                Ok(Revoked::Now) => self.ended(LeaseEvent::Returned, out),
                Ok(Revoked::AtExpiry) if out.note.until <= self.now() => {
                    self.ended(LeaseEvent::RanOut, out);
                }
                Ok(Revoked::AtExpiry) => {
                    let recorded = self.note_end(LeaseEvent::RunsOut, out);
                    match recorded {
                        Ok(()) => self.lending.book().runs_out(&out.note.id),
                        Err(why) => self.later(out, why),
                    }
                }
                Err(why) => self.later(out, why.to_string()),
            },
        }
    }

    /// Ends the processes that hold it, and asks its issuer. Where that takes nothing back, those are all
    /// there is.
    async fn revoke(&self, out: &LeaseOut) -> Result<Revoked, IssuerError> {
        self.ports.upstream.recall(&out.note.id);
        let Some(issuer) = self.ports.issuers.get(&out.note.credential) else {
            let why = format!(
                "nobody issues `{}` any more: configure it again, or end it at its server",
                out.note.credential
            );
            return Err(IssuerError::Refused(why));
        };
        let late = || {
            let why = format!("the issuer gave no answer within {} s", REVOKE.as_secs());
            IssuerError::Unavailable(why)
        };
        let revoking = issuer.revoke(book::lent(out));
        tokio::time::timeout(REVOKE, revoking).await.unwrap_or_else(|_| Err(late()))
    }

    /// Puts the end on record, then forgets the lease.
    fn ended(&self, what: LeaseEvent, out: &LeaseOut) {
        match self.note_end(what, out) {
            Ok(()) => {
                let now = self.now();
                self.counters.lent_seconds.plus(now.since(out.since).as_secs());
                if let Some(owed) = self.lending.book().gone(&out.note.id) {
                    let took = now.since(owed);
                    tracing::debug!(lease = %out.note.id, ?what, ?took, "a credential ended");
                }
            }
            Err(why) => self.later(out, why),
        }
    }

    fn note_end(&self, what: LeaseEvent, out: &LeaseOut) -> Result<(), String> {
        let cell = out.task.as_ref().and_then(|task| self.cell(task));
        let recorded = self.note_lease(cell.as_deref(), what, out, (None, &[]));
        recorded.map(drop).map_err(|why| format!("its end could not be put on record: {why}"))
    }

    fn later(&self, out: &LeaseOut, why: String) {
        let (lease, credential) = (&out.note.id, &out.note.credential);
        tracing::warn!(%lease, %credential, why, "a credential could not be taken back; trying again");
        if self.lending.book().failed(lease, why, self.now()).is_some() {
            self.counters.overdue.add();
            tracing::error!(%lease, %credential, "a credential is overdue: see `remit credential list`");
        }
    }
}

/// Puts back what is due if whoever sees to it does not come to an end.
struct GivenUp<'a> {
    engine: &'a Engine,
    due: Option<&'a Due>,
}

impl GivenUp<'_> {
    fn not(mut self) {
        self.due = None;
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(due) = self.due {
            self.engine.later(due.out(), "it was given up half-way".to_owned());
        }
    }
}
