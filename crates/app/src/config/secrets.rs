//! `[secrets]`: what closes sealed storage, so that a copy of the state directory alone opens nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use remit_model::SecretName;
use serde::Deserialize;

use super::Config;
use crate::environment;
use crate::fail::Fail;

/// What a path begins with that lies where a service manager hands out credentials.
const HANDED: &str = "$CREDENTIALS_DIRECTORY/";
/// The variable that names that folder.
const HANDED_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// How a passphrase is had that stands nowhere: it is asked for at the start, at the terminal, else on
/// standard input.
const ASK: &str = "ask";

/// What closes sealed storage; at most one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Secrets {
    /// A key in a file, best on another disk.
    pub(crate) key_file: Option<PathBuf>,
    /// A passphrase in a file.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// [`ASK`], for one that somebody types.
    pub(crate) passphrase: Option<String>,
    /// What closed it until now.
    pub(crate) before: Option<Before>,
    /// What lies in it for nothing but to be found wherever somebody moves it.
    pub(crate) canaries: BTreeSet<SecretName>,
}

/// What closed sealed storage until now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Before {
    /// As in [`Secrets`].
    pub(crate) key_file: Option<PathBuf>,
    /// As in [`Secrets`].
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Secrets {
    /// Makes paths relative to `base`, or to where the service manager hands out credentials.
    ///
    /// Errors: it hands out none.
    pub(super) fn rebase(&mut self, base: &Path) -> Result<(), Fail> {
        let before = self.before.as_mut();
        let before = before.map(|before| [&mut before.key_file, &mut before.passphrase_file]);
        let files = [&mut self.key_file, &mut self.passphrase_file];
        for file in files.into_iter().chain(before.into_iter().flatten()) {
            *file = file.take().map(|file| absolute(base, &file)).transpose()?;
        }
        Ok(())
    }
}

fn absolute(base: &Path, file: &Path) -> Result<PathBuf, Fail> {
    let Some(name) = file.to_str().and_then(|text| text.strip_prefix(HANDED)) else {
        return Ok(base.join(file));
    };
    let folder = environment::variable(HANDED_VARIABLE).ok_or_else(|| {
        Fail::new(format!(
            "[secrets] names `{}`, and no service manager set ${HANDED_VARIABLE}: add `LoadCredential=` \
             to the unit, or name a plain path",
            file.display()
        ))
    })?;
    Ok(Path::new(&folder).join(name))
}

impl Config {
    pub(super) fn check_secrets(&self) -> Result<(), Fail> {
        let Secrets { key_file, passphrase_file, passphrase, before, canaries } = &self.secrets;
        let given = [key_file.is_some(), passphrase_file.is_some(), passphrase.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err(Fail::new(
                "[secrets] needs at most one of `key_file`, `passphrase_file` and `passphrase`",
            ));
        }
        // Not repeated: somebody may have written down the passphrase itself.
        if passphrase.as_ref().is_some_and(|how| how != ASK) {
            return Err(Fail::new(
                "[secrets] takes only `passphrase = \"ask\"`: the passphrase itself does not belong \
                 there; take what stood there for known, and choose another",
            ));
        }
        let one = |before: &Before| before.key_file.is_some() != before.passphrase_file.is_some();
        if before.as_ref().is_some_and(|before| !one(before)) {
            return Err(Fail::new(
                "[secrets] needs either `key_file` or `passphrase_file` in `before`",
            ));
        }
        let is_canary = |name: &&SecretName| canaries.contains(*name);
        for table in &self.credentials {
            if let Some(name) = table.kind.keeps().filter(is_canary) {
                return Err(Fail::new(format!(
                    "[secrets] names `{name}` among its `canaries`, and credential `{}` lends it: a \
                     canary is a value that nobody has a use for",
                    table.name
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_closes_it_and_one_thing_did_before() {
        for (text, good) in [
            ("", true),
            ("key_file = \"/media/key\"", true),
            ("passphrase = \"ask\"", true),
            ("passphrase = \"hunter2 hunter2\"", false),
            ("key_file = \"a\"\npassphrase = \"ask\"", false),
            ("before = { key_file = \"a\" }", true),
            ("before = {}", false),
            ("before = { key_file = \"a\", passphrase_file = \"b\" }", false),
            ("keyfile = \"a\"", false),
            ("canaries = [\"bait\"]", true),
            ("canaries = [\"correct horse battery\"]", false),
            (
                "canaries = [\"bait\"]\n[[credential]]\nname = \"k\"\nkind = \"secret\"\nsecret = \"bait\"",
                false,
            ),
        ] {
            let parsed = Config::parse(&format!("[secrets]\n{text}"));
            assert_eq!(parsed.is_ok(), good, "{text}: {parsed:?}");
            // A passphrase does not belong there, and is not repeated where somebody put it there.
            assert!(parsed.is_ok() || !parsed.unwrap_err().to_string().contains("hunter2"));
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let base = Path::new("/etc/remit");
        assert_eq!(absolute(base, Path::new("k")).unwrap(), Path::new("/etc/remit/k"));
        assert_eq!(absolute(base, Path::new("/media/k")).unwrap(), Path::new("/media/k"));
    }
}
