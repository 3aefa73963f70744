//! Reading the journal: one cursor, used by start-up, by the publisher, by queries and by
//! verification.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::frame::{self, Payload};

/// Where a frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The segment's number.
    pub(crate) segment: u32,
    /// Bytes from its start.
    pub(crate) offset: u64,
}

impl Place {
    /// The first frame of a segment.
    pub(crate) fn start_of(segment: u32) -> Self {
        Self { segment, offset: frame::HEAD }
    }
}

/// A record as it lies in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) index: u64,
    pub(crate) place: Place,
    pub(crate) payload: Payload,
}

/// Why the journal cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused.
    #[error("`{file}` cannot be read: {why}")]
    Io {
        /// The segment, relative to the state directory.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// The bytes are not what was written.
    #[error("`{file}`, entry {index}, at byte {offset}: {why}")]
    Bad {
        /// The segment, relative to the state directory.
        file: String,
        /// Its number.
        segment: u32,
        /// The entry that should be there.
        index: u64,
        /// Where in the segment.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// The file name of a segment.
pub(crate) fn name(segment: u32) -> String {
    format!("{segment:08}.seg")
}

/// The path of a segment in the journal's folder.
pub(crate) fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(name(segment))
}

/// Whether a segment is nothing but zeros from `offset` on.
pub(crate) fn is_zero_from(segment: &Path, offset: u64) -> io::Result<bool> {
    let mut file = File::open(segment)?;
    file.seek(SeekFrom::Start(offset))?;
    let (mut buffer, zeros) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 || buffer.get(..read) != zeros.get(..read) {
            return Ok(read == 0);
        }
    }
}

/// Reads frames in order, across segments.
pub(crate) struct Cursor {
    dir: PathBuf,
    place: Place,
    index: u64,
    /// Whether what follows the last frame of a segment must be zeros.
    strict: bool,
    open: Option<Open>,
}

struct Open {
    reader: BufReader<File>,
    length: u64,
}

impl Cursor {
    /// Reads from entry `index`, which lies at `place`. A strict cursor also checks that nothing
    /// but zeros follows the last frame of each segment.
    pub(crate) fn new(dir: &Path, place: Place, index: u64, strict: bool) -> Self {
        Self { dir: dir.to_owned(), place, index, strict, open: None }
    }

    /// Where the next frame would be, and its index: after the end, where to append.
    pub(crate) fn position(&self) -> (Place, u64) {
        (self.place, self.index)
    }

    /// The next record; `None` at the end. Segments that are made ahead hold nothing yet: where no
    /// later one holds a record, this one may still grow.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, JournalError> {
        if let Some(item) = self.frame()? {
            return Ok(Some(item));
        }
        let here = self.place;
        loop {
            let next = self.place.segment.saturating_add(1);
            self.open = None;
            if !path(&self.dir, next).exists() {
                self.place = here;
                return Ok(None);
            }
            self.place = Place::start_of(next);
            if let Some(item) = self.frame()? {
                return Ok(Some(item));
            }
        }
    }

    /// The next frame of this segment; `None` after its last.
    fn frame(&mut self) -> Result<Option<Item>, JournalError> {
        let place = self.place;
        let left = self.ensure_open()?;
        if left < frame::PREFIX as u64 {
            return self.rest_is_zero(left).map(|()| None);
        }
        let mut prefix = [0; frame::PREFIX];
        self.read(&mut prefix)?;
        let Some((length, sum)) = frame::prefix(prefix) else {
            self.rest_is_zero(left)?;
            // The reader stays in front of the zeros: a later call sees what was appended.
            self.open = None;
            return Ok(None);
        };
        let taken = u64::from(length).saturating_add(frame::PREFIX as u64);
        if length == 0 || taken > left {
            return Err(self.bad("expected a record, or zeros to the end of the segment"));
        }
        let payload = self.read_all(length)?;
        let payload = Payload::open(self.index, sum, payload)
            .ok_or_else(|| self.bad("the record does not fit its checksum"))?;
        let item = Item { index: self.index, place, payload };
        self.place.offset = place.offset.saturating_add(taken);
        self.index = self.index.saturating_add(1);
        Ok(Some(item))
    }

    /// Opens the segment if it is not, checks its head, and says how many bytes lie ahead.
    fn ensure_open(&mut self) -> Result<u64, JournalError> {
        if self.open.is_none() {
            let opened = self.open_segment().map_err(|why| self.io(why))?;
            let (head, open) = opened;
            if head != frame::head(self.place.segment) {
                let why = "the segment's head is not `remit journal 2` and its number";
                return Err(self.bad_at(0, why));
            }
            self.open = Some(open);
        }
        let length = self.open.as_ref().map_or(0, |open| open.length);
        Ok(length.saturating_sub(self.place.offset))
    }

    fn open_segment(&self) -> io::Result<(Vec<u8>, Open)> {
        let mut file = File::open(path(&self.dir, self.place.segment))?;
        let length = file.metadata()?.len();
        let mut head = Vec::new();
        file.by_ref().take(frame::HEAD).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(self.place.offset))?;
        Ok((head, Open { reader: BufReader::with_capacity(1 << 18, file), length }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), JournalError> {
        let read = self.open.as_mut().map_or(Ok(()), |open| open.reader.read_exact(buffer));
        read.map_err(|why| self.io(why))
    }

    fn read_all(&mut self, length: u32) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let read = self.open.as_mut().map_or(Ok(0), |open| {
            open.reader.by_ref().take(u64::from(length)).read_to_end(&mut bytes)
        });
        let read = read.map_err(|why| self.io(why))?;
        let whole = read as u64 == u64::from(length);
        whole.then_some(bytes).ok_or_else(|| self.io(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Checks that the `left` bytes from here to the end of the segment are zeros.
    fn rest_is_zero(&mut self, left: u64) -> Result<(), JournalError> {
        if !self.strict || left == 0 {
            return Ok(());
        }
        let zero = is_zero_from(&path(&self.dir, self.place.segment), self.place.offset);
        if zero.map_err(|why| self.io(why))? {
            return Ok(());
        }
        Err(self.bad("expected nothing but zeros after the last record"))
    }

    fn bad(&self, why: &'static str) -> JournalError {
        self.bad_at(self.place.offset, why)
    }

    fn bad_at(&self, offset: u64, why: &'static str) -> JournalError {
        JournalError::Bad {
            file: format!("journal/{}", name(self.place.segment)),
            segment: self.place.segment,
            index: self.index,
            offset,
            why,
        }
    }

    fn io(&self, why: io::Error) -> JournalError {
        JournalError::Io { file: format!("journal/{}", name(self.place.segment)), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(dir: &Path, number: u32, first: u64, count: u64, padding: usize) {
        let mut bytes = frame::head(number);
        for index in first..first + count {
            frame::write(&mut bytes, index, format!("entry {index}").as_bytes(), b"body");
        }
        bytes.resize(bytes.len() + padding, 0);
        std::fs::write(path(dir, number), bytes).unwrap();
    }

    fn drain(cursor: &mut Cursor) -> Vec<u64> {
        std::iter::from_fn(|| cursor.next().unwrap()).map(|item| item.index).collect()
    }

    #[test]
    fn reads_across_segments_and_continues_when_more_is_appended() {
        let dir = tempfile::tempdir().unwrap();
        segment(dir.path(), 0, 0, 3, 100);
        segment(dir.path(), 1, 3, 2, 5);
        let mut cursor = Cursor::new(dir.path(), Place::start_of(0), 0, true);
        let first = cursor.next().unwrap().unwrap();
        assert_eq!((first.payload.entry(), first.payload.body()), (&b"entry 0"[..], &b"body"[..]));
        assert_eq!(drain(&mut cursor), [1, 2, 3, 4]);
        let (place, index) = cursor.position();
        assert_eq!((place.segment, index), (1, 5));
        segment(dir.path(), 1, 3, 4, 0);
        let mut again = Cursor::new(dir.path(), place, index, false);
        assert_eq!(drain(&mut again), [5, 6]);
    }

    #[test]
    fn what_is_not_a_record_is_named_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        segment(dir.path(), 0, 0, 2, 50);
        let good = std::fs::read(path(dir.path(), 0)).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            std::fs::write(path(dir.path(), 0), bytes).unwrap();
            let mut cursor = Cursor::new(dir.path(), Place::start_of(0), 0, true);
            let end = std::iter::from_fn(|| cursor.next().transpose()).find_map(Result::err);
            let text = end.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.starts_with("`journal/00000000.seg`, entry "), "byte {at}: {text}");
        }
    }
}
