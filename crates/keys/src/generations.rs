//! Files of keys that come and go: one generation after the other, a few files each.
//!
//! A generation is made as a draft, whose mark has another name, and counts from the moment when that
//! is renamed: its owner does so once it is on record, so that no start finds keys that no record
//! tells of. Of a draft that a crash left nothing was ever signed or published. A generation that is
//! over can sign nothing that anybody believes, and is wiped.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use remit_model::{Entropy, Timestamp};
use remit_signer::{Algorithm, Signer};

use crate::signing::SigningFiles;
use crate::{KeysError, file};

/// What the files of one sort of keys are called: `<stem>-<number>.<kind>`.
#[derive(Debug)]
pub(crate) struct Form {
    /// What all of them begin with.
    pub(crate) stem: &'static str,
    /// The kinds of files that hold the keys, sealed.
    pub(crate) secrets: &'static [&'static str],
    /// The kind of file by which a generation counts. It holds nothing secret.
    pub(crate) mark: &'static str,
    /// The same of a draft.
    pub(crate) draft: &'static str,
    /// How the keys sign.
    pub(crate) algorithm: Algorithm,
}

/// The generations of one sort of keys in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Generations {
    files: SigningFiles,
    form: &'static Form,
}

impl Generations {
    pub(crate) fn new(files: SigningFiles, form: &'static Form) -> Self {
        Self { files, form }
    }

    /// The number of the next generation.
    pub(crate) fn next(&self) -> Result<u64, KeysError> {
        Ok(self.known()?.last_key_value().map_or(1, |(last, _)| last + 1))
    }

    /// Writes generation `number` down as a draft in place of earlier ones: `secrets` in the order of
    /// their kinds, and its mark. It counts once it is [kept](Self::keep).
    pub(crate) fn draft(
        &self,
        number: u64,
        (secrets, mark): (&[&[u8]], &[u8]),
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let known = self.known()?;
        let mut parts = self.form.secrets.iter().zip(secrets);
        let sealed = parts.try_for_each(|(kind, secret)| {
            self.files.create(&self.name(number, kind), secret, entropy)
        });
        let draft = self.path(number, self.form.draft);
        if let Err(why) = sealed.and_then(|()| file::create(&draft, mark)) {
            // Best effort: what is left of it is the next draft's to remove.
            drop(self.remove(number));
            return Err(why);
        }
        // Now that a later one has taken over the count.
        for (earlier, counts) in known {
            if !counts {
                self.remove(earlier)?;
            }
        }
        Ok(())
    }

    /// From now on draft `number` counts, also after a restart.
    pub(crate) fn keep(&self, number: u64) -> Result<(), KeysError> {
        file::replace_by(&self.mark(number), &self.path(number, self.form.draft))
    }

    /// Takes back every generation there is. None of them counts again, also after a crash; each leaves
    /// an empty file until the next draft, so that its number is not used twice. It needs no room on
    /// the disk.
    pub(crate) fn withdraw(&self) -> Result<(), KeysError> {
        for number in self.counting()? {
            file::remove(&self.mark(number))?;
            for (at, kind) in self.form.secrets.iter().enumerate() {
                let path = self.path(number, kind);
                if at == 0 { file::empty(&path)? } else { file::remove(&path)? }
            }
        }
        Ok(())
    }

    /// The mark first: without it the rest is nothing.
    pub(crate) fn remove(&self, number: u64) -> Result<(), KeysError> {
        let kinds = [&self.form.mark, &self.form.draft].into_iter().chain(self.form.secrets);
        kinds.into_iter().try_for_each(|kind| file::remove(&self.path(number, kind)))
    }

    /// The numbers of all generations of which there is a file, and whether each counts.
    pub(crate) fn known(&self) -> Result<BTreeMap<u64, bool>, KeysError> {
        let dir = self.files.dir();
        let failed = |why| KeysError::io("read the folder", dir, &why);
        let of_these = |name: &str| {
            let numbered = name.strip_prefix(self.form.stem)?.strip_prefix('-')?;
            let (number, kind) = numbered.split_once('.')?;
            Some((number.parse().ok()?, kind == self.form.mark))
        };
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some((number, counts)) = name.to_str().and_then(of_these) {
                *known.entry(number).or_default() |= counts;
            }
        }
        Ok(known)
    }

    /// The numbers of the generations that count, in order.
    pub(crate) fn counting(&self) -> Result<Vec<u64>, KeysError> {
        let known = self.known()?.into_iter();
        Ok(known.filter_map(|(number, counts)| counts.then_some(number)).collect())
    }

    /// The key in the file of `kind` of generation `number`.
    pub(crate) fn signer(&self, number: u64, kind: &str) -> Result<Arc<dyn Signer>, KeysError> {
        self.files.signer(&self.name(number, kind), self.form.algorithm)
    }

    /// When generation `number` was made, by its mark of `kind`: in milliseconds since 1970.
    pub(crate) fn made(&self, number: u64, kind: &str) -> Result<Timestamp, KeysError> {
        let mark = self.path(number, kind);
        let expected = "expected when its key was made, in milliseconds since 1970";
        time(&file::read(&mark)?).ok_or_else(|| KeysError::damaged(&mark, &expected))
    }

    /// When draft `number` was made, by its mark; `None` if that is not there, or a crash left it
    /// half-written.
    pub(crate) fn drafted(&self, number: u64) -> Result<Option<Timestamp>, KeysError> {
        let mark = self.path(number, self.form.draft);
        if mark.exists() { Ok(time(&file::read(&mark)?)) } else { Ok(None) }
    }

    /// The file by which generation `number` counts.
    pub(crate) fn mark(&self, number: u64) -> PathBuf {
        self.path(number, self.form.mark)
    }

    pub(crate) fn path(&self, number: u64, kind: &str) -> PathBuf {
        self.files.path(&self.name(number, kind))
    }

    fn name(&self, number: u64, kind: &str) -> String {
        format!("{}-{number}.{kind}", self.form.stem)
    }
}

/// The time that a mark holds.
fn time(mark: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(mark).ok()?.trim().parse().ok().map(Timestamp)
}
