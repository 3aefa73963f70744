//! From a draft to the bytes of its entry and body. Everything that can be refused for its own
//! sake is refused here, before the record has a place in the order.

use std::borrow::Cow;
use std::sync::Arc;

use remit_model::Digest;
use remit_ports::record::VERSION;
use remit_ports::{Draft, Entry, Kind, LedgerError, Parent, Room};
use remit_tlog::{Hash, MAX_ENTRY};

use crate::space::Asked;
use crate::{Config, Doors, frame, seal};

/// A record that only lacks its place.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) entry: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) leaf: Digest,
    pub(crate) question: Option<Digest>,
    pub(crate) parents: Vec<u64>,
    room: Room,
    settles: Option<u64>,
}

impl Prepared {
    /// The room it needs as entry `index`.
    pub(crate) fn asks(&self, index: u64) -> Asked {
        let size = frame::length(self.entry.len(), self.body.len());
        Asked { room: self.room, size, index, settles: self.settles }
    }
}

/// Seals the body and writes the entry.
///
/// Errors: the key is gone, or the record is too large.
pub(crate) fn prepare(
    draft: Draft,
    config: &Config,
    doors: &Doors,
    origin: &Arc<str>,
) -> Result<Prepared, LedgerError> {
    let task = draft.subject.as_ref().map(|subject| &subject.task);
    let sealed = if draft.body.is_empty() {
        seal::Sealed::default()
    } else {
        let key = doors.keys.key(task).map_err(|why| LedgerError::Key(Arc::new(why)))?;
        seal::seal(&draft.body, draft.subject.as_ref(), &key, doors.entropy.as_ref())
            .map_err(|why| LedgerError::Misplaced(why.to_string()))?
    };
    if sealed.bytes.len() > config.max_body {
        let (got, most) = (sealed.bytes.len(), config.max_body);
        return Err(LedgerError::TooLarge(format!("its body has {got} bytes, it may have {most}")));
    }
    let settles = (draft.kind == Kind::Outcome).then(|| draft.parents.first().copied()).flatten();
    let room = match draft.kind {
        Kind::Decision => Room::Permit,
        Kind::Outcome => Room::Outcome,
        _ => draft.room,
    };
    let question = draft.clear.question;
    let (sequence, epoch) = draft.subject.as_ref().map_or((0, 0), |s| (s.sequence, s.epoch));
    let entry = Entry {
        body: frame::body_digest(&sealed.bytes),
        catalogue: draft.pins.catalogue,
        clear: draft.clear,
        commitments: sealed.commitments,
        engine: Cow::Borrowed(draft.pins.engine),
        epoch,
        kind: draft.kind,
        mono: doors.clock.monotonic(),
        node: Arc::clone(&config.node),
        parents: parent_links(&draft.parents, origin),
        policy: draft.pins.policy,
        schema: draft.pins.schema,
        seq: sequence,
        task: draft.subject.map(|subject| subject.task),
        v: VERSION,
        wall: doors.clock.now(),
    };
    let entry = canonical(&entry)?;
    let leaf = Digest(*Hash::leaf(&entry).as_bytes());
    Ok(Prepared {
        entry,
        body: sealed.bytes,
        leaf,
        question,
        parents: draft.parents,
        room,
        settles,
    })
}

fn parent_links(parents: &[u64], origin: &Arc<str>) -> Vec<Parent> {
    parents.iter().map(|index| Parent { index: *index, origin: Arc::clone(origin) }).collect()
}

/// Room for an entry as calls have them, so that few are moved while they are written.
const USUAL_ENTRY: usize = 2 << 10;

/// The entry's bytes, which are in canonical form as they are written (see [`Entry`]).
fn canonical(entry: &Entry) -> Result<Vec<u8>, LedgerError> {
    let mut bytes = Vec::with_capacity(USUAL_ENTRY);
    serde_json::to_writer(&mut bytes, entry)
        .map_err(|why| LedgerError::Misplaced(why.to_string()))?;
    if bytes.len() > MAX_ENTRY {
        return Err(LedgerError::TooLarge(format!(
            "its entry has {} bytes, an entry may have {MAX_ENTRY}",
            bytes.len()
        )));
    }
    Ok(bytes)
}
