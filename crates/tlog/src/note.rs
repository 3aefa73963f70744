//! Signed notes (C2SP signed-note): a text, an empty line, and one line for each signature.
//!
//! Signatures of unknown keys are carried and ignored; a signature of a known key that fails makes
//! the whole note malformed, whatever else verifies.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use remit_signer::SignerError;

use crate::base64;
use crate::key::{SigningKey, VerifierKey, is_name};

/// Bytes a note may have; a bound of ours, a checkpoint with a hundred signatures is far below it.
pub const MAX_BYTES: usize = 1 << 20;

/// Signatures a note may carry, as in the reference implementation.
pub const MAX_SIGNATURES: usize = 100;

/// What stands before every signature: an em dash and a blank.
const MARK: &str = "— ";

/// Why a text is not a signed note, or not one to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A signature of a known key does not fit the text.
    #[error("the signature of `{name}` does not fit the text: the note was changed")]
    Forged {
        /// The key's name.
        name: String,
    },
    /// Our own key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// No known key signed.
    #[error("none of the known keys ({known}) signed this note, only: {found}")]
    Unsigned {
        /// The known keys, as names with ids.
        known: String,
        /// Those of the signature lines.
        found: String,
    },
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// The signature itself.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Signature {
    /// The line, without its line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.id[..], &self.bytes].concat();
        write!(f, "{MARK}{} {}", self.name, base64::encode(&blob))
    }
}

/// A text with its signatures, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Signs `text`, which must end in a line break, with `keys`.
    ///
    /// Errors: `text` cannot stand in a note, no key was given, or one does not sign.
    pub fn sign(text: &str, keys: &[&SigningKey]) -> Result<Self, NoteError> {
        check_text(text)?;
        if keys.is_empty() || keys.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it needs between 1 and 100 signatures"));
        }
        let signatures = keys.iter().map(|key| {
            let (name, id) = (key.verifier().name().to_owned(), key.verifier().id());
            Ok(Signature { name, id, bytes: key.sign(text)? })
        });
        let signatures = signatures.collect::<Result<_, NoteError>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note. Nothing is verified.
    ///
    /// Errors: [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteError::Malformed("it is larger than 1 MiB"));
        }
        let note = std::str::from_utf8(bytes)
            .map_err(|_| NoteError::Malformed("it is not valid UTF-8"))?;
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it holds a control character"));
        }
        let (text, lines) = note
            .rsplit_once("\n\n")
            .ok_or(NoteError::Malformed("no empty line stands before the signatures"))?;
        let signatures = signatures(lines)?;
        let text = format!("{text}\n");
        check_text(&text)?;
        Ok(Self { text, signatures })
    }

    /// The text, with its last line break. Not to be believed before [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature line.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The note with a further signature line.
    ///
    /// Errors: it has as many as a note may have.
    pub fn with(mut self, signature: Signature) -> Result<Self, NoteError> {
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has more than 100 signatures"));
        }
        self.signatures.push(signature);
        Ok(self)
    }

    /// The note with only those of its signature lines that `keep` keeps.
    #[must_use]
    pub fn only(mut self, keep: impl FnMut(&Signature) -> bool) -> Self {
        self.signatures.retain(keep);
        self
    }

    /// Checks the signatures of `keys` and returns the text and the keys that signed it.
    ///
    /// Errors: a known key's signature fails, or none of `keys` signed.
    pub fn verify<'a>(
        &self,
        keys: &'a [VerifierKey],
    ) -> Result<(&str, Vec<&'a VerifierKey>), NoteError> {
        let mut signers: Vec<&VerifierKey> = Vec::new();
        for line in &self.signatures {
            for key in keys.iter().filter(|key| key.name() == line.name && key.id() == line.id) {
                if !key.accepts(&self.text, &line.bytes) {
                    return Err(NoteError::Forged { name: line.name.clone() });
                }
                if !signers.contains(&key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            return Err(NoteError::Unsigned {
                known: names(keys.iter().map(|key| (key.name(), key.id()))),
                found: names(self.signatures.iter().map(|line| (line.name.as_str(), line.id))),
            });
        }
        Ok((&self.text, signers))
    }
}

/// Names with their ids: the keys of one log share their name.
fn names<'a>(names: impl Iterator<Item = (&'a str, [u8; 4])>) -> String {
    let shown = |(name, id): (_, [u8; 4])| format!("`{name}+{}`", HEXLOWER.encode(&id));
    names.take(8).map(shown).collect::<Vec<_>>().join(", ")
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Malformed("its text holds a control character"));
    }
    match text.strip_suffix('\n') {
        Some(_) => Ok(()),
        None => Err(NoteError::Malformed("its text does not end in a line break")),
    }
}

/// Reads signature lines that stand alone, as a witness answers with.
///
/// Errors: [`NoteError::Malformed`].
pub fn signatures(lines: &str) -> Result<Vec<Signature>, NoteError> {
    let lines = lines
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("its last line does not end in a line break"))?;
    let signatures = lines.split('\n').take(MAX_SIGNATURES.saturating_add(1)).map(signature);
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(NoteError::Malformed("it has more than 100 signatures"));
    }
    Ok(signatures)
}

fn signature(line: &str) -> Result<Signature, NoteError> {
    let shape = NoteError::Malformed("a signature line is not `— <name> <base64>`");
    let rest = line.strip_prefix(MARK).ok_or_else(|| shape.clone())?;
    let (name, blob) = rest.split_once(' ').ok_or_else(|| shape.clone())?;
    let blob = base64::decode(blob).ok_or(shape.clone())?;
    let (id, bytes) = blob.split_first_chunk::<4>().ok_or_else(|| shape.clone())?;
    if !is_name(name) || bytes.is_empty() {
        return Err(shape);
    }
    Ok(Signature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1\
                        Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    fn key(seed: u8, name: &str) -> SigningKey {
        SigningKey::from_seed(name, &[seed; 32]).unwrap()
    }

    #[test]
    fn the_specifications_note_verifies() {
        let note: Note = NOTE.parse().unwrap();
        let keys = [KEY.parse().unwrap()];
        let (text, signers) = note.verify(&keys).unwrap();
        assert_eq!(text, "This is an example message.\n");
        assert_eq!(signers.len(), 1);
        assert_eq!(note.to_string(), NOTE);
    }

    #[test]
    fn every_flipped_bit_of_a_note_is_found() {
        let keys = [KEY.parse().unwrap()];
        for at in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let verified = Note::parse(&bytes).is_ok_and(|note| note.verify(&keys).is_ok());
                assert!(!verified, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn unknown_keys_are_ignored_but_a_known_one_that_fails_is_not() {
        let (ours, theirs) = (key(1, "log.example"), key(2, "witness.example"));
        let note = Note::sign("a\n\nb\n", &[&ours, &theirs]).unwrap();
        let read: Note = note.to_string().parse().unwrap();
        assert_eq!(read, note);
        let known = [ours.verifier().clone()];
        assert_eq!(read.verify(&known).unwrap().0, "a\n\nb\n");
        let mut broken = note.clone();
        broken.signatures[1].bytes[3] ^= 1;
        broken.verify(&known).unwrap();
        let both = [ours.verifier().clone(), theirs.verifier().clone()];
        let forged = NoteError::Forged { name: "witness.example".to_owned() };
        assert_eq!(broken.verify(&both).unwrap_err(), forged);
        let error = note.verify(&[key(3, "else.example").verifier().clone()]).unwrap_err();
        let (ours, theirs) = (ours.verifier().to_string(), theirs.verifier().to_string());
        let [ours, theirs] = [&ours, &theirs].map(|key| key.rsplit_once('+').unwrap().0);
        assert!(error.to_string().contains(&format!("`{ours}`, `{theirs}`")), "{error}");
    }

    #[test]
    fn malformed_notes_are_refused() {
        let line = NOTE.rsplit_once("\n\n").unwrap().1;
        for bad in [
            String::new(),
            "text\n".to_owned(),
            format!("text\n{line}"),
            format!("text\n\n{}", line.trim_end()),
            format!("text\n\n{line}\n"),
            format!("te\txt\n\n{line}"),
            format!("te\rxt\n\n{line}"),
            format!("text\n\n{}", line.replace('—', "-")),
            format!("text\n\n{}", line.replace("example.com/foo ", "example.com/foo  ")),
            format!("text\n\n{}", line.replace("example.com/foo", "example+com")),
            format!("text\n\n{}", line.replace("IneyaQM=", "IneyaQM")),
            "text\n\n— a AAAAAA==\n".to_owned(),
            format!("text\n\n{}", line.repeat(101)),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Note::parse(&[NOTE.as_bytes(), &[0xff]].concat()).is_err());
        assert!(Note::parse(format!("text\n\n{}", line.repeat(100)).as_bytes()).is_ok());
        let key = key(1, "a");
        assert!(Note::sign("no line break", &[&key]).is_err());
        assert!(Note::sign("tab\t\n", &[&key]).is_err());
        assert!(Note::sign("text\n", &[]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_signed_reads_back(lines in prop::collection::vec("[ -~ä—]{0,30}", 1..6)) {
            let text = lines.join("\n") + "\n";
            let key = key(9, "log.example/x");
            let note = Note::sign(&text, &[&key]).unwrap();
            let read: Note = note.to_string().parse().unwrap();
            prop_assert_eq!(read.verify(&[key.verifier().clone()]).unwrap().0, text);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _: Result<Note, NoteError> = Note::parse(&bytes);
        }
    }
}
