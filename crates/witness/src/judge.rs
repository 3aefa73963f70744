//! What a witness may cosign: a pure function of the submission, the keys it trusts, and the
//! checkpoint it cosigned last.

use remit_tlog::tree::verify_consistency;
use remit_tlog::{Checkpoint, Hash, Note, NoteError, Submission, TreeError, VerifierKey};

/// Why a submission is not cosigned. Each is a status of its own in the specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a submission, or one that says that the log shrinks.
    #[error("{0}")]
    Malformed(String),
    /// Of a log that nobody configured here.
    #[error("the log `{0}` is not known to this witness: its operator has to add it")]
    Unknown(String),
    /// Not signed by the log.
    #[error("the checkpoint is not signed by a key that this witness trusts: {0}")]
    Unsigned(NoteError),
    /// New from another size on than the submission says.
    #[error("the newest checkpoint cosigned here has {0} entries: prove the way from there")]
    Conflict(u64),
    /// The log forked or shrank, or the proof is wrong.
    #[error("the checkpoint does not extend the one of {size} entries cosigned here: {why}")]
    Inconsistent {
        /// Entries under the newest checkpoint cosigned.
        size: u64,
        /// What does not fit.
        why: TreeError,
    },
    /// The witness cannot do its part.
    #[error("{0}")]
    Failed(String),
}

/// What was submitted, when the log did sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The size from which on the checkpoint is new, as whoever submits says.
    pub old: u64,
    /// The proof of that.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The checkpoint's text with one verified signature of each of the log's keys that signed it, and no
    /// other.
    pub note: Note,
}

/// That one of `keys` signed the checkpoint in `submission`. Costs a verification for each of `keys`, not for each
/// signature line: lines that stand there twice are read once.
///
/// Errors: the first reason against it, in the order of the specification.
pub fn signed(submission: Submission, keys: &[VerifierKey]) -> Result<Signed, Refused> {
    let Submission { old, proof, checkpoint: note } = submission;
    let checkpoint = claim(&note)?;
    let keys: Vec<VerifierKey> =
        keys.iter().filter(|key| key.name() == checkpoint.origin).cloned().collect();
    let mut lines = Vec::new();
    let note = note.only(|line| {
        let new = !lines.contains(line);
        if new {
            lines.push(line.clone());
        }
        new
    });
    note.verify(&keys).map_err(Refused::Unsigned)?;
    let mut left = keys;
    let note = note.only(|line| {
        let signer = left.iter().position(|key| key.name() == line.name && key.id() == line.id);
        signer.map(|signer| left.swap_remove(signer)).is_some()
    });
    Ok(Signed { old, proof, checkpoint, note })
}

/// Whether what was submitted may be cosigned after `latest`.
///
/// Errors: the first reason against it, in the order of the specification.
pub fn judge(submission: &Signed, latest: Option<&Checkpoint>) -> Result<(), Refused> {
    let checkpoint = &submission.checkpoint;
    if submission.old > checkpoint.size {
        let (old, size) = (submission.old, checkpoint.size);
        let why = format!("the old size {old} is beyond the checkpoint's {size}");
        return Err(Refused::Malformed(why));
    }
    let (size, root) = latest.map_or((0, Hash::empty()), |latest| (latest.size, latest.root));
    if submission.old != size {
        return Err(Refused::Conflict(size));
    }
    let inconsistent = |why| Refused::Inconsistent { size, why };
    if checkpoint.size == 0 && checkpoint.root != Hash::empty() {
        let (got, expected) = (checkpoint.root, Hash::empty());
        return Err(inconsistent(TreeError::Root { got, expected }));
    }
    verify_consistency((size, root), (checkpoint.size, checkpoint.root), &submission.proof)
        .map_err(inconsistent)
}

/// What the checkpoint claims; not to be believed yet.
pub(crate) fn claim(note: &Note) -> Result<Checkpoint, Refused> {
    note.text().parse().map_err(|why: remit_tlog::CheckpointError| {
        Refused::Malformed(format!("expected a checkpoint, got a note that is none: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use remit_tlog::SigningKey;

    use super::*;
    use crate::witness::tests::Log;

    /// Both halves of it, one after the other.
    fn judge(
        submission: &Submission,
        keys: &[VerifierKey],
        latest: Option<&Checkpoint>,
    ) -> Result<(Checkpoint, Note), Refused> {
        let submission = signed(submission.clone(), keys)?;
        super::judge(&submission, latest)?;
        Ok((submission.checkpoint, submission.note))
    }

    fn judged(log: &Log, old: u64, size: u64, latest: u64) -> Result<(Checkpoint, Note), Refused> {
        let latest = log.checkpoint(latest);
        judge(&log.submission(old, size), &[log.key()], Some(&latest))
    }

    #[test]
    fn a_log_that_grows_is_cosigned_at_every_step() {
        let log = Log::of("log.example", 20, b"");
        judge(&log.submission(0, 7), &[log.key()], None).unwrap();
        for size in 1..=20 {
            for latest in 1..=size {
                let (checkpoint, note) = judged(&log, latest, size, latest).unwrap();
                assert_eq!((checkpoint.size, note.signatures().len()), (size, 1));
            }
        }
    }

    #[test]
    fn a_forked_log_is_not() {
        let (log, fork) = (Log::of("log.example", 20, b""), Log::of("log.example", 20, b"other"));
        for (old, size) in [(10, 10), (10, 20), (8, 9)] {
            let latest = log.checkpoint(old);
            let refused = judge(&fork.submission(old, size), &[log.key()], Some(&latest));
            let Err(Refused::Inconsistent { size: kept, .. }) = refused else {
                panic!("{old} to {size}: {refused:?}")
            };
            assert_eq!(kept, old);
        }
    }

    #[test]
    fn whoever_is_behind_or_ahead_is_told_the_size() {
        let log = Log::of("log.example", 20, b"");
        for (old, size) in [(0, 5), (5, 20), (12, 20), (0, 20)] {
            assert_eq!(judged(&log, old, size, 10).unwrap_err(), Refused::Conflict(10));
        }
        assert_eq!(
            judge(&log.submission(3, 5), &[log.key()], None).unwrap_err(),
            Refused::Conflict(0)
        );
        let mut shrinking = log.submission(5, 5);
        shrinking.old = 6;
        let refused = judge(&shrinking, &[log.key()], None).unwrap_err();
        assert!(matches!(refused, Refused::Malformed(_)), "{refused:?}");
    }

    #[test]
    fn proofs_must_be_exactly_what_is_needed() {
        let log = Log::of("log.example", 20, b"");
        let latest = log.checkpoint(6);
        let good = log.submission(6, 20);
        for proof in [Vec::new(), good.proof[1..].to_vec(), [&good.proof[..], &good.proof].concat()]
        {
            let bad = Submission { proof, ..good.clone() };
            let refused = judge(&bad, &[log.key()], Some(&latest)).unwrap_err();
            assert!(matches!(refused, Refused::Inconsistent { size: 6, .. }), "{refused:?}");
        }
        let first = Submission { proof: good.proof, ..log.submission(0, 20) };
        assert!(judge(&first, &[log.key()], None).is_err(), "no proof belongs to the first");
    }

    #[test]
    fn an_empty_log_has_the_root_of_nothing() {
        let log = Log::of("log.example", 0, b"");
        judge(&log.submission(0, 0), &[log.key()], None).unwrap();
        let key = Log::signing("log.example");
        let lie = Checkpoint::new("log.example", 0, Hash::leaf(b"x")).sign(&key).unwrap();
        let lie = Submission { old: 0, proof: Vec::new(), checkpoint: lie };
        let refused = judge(&lie, &[log.key()], None).unwrap_err();
        assert!(matches!(refused, Refused::Inconsistent { size: 0, .. }), "{refused:?}");
    }

    #[test]
    fn one_signature_of_each_key_is_kept_however_often_it_stands_there() {
        let log = Log::of("log.example", 3, b"");
        let new = SigningKey::from_seed("log.example", &[7; 32]).unwrap();
        let keys = [log.key(), new.verifier().clone()];
        let both = [&Log::signing("log.example"), &new];
        let mut submission = log.submission(0, 3);
        let both = log.checkpoint(3).sign_by(&both).unwrap();
        submission.checkpoint = both.clone();
        for line in both.signatures().iter().cycle().take(98) {
            submission.checkpoint = submission.checkpoint.with(line.clone()).unwrap();
        }
        assert_eq!(signed(submission, &keys).unwrap().note, both);
    }

    #[test]
    fn only_the_logs_own_signature_counts() {
        let log = Log::of("log.example", 3, b"");
        let stranger = SigningKey::from_seed("log.example", &[9; 32]).unwrap();
        let refused = judge(&log.submission(0, 3), &[stranger.verifier().clone()], None);
        assert!(matches!(refused, Err(Refused::Unsigned(_))), "{refused:?}");
        // Another log's key, though trusted, says nothing about this one.
        let other = Log::of("other.example", 3, b"");
        let refused = judge(&log.submission(0, 3), &[other.key()], None);
        assert!(matches!(refused, Err(Refused::Unsigned(_))), "{refused:?}");
        // A known key's broken signature makes the note malformed, whatever else verifies.
        let mut forged = log.submission(0, 3);
        let mut line = forged.checkpoint.signatures()[0].clone();
        line.bytes[5] ^= 1;
        forged.checkpoint = forged.checkpoint.with(line).unwrap();
        let refused = judge(&forged, &[log.key()], None);
        assert!(matches!(refused, Err(Refused::Unsigned(_))), "{refused:?}");
        // What others signed beside it is not kept.
        let mut beside = log.submission(0, 3);
        let theirs = beside.checkpoint.clone();
        let theirs = Note::sign(theirs.text(), &[&stranger]).unwrap().signatures()[0].clone();
        beside.checkpoint = beside.checkpoint.with(theirs).unwrap();
        let (_, note) = judge(&beside, &[log.key()], None).unwrap();
        assert_eq!(note.signatures().len(), 1);
    }
}
