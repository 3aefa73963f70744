//! Agents, the servers they reach, and how a caller proved to be one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::elsewhere::Named;
use crate::text::text_type;
use crate::time::Timestamp;
use crate::workload::{Selector, Workload};

/// A text that is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a name of 1 to 64 lower-case letters, digits, `-` or `_` (no `__`) that starts with \
     a letter or digit, got `{0}`"
)]
pub struct NameError(String);

pub(crate) fn check(text: &str) -> Result<(), NameError> {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let good = (1..=64).contains(&text.len())
        && text.bytes().all(tail)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && !text.contains("__");
    if good { Ok(()) } else { Err(NameError(text.to_owned())) }
}

text_type!(
    /// The name of a registered agent; the last segment of its SPIFFE ID.
    AgentName,
    NameError,
    check
);
text_type!(
    /// The name of a tool server.
    ServerName,
    NameError,
    check
);

/// Whether somebody watches while the agent works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autonomy {
    /// A person started it and watches.
    #[default]
    Supervised,
    /// It starts by itself.
    SelfStarting,
}

impl fmt::Display for Autonomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Supervised => "supervised",
            Self::SelfStarting => "self-starting",
        })
    }
}

/// What an agent is made of, as whoever answers for it says. Each part may be left out; what is said
/// stands in every question, so that policies can ask for it and records name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Composition {
    /// The model, by the id its provider gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// SHA-256 of its instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Digest>,
    /// SHA-256 of the list of tools it was built with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolset: Option<Digest>,
}

/// A registered non-human identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// The person or team that answers for it.
    pub owner: String,
    /// What it is for.
    #[serde(default)]
    pub purpose: String,
    /// Whether somebody watches.
    #[serde(default)]
    pub autonomy: Autonomy,
    /// The trust zone it runs in.
    #[serde(default)]
    pub zone: Option<String>,
    /// What it is made of.
    #[serde(default, skip_serializing_if = "Composition::is_unsaid")]
    pub composition: Composition,
    /// The agents to which it may hand on what it was given to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hands_to: Vec<AgentName>,
    /// User ids whose processes are this agent; empty, and no selector names one: the user Remit
    /// runs as.
    #[serde(default)]
    pub uids: Vec<u32>,
    /// What its processes must be besides; all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selectors: Vec<Selector>,
}

impl Composition {
    /// Whether nothing is said of it.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }
}

impl Agent {
    /// An agent of which no more is known than who it is and who answers for it.
    pub fn new(name: AgentName, owner: impl Into<String>) -> Self {
        Self {
            name,
            owner: owner.into(),
            purpose: String::new(),
            autonomy: Autonomy::default(),
            zone: None,
            composition: Composition::default(),
            hands_to: Vec::new(),
            uids: Vec::new(),
            selectors: Vec::new(),
        }
    }

    /// Whether processes of user `uid` may be this agent, where Remit itself runs as `own_uid`.
    pub fn runs_as(&self, uid: u32, own_uid: u32) -> bool {
        let mut selected = self.selected_uids().peekable();
        if self.uids.is_empty() && selected.peek().is_none() {
            return uid == own_uid;
        }
        (self.uids.is_empty() || self.uids.contains(&uid)) && selected.all(|it| it == uid)
    }

    /// Whether `workload` is this agent, where Remit itself runs as `own_uid`.
    pub fn is(&self, workload: &Workload, own_uid: u32) -> bool {
        self.runs_as(workload.uid, own_uid)
            && self.selectors.iter().all(|selector| selector.fits(workload))
    }

    /// Whether the digest of a process's executable is needed to tell.
    pub fn asks_for_digest(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::Sha256(_)))
    }

    /// The user ids that are named, whether or not they can be reached.
    pub fn named_uids(&self) -> impl Iterator<Item = u32> {
        self.uids.iter().copied().chain(self.selected_uids())
    }

    fn selected_uids(&self) -> impl Iterator<Item = u32> {
        self.selectors.iter().filter_map(|selector| match selector {
            Selector::Uid(uid) => Some(*uid),
            _ => None,
        })
    }
}

/// How the holder of a grant proved to be the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// By what means.
    pub method: AttestationMethod,
    /// When.
    pub at: Timestamp,
    /// As whom, where somebody else vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
}

impl Attestation {
    /// One that only Remit and the machine it runs on had a part in.
    pub fn own(method: AttestationMethod, at: Timestamp) -> Self {
        Self { method, at, named: None }
    }

    /// Whether it says the same as `other`, whenever that was.
    pub fn says_as(&self, other: &Self) -> bool {
        (self.method, &self.named) == (other.method, &other.named)
    }
}

/// The means of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationMethod {
    /// The kernel named the uid of the socket's peer.
    UnixPeer,
    /// An operator handed the grant out.
    Operator,
    /// It signed an assertion with its registered key (RFC 7523).
    PrivateKeyJwt,
    /// It showed a JWT-SVID of ours, which only a process that the kernel vouched for can get.
    JwtSvid,
    /// It holds the key of an X.509-SVID of ours, which only such a process can get, too.
    X509Svid,
    /// It showed a JWT-SVID of a trust domain that is federated with ours.
    FederatedJwtSvid,
    /// It holds the key of an X.509-SVID of such a trust domain.
    FederatedX509Svid,
    /// It showed a token of an issuer elsewhere, which is believed for workloads.
    Oidc,
    /// A person said so of a client, of which nothing is known but that a code reached it.
    Consent,
}

impl fmt::Display for AttestationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnixPeer => "unix-peer",
            Self::Operator => "operator",
            Self::PrivateKeyJwt => "private-key-jwt",
            Self::JwtSvid => "jwt-svid",
            Self::X509Svid => "x509-svid",
            Self::FederatedJwtSvid => "federated-jwt-svid",
            Self::FederatedX509Svid => "federated-x509-svid",
            Self::Oidc => "oidc",
            Self::Consent => "consent",
        })
    }
}

/// What a caller shows, besides what names it, that somebody who only copied that could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Possession {
    /// Nothing: whoever has the grant is believed.
    #[default]
    Bearer,
    /// A fresh proof by the key that the grant is bound to (RFC 9449).
    Dpop,
    /// The connection's client certificate, to which the grant is bound (RFC 8705).
    Mtls,
    /// No grant at all: the kernel named the peer of this very connection.
    Connection,
}

impl fmt::Display for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer => "bearer",
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
            Self::Connection => "connection",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_an_agent_if_user_and_all_selectors_fit() {
        let agent = |uids: &[u32], selectors: &[&str]| Agent {
            uids: uids.to_vec(),
            selectors: selectors.iter().map(|text| text.parse().unwrap()).collect(),
            ..Agent::new("bot".parse().unwrap(), "ops")
        };
        let process = Workload { gid: Some(20), ..Workload::of_user(1000) };
        for (uids, selectors, own, expected) in [
            (&[][..], &[][..], 1000, true),
            (&[], &[], 0, false),
            (&[1000, 7], &[], 0, true),
            (&[7], &[], 1000, false),
            (&[], &["unix:uid:1000"], 0, true),
            (&[], &["unix:uid:7"], 1000, false),
            (&[], &["unix:uid:1000", "unix:uid:7"], 1000, false),
            (&[1000], &["unix:gid:20"], 0, true),
            (&[1000], &["unix:gid:21"], 0, false),
            (&[1000], &["unix:gid:20", "unix:path:/bot"], 0, false),
            (&[], &["unix:gid:20"], 0, false),
        ] {
            let agent = agent(uids, selectors);
            assert_eq!(agent.is(&process, own), expected, "{uids:?} {selectors:?} {own}");
        }
    }

    #[test]
    fn names_are_safe_in_paths_uris_and_prefixes() {
        for good in ["mail", "git-hub", "a_b", "4711"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a__b", "A", "a/b", "..", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }
}
