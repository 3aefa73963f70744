//! What a grant is bound to: something that its holder has to show with each request, so that whoever
//! copies the grant has nothing.

use std::collections::BTreeMap;

use remit_jose::{CertificateThumbprint, Thumbprint};
use remit_model::{Possession, Value};

use crate::TokenError;

/// The member of `cnf` that names a key (RFC 9449 section 6.1).
const KEY: &str = "jkt";
/// The member of `cnf` that names a certificate (RFC 8705 section 3.1).
const CERTIFICATE: &str = "x5t#S256";

/// What a grant is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: a bearer grant, believed as it is.
    #[default]
    Nothing,
    /// The key with this thumbprint: each request brings a proof by it (DPoP, RFC 9449).
    Key(Thumbprint),
    /// The certificate with this thumbprint: each request comes on a connection whose client
    /// authenticated itself with it (mutual TLS, RFC 8705).
    Certificate(CertificateThumbprint),
}

impl Binding {
    /// The key that it is bound to, if it is one.
    pub fn key(&self) -> Option<Thumbprint> {
        match self {
            Self::Key(key) => Some(*key),
            Self::Nothing | Self::Certificate(_) => None,
        }
    }

    /// The claim `cnf` (RFC 7800): one member, or no claim at all.
    pub fn confirmation(self) -> Option<BTreeMap<&'static str, String>> {
        match self {
            Self::Nothing => None,
            Self::Key(thumbprint) => Some(BTreeMap::from([(KEY, thumbprint.to_string())])),
            Self::Certificate(thumbprint) => {
                Some(BTreeMap::from([(CERTIFICATE, thumbprint.to_string())]))
            }
        }
    }

    /// What the claim `cnf` says. What else may stand there (RFC 7800) is not understood here, and
    /// two members would have to be shown both: no grant of ours asks for that.
    pub(crate) fn read(cnf: &Value) -> Result<Self, TokenError> {
        let Value::Record(members) = cnf else {
            return Err(TokenError::Confirmation("is no object"));
        };
        let mut members = members.iter();
        let (name, value) = match (members.next(), members.next()) {
            (Some((name, value)), None) => (name.as_str(), value.as_text().unwrap_or_default()),
            (None, _) => return Err(TokenError::Confirmation("is empty")),
            _ => return Err(TokenError::Confirmation("has more than one member")),
        };
        let read = match name {
            KEY => value.parse().ok().map(Self::Key),
            CERTIFICATE => CertificateThumbprint::read(value).map(Self::Certificate),
            _ => return Err(TokenError::Confirmation("has a member that is not understood")),
        };
        read.ok_or(TokenError::Confirmation("holds no SHA-256 thumbprint in base64url"))
    }

    /// What whoever uses such a grant shows.
    pub fn possession(self) -> Possession {
        match self {
            Self::Nothing => Possession::Bearer,
            Self::Key(_) => Possession::Dpop,
            Self::Certificate(_) => Possession::Mtls,
        }
    }

    /// How such a grant is sent (RFC 6749 section 7.1): only a proof has a scheme of its own.
    pub fn token_type(self) -> &'static str {
        match self {
            Self::Key(_) => "DPoP",
            Self::Nothing | Self::Certificate(_) => "Bearer",
        }
    }
}
