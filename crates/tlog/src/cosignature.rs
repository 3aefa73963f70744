//! Cosignatures (C2SP tlog-cosignature, version 1 with Ed25519): a witness's statement that, as of
//! a time, this is the largest consistent tree of that log it has seen.

use remit_signer::SignerError;

use crate::key::{CosigningKey, WitnessKey};
use crate::{Note, NoteError, Signature};

/// The first line of what is signed; it keeps cosignatures apart from every other signature.
const HEADER: &str = "cosignature/v1";

/// The largest time that a cosignature may carry.
const MAX_TIME: u64 = i64::MAX as u64;

/// Why nothing was cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// No cosignature can carry that time.
    #[error("a cosignature cannot say that it is {0} seconds since 1970: set the clock")]
    Time(u64),
    /// The key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// What a witness signs: the time in front of the whole body of the checkpoint.
fn message(time: u64, body: &str) -> Vec<u8> {
    format!("{HEADER}\ntime {time}\n{body}").into_bytes()
}

impl CosigningKey {
    /// Cosigns the checkpoint in `note` as of `time`, in seconds since the Unix epoch. The caller
    /// must never cosign two that contradict each other.
    ///
    /// Errors: `time` is zero, which means *no time*, or beyond what the format can say; or the key does
    /// not sign.
    pub fn cosign(&self, note: &Note, time: u64) -> Result<Signature, CosignError> {
        if !(1..=MAX_TIME).contains(&time) {
            return Err(CosignError::Time(time));
        }
        let signed = self.sign(&message(time, note.text()))?;
        Ok(Signature {
            name: self.witness().name().to_owned(),
            id: self.witness().id(),
            bytes: [&time.to_be_bytes()[..], &signed].concat(),
        })
    }
}

impl WitnessKey {
    /// When the witness cosigned the checkpoint in `note`, the last time if more than once, in
    /// seconds since the Unix epoch; `None` if it did not. Lines of other keys are ignored.
    ///
    /// Errors: [`NoteError::Forged`] if a line is said to be this witness's and is not.
    pub fn cosigned(&self, note: &Note) -> Result<Option<u64>, NoteError> {
        let mut newest = None;
        for line in note.signatures().iter().filter(|line| self.made(line)) {
            let time = self.time_of(line, note.text());
            let time = time.ok_or_else(|| NoteError::Forged { name: line.name.clone() })?;
            newest = newest.max(Some(time));
        }
        Ok(newest)
    }

    /// Whether a signature line claims to be this witness's.
    pub fn made(&self, line: &Signature) -> bool {
        line.name == self.name() && line.id == self.id()
    }

    fn time_of(&self, line: &Signature, body: &str) -> Option<u64> {
        let (time, signature) = line.bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let holds = (1..=MAX_TIME).contains(&time) && self.accepts(&message(time, body), signature);
        holds.then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, Hash, SigningKey};

    fn note() -> Note {
        let key = SigningKey::from_seed("log.example", &[1; 32]).unwrap();
        Checkpoint::new("log.example", 7, Hash::leaf(b"x")).sign(&key).unwrap()
    }

    fn witness(seed: u8) -> CosigningKey {
        CosigningKey::from_seed("witness.example/w1", &[seed; 32]).unwrap()
    }

    #[test]
    fn the_specifications_example_reads_and_its_message_is_the_one_signed() {
        let body = "example.com/behind-the-sofa\n20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB\
                    9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let lines = crate::note::signatures(line).unwrap();
        assert_eq!(lines[0].name, "witness.example.com/w1");
        assert_eq!(lines[0].bytes.len(), 8 + 64);
        assert_eq!(lines[0].bytes[..8], 1_679_315_147_u64.to_be_bytes());
        assert_eq!(format!("{}\n", lines[0]), line);
        let said = String::from_utf8(message(1_679_315_147, body)).unwrap();
        assert_eq!(said, format!("cosignature/v1\ntime 1679315147\n{body}"));
    }

    #[test]
    fn a_cosignature_is_found_among_others_and_the_newest_counts() {
        let (ours, theirs) = (witness(2), witness(3));
        assert_eq!(ours.witness().cosigned(&note()).unwrap(), None);
        let mut note = note();
        for (key, time) in [(&ours, 10), (&theirs, 40), (&ours, 30), (&ours, 20)] {
            let line = key.cosign(&note, time).unwrap();
            note = note.with(line).unwrap();
        }
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(ours.witness().cosigned(&read).unwrap(), Some(30));
        assert_eq!(theirs.witness().cosigned(&read).unwrap(), Some(40));
        assert_eq!(witness(4).witness().cosigned(&read).unwrap(), None);
    }

    #[test]
    fn a_cosignature_without_a_time_is_none() {
        for time in [0, MAX_TIME + 1, u64::MAX] {
            assert_eq!(witness(2).cosign(&note(), time), Err(CosignError::Time(time)));
        }
        assert!(witness(2).cosign(&note(), MAX_TIME).is_ok());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let key = witness(2);
        let line = key.cosign(&note(), 1_700_000_000).unwrap();
        for at in 0..line.bytes.len() {
            for bit in 0..8 {
                let mut bad = line.clone();
                bad.bytes[at] ^= 1 << bit;
                let bad = note().with(bad).unwrap();
                let forged = NoteError::Forged { name: "witness.example/w1".to_owned() };
                assert_eq!(key.witness().cosigned(&bad), Err(forged), "byte {at}, bit {bit}");
            }
        }
        let log = SigningKey::from_seed("log.example", &[1; 32]).unwrap();
        let other = Checkpoint::new("log.example", 8, Hash::leaf(b"x")).sign(&log).unwrap();
        assert!(key.witness().cosigned(&other.with(line).unwrap()).is_err(), "of another tree");
    }

    #[test]
    fn a_logs_own_signature_is_no_cosignature() {
        let witness = CosigningKey::from_seed("log.example", &[1; 32]).unwrap();
        assert_eq!(witness.witness().cosigned(&note()).unwrap(), None, "the id has the type");
    }
}
