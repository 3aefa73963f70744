//! Who others say that somebody is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agent::{NameError, check};
use crate::text::text_type;

text_type!(
    /// What the configuration calls an issuer of others' tokens.
    IssuerName,
    NameError,
    check
);

/// Somebody as somebody else names it. A subject means nothing without its issuer, so they go together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Who says so: the `iss` of a token, or a trust domain such as `spiffe://partner.example`.
    pub issuer: String,
    /// Whom: the `sub` of the token.
    pub subject: String,
}

/// Somebody else whose keys are believed for what it signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voucher {
    /// An issuer of OpenID Connect or OAuth tokens, by its name here.
    Issuer(IssuerName),
    /// A trust domain of SPIFFE, by its name.
    Domain(String),
}

impl fmt::Display for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(name) => write!(f, "issuer `{name}`"),
            Self::Domain(name) => write!(f, "trust domain `{name}`"),
        }
    }
}
