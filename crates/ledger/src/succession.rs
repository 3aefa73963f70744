//! What vouches for a new key of the log, for whoever knows another one: `ledger/succession/<index>`.
//!
//! Each record that changes who signs ([`crate::line`]) is published under a checkpoint of its own, and
//! beside it its proof (C2SP tlog-proof, with the entry as `extra`). That checkpoint is signed by those
//! whom the record names. Whoever knows one of them learns the others: an old key that still signs vouches
//! for the new one, and the new one tells which was before it. Where the old one signs no more, because
//! somebody else may have it, nothing that it ever signed leads on, and that is meant.

use std::path::Path;
use std::{fs, io};

use remit_ports::record::Signers;
use remit_tlog::{Checkpoint, Hash, Proof, VerifierKey};

use crate::PublishError;
use crate::board::Signed;
use crate::line::{self, keys, shown};
use crate::publish::io_error;

/// The folder of these proofs, within the public log.
pub(crate) const SUCCESSION: &str = "succession";

/// Proofs that are looked at; a key that is replaced every week makes a hundred a year.
const MAX_PROOFS: usize = 4096;

/// Bytes that are read of one: an entry in base64, a proof, and a checkpoint.
const MAX_PROOF: u64 = 256 << 10;

/// The keys of a log, as far as those that are known lead.
#[derive(Debug)]
pub(crate) struct Succession {
    /// Those that were known, and those that they lead to.
    pub(crate) keys: Vec<VerifierKey>,
    /// What led there: the entry, and the checkpoint that covers it.
    pub(crate) vouched: Vec<(u64, Signed)>,
    /// What led nowhere.
    pub(crate) unvouched: Vec<Unvouched>,
}

/// A file that no known key vouches for.
#[derive(Debug)]
pub(crate) struct Unvouched {
    /// Its name.
    pub(crate) index: u64,
    /// What it claims, if it says anything.
    pub(crate) claims: Option<Signers>,
    /// Why it is not believed.
    pub(crate) why: String,
}

/// A proof that was read and is not believed yet.
struct Claim {
    index: u64,
    signers: Signers,
    leaf: Hash,
    proof: Proof,
}

impl Succession {
    /// Follows the proofs in the public log `dir` from `known` on.
    ///
    /// Errors: the folder cannot be read. A file that proves nothing is among the unvouched.
    pub(crate) fn follow(dir: &Path, known: &[VerifierKey]) -> Result<Self, PublishError> {
        let mut followed =
            Self { keys: known.to_vec(), vouched: Vec::new(), unvouched: Vec::new() };
        let mut open = Vec::new();
        for index in indices(dir).map_err(|why| io_error(SUCCESSION, why))? {
            match Claim::read(dir, index) {
                Ok(claim) => open.push(claim),
                Err(why) => followed.unvouched.push(Unvouched { index, claims: None, why }),
            }
        }
        // Each round believes one more at least, or is the last.
        loop {
            let before = open.len();
            open.retain(|claim| !followed.believe(claim));
            if open.len() == before {
                break;
            }
        }
        for claim in open {
            let why = claim.vouched(&followed.keys).err().unwrap_or_default();
            let (index, claims) = (claim.index, Some(claim.signers));
            followed.unvouched.push(Unvouched { index, claims, why });
        }
        Ok(followed)
    }

    fn believe(&mut self, claim: &Claim) -> bool {
        let Ok((signed, named)) = claim.vouched(&self.keys) else { return false };
        for key in named {
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
        self.vouched.push((claim.index, signed));
        true
    }

    /// Why the log cannot be followed further than to these keys, if what is published says so: one was
    /// taken back.
    pub(crate) fn broken(&self) -> Option<String> {
        let taken_by = |key: &VerifierKey| {
            let text = key.to_string();
            self.unvouched.iter().find(|it| {
                let claims = it.claims.as_ref();
                claims.is_some_and(|said| said.before.contains(&text) && !said.now.contains(&text))
            })
        };
        let (key, taken) = self.keys.iter().find_map(|key| Some((key, taken_by(key)?)))?;
        Some(format!(
            "entry {} says that {} was taken back: somebody else may have it, so nothing it signed \
             vouches for the key that came after; ask the log's operator for that one (`remit audit \
             key`), and hold the log against what a witness cosigned or you kept",
            taken.index,
            shown(std::slice::from_ref(key))
        ))
    }
}

impl Claim {
    fn read(dir: &Path, index: u64) -> Result<Self, String> {
        let path = dir.join(file_of(index));
        let length = fs::metadata(&path).map_err(|why| why.to_string())?.len();
        if length > MAX_PROOF {
            return Err(format!("it has {length} bytes, expected {MAX_PROOF} at most"));
        }
        let text = fs::read_to_string(&path).map_err(|why| why.to_string())?;
        let proof: Proof = text.parse().map_err(|why: remit_tlog::ProofError| why.to_string())?;
        let entry = proof.extra.as_deref().ok_or("it is without the entry that it proves")?;
        let signers = line::signers(entry)?.ok_or("its entry does not say who signs the log")?;
        if proof.index != index {
            return Err(format!("it proves entry {}", proof.index));
        }
        Ok(Self { index, signers, leaf: Hash::leaf(entry), proof })
    }

    /// The checkpoint that covers it, if one of `known` signed that and is one of those it names; and
    /// all that it names.
    fn vouched(&self, known: &[VerifierKey]) -> Result<(Signed, Vec<VerifierKey>), String> {
        let note = &self.proof.checkpoint;
        let opened = Checkpoint::open_by(note, known).map_err(|why| why.to_string())?;
        let (checkpoint, signed) = opened;
        self.proof.leads_to(self.leaf, &checkpoint).map_err(|why| why.to_string())?;
        let (mut named, now) = (keys(&self.signers.before)?, keys(&self.signers.now)?);
        if !signed.iter().any(|key| now.contains(key)) {
            return Err("who signed it is none of those who sign from there on".to_owned());
        }
        named.extend(now);
        if named.iter().any(|key| key.name() != checkpoint.origin) {
            return Err("it names keys of another log".to_owned());
        }
        Ok(((checkpoint, note.clone()), named))
    }
}

/// The path of the proof that entry `index` changes who signs, within the public log.
pub(crate) fn file_of(index: u64) -> String {
    format!("{SUCCESSION}/{index}")
}

/// Whether `name` is the name of such a file.
pub(crate) fn is_file(name: &str) -> bool {
    name.parse::<u64>().is_ok_and(|index| index.to_string() == name)
}

/// The entries that there are proofs of, in order.
fn indices(dir: &Path) -> io::Result<Vec<u64>> {
    let files = match fs::read_dir(dir.join(SUCCESSION)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut indices = Vec::new();
    for file in files {
        let name = file?.file_name();
        let index =
            name.to_str().filter(|name| is_file(name)).and_then(|name| name.parse::<u64>().ok());
        indices.extend(index);
        if indices.len() > MAX_PROOFS {
            return Err(io::Error::other(format!("there are more than {MAX_PROOFS} files")));
        }
    }
    indices.sort_unstable();
    Ok(indices)
}
