//! Start-up writes again what it read of the journal and no signed checkpoint covers.
//!
//! After a failed sync, or a kill between a write and its sync, the kernel may show bytes that are
//! not on the disk, and never write them: who reads them cannot tell. Written again, with the same
//! bytes in the same place, they are on the disk once a sync has succeeded.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{Files, Segment};
use crate::journal::{self, Item, Place};
use crate::recover::OpenError;
use crate::{Config, Doors, frame};

/// So many bytes of frames are written at a time, and at most one frame more: few writes, and little
/// memory however long the public log was late.
const CHUNK: usize = 1 << 20;

/// Writes frames again, in their order.
pub(crate) struct Again {
    dir: PathBuf,
    files: Arc<dyn Files>,
    /// Frames that are read and not yet written again, one behind the other.
    frames: Vec<u8>,
    /// Where the first of them lies.
    place: Place,
    /// The segment that they lie in.
    segment: Option<Box<dyn Segment>>,
}

impl Again {
    pub(crate) fn new(config: &Config, doors: &Doors) -> Self {
        Self {
            dir: config.journal(),
            files: Arc::clone(&doors.files),
            frames: Vec::new(),
            place: Place::start_of(0),
            segment: None,
        }
    }

    /// Takes the next record.
    pub(crate) fn add(&mut self, item: &Item) -> Result<(), OpenError> {
        if item.place.segment != self.place.segment {
            self.sync()?;
        }
        if self.frames.is_empty() {
            self.place = item.place;
        }
        frame::write(&mut self.frames, item.index, item.payload.entry(), item.payload.body());
        if self.frames.len() < CHUNK {
            return Ok(());
        }
        self.write().map_err(|why| self.refusal(why))
    }

    /// Makes all that was taken durable, and the names of the segments: a first one that a crash has
    /// kept from that is used as it is.
    pub(crate) fn finish(mut self) -> Result<(), OpenError> {
        self.sync()?;
        self.files.sync_dir(&self.dir).map_err(|why| self.refusal(why))
    }

    /// Makes what was taken of this segment durable, before anything is written to the next.
    fn sync(&mut self) -> Result<(), OpenError> {
        let done = self.write().and_then(|()| self.segment.take().map_or(Ok(()), |s| s.sync()));
        done.map_err(|why| self.refusal(why))
    }

    fn write(&mut self) -> io::Result<()> {
        if self.frames.is_empty() {
            return Ok(());
        }
        // Opened before it is written to, so that it is told of every error in between.
        let segment = match self.segment.take() {
            Some(segment) => segment,
            None => self.files.segment(&journal::path(&self.dir, self.place.segment))?,
        };
        segment.write(&self.frames, self.place.offset)?;
        self.segment = Some(segment);
        self.frames.clear();
        Ok(())
    }

    fn refusal(&self, why: io::Error) -> OpenError {
        OpenError::Unkept { file: format!("journal/{}", journal::name(self.place.segment)), why }
    }
}
