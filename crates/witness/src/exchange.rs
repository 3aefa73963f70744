//! The asking end: what to send to a witness next, given what it answered. Pure.
//!
//! A log believes a witness in nothing but the cosignature, which it verifies. Where the witness
//! has seen more or something else than the log, the log says so loudly: it was rolled back, or
//! its key is used by somebody else.

use remit_tlog::{Checkpoint, Note, NoteError, WitnessKey, note, witness};

/// How often one checkpoint is submitted in one go: once, and once more from the size that the
/// witness names. A third time would mean that somebody else submits, too.
const MAX_SUBMISSIONS: u8 = 3;

/// What a witness answered.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub kind: &'a str,
    /// The body.
    pub body: &'a str,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Submit again, with the proof from this size on.
    From(u64),
    /// The checkpoint with its verified cosignature, and when it was made.
    Cosigned {
        /// The log's checkpoint and the cosignature.
        note: Note,
        /// In seconds since the Unix epoch.
        time: u64,
    },
    /// The witness has seen something that this log does not hold.
    Contradicted(String),
    /// It did not work this time.
    Failed(String),
}

/// The submission of one checkpoint to one witness.
#[derive(Debug)]
pub struct Exchange<'a> {
    key: &'a WitnessKey,
    checkpoint: &'a Checkpoint,
    note: &'a Note,
    submitted: u8,
}

impl<'a> Exchange<'a> {
    /// About to submit `checkpoint`, signed in `note`, to the witness `key`.
    pub fn new(key: &'a WitnessKey, checkpoint: &'a Checkpoint, note: &'a Note) -> Self {
        Self { key, checkpoint, note, submitted: 0 }
    }

    /// What follows from the answer to a submission from the size `old` on, when as many entries as `published`
    /// are published by the time it came: each of those checkpoints anybody may have submitted meanwhile.
    pub fn answered(&mut self, old: u64, published: u64, answer: &Answer<'_>) -> Step {
        self.submitted = self.submitted.saturating_add(1);
        let size = self.checkpoint.size;
        match answer.status {
            200 => self.cosigned(answer.body),
            409 => match named(answer) {
                Some(seen) if seen > size.max(published) => Step::Contradicted(format!(
                    "it has cosigned {seen} entries of this log, which has {published}: the log lost \
                     entries (a state directory restored from a backup?), or somebody else signs \
                     with its key"
                )),
                Some(seen) if seen > size => Step::Failed(format!(
                    "somebody else submitted {seen} entries while {size} were on their way"
                )),
                Some(seen) if seen != old && self.submitted < MAX_SUBMISSIONS => Step::From(seen),
                _ => Step::Failed("it names no size from which it would go on".to_owned()),
            },
            422 => Step::Contradicted(format!(
                "what it cosigned at {old} entries is not how this log begins: the log was \
                 forked, or somebody else signs with its key; it says: {}",
                excerpt(answer.body)
            )),
            404 => Step::Failed("it does not know this log: its operator has to add it".to_owned()),
            403 => Step::Failed(format!(
                "it trusts no key that signs this log now: if that was replaced, give its operator the \
                 new one (`remit audit key`); it says: {}",
                excerpt(answer.body)
            )),
            status => {
                Step::Failed(format!("it answered with status {status}: {}", excerpt(answer.body)))
            }
        }
    }

    fn cosigned(&self, body: &str) -> Step {
        let note = note::signatures(body).and_then(|lines| {
            let ours = lines.into_iter().filter(|line| self.key.made(line));
            let bare = self.note.clone().only(|line| !self.key.made(line));
            ours.take(1).try_fold(bare, Note::with)
        });
        match note.and_then(|note| Ok((self.key.cosigned(&note)?, note))) {
            Ok((Some(time), note)) => Step::Cosigned { note, time },
            Ok((None, _)) => Step::Failed(format!(
                "it answered without a cosignature of `{}`: is the configured key its key?",
                self.key
            )),
            Err(NoteError::Forged { .. }) => {
                Step::Failed("its cosignature does not fit the checkpoint".to_owned())
            }
            Err(why) => Step::Failed(format!("its answer is no signature: {why}")),
        }
    }
}

/// The size in an answer with the status 409.
fn named(answer: &Answer<'_>) -> Option<u64> {
    let kind = answer.kind.split(';').next().unwrap_or_default().trim();
    let line = answer.body.strip_suffix('\n')?;
    (kind == witness::SIZE_TYPE).then(|| witness::size(line))?
}

/// The beginning of what a witness says, for a person.
fn excerpt(body: &str) -> String {
    /// Enough for a sentence.
    const WIDTH: usize = 200;
    body.chars().filter(|c| !c.is_control()).take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use remit_tlog::CosigningKey;

    use super::*;
    use crate::witness::tests::Log;

    fn key() -> CosigningKey {
        CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap()
    }

    fn answer(status: u16, body: &str) -> Answer<'_> {
        let kind = if status == 409 { witness::SIZE_TYPE } else { "text/plain" };
        Answer { status, kind, body }
    }

    /// What follows when the log has 10 entries and proves from 4 on.
    fn after(answers: &[Answer<'_>]) -> Step {
        grown(10, answers)
    }

    /// The same when it has grown to `published` entries before the answers came.
    fn grown(published: u64, answers: &[Answer<'_>]) -> Step {
        let log = Log::of("log.example", 10, b"");
        let (checkpoint, note) = (log.checkpoint(10), log.submission(4, 10).checkpoint);
        let key = key();
        let mut exchange = Exchange::new(key.witness(), &checkpoint, &note);
        let none = Step::Failed("nothing was answered".to_owned());
        answers.iter().fold(none, |_, answer| exchange.answered(4, published, answer))
    }

    fn line(key: &CosigningKey) -> String {
        let note = Log::of("log.example", 10, b"").submission(0, 10).checkpoint;
        format!("{}\n", key.cosign(&note, 77).unwrap())
    }

    #[test]
    fn a_cosignature_is_taken_when_it_holds() {
        let stranger = CosigningKey::from_seed("witness.example/w1", &[3; 32]).unwrap();
        let both = format!("{}{}", line(&stranger), line(&key()));
        let Step::Cosigned { note, time } = after(&[answer(200, &both)]) else { panic!() };
        assert_eq!(time, 77);
        assert_eq!(note.signatures().len(), 2, "the log's own and the one that was verified");
        for (bad, says) in [
            (line(&stranger), "is the configured key its key?"),
            (line(&key()).replace("1 ", "1  "), "no signature"),
            (String::new(), "no signature"),
        ] {
            let Step::Failed(why) = after(&[answer(200, &bad)]) else { panic!("{bad}") };
            assert!(why.contains(says), "{why}");
        }
        let other = Log::of("log.example", 10, b"other").submission(0, 10).checkpoint;
        let other = format!("{}\n", key().cosign(&other, 77).unwrap());
        let Step::Failed(why) = after(&[answer(200, &other)]) else { panic!() };
        assert!(why.contains("does not fit"), "{why}");
    }

    #[test]
    fn a_conflict_names_where_to_go_on() {
        assert_eq!(after(&[answer(409, "7\n")]), Step::From(7));
        assert_eq!(after(&[answer(409, "0\n")]), Step::From(0));
        for bad in ["4\n", "7", "x\n", "007\n", ""] {
            assert!(matches!(after(&[answer(409, bad)]), Step::Failed(_)), "{bad:?}");
        }
        let plain = Answer { status: 409, kind: "text/plain", body: "7\n" };
        assert!(matches!(after(&[plain]), Step::Failed(_)));
        let again = [answer(409, "7\n"), answer(409, "8\n"), answer(409, "9\n")];
        assert!(matches!(after(&again), Step::Failed(_)), "not for ever");
    }

    #[test]
    fn what_is_published_meanwhile_and_submitted_by_somebody_else_is_no_contradiction() {
        let Step::Failed(why) = grown(12, &[answer(409, "12\n")]) else { panic!() };
        assert!(why.contains("submitted 12 entries while 10"), "{why}");
        assert!(matches!(grown(12, &[answer(409, "11\n")]), Step::Failed(_)));
        let Step::Contradicted(why) = grown(12, &[answer(409, "13\n")]) else { panic!() };
        assert!(why.contains("13 entries of this log, which has 12"), "{why}");
    }

    #[test]
    fn a_witness_that_saw_another_log_is_believed_loudly() {
        let Step::Contradicted(why) = after(&[answer(409, "11\n")]) else { panic!() };
        assert!(why.contains("11 entries") && why.contains("lost entries"), "{why}");
        let Step::Contradicted(why) = after(&[answer(422, "no\u{1b}[2J\n")]) else { panic!() };
        assert!(why.contains("forked") && why.ends_with("no[2J"), "{why}");
        for status in [400, 403, 404, 500, 503, 302] {
            assert!(matches!(after(&[answer(status, "")]), Step::Failed(_)), "{status}");
        }
        let Step::Failed(why) = after(&[answer(403, "not signed by")]) else { panic!() };
        assert!(why.contains("give its operator the new one") && why.ends_with("not signed by"));
    }
}
