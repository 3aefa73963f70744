//! What was said of a log, to be held against its entries: its own signed checkpoint, the ones that
//! witnesses cosigned, and those that somebody kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use remit_tlog::{Checkpoint, Hash, Note, VerifierKey, WitnessKey};

use crate::board::{self, Cosigned, Signed, WITNESSED};
use crate::line::{Line, shown};
use crate::succession::{Succession, file_of};
use crate::verify::{VerifyError, wrong};

/// Who else can say something about a log.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The witnesses whose cosignatures count.
    pub witnesses: Vec<WitnessKey>,
    /// Checkpoints of the log that were kept elsewhere: where, and the checkpoint.
    pub held: Vec<(String, Note)>,
}

/// Everything that was said, by size.
#[derive(Debug)]
pub(crate) struct Claims {
    /// Whose word is listened to. Whether they were to sign then, the entries tell.
    keys: Vec<VerifierKey>,
    roots: BTreeMap<u64, Vec<Claim>>,
    cosigned: BTreeMap<String, Cosigned>,
}

/// What was said of the log at some size.
#[derive(Debug)]
struct Claim {
    root: Hash,
    signed: Vec<VerifierKey>,
    place: String,
    by: By,
}

/// Who keeps what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The log itself, which always signs with all keys that count.
    Log,
    /// Somebody else, who may have left out signatures that they do not know.
    Other,
}

impl Claims {
    /// What the files of the public log in `dir` and `others` say. Each must be signed by a key to which
    /// `succession` leads.
    ///
    /// Errors: a file cannot be read, or is not signed by the log.
    pub(crate) fn read(
        dir: &Path,
        (succession, shown): (&Succession, &str),
        newest: &Signed,
        others: &Others,
    ) -> Result<Self, VerifyError> {
        let keys = succession.keys.clone();
        let mut claims = Self { keys, roots: BTreeMap::new(), cosigned: BTreeMap::new() };
        claims.add(newest, (&format!("{shown}checkpoint"), By::Log), others)?;
        for (index, signed) in &succession.vouched {
            claims.add(signed, (&format!("{shown}{}", file_of(*index)), By::Log), others)?;
        }
        for name in names(&dir.join(WITNESSED)).map_err(|why| wrong(WITNESSED, None, why))? {
            let file = format!("{shown}{WITNESSED}/{name}");
            let signed = board::read(&dir.join(WITNESSED).join(&name), &claims.keys);
            let signed = signed.map_err(|why| wrong(file.as_str(), None, why))?;
            signed.map_or(Ok(()), |signed| claims.add(&signed, (&file, By::Other), others))?;
        }
        for (place, note) in &others.held {
            let checkpoint = Checkpoint::open_by(note, &claims.keys);
            let (checkpoint, _) = checkpoint.map_err(|why| wrong(place.as_str(), None, why))?;
            claims.add(&(checkpoint, note.clone()), (place, By::Other), others)?;
        }
        Ok(claims)
    }

    fn add(
        &mut self,
        (checkpoint, note): &Signed,
        (place, by): (&str, By),
        others: &Others,
    ) -> Result<(), VerifyError> {
        let (_, signed) = note.verify(&self.keys).map_err(|why| wrong(place, None, why))?;
        let signed = signed.into_iter().cloned().collect();
        let claim = Claim { root: checkpoint.root, signed, place: place.to_owned(), by };
        self.roots.entry(checkpoint.size).or_default().push(claim);
        for witness in &others.witnesses {
            let time = witness.cosigned(note).map_err(|why| wrong(place, None, why))?;
            let Some(time) = time else { continue };
            let (name, size) = (witness.name().to_owned(), checkpoint.size);
            let new = Cosigned { witness: name, size, time };
            let kept = self.cosigned.entry(witness.to_string()).or_insert_with(|| new.clone());
            if (new.size, new.time) > (kept.size, kept.time) {
                *kept = new;
            }
        }
        Ok(())
    }

    /// That what was said of the log at `size` entries is that its root is `root`.
    ///
    /// Errors: somebody said something else; the text says where.
    pub(crate) fn check(&self, size: u64, root: Hash) -> Result<(), VerifyError> {
        let said = self.roots.get(&size).into_iter().flatten();
        let other = said.into_iter().find(|claim| claim.root != root);
        let Some(Claim { root: claimed, place, .. }) = other else { return Ok(()) };
        let why = format!(
            "it says that the first {size} entries have the root {claimed}, they have {root}"
        );
        Err(wrong(place.as_str(), None, why))
    }

    /// That each was signed by those who were to sign then, by `line`, which the entries say: what others
    /// keep by one of them, what the log itself publishes by all. Or a key that was replaced would do,
    /// for whoever leaves out the record of that.
    ///
    /// Errors: one was not, such as by a key that had been replaced.
    pub(crate) fn check_signers(&self, line: &Line) -> Result<(), VerifyError> {
        if line.is_unchanged() {
            return Ok(());
        }
        for (size, claim) in
            self.roots.iter().flat_map(|(size, all)| all.iter().map(move |one| (size, one)))
        {
            let expected = line.at(*size);
            let signed = |key| claim.signed.contains(key);
            let enough = match claim.by {
                By::Log => expected.iter().all(signed),
                By::Other => expected.iter().any(signed),
            };
            if !enough {
                let why = format!(
                    "it speaks of {size} entries and is signed by {}; by those entries {} sign \
                     then: somebody uses a key that was replaced, or not yet named",
                    shown(&claim.signed),
                    shown(expected)
                );
                return Err(wrong(claim.place.as_str(), None, why));
            }
        }
        Ok(())
    }

    /// That nobody spoke of more entries than the log has.
    ///
    /// Errors: somebody did: the log was cut, or restored from an older copy.
    pub(crate) fn check_end(&self, size: u64) -> Result<(), VerifyError> {
        let Some((claimed, said)) = self.roots.last_key_value() else { return Ok(()) };
        if *claimed <= size {
            return Ok(());
        }
        let place = said.first().map_or("", |claim| claim.place.as_str());
        let why = format!(
            "it speaks of {claimed} entries, the log has {size}: it lost entries, unless a copy of it is \
             being made this moment"
        );
        Err(wrong(place, None, why))
    }

    /// The newest that each witness cosigned.
    pub(crate) fn into_cosigned(self) -> Vec<Cosigned> {
        self.cosigned.into_values().collect()
    }
}

/// The names of the finished files in a folder, which need not be there.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<io::Result<Vec<String>>>()?;
    Ok(names.into_iter().filter(|name| board::is_file(name)).collect())
}
