//! Public keys that stand in the configuration, or in a file beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_jose::KeySet;

use crate::fail::Fail;

/// Where the keys of an agent or of a client are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jwks {
    /// In a file of their own (`jwks_file`), relative to the configuration.
    File(PathBuf),
    /// In the configuration (`jwks`), as JSON.
    Inline(String),
}

impl Jwks {
    /// The one of both that a table has, if it has one.
    ///
    /// Errors: it has both.
    pub(crate) fn of(
        file: Option<PathBuf>,
        set: Option<toml::Table>,
    ) -> Result<Option<Self>, &'static str> {
        match (file, set) {
            (None, None) => Ok(None),
            (Some(file), None) => Ok(Some(Self::File(file))),
            (None, Some(set)) => {
                let set =
                    serde_json::to_string(&set).map_err(|_| "`jwks` cannot be read as JSON")?;
                Ok(Some(Self::Inline(set)))
            }
            (Some(_), Some(_)) => Err("expected either `jwks_file` or `jwks`, got both"),
        }
    }

    /// Reads the keys; files are relative to `base`.
    ///
    /// Errors: the file cannot be read, or there is no set of public keys.
    pub(crate) fn read(&self, base: &Path) -> Result<Arc<KeySet>, Fail> {
        let (text, place) = match self {
            Self::Inline(text) => (text.clone(), "`jwks`".to_owned()),
            Self::File(file) => {
                let file = base.join(file);
                let place = file.display().to_string();
                let text = std::fs::read_to_string(&file)
                    .map_err(|why| Fail::new(format!("{place}: {why}")))?;
                (text, place)
            }
        };
        let keys = KeySet::read(&text).map_err(|why| Fail::new(format!("{place}: {why}")))?;
        Ok(Arc::new(keys))
    }
}
