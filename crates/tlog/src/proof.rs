//! Offline receipts (C2SP tlog-proof): one file that proves an entry with nothing but a key.

use std::fmt;
use std::str::FromStr;

use crate::base64;
use crate::tree::verify_inclusion;
use crate::{Checkpoint, CheckpointError, Hash, Note, NoteError, TreeError, VerifierKey};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Hashes an inclusion proof can have: the height of a tree of 2^64 - 1 entries.
const MAX_HASHES: usize = 64;

/// Why a text is not a proof, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a proof.
    #[error("not a tlog-proof: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not a note.
    #[error("tlog-proof: {0}")]
    Note(#[from] NoteError),
    /// Its checkpoint is not to be believed.
    #[error("tlog-proof: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not the one it proves.
    #[error("the entry is not number {index} of `{origin}`: {why}")]
    Inclusion {
        /// The index it claims.
        index: u64,
        /// The log it claims.
        origin: String,
        /// What does not fit.
        why: TreeError,
    },
}

/// The proof that an entry stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Unauthenticated data beside it.
    pub extra: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// The inclusion proof, leaf sibling first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint it leads to.
    pub checkpoint: Note,
}

impl Proof {
    /// Checks, offline, that `entry` is in the log whose key is `key`; returns the checkpoint.
    ///
    /// Errors: the checkpoint is not the log's, or the entry is another.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        self.verify_leaf(Hash::leaf(entry), key)
    }

    /// As [`Proof::verify`], for a leaf hash.
    pub fn verify_leaf(&self, leaf: Hash, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        self.leads_to(leaf, &checkpoint)?;
        Ok(checkpoint)
    }

    /// Checks that the entry with this leaf hash is under `checkpoint`, which was opened elsewhere.
    ///
    /// Errors: the entry is another.
    pub fn leads_to(&self, leaf: Hash, checkpoint: &Checkpoint) -> Result<(), ProofError> {
        verify_inclusion(leaf, self.index, checkpoint.size, checkpoint.root, &self.hashes).map_err(
            |why| ProofError::Inclusion {
                index: self.index,
                origin: checkpoint.origin.clone(),
                why,
            },
        )
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no empty line stands before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let mut line = lines.next().unwrap_or_default();
        let mut extra = None;
        if let Some(data) = line.strip_prefix("extra ") {
            let data = base64::decode(data);
            extra = Some(data.ok_or(malformed("its extra data is not base64"))?);
            line = lines.next().unwrap_or_default();
        }
        let index = line
            .strip_prefix("index ")
            .and_then(|text| Some((text, text.parse::<u64>().ok()?)))
            .filter(|(text, index)| index.to_string() == *text)
            .ok_or(malformed("no line `index <number>` follows"))?
            .1;
        let hashes = lines.map(str::parse).collect::<Result<Vec<Hash>, _>>();
        let hashes = hashes.map_err(|_| malformed("a line is not the base64 form of 32 bytes"))?;
        if hashes.len() > MAX_HASHES {
            return Err(malformed("it has more hashes than a tree is high"));
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use crate::tree::{Frontier, prove_inclusion};

    fn key() -> SigningKey {
        SigningKey::from_seed("log.example", &[1; 32]).unwrap()
    }

    fn proof(index: u64, size: u64) -> Proof {
        let (mut nodes, mut frontier) = (Vec::new(), Frontier::default());
        for n in 0..size {
            frontier
                .push(Hash::leaf(&n.to_be_bytes()), |node, hash| nodes.push((node, hash)))
                .unwrap();
        }
        let read = |node| Ok::<_, TreeError>(nodes.iter().find(|(n, _)| *n == node).unwrap().1);
        Proof {
            extra: None,
            index,
            hashes: prove_inclusion(index, size, read).unwrap(),
            checkpoint: Checkpoint::new("log.example", size, frontier.root()).sign(&key()).unwrap(),
        }
    }

    #[test]
    fn a_receipt_stands_alone() {
        for extra in [None, Some(b"beside".to_vec())] {
            let proof = Proof { extra, ..proof(5, 11) };
            let text = proof.to_string();
            assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"), "{text}");
            let read: Proof = text.parse().unwrap();
            assert_eq!(read, proof);
            let checkpoint = read.verify(&5_u64.to_be_bytes(), key().verifier()).unwrap();
            assert_eq!(checkpoint.size, 11);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_receipt_is_found() {
        let text = proof(5, 11).to_string();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let read =
                    String::from_utf8(bytes).ok().and_then(|text| text.parse::<Proof>().ok());
                let holds = read.is_some_and(|read| {
                    read.verify(&5_u64.to_be_bytes(), key().verifier()).is_ok()
                });
                assert!(!holds, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn another_entry_or_shape_is_refused() {
        let proof = proof(5, 11);
        let error = proof.verify(b"else", key().verifier()).unwrap_err().to_string();
        assert!(error.starts_with("the entry is not number 5 of `log.example`"), "{error}");
        let text = proof.to_string();
        for bad in [
            text.replace("index 5", "index 05"),
            text.replace("index 5", "index"),
            text.replace("@v1", "@v2"),
            text.replace("index 5", "extra !\nindex 5"),
            text.replacen("\n\n", "\n", 2),
            text.replace(
                "index 5\n",
                &format!("index 5\n{}", format!("{}\n", Hash::empty()).repeat(65)),
            ),
        ] {
            assert!(bad.parse::<Proof>().is_err(), "{bad}");
        }
    }
}
