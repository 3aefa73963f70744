//! What is lent and not taken back: the fold over the records of leases, and what is being done about
//! each. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lend::reconsider::Asking;
use remit_model::{CredentialName, LeaseId, TaskId, Timestamp};
use remit_ports::{Entry, LeaseEvent, LeaseOut, Lent};

/// The first and the longest wait before a credential is asked back again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long a credential may be owed before it is called overdue.
const OVERDUE: Duration = Duration::from_mins(1);

/// Every credential that is out.
#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<LeaseId, Line>);

#[derive(Debug)]
struct Line {
    out: LeaseOut,
    stage: Stage,
    /// When its use ends: as was wanted, even if its issuer knows no life as short as that.
    ends: Timestamp,
    /// How it was asked for, if a policy was.
    asking: Option<Asking>,
    /// Whether it may be used; whoever is about to send something with it looks.
    good: Arc<AtomicBool>,
}

/// What is being done about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// An issuer is being asked for it; `unwanted`: it is to be taken back as soon as it is there.
    Issuing { unwanted: bool },
    /// It is in use.
    Out,
    /// It is to be taken back, the next time at `next`.
    Owed { since: Timestamp, next: Timestamp, tries: u32, why: Option<String> },
    /// It is being taken back.
    Returning { since: Timestamp, tries: u32 },
    /// It cannot be taken back and runs out by itself.
    RunsOut,
}

/// Something that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Its issuer has to be asked for it.
    Return(LeaseOut),
    /// It ran out.
    RanOut(LeaseOut),
}

impl Due {
    /// The credential.
    pub(crate) fn out(&self) -> &LeaseOut {
        let (Self::Return(out) | Self::RanOut(out)) = self;
        out
    }
}

impl Book {
    /// What the records say. Whoever held what is out has ended with the process, so all of it is owed.
    pub(crate) fn recovered(out: BTreeMap<LeaseId, LeaseOut>, now: Timestamp) -> Self {
        let line = |out: LeaseOut| {
            let owed = Stage::Owed { since: now, next: now, tries: 0, why: None };
            let stage = if out.runs_out { Stage::RunsOut } else { owed };
            (out.note.id.clone(), Line::new(out, stage))
        };
        Self(out.into_values().map(line).collect())
    }

    /// What is out, for the projection.
    pub(crate) fn out(&self) -> Vec<LeaseOut> {
        self.0.values().map(|line| line.out.clone()).collect()
    }

    /// Each, with what is being done about it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&LeaseOut, &Stage)> {
        self.0.values().map(|line| (&line.out, &line.stage))
    }

    /// How many are out.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// One of them.
    pub(crate) fn find(&self, lease: &LeaseId) -> Option<LeaseOut> {
        self.0.get(lease).map(|line| line.out.clone())
    }

    /// Whether it may be used.
    pub(crate) fn is_out(&self, lease: &LeaseId) -> bool {
        self.0.get(lease).is_some_and(|line| line.stage == Stage::Out)
    }

    /// How many of `credential` are out.
    pub(crate) fn of_credential(&self, credential: &CredentialName) -> usize {
        self.0.values().filter(|line| line.out.note.credential == *credential).count()
    }

    /// How many are out for `task`: that can be taken back, and that cannot.
    pub(crate) fn of_task(&self, task: &TaskId) -> (usize, usize) {
        let own = self.0.values().filter(|line| line.out.task.as_ref() == Some(task));
        own.fold((0, 0), |(live, running_out), line| match line.stage {
            Stage::RunsOut => (live, running_out + 1),
            _ => (live + 1, running_out),
        })
    }

    /// An issuer is going to be asked for it.
    pub(crate) fn begin(&mut self, out: LeaseOut, asking: Option<Asking>) {
        let stage = Stage::Issuing { unwanted: false };
        self.0.insert(out.note.id.clone(), Line { asking, ..Line::new(out, stage) });
    }

    /// What is in use, with how it was asked for.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (&LeaseOut, Asking)> {
        let in_use = self.0.values().filter(|line| line.stage == Stage::Out);
        in_use.filter_map(|line| Some((&line.out, line.asking?)))
    }

    /// It may still be lent, as things stood at `epoch`.
    pub(crate) fn reconsidered(&mut self, lease: &LeaseId, epoch: u64) {
        if let Some(asking) = self.0.get_mut(lease).and_then(|line| line.asking.as_mut()) {
            asking.epoch = epoch;
        }
    }

    /// It was issued, or may have been: what says whether it may be used, if it may be now.
    pub(crate) fn issued(
        &mut self,
        out: LeaseOut,
        wanted: bool,
        now: Timestamp,
    ) -> Option<Arc<AtomicBool>> {
        let line = self.0.get_mut(&out.note.id)?;
        let wanted = wanted && line.stage == Stage::Issuing { unwanted: false };
        line.ends = line.ends.min(out.note.until);
        line.out = out;
        line.stage = Stage::Out;
        if !wanted {
            line.owe(now);
        }
        wanted.then(|| Arc::clone(&line.good))
    }

    /// It lives until `until`; `false` if it was taken back meanwhile.
    pub(crate) fn renewed(&mut self, lease: &LeaseId, until: Timestamp) -> bool {
        let Some(line) = self.0.get_mut(lease) else { return false };
        line.out.note.until = until;
        line.ends = until;
        line.stage == Stage::Out
    }

    /// Owes every one that `which` picks; says how many.
    pub(crate) fn owe(&mut self, now: Timestamp, which: impl Fn(&LeaseOut) -> bool) -> usize {
        let picked = self.0.values_mut().filter(|line| which(&line.out));
        picked.map(|line| line.owe(now)).count()
    }

    /// What is due at `now`; each is given once, until [`Self::failed`] or [`Self::gone`].
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        for line in self.0.values_mut() {
            match &line.stage {
                Stage::Out if line.ends <= now => line.owe(now),
                Stage::RunsOut if line.out.note.until <= now => {
                    line.stage = Stage::Returning { since: line.out.note.until, tries: 0 };
                    due.push(Due::RanOut(line.out.clone()));
                }
                _ => {}
            }
            if let Stage::Owed { since, next, tries, .. } = line.stage
                && next <= now
            {
                line.stage = Stage::Returning { since, tries };
                due.push(Due::Return(line.out.clone()));
            }
        }
        due
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let at = |line: &Line| match line.stage {
            Stage::Owed { next, .. } => Some(next),
            Stage::Out => Some(line.ends),
            Stage::RunsOut => Some(line.out.note.until),
            Stage::Issuing { .. } | Stage::Returning { .. } => None,
        };
        self.0.values().filter_map(at).min()
    }

    /// It could not be taken back; it is asked back again later. Gives how long it has been owed if
    /// that has just become too long.
    pub(crate) fn failed(
        &mut self,
        lease: &LeaseId,
        why: String,
        now: Timestamp,
    ) -> Option<Duration> {
        let line = self.0.get_mut(lease)?;
        let Stage::Returning { since, tries } = line.stage else { return None };
        let wait = AGAIN.0.saturating_mul(1 << tries.min(16)).min(AGAIN.1);
        let next = now.after(wait);
        line.stage = Stage::Owed { since, next, tries: tries.saturating_add(1), why: Some(why) };
        let (before, after) = (now.since(since), next.since(since));
        (before < OVERDUE && after >= OVERDUE).then_some(after)
    }

    /// It cannot be taken back.
    pub(crate) fn runs_out(&mut self, lease: &LeaseId) {
        if let Some(line) = self.0.get_mut(lease) {
            line.out.runs_out = true;
            line.stage = Stage::RunsOut;
        }
    }

    /// It is worth nothing any more; gives since when it was owed.
    pub(crate) fn gone(&mut self, lease: &LeaseId) -> Option<Timestamp> {
        match self.0.remove(lease)?.stage {
            Stage::Returning { since, .. } | Stage::Owed { since, .. } => Some(since),
            _ => None,
        }
    }
}

impl Line {
    fn new(out: LeaseOut, stage: Stage) -> Self {
        let good = Arc::new(AtomicBool::new(true));
        Self { ends: out.note.until, out, stage, asking: None, good }
    }

    fn owe(&mut self, now: Timestamp) {
        self.good.store(false, Ordering::Release);
        match &mut self.stage {
            Stage::Issuing { unwanted } => *unwanted = true,
            Stage::Out => {
                self.stage = Stage::Owed { since: now, next: now, tries: 0, why: None };
            }
            // Somebody asked for it: do not wait.
            Stage::Owed { next, .. } => *next = now,
            Stage::Returning { .. } | Stage::RunsOut => {}
        }
    }
}

impl Stage {
    /// In one word.
    pub(crate) fn name(&self, now: Timestamp) -> &'static str {
        match self {
            Self::Issuing { .. } => "issuing",
            Self::Out => "lent",
            Self::Owed { since, .. } | Self::Returning { since, .. }
                if now.since(*since) >= OVERDUE =>
            {
                "overdue"
            }
            Self::Owed { .. } | Self::Returning { .. } => "returning",
            Self::RunsOut => "runs out",
        }
    }
}

/// Takes up one record of a lease. What a projection knew already changes nothing.
pub(crate) fn fold(out: &mut BTreeMap<LeaseId, LeaseOut>, entry: &Entry) -> Result<(), String> {
    let note = entry.clear.lease.clone().ok_or("it names no lease")?;
    let what = &entry.clear.what;
    let event = LeaseEvent::of_word(what);
    match event.ok_or_else(|| format!("expected what became of a lease, got `{what}`"))? {
        LeaseEvent::Lending => {
            let agent = entry.clear.agent.as_deref().map(str::parse).transpose();
            let agent = agent.map_err(|why| format!("{why}"))?;
            let (task, since, runs_out) = (entry.task.clone(), entry.wall, false);
            out.insert(note.id.clone(), LeaseOut { note, task, agent, since, runs_out });
        }
        LeaseEvent::Kept => {}
        LeaseEvent::Lent | LeaseEvent::Renewed => {
            if let Some(lease) = out.get_mut(&note.id) {
                lease.note = note;
            }
        }
        LeaseEvent::RunsOut => {
            if let Some(lease) = out.get_mut(&note.id) {
                lease.runs_out = true;
            }
        }
        LeaseEvent::Returned | LeaseEvent::RanOut => {
            out.remove(&note.id);
        }
    }
    Ok(())
}

/// What an issuer is told of it.
pub(crate) fn lent(out: &LeaseOut) -> Lent {
    Lent {
        lease: out.note.id.clone(),
        task: out.task.clone(),
        handle: out.note.handle.clone(),
        until: out.note.until,
    }
}

#[cfg(test)]
mod tests;
