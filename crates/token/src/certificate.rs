//! The client certificate of the connection that a request came on.
//!
//! Whoever ends TLS has followed it to the bundle, once for the connection; that it did, and that the
//! certificate still counts at this request, is its word. What is left here is to compare.

use remit_jose::CertificateThumbprint;
use remit_model::{AgentName, Timestamp};

use crate::TokenError;

/// An X.509-SVID that the client of a connection proved to hold the key of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The SPIFFE ID in it.
    pub id: String,
    /// The agent whose ID that is. A run's is none.
    pub agent: Option<AgentName>,
    /// What tells it from all others.
    pub thumbprint: CertificateThumbprint,
}

/// Why a connection has no certificate that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncertified {
    /// Its client showed none.
    #[error("this connection has no client certificate: connect with the agent's X.509-SVID")]
    None,
    /// It ran out since.
    #[error(
        "the certificate of this connection ran out at {at}: connect with a new X.509-SVID, and ask \
         for a further grant there"
    )]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The key that signed it is in the bundle no more.
    #[error(
        "the certificate of this connection is believed no more, since the key that signed it was \
         taken back: connect with a new X.509-SVID, and ask for a further grant there"
    )]
    Withdrawn,
}

impl Certificate {
    /// Checks that it is the one that a grant of `agent` is bound to: a comparison of 32 bytes, no
    /// signature.
    ///
    /// Errors: it is another; the text says whether of the same agent, as after a renewal.
    pub(crate) fn check(
        &self,
        bound: &CertificateThumbprint,
        agent: &AgentName,
    ) -> Result<(), TokenError> {
        if self.thumbprint == *bound {
            return Ok(());
        }
        let renewed = self.agent.as_ref() == Some(agent);
        Err(if renewed { TokenError::OtherCertificate } else { TokenError::OtherAgent })
    }
}
