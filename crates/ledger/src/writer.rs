//! Group commit: one thread takes every record that waits, writes and syncs them once, and tells
//! every waiter. It also makes room ahead of time. A second thread publishes.
//!
//! Nobody waits for an outcome: an intent without one is settled as `unknown` by the next start
//! (promise R2). So an outcome does not ask for a sync of its own but goes with the next record that
//! somebody waits for, or after [`LINGER`]; a lone caller pays for one sync a call, not for two.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::Digest;
use remit_ports::{LedgerError, Receipt};
use tokio::sync::oneshot;

use crate::files::{self, Segment};
use crate::journal::Place;
use crate::publish::Publisher;
use crate::reader::Marks;
use crate::recover::{OpenError, remove_segment, start_segment};
use crate::space::Space;
use crate::{Config, Doors, frame};

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

/// How the last attempt to make more room went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskRoom {
    /// It was made.
    Enough,
    /// The disk was full; last tried at this time on the monotonic clock.
    Full { tried: u64 },
}

/// Owned by whoever appends and by the writer.
pub(crate) struct Queue {
    /// The index of the next record.
    pub(crate) next: u64,
    /// Where it goes.
    pub(crate) place: Place,
    /// The end of the allocated room in that segment.
    pub(crate) end: u64,
    pub(crate) space: Space,
    pub(crate) pending: Vec<Pending>,
    /// How many of them somebody waits for.
    pub(crate) urgent: usize,
    /// More room is asked for.
    pub(crate) grow: bool,
    pub(crate) disk: DiskRoom,
    /// Set once; nothing is taken any more.
    pub(crate) failed: Option<LedgerError>,
    pub(crate) closing: bool,
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
    /// Why the last attempt to publish failed.
    pub(crate) trouble: Option<String>,
    /// Nothing more becomes durable, because the journal failed or the ledger closes.
    pub(crate) halted: bool,
    /// The writer has ended.
    pub(crate) written: bool,
}

pub(crate) struct Shared {
    pub(crate) queue: Mutex<Queue>,
    pub(crate) work: Condvar,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) moved: Condvar,
    pub(crate) marks: Arc<Marks>,
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer thread owns.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<Config>,
    pub(crate) doors: Doors,
    /// The segments that records may still be written to: the current one, and for a moment the
    /// one before.
    pub(crate) segments: BTreeMap<u32, Box<dyn Segment>>,
}

impl Writer {
    /// Runs until the ledger closes.
    pub(crate) fn run(mut self) {
        loop {
            let (batch, grow, last) = self.wait();
            if !batch.is_empty() {
                self.write(batch);
            }
            if grow {
                self.grow();
            }
            if last {
                break;
            }
        }
        let mut progress = self.shared.progress();
        (progress.halted, progress.written) = (true, true);
        drop(progress);
        self.shared.moved.notify_all();
    }

    fn wait(&self) -> (Vec<Pending>, bool, bool) {
        let calm = |q: &mut Queue| q.urgent == 0 && !q.grow && !q.closing;
        let queue = self.shared.queue();
        let queue = self
            .shared
            .work
            .wait_while(queue, |q| q.pending.is_empty() && calm(q))
            .unwrap_or_else(PoisonError::into_inner);
        let (mut queue, _) = self
            .shared
            .work
            .wait_timeout_while(queue, LINGER, calm)
            .unwrap_or_else(PoisonError::into_inner);
        queue.urgent = 0;
        let batch = std::mem::take(&mut queue.pending);
        let grow = std::mem::take(&mut queue.grow) && queue.failed.is_none();
        (batch, grow, queue.closing)
    }

    /// One group: durable and answered, or the ledger has failed.
    fn write(&mut self, batch: Vec<Pending>) {
        let written = {
            let failed = self.shared.queue().failed.clone();
            failed.map_or_else(|| self.commit(&batch).map_err(|why| failure(&why)), Err)
        };
        if let Err(why) = written {
            self.fail(batch, &why);
            return;
        }
        for item in &batch {
            self.shared.marks.note(item.index, item.place);
        }
        if let Some(last) = batch.last() {
            self.shared.progress().durable = last.index.saturating_add(1);
            self.shared.moved.notify_all();
            self.segments.retain(|number, _| *number >= last.place.segment);
        }
        for Pending { index, leaf, question, done, .. } in batch {
            // A waiter that went away is no reason not to have written.
            let _: Result<(), _> = done.send(Ok(Receipt::assertion(index, leaf, question)));
        }
    }

    /// One write and one sync for each segment the group touches: one, but for the moment when a
    /// segment is full. The next segment is touched only when the one before is durable.
    fn commit(&self, batch: &[Pending]) -> io::Result<()> {
        for run in batch.chunk_by(|a, b| a.place.segment == b.place.segment) {
            let Some(first) = run.first() else { continue };
            let segment = self.segments.get(&first.place.segment);
            let segment = segment.ok_or_else(|| io::Error::other("the segment is not open"))?;
            let mut bytes = Vec::new();
            for item in run {
                frame::write(&mut bytes, item.index, &item.entry, &item.body);
            }
            segment.write(&bytes, first.place.offset)?;
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
        self.shared.progress().halted = true;
        self.shared.moved.notify_all();
        for item in batch.into_iter().chain(waiting) {
            let _: Result<(), _> = item.done.send(Err(why.clone()));
        }
    }

    /// Makes room until there is as much as wanted, in this segment or in a new one.
    pub(crate) fn grow(&mut self) {
        loop {
            let (place, end, missing) = {
                let queue = self.shared.queue();
                let missing = queue.space.is_low().then(|| queue.space.wanted().saturating_mul(2));
                (queue.place, queue.end, missing)
            };
            let Some(missing) = missing else {
                self.shared.queue().disk = DiskRoom::Enough;
                return;
            };
            let grown = self.make_room(place.segment, end, self.chunks(missing));
            if let Err(why) = grown {
                let tried = self.doors.clock.monotonic();
                self.shared.queue().disk = DiskRoom::Full { tried };
                if files::is_full(&why) {
                    tracing::warn!(%why, "no room for the journal to grow: permits are refused");
                } else {
                    tracing::error!(%why, "the journal cannot grow: permits are refused");
                }
                return;
            }
        }
    }

    /// In chunks, rounded up.
    fn chunks(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.config.chunk.max(1)).saturating_mul(self.config.chunk)
    }

    /// As much as asked for, here or in a new segment; on a nearly full disk a little, here.
    fn make_room(&mut self, segment: u32, end: u64, bytes: u64) -> io::Result<()> {
        let grown = if end.saturating_add(bytes) <= self.config.segment.max(bytes) {
            self.extend(segment, end, bytes)
        } else {
            self.follow(segment.saturating_add(1), bytes)
        };
        match grown {
            Err(why) if files::is_full(&why) => self.extend(segment, end, self.config.chunk),
            other => other,
        }
    }

    fn extend(&self, number: u32, end: u64, bytes: u64) -> io::Result<()> {
        let segment = self.segments.get(&number);
        let segment = segment.ok_or_else(|| io::Error::other("the segment is not open"))?;
        let to = end.saturating_add(bytes);
        segment.allocate(end, to)?;
        let mut queue = self.shared.queue();
        queue.end = to;
        queue.space.grow(bytes);
        Ok(())
    }

    /// Begins the next segment; what is left of the old one stays zeros. By the time it is used it
    /// must hold all that is reserved then, which may be more than when it was made.
    fn follow(&mut self, number: u32, bytes: u64) -> io::Result<()> {
        let segment = start_segment(&self.config, &self.doors, number, bytes);
        let segment = segment.map_err(|why| match why {
            OpenError::Io { why, .. } => why,
            other => io::Error::other(other.to_string()),
        })?;
        let mut end = frame::HEAD.saturating_add(bytes);
        loop {
            let wanted = {
                let mut queue = self.shared.queue();
                let room = end.saturating_sub(frame::HEAD);
                let wanted = queue.space.wanted();
                if room >= wanted {
                    queue.place = Place::start_of(number);
                    queue.end = end;
                    queue.space.move_to(room);
                    self.segments.insert(number, segment);
                    return Ok(());
                }
                wanted
            };
            let to = frame::HEAD.saturating_add(self.chunks(wanted.saturating_mul(2)));
            if let Err(why) = segment.allocate(end, to) {
                remove_segment(&self.config, number);
                return Err(why);
            }
            end = to;
        }
    }
}

fn failure(why: &io::Error) -> LedgerError {
    LedgerError::Failed(format!("the journal could not be written: {why}"))
}

/// Publishes what is durable, at most once in `every`, until nothing more can come.
pub(crate) fn publish(shared: &Shared, mut publisher: Publisher, every: Duration) {
    loop {
        let progress = shared.progress();
        let progress = shared
            .moved
            .wait_while(progress, |p| {
                p.durable == p.published && p.asked == p.answered && !p.written
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (target, asked, last) = (progress.durable, progress.asked, progress.written);
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
        let paced = shared
            .moved
            .wait_timeout_while(progress, pause, |p| p.asked == p.answered && !p.written);
        drop(paced);
    }
}
