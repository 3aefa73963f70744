//! Reading entries back, with their bodies where the keys still exist: from a running ledger, or
//! from the files alone.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use remit_ports::{BodyKeys, Entry, KeyError, LedgerError, Replayed};
use remit_tlog::VerifierKey;

use crate::journal::{Cursor, Item, Place};
use crate::{JournalError, publish, seal};

/// Entries between two remembered places: a bundle's width, so that a bundle starts at one.
const STRIDE: u64 = 256;

/// Where every 256th entry starts.
#[derive(Debug, Default)]
pub(crate) struct Marks(RwLock<Vec<Place>>);

impl Marks {
    /// Remembers the place of entry `index`, if it is one to remember. Called in order.
    pub(crate) fn note(&self, index: u64, place: Place) {
        if index.is_multiple_of(STRIDE) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).push(place);
        }
    }

    /// A place at or before entry `index`, and the index of the entry there.
    pub(crate) fn before(&self, index: u64) -> (Place, u64) {
        let marks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let nth = usize::try_from(index / STRIDE).unwrap_or(usize::MAX);
        match marks.get(nth) {
            Some(place) => (*place, (index / STRIDE).saturating_mul(STRIDE)),
            None => (Place::start_of(0), 0),
        }
    }
}

/// Reads records of a journal.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) journal: PathBuf,
    pub(crate) marks: Arc<Marks>,
    pub(crate) keys: Arc<dyn BodyKeys>,
}

impl Reader {
    /// A cursor in front of entry `index`.
    pub(crate) fn seek(&self, index: u64) -> Result<Cursor, JournalError> {
        let (place, at) = self.marks.before(index);
        let mut cursor = Cursor::new(&self.journal, place, at, false);
        while cursor.position().1 < index && cursor.next()?.is_some() {}
        Ok(cursor)
    }

    /// Visits the entries of `range` in order.
    ///
    /// Errors: the text names the entry.
    pub(crate) fn visit(
        &self,
        range: Range<u64>,
        visit: &mut dyn FnMut(Replayed),
    ) -> Result<(), LedgerError> {
        if range.is_empty() {
            return Ok(());
        }
        let damaged = |why: JournalError| LedgerError::Damaged(why.to_string());
        let mut cursor = self.seek(range.start).map_err(damaged)?;
        for index in range {
            let item = cursor.next().map_err(damaged)?;
            let item = item.filter(|item| item.index == index).ok_or_else(|| {
                LedgerError::Damaged(format!("the journal ends before entry {index}"))
            })?;
            visit(self.replayed(&item)?);
        }
        Ok(())
    }

    fn replayed(&self, item: &Item) -> Result<Replayed, LedgerError> {
        let index = item.index;
        let damaged =
            |why: &dyn fmt::Display| LedgerError::Damaged(format!("entry {index}: {why}"));
        let entry: Entry =
            serde_json::from_slice(item.payload.entry()).map_err(|why| damaged(&why))?;
        if entry.body != crate::frame::body_digest(item.payload.body()) {
            return Err(damaged(&"its body is not the one it names"));
        }
        if item.payload.body().is_empty() {
            return Ok(Replayed { index, entry, body: None });
        }
        let body = match self.keys.key(entry.task.as_ref()) {
            Ok(key) => {
                Some(seal::open(&entry, item.payload.body(), &key).map_err(|why| damaged(&why))?)
            }
            Err(KeyError::Gone(_)) => None,
            Err(why) => return Err(LedgerError::Key(Arc::new(why))),
        };
        Ok(Replayed { index, entry, body })
    }
}

/// The published part of a log, read from its files, whether a server runs or not.
pub struct Archive {
    reader: Reader,
    size: u64,
}

impl Archive {
    /// Opens what the signed checkpoint under `state` covers.
    ///
    /// Errors: no checkpoint signed by one of `log` or by whom they lead to, or the journal is damaged.
    pub fn open(
        state: &Path,
        log: &[VerifierKey],
        keys: Arc<dyn BodyKeys>,
    ) -> Result<Self, LedgerError> {
        let damaged = |why: &dyn fmt::Display| LedgerError::Damaged(why.to_string());
        let checkpoint = publish::read_checkpoint(&state.join("ledger"), log)
            .map_err(|why| damaged(&why))?
            .ok_or_else(|| damaged(&"there is no `ledger/checkpoint`: has the server ever run?"))?;
        let (journal, marks) = (state.join("journal"), Arc::new(Marks::default()));
        let mut cursor = Cursor::new(&journal, Place::start_of(0), 0, false);
        while cursor.position().1 < checkpoint.0.size {
            let item = cursor.next().map_err(|why| damaged(&why))?;
            let item =
                item.ok_or_else(|| damaged(&"the journal is shorter than its checkpoint"))?;
            marks.note(item.index, item.place);
        }
        Ok(Self { reader: Reader { journal, marks, keys }, size: checkpoint.0.size })
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Visits the entries of `range` that there are, in order.
    ///
    /// Errors: the text names the entry.
    pub fn entries(
        &self,
        range: Range<u64>,
        visit: &mut dyn FnMut(Replayed),
    ) -> Result<(), LedgerError> {
        self.reader.visit(range.start..range.end.min(self.size), visit)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive({} entries)", self.size)
    }
}
