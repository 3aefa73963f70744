//! The two acts a person does on a tool: admit what was seen, and withdraw.

use remit_model::tool::Admission;
use remit_model::{Digest, Timestamp, ToolId};

use crate::catalogue::{Catalogue, Change};

/// Why a tool was not admitted or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// No such tool.
    #[error("no tool `{0}` is in the catalogue: `remit tool list` shows what there is")]
    Unknown(ToolId),
    /// The definition is not the one that was looked at.
    #[error(
        "`{id}` changed while you looked: expected {}, found {}; look at it again",
        .expected.short(), .found.short()
    )]
    Changed {
        /// Which tool.
        id: ToolId,
        /// The digest that was looked at.
        expected: Digest,
        /// The digest that is there.
        found: Digest,
    },
    /// Nothing to do.
    #[error("`{id}` is {state} already")]
    Already {
        /// Which tool.
        id: ToolId,
        /// `admitted` or `withdrawn`.
        state: &'static str,
    },
}

/// Admits the definition that a person looked at, named by its digest.
///
/// Errors: the tool is unknown, already admitted, or its definition is another one by now.
pub fn admit(
    catalogue: &Catalogue,
    id: &ToolId,
    expected: Digest,
    by: &str,
    now: Timestamp,
) -> Result<Change, AdmitError> {
    let tool = catalogue.get(id).ok_or_else(|| AdmitError::Unknown(id.clone()))?;
    if tool.digest != expected {
        return Err(AdmitError::Changed { id: id.clone(), expected, found: tool.digest });
    }
    if let Admission::Admitted { .. } = tool.admission {
        return Err(AdmitError::Already { id: id.clone(), state: "admitted" });
    }
    Ok(Change::Admitted { id: id.clone(), by: by.to_owned(), at: now, digest: expected })
}

/// Withdraws a tool, whatever its definition: a restriction needs no careful look first.
///
/// Errors: the tool is unknown or already withdrawn.
pub fn withdraw(
    catalogue: &Catalogue,
    id: &ToolId,
    by: &str,
    now: Timestamp,
) -> Result<Change, AdmitError> {
    let tool = catalogue.get(id).ok_or_else(|| AdmitError::Unknown(id.clone()))?;
    if let Admission::Withdrawn { .. } = tool.admission {
        return Err(AdmitError::Already { id: id.clone(), state: "withdrawn" });
    }
    Ok(Change::Withdrawn { id: id.clone(), by: by.to_owned(), at: now })
}
