//! The request of the witness protocol (C2SP tlog-witness): a checkpoint, the size from which on
//! it is new, and the proof that it extends the tree of that size.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::hash::sha256;
use crate::{Hash, Note, NoteError};

/// Hashes that a consistency proof may have, as the specification says.
pub const MAX_PROOF: usize = 63;

/// The path of a submission, under the witness's prefix.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";

/// The media type of the tree size in an answer with the status 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Why a body is not a submission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// Not a submission.
    #[error("not a submission: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not a note.
    #[error("the submitted checkpoint is {0}")]
    Note(#[from] NoteError),
}

/// A checkpoint on its way to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The size that the witness is believed to have cosigned last; 0 for none.
    pub old: u64,
    /// The proof that the checkpoint's tree extends the one of that size.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub checkpoint: Note,
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Submission {
    type Err = SubmissionError;

    fn from_str(text: &str) -> Result<Self, SubmissionError> {
        let malformed = SubmissionError::Malformed;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no empty line stands before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(size);
        let old = old.ok_or(malformed("its first line is not `old <size>`"))?;
        let proof: Vec<&str> = lines.take(MAX_PROOF.saturating_add(1)).collect();
        if proof.len() > MAX_PROOF {
            return Err(malformed("its proof has more than 63 hashes"));
        }
        let proof = proof.into_iter().map(str::parse).collect::<Result<Vec<Hash>, _>>();
        let proof = proof.map_err(|_| malformed("a line is not the base64 form of 32 bytes"))?;
        Ok(Self { old, proof, checkpoint: checkpoint.parse()? })
    }
}

/// Reads a tree size: decimal, without leading zeros.
pub fn size(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|size| size.to_string() == text)
}

/// The name under which a witness shows the log `origin`: SHA-256 in lower-case hex.
pub fn origin_hash(origin: &str) -> String {
    HEXLOWER.encode(&sha256(&[origin.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const BODY: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

    #[test]
    fn the_specifications_submission_reads_and_prints() {
        let submission: Submission = BODY.parse().unwrap();
        assert_eq!((submission.old, submission.proof.len()), (20_852_014, 4));
        assert_eq!(submission.checkpoint.signatures().len(), 2);
        assert_eq!(submission.to_string(), BODY);
    }

    #[test]
    fn a_first_submission_has_no_proof() {
        let first = format!("old 0\n\n{}", BODY.split_once("\n\n").unwrap().1);
        let submission: Submission = first.parse().unwrap();
        assert_eq!((submission.old, submission.proof.len()), (0, 0));
        assert_eq!(submission.to_string(), first);
    }

    #[test]
    fn malformed_submissions_are_refused_with_the_reason() {
        let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
        for (bad, says) in [
            (String::new(), "empty line"),
            (BODY.replace("old 20852014", "old 020852014"), "old <size>"),
            (BODY.replace("old 20852014", "old +1"), "old <size>"),
            (BODY.replace("old 20852014", "old  1"), "old <size>"),
            (BODY.replace("old 20852014", "new 1"), "old <size>"),
            (BODY.replace("old 20852014", "old 18446744073709551616"), "old <size>"),
            (BODY.replace("PlRN", "PlR"), "32 bytes"),
            (BODY.replace(hash, &hash.repeat(61)), "more than 63"),
            (BODY.replace('—', "-"), "signature line"),
            (BODY.trim_end().to_owned(), "line break"),
        ] {
            let error = bad.parse::<Submission>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
        assert!(BODY.replace(hash, &hash.repeat(60)).parse::<Submission>().is_ok(), "63 hashes");
    }

    #[test]
    fn a_logs_name_at_a_witness_is_the_hash_of_its_origin() {
        // `printf %s log.example | sha256sum`
        let hash = "d7612c54297eaa3e5a7756b17ce3adc5bed251af8059d72bbb8b0075c67b85e9";
        assert_eq!(origin_hash("log.example"), hash);
    }
}
