//! Room for the journal, made ahead of the records by a thread of its own: a record that has its
//! place waits for one sync, never for a disk that is being filled with zeros.
//!
//! The segment that is written to grows until it has its size. Then the next one is made beside it
//! and grows, and records go over to it once they do not fit here any more ([`Space`]).
//!
//! [`Space`]: crate::space::Space

use std::io;
use std::sync::{Arc, PoisonError};

use crate::files::{self, Segment};
use crate::recover::{OpenError, start_segment};
use crate::writer::{DiskRoom, Queue, Shared};
use crate::{Config, Doors, frame, journal};

/// The segment after the one that is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spare {
    pub(crate) number: u32,
    /// The end of the allocated room in it.
    pub(crate) end: u64,
}

/// Makes room.
pub(crate) struct Maker {
    pub(crate) shared: Arc<Shared>,
    /// The last segment there is. Not the writer's open file: of what the kernel could not write it
    /// tells each open file once, and the writer must be told when that was a record.
    pub(crate) segment: Box<dyn Segment>,
    pub(crate) config: Arc<Config>,
    pub(crate) doors: Doors,
}

impl Maker {
    /// Runs until the ledger closes.
    pub(crate) fn run(&mut self) {
        loop {
            let queue = self.shared.queue();
            let queue = self
                .shared
                .low
                .wait_while(queue, |q| !q.disk.is_asked() && !q.closing)
                .unwrap_or_else(PoisonError::into_inner);
            if queue.closing {
                return;
            }
            drop(queue);
            self.grow();
        }
    }

    /// Makes room until there is twice as much as wanted, so that it is not asked for at once again.
    pub(crate) fn grow(&mut self) {
        loop {
            let (last, is_spare) = {
                let mut queue = self.shared.queue();
                if queue.failed.is_some() || queue.space.is_ample() {
                    queue.disk = DiskRoom::Enough;
                    drop(queue);
                    self.shared.grown.notify_waiters();
                    return;
                }
                (last(&queue), queue.spare.is_some())
            };
            if let Err(why) = self.step(last, is_spare) {
                let tried = self.doors.clock.monotonic();
                self.shared.queue().disk = DiskRoom::Full { tried, again: false };
                self.shared.grown.notify_waiters();
                if files::is_full(&why) {
                    tracing::warn!(%why, "no room for the journal to grow: permits are refused");
                } else {
                    tracing::error!(%why, "the journal cannot grow: permits are refused");
                }
                return;
            }
            self.shared.grown.notify_waiters();
        }
    }

    /// A chunk more, in the last segment or in a new one; on a nearly full disk in the last.
    fn step(&mut self, last: Spare, is_spare: bool) -> io::Result<()> {
        let chunk = self.config.chunk.max(1);
        if is_spare || last.end.saturating_add(chunk) <= self.config.segment {
            return self.extend(last, chunk);
        }
        match self.follow(last.number.saturating_add(1), chunk) {
            Err(why) if files::is_full(&why) => self.extend(last, chunk),
            other => other,
        }
    }

    fn extend(&self, last: Spare, bytes: u64) -> io::Result<()> {
        let to = last.end.saturating_add(bytes);
        self.segment.allocate(last.end, to)?;
        let mut queue = self.shared.queue();
        // Records may have gone over to it meanwhile.
        if queue.place.segment == last.number {
            queue.end = to;
            queue.space.grow(bytes);
        } else if let Some(spare) = queue.spare.as_mut().filter(|spare| spare.number == last.number)
        {
            spare.end = to;
            queue.space.grow_spare(bytes);
        }
        Ok(())
    }

    fn follow(&mut self, number: u32, bytes: u64) -> io::Result<()> {
        let segment = start_segment(&self.config, &self.doors, number, bytes);
        let segment = segment.map_err(|why| match why {
            OpenError::Io { why, .. } => why,
            other => io::Error::other(other.to_string()),
        })?;
        let path = journal::path(&self.config.journal(), number);
        self.segment = self.doors.files.segment(&path)?;
        self.shared.segments().insert(number, segment.into());
        let mut queue = self.shared.queue();
        queue.spare = Some(Spare { number, end: frame::HEAD.saturating_add(bytes) });
        queue.space.grow_spare(bytes);
        Ok(())
    }
}

/// The last segment there is.
fn last(queue: &Queue) -> Spare {
    queue.spare.unwrap_or(Spare { number: queue.place.segment, end: queue.end })
}
