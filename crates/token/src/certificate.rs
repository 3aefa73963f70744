//! The client certificate of the connection that a request came on.
//!
//! Whoever ends TLS has followed it to the bundle, once for the connection; that it did, and that the
//! certificate still counts at this request, is its word. What is left here is to compare.

use remit_jose::CertificateThumbprint;
use remit_model::{AgentName, Named, Timestamp};

use crate::TokenError;

/// An X.509-SVID that the client of a connection proved to hold the key of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The SPIFFE ID in it.
    pub id: String,
    /// The agents whose ID that is now: of one of ours the one that it names, and none if it names a run;
    /// of another trust domain's whatever agents are known by it.
    pub agents: Vec<AgentName>,
    /// As whom, where another trust domain vouches for it.
    pub named: Option<Named>,
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
    /// Whoever says which keys its trust domain has was not heard of for too long.
    #[error(
        "the certificate of this connection is not believed at the moment, since the Workload API that \
         hands out its trust domain's bundle has not answered for too long: try again later"
    )]
    Unconfirmed,
}

impl Certificate {
    /// Checks that it is the one that a grant of `agent` is bound to, and still that agent's: comparisons,
    /// no signature.
    ///
    /// Errors: it is another, of the same agent, as after a renewal; or it is not that agent's.
    pub(crate) fn check(
        &self,
        bound: &CertificateThumbprint,
        agent: &AgentName,
    ) -> Result<(), TokenError> {
        if !self.agents.contains(agent) {
            return Err(TokenError::OtherAgent);
        }
        if self.thumbprint == *bound { Ok(()) } else { Err(TokenError::OtherCertificate) }
    }
}
