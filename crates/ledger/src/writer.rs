//! Group commit: one thread takes every record that waits, writes and syncs them once, and tells
//! every waiter. A second thread makes room ahead of it, a third publishes.
//!
//! A record is committed when somebody who waits for it asks ([`Committer`]), and they ask only once
//! nothing else is ready to run: by then every other call that could be decided has added its record,
//! so that many share a sync under load, and a lone caller waits for nobody.
//!
//! Nobody waits for an outcome: an intent without one is settled as `unknown` by the next start
//! (promise R2). So an outcome goes with the next record that somebody waits for, or after
//! [`LINGER`]; a lone caller pays for one sync a call, not for two.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::Digest;
use remit_ports::{Committer, LedgerError, Receipt};
use tokio::sync::{Notify, oneshot};

use crate::files::Segment;
use crate::frame;
use crate::journal::Place;
use crate::publish::Publisher;
use crate::reader::Marks;
use crate::room::Spare;
use crate::space::Space;

/// How long outcomes wait for a record that somebody waits for. Longer than a call of a busy agent
/// takes, so that its next decision takes them along.
const LINGER: Duration = Duration::from_millis(5);

/// A record that has its place and waits for the disk.
pub(crate) struct Pending {
    pub(crate) index: u64,
    pub(crate) place: Place,
    pub(crate) entry: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) leaf: Digest,
    pub(crate) question: Option<Digest>,
    pub(crate) done: oneshot::Sender<Result<Receipt, LedgerError>>,
}

/// Whether more room is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskRoom {
    /// There is enough ahead.
    Enough,
    /// It is asked for.
    Wanted,
    /// The disk was full when it was tried, at this time on the monotonic clock; whether to try again.
    Full { tried: u64, again: bool },
}

impl DiskRoom {
    /// Whether room is to be made now.
    pub(crate) fn is_asked(self) -> bool {
        matches!(self, Self::Wanted | Self::Full { again: true, .. })
    }

    /// Whether the disk would give no more.
    pub(crate) fn is_full(self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// Owned by whoever appends and by the writer.
pub(crate) struct Queue {
    /// The index of the next record.
    pub(crate) next: u64,
    /// Where it goes.
    pub(crate) place: Place,
    /// The end of the allocated room in that segment.
    pub(crate) end: u64,
    /// The segment that comes next, if it is made already.
    pub(crate) spare: Option<Spare>,
    pub(crate) space: Space,
    pub(crate) pending: Vec<Pending>,
    /// The writer sleeps until it is told of a record.
    pub(crate) dozing: bool,
    pub(crate) disk: DiskRoom,
    /// Set once; nothing is taken any more.
    pub(crate) failed: Option<LedgerError>,
    pub(crate) closing: bool,
}

/// What becomes of the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It writes what comes.
    #[default]
    Writing,
    /// A write failed: nothing more becomes durable.
    Failed,
    /// It has ended.
    Ended,
}

/// Owned by the writer and the publisher, read by everybody.
#[derive(Default)]
pub(crate) struct Progress {
    /// Entries on disk.
    pub(crate) durable: u64,
    /// Entries under the newest checkpoint.
    pub(crate) published: u64,
    /// How often somebody asked to publish at once, and how many of these were answered.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// The publisher waits for something to publish.
    pub(crate) idle: bool,
    /// Why the last attempt to publish failed.
    pub(crate) trouble: Option<String>,
    pub(crate) writer: Standing,
}

pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    /// How many records the writer has taken; changed under the queue's lock.
    pub(crate) taken: AtomicU64,
    /// Up to where somebody asked for them to be committed.
    pub(crate) asked: AtomicU64,
    pub(crate) work: Condvar,
    /// More room is asked for.
    pub(crate) low: Condvar,
    /// Room was made, or cannot be; or the queue is shorter.
    pub(crate) grown: Notify,
    /// The segments that records may still be written to, as the writer alone has them open: the current
    /// one, the spare, and for a moment the one before.
    pub(crate) segments: Mutex<BTreeMap<u32, Arc<dyn Segment>>>,
    pub(crate) progress: Mutex<Progress>,
    /// The ledger got further, for whoever waits for that.
    pub(crate) moved: Condvar,
    /// There is something to publish, or somebody asks for it; for the publisher alone, which must not
    /// be woken by each group while it paces itself.
    pub(crate) publish: Condvar,
    pub(crate) marks: Arc<Marks>,
}

impl Committer for Shared {
    fn commit(&self, index: u64) {
        let before = self.asked.fetch_max(index.saturating_add(1), Ordering::AcqRel);
        // After that, because a record that the writer took before it was asked for is under way.
        let taken = self.taken.load(Ordering::Acquire);
        if index < taken || before > taken {
            return;
        }
        // The writer looks under the lock before it sleeps, so that it cannot miss this.
        drop(self.queue());
        self.work.notify_one();
    }
}

impl Shared {
    /// Whether somebody waits for a record that was not taken yet.
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) > self.taken.load(Ordering::Acquire)
    }

    pub(crate) fn segments(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<dyn Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open segment.
    pub(crate) fn segment(&self, number: u32) -> io::Result<Arc<dyn Segment>> {
        let segment = self.segments().get(&number).map(Arc::clone);
        segment.ok_or_else(|| io::Error::other("the segment is not open"))
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the records.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// The frames of a group, kept for its room.
    frames: Vec<u8>,
}

/// As much room for frames is kept from group to group: that of some hundred records.
const KEPT_ROOM: usize = 1 << 20;

impl Writer {
    /// Writes what comes into `shared`.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, frames: Vec::new() }
    }

    /// Runs until the ledger closes.
    pub(crate) fn run(&mut self) {
        loop {
            let (batch, last) = self.wait();
            if !batch.is_empty() {
                self.write(batch);
            }
            if last {
                break;
            }
        }
        self.shared.progress().writer = Standing::Ended;
        self.shared.moved.notify_all();
        self.shared.publish.notify_one();
    }

    /// The next records to write, and whether they are the last.
    fn wait(&self) -> (Vec<Pending>, bool) {
        let shared = &*self.shared;
        let calm = |q: &mut Queue| !shared.is_asked() && !q.closing;
        let linger = |queue| {
            let waited = shared.work.wait_timeout_while(queue, LINGER, calm);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        // Awake for a while whether or not anything waits: after a decision comes its outcome, which
        // then need not wake anybody.
        let mut queue = linger(shared.queue());
        if queue.pending.is_empty() && calm(&mut queue) {
            queue.dozing = true;
            let slept = shared.work.wait_while(queue, |q| q.pending.is_empty() && calm(q));
            queue = slept.unwrap_or_else(PoisonError::into_inner);
            queue.dozing = false;
            queue = linger(queue);
        }
        shared.taken.store(queue.next, Ordering::Release);
        let batch = std::mem::take(&mut queue.pending);
        (batch, queue.closing)
    }

    /// One group: durable and answered, or the ledger has failed.
    fn write(&mut self, batch: Vec<Pending>) {
        let failed = self.shared.queue().failed.clone();
        let written = failed.map_or_else(|| self.commit(&batch).map_err(|why| failure(&why)), Err);
        if let Err(why) = written {
            self.fail(batch, &why);
            return;
        }
        for item in &batch {
            self.shared.marks.note(item.index, item.place);
        }
        if let Some(last) = batch.last() {
            let mut progress = self.shared.progress();
            progress.durable = last.index.saturating_add(1);
            let wake = std::mem::take(&mut progress.idle);
            drop(progress);
            self.shared.moved.notify_all();
            if wake {
                self.shared.publish.notify_one();
            }
            self.shared.grown.notify_waiters();
            self.shared.segments().retain(|number, _| *number >= last.place.segment);
        }
        for Pending { index, leaf, question, done, .. } in batch {
            // A waiter that went away is no reason not to have written.
            let _: Result<(), _> = done.send(Ok(Receipt::assertion(index, leaf, question)));
        }
    }

    /// One write and one sync for each segment the group touches: one, but for the moment when a
    /// segment is full. The next segment is touched only when the one before is durable.
    fn commit(&mut self, batch: &[Pending]) -> io::Result<()> {
        for run in batch.chunk_by(|a, b| a.place.segment == b.place.segment) {
            let Some(first) = run.first() else { continue };
            let segment = self.shared.segment(first.place.segment)?;
            for item in run {
                frame::write(&mut self.frames, item.index, &item.entry, &item.body);
            }
            let written = segment.write(&self.frames, first.place.offset);
            self.frames.clear();
            self.frames.shrink_to(KEPT_ROOM);
            written?;
            segment.sync()?;
        }
        Ok(())
    }

    /// After a failed write or sync nobody knows what is on disk: nothing more is taken.
    fn fail(&self, batch: Vec<Pending>, why: &LedgerError) {
        tracing::error!(%why, "the ledger takes nothing more until it is restarted");
        let waiting = {
            let mut queue = self.shared.queue();
            queue.failed = Some(why.clone());
            std::mem::take(&mut queue.pending)
        };
        self.shared.progress().writer = Standing::Failed;
        self.shared.moved.notify_all();
        self.shared.grown.notify_waiters();
        for item in batch.into_iter().chain(waiting) {
            let _: Result<(), _> = item.done.send(Err(why.clone()));
        }
    }
}

fn failure(why: &io::Error) -> LedgerError {
    LedgerError::Failed(format!("the journal could not be written: {why}"))
}

/// Publishes what is durable, at most once in `every`, until nothing more can come.
pub(crate) fn publish(shared: &Shared, mut publisher: Publisher, every: Duration) {
    loop {
        let mut progress = shared.progress();
        while progress.durable == progress.published
            && progress.asked == progress.answered
            && progress.writer != Standing::Ended
        {
            progress.idle = true;
            progress = shared.publish.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        progress.idle = false;
        let (target, asked, last) =
            (progress.durable, progress.asked, progress.writer == Standing::Ended);
        drop(progress);
        let result = publisher.publish(target);
        if let Err(why) = &result {
            tracing::warn!(%why, "the public log could not be brought up to date");
        }
        let failed = result.is_err();
        let mut progress = shared.progress();
        progress.published = publisher.builder.size();
        progress.trouble = result.err().map(|why| why.to_string());
        progress.answered = asked;
        shared.moved.notify_all();
        if last {
            break;
        }
        let pause = if failed { every.max(Duration::from_secs(1)) } else { every };
        let paced = shared.publish.wait_timeout_while(progress, pause, |p| {
            p.asked == p.answered && p.writer != Standing::Ended
        });
        drop(paced);
    }
}
