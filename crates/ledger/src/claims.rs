//! What was said of a log, to be held against its entries: its own signed checkpoint, the ones that
//! witnesses cosigned, and those that somebody kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use remit_tlog::{Checkpoint, Hash, Note, VerifierKey, WitnessKey};

use crate::board::{self, Cosigned, Signed, WITNESSED};
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
#[derive(Debug, Default)]
pub(crate) struct Claims {
    roots: BTreeMap<u64, Vec<(Hash, String)>>,
    cosigned: BTreeMap<String, Cosigned>,
}

impl Claims {
    /// What the files of the public log in `dir` and `others` say. Each must be signed by `key`.
    ///
    /// Errors: a file cannot be read, or is not signed by the log.
    pub(crate) fn read(
        dir: &Path,
        (key, shown): (&VerifierKey, &str),
        newest: &Signed,
        others: &Others,
    ) -> Result<Self, VerifyError> {
        let mut claims = Self::default();
        claims.add(newest, &format!("{shown}checkpoint"), others)?;
        for name in names(&dir.join(WITNESSED)).map_err(|why| wrong(WITNESSED, None, why))? {
            let file = format!("{shown}{WITNESSED}/{name}");
            let signed = board::read(&dir.join(WITNESSED).join(&name), key);
            let signed = signed.map_err(|why| wrong(file.as_str(), None, why))?;
            signed.map_or(Ok(()), |signed| claims.add(&signed, &file, others))?;
        }
        for (place, note) in &others.held {
            let checkpoint = Checkpoint::open(note, key);
            let checkpoint = checkpoint.map_err(|why| wrong(place.as_str(), None, why))?;
            claims.add(&(checkpoint, note.clone()), place, others)?;
        }
        Ok(claims)
    }

    fn add(
        &mut self,
        (checkpoint, note): &Signed,
        place: &str,
        others: &Others,
    ) -> Result<(), VerifyError> {
        let said = (checkpoint.root, place.to_owned());
        self.roots.entry(checkpoint.size).or_default().push(said);
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
        let other = said.into_iter().find(|(claimed, _)| *claimed != root);
        let Some((claimed, place)) = other else { return Ok(()) };
        let why = format!(
            "it says that the first {size} entries have the root {claimed}, they have {root}"
        );
        Err(wrong(place.as_str(), None, why))
    }

    /// That nobody spoke of more entries than the log has.
    ///
    /// Errors: somebody did: the log was cut, or restored from an older copy.
    pub(crate) fn check_end(&self, size: u64) -> Result<(), VerifyError> {
        let Some((claimed, said)) = self.roots.last_key_value() else { return Ok(()) };
        if *claimed <= size {
            return Ok(());
        }
        let place = said.first().map_or("", |(_, place)| place.as_str());
        let why = format!("it speaks of {claimed} entries, the log has {size}: it lost entries");
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
