//! A witness: one submission of a log after the other, durable before it is answered.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::Clock;
use remit_tlog::witness::origin_hash;
use remit_tlog::{Checkpoint, CosigningKey, Hash, Note, Submission, VerifierKey, WitnessKey};

use crate::judge::{self, Refused, Signed};
use crate::shelf::Shelf;

/// A log that the witness knows: its keys, and the turn of whoever looks at its checkpoint to
/// replace it. Without the turn, two submissions that are both right could be written in the
/// wrong order, and the log rolled back.
#[derive(Debug, Default)]
struct Known {
    keys: Vec<VerifierKey>,
    turn: Mutex<Turn>,
    /// What was cosigned last and is on disk for good, which a file may not be that is there to be read. Nobody
    /// is shown anything else, and whoever asks waits for no disk.
    durable: Mutex<Option<Note>>,
}

impl Known {
    fn durable(&self) -> MutexGuard<'_, Option<Note>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long what was told of is not told of again. Whoever submits can have it told as often as this, which
/// buries nothing else.
const TELL: Duration = Duration::from_mins(1);

/// What whoever has the turn must know beside what is on disk.
#[derive(Debug, Default)]
struct Turn {
    /// When a fork was told of last, on the monotonic clock.
    fork: Option<u64>,
    /// When a proof that does not hold was. Apart from forks: anybody can submit what the log once signed,
    /// with a wrong proof and as often as they like.
    proof: Option<u64>,
}

/// Cosigns the checkpoints of the logs it knows.
pub struct Witness {
    key: CosigningKey,
    logs: BTreeMap<String, Known>,
    shelf: Shelf,
    clock: Arc<dyn Clock>,
}

impl Witness {
    /// A witness that cosigns with `key` for the logs of `trusted`, each named by its key, and
    /// keeps what it cosigned in `dir`. No other process may use that folder.
    ///
    /// Errors: the disk refuses, or what was cosigned cannot be read.
    pub fn open(
        dir: &Path,
        key: CosigningKey,
        trusted: Vec<VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let mut logs: BTreeMap<String, Known> = BTreeMap::new();
        for log in trusted {
            let known = logs.entry(log.name().to_owned());
            known.or_default().keys.push(log);
        }
        let witness = Self { key, logs, shelf: Shelf::open(dir)?, clock };
        for (origin, known) in &witness.logs {
            let newest = witness.newest(origin).map_err(io::Error::other)?;
            *known.durable() = newest.map(|(_, note)| note);
        }
        Ok(witness)
    }

    /// The key that verifies its cosignatures.
    pub fn key(&self) -> &WitnessKey {
        self.key.witness()
    }

    /// The logs it knows, and how many entries of each it cosigned.
    ///
    /// Errors: what was cosigned cannot be read.
    pub fn logs(&self) -> Result<Vec<(String, u64)>, String> {
        let size = |origin: &String| {
            let newest = self.newest(origin)?;
            Ok((origin.clone(), newest.map_or(0, |(checkpoint, _)| checkpoint.size)))
        };
        self.logs.keys().map(size).collect()
    }

    fn newest(&self, origin: &str) -> Result<Option<(Checkpoint, Note)>, String> {
        self.shelf.newest(origin, self.key())
    }

    /// Cosigns the checkpoint in `body`, or says why not. The cosignature is the answer's text, a
    /// signature line; the checkpoint is on disk for good by then. Blocks on the disk.
    ///
    /// Errors: see [`Refused`].
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<String, Refused> {
        let text = std::str::from_utf8(body)
            .map_err(|_| Refused::Malformed("not a submission: it is not UTF-8".to_owned()))?;
        let submission: Submission = text
            .parse()
            .map_err(|why: remit_tlog::SubmissionError| Refused::Malformed(why.to_string()))?;
        let origin = judge::claim(&submission.checkpoint)?.origin;
        let known = self.logs.get(&origin).ok_or_else(|| Refused::Unknown(origin.clone()))?;
        // Before the turn: whoever submits what the log did not sign keeps nobody waiting.
        let submission = judge::signed(submission, &known.keys)?;
        let mut turn = known.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest(&origin).map_err(|why| {
            tracing::error!(%why, "nothing is cosigned for this log");
            Refused::Failed("what was cosigned of this log cannot be read".to_owned())
        })?;
        let latest = newest.as_ref().map(|(checkpoint, _)| checkpoint);
        judge::judge(&submission, latest).inspect_err(|why| {
            turn.tell((why, latest), &submission, self.clock.monotonic());
        })?;
        let Signed { checkpoint, note, .. } = submission;
        let line = self.key.cosign(&note, self.clock.now().as_secs());
        let line = line.map_err(|why| {
            tracing::error!(%why, %origin, "nothing is cosigned");
            Refused::Failed("this witness cannot cosign at the moment".to_owned())
        })?;
        let note = note.with(line.clone()).map_err(|why| Refused::Malformed(why.to_string()))?;
        // Within one second it is the same line, whichever of the log's signatures came with it.
        let is_kept = |kept: &Note| kept.signatures().contains(&line);
        if !known.durable().as_ref().is_some_and(is_kept) {
            self.shelf.put(&origin, &note).map_err(|why| {
                tracing::error!(%why, %origin, "the checkpoint could not be kept");
                Refused::Failed("the checkpoint could not be kept".to_owned())
            })?;
            *known.durable() = Some(note);
        }
        tracing::info!(%origin, size = checkpoint.size, "cosigned");
        Ok(format!("{line}\n"))
    }

    /// The newest checkpoint cosigned of the log whose origin has this hash, in lower-case hex;
    /// `None` if there is none.
    pub fn checkpoint(&self, hash: &str) -> Option<Note> {
        let known = self.logs.iter().find(|(origin, _)| origin_hash(origin) == hash);
        known.and_then(|(_, known)| known.durable().clone())
    }
}

impl Turn {
    /// A log that contradicts itself has to be known of, with what proves it.
    fn tell(
        &mut self,
        (why, latest): (&Refused, Option<&Checkpoint>),
        Signed { checkpoint, note, .. }: &Signed,
        now: u64,
    ) {
        let Refused::Inconsistent { .. } = why else { return };
        let (origin, is_fork) = (&checkpoint.origin, contradicts(checkpoint, latest));
        match (is_fork, self.tells(is_fork, now)) {
            (_, false) => {}
            (true, true) => {
                tracing::error!(%origin, %why, signed = %note, "NOT cosigned: the log FORKED, and signed it");
            }
            (false, true) => {
                tracing::warn!(%origin, %why, signed = %note, "NOT cosigned: a wrong proof, or a fork");
            }
        }
    }

    /// Whether it is time to tell of one more.
    fn tells(&mut self, is_fork: bool, now: u64) -> bool {
        let told = if is_fork { &mut self.fork } else { &mut self.proof };
        let ago = told.map(|told| Duration::from_nanos(now.saturating_sub(told)));
        let tells = ago.is_none_or(|ago| ago >= TELL);
        if tells {
            *told = Some(now);
        }
        tells
    }
}

/// Whether a checkpoint that the log signed contradicts the one before, by itself: two roots of one size. A
/// proof that does not hold shows nothing, since whoever submits chooses it.
fn contradicts(checkpoint: &Checkpoint, latest: Option<&Checkpoint>) -> bool {
    let (size, root) = latest.map_or((0, Hash::empty()), |latest| (latest.size, latest.root));
    checkpoint.size == size && checkpoint.root != root
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({} of {} logs)", self.key(), self.logs.len())
    }
}

#[cfg(test)]
pub(crate) mod tests;
