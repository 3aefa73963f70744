//! Checkpoints (C2SP tlog-checkpoint): what a log says it holds.

use std::fmt;
use std::str::FromStr;

use crate::{Hash, Note, NoteError, SigningKey, VerifierKey};

/// Why a text is not a checkpoint, or not one of the expected log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// The note around it is not to be believed.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// It speaks of another log.
    #[error("the checkpoint is of the log `{got}`, expected `{expected}`")]
    Origin {
        /// The log expected.
        expected: String,
        /// The log it speaks of.
        got: String,
    },
}

/// The claim that the log `origin` has `size` entries under `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, a URL without scheme; also the name of its key.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Further lines; not recommended, carried.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// The claim without extension lines.
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// Signs it. The caller must never sign two that contradict each other.
    ///
    /// Errors: the origin or an extension cannot stand in a checkpoint, or is not the key's name.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, CheckpointError> {
        self.sign_by(&[key])
    }

    /// As [`Self::sign`], by several keys of the log.
    ///
    /// Errors: as [`Self::sign`], or there is no key.
    pub fn sign_by(&self, keys: &[&SigningKey]) -> Result<Note, CheckpointError> {
        keys.iter().try_for_each(|key| self.check_name(key.verifier()))?;
        let text = self.to_string();
        text.parse::<Self>()?;
        Ok(Note::sign(&text, keys)?)
    }

    /// Reads a signed checkpoint of the log whose key is `key`.
    ///
    /// Errors: it is malformed, not signed by `key`, or of another log.
    pub fn open(note: &Note, key: &VerifierKey) -> Result<Self, CheckpointError> {
        Ok(Self::open_by(note, std::slice::from_ref(key))?.0)
    }

    /// Reads a checkpoint that at least one of `keys` signed, and tells which of them did.
    ///
    /// Errors: it is malformed, signed by none of them, or of another log than one that signed it.
    pub fn open_by<'a>(
        note: &Note,
        keys: &'a [VerifierKey],
    ) -> Result<(Self, Vec<&'a VerifierKey>), CheckpointError> {
        let (text, signers) = note.verify(keys)?;
        let checkpoint: Self = text.parse()?;
        signers.iter().try_for_each(|key| checkpoint.check_name(key))?;
        Ok((checkpoint, signers))
    }

    fn check_name(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin == key.name() {
            return Ok(());
        }
        let (expected, got) = (key.name().to_owned(), self.origin.clone());
        Err(CheckpointError::Origin { expected, got })
    }
}

impl fmt::Display for Checkpoint {
    /// The body: what is signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the body.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let body = text
            .strip_suffix('\n')
            .ok_or(malformed("its last line does not end in a line break"))?;
        let mut lines = body.split('\n');
        let mut line = |missing| lines.next().filter(|l| !l.is_empty()).ok_or(malformed(missing));
        let origin = line("its first line, the origin, is missing or empty")?.to_owned();
        let size = line("its second line, the size, is missing or empty")?;
        let root = line("its third line, the root, is missing or empty")?;
        let root =
            root.parse().map_err(|_| malformed("its root is not the base64 form of 32 bytes"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        let number = size
            .parse::<u64>()
            .ok()
            .filter(|number| number.to_string() == size)
            .ok_or(malformed("its size is not a decimal number without leading zeros"))?;
        Ok(Self { origin, size: number, root, extensions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "gov.example.com/log1\n1042\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_specifications_body_reads_and_prints() {
        let checkpoint: Checkpoint = BODY.parse().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("gov.example.com/log1", 1042));
        assert_eq!(checkpoint.to_string(), BODY);
        let extended = format!("{BODY}more\n");
        assert_eq!(extended.parse::<Checkpoint>().unwrap().to_string(), extended);
    }

    #[test]
    fn malformed_bodies_are_refused_with_the_line() {
        for (bad, says) in [
            (String::new(), "last line"),
            ("\n".to_owned(), "first line"),
            (BODY.trim_end().to_owned(), "last line"),
            (BODY.replace("gov.example.com/log1", ""), "first line"),
            (BODY.replace("1042", ""), "second line"),
            (BODY.replace("1042", "01042"), "leading zeros"),
            (BODY.replace("1042", "+1042"), "leading zeros"),
            (BODY.replace("1042", "18446744073709551616"), "leading zeros"),
            (BODY.replace("CsUY", "CsU"), "32 bytes"),
            (format!("{BODY}\nmore\n"), "extension"),
            ("a\n1\n".to_owned(), "third line"),
        ] {
            let error = bad.parse::<Checkpoint>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad:?}: {error}");
        }
    }

    #[test]
    fn opens_only_under_its_own_key_and_origin() {
        let key = SigningKey::from_seed("log.example", &[1; 32]).unwrap();
        let checkpoint = Checkpoint::new("log.example", 0, Hash::empty());
        let note = checkpoint.sign(&key).unwrap();
        assert_eq!(Checkpoint::open(&note, key.verifier()).unwrap(), checkpoint);
        let other = SigningKey::from_seed("log.example", &[2; 32]).unwrap();
        assert!(matches!(
            Checkpoint::open(&note, other.verifier()),
            Err(CheckpointError::Note(NoteError::Unsigned { .. }))
        ));
        let foreign = Checkpoint::new("else.example", 0, Hash::empty());
        assert!(foreign.sign(&key).is_err());
        let note = Note::sign(&foreign.to_string(), &[&key]).unwrap();
        let error = Checkpoint::open(&note, key.verifier()).unwrap_err().to_string();
        assert_eq!(error, "the checkpoint is of the log `else.example`, expected `log.example`");
        let broken = Checkpoint { extensions: vec![String::new()], ..checkpoint };
        assert!(broken.sign(&key).is_err());
    }
}
