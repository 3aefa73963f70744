//! What a configuration says of a credential of the kind `oauth`, and what of it makes no sense.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::{CredentialName, SecretName};
use serde::Deserialize;

use super::OAuth;
use crate::kind::rebase;
use crate::{Clause, Doors, Kind, Lender};

/// Longest lifetime of an access token, in seconds, that is believed (R13): a year. What says more is an
/// error, or a standing key by another name.
pub(super) const MAX_LIFE: u64 = 366 * 24 * 60 * 60;

/// A credential of the kind `oauth`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How a token is come by.
    pub grant: Grant,
    /// Who issues it.
    pub server: ServerSettings,
    /// Where the person signs in, if that is not the same server.
    pub identity: Option<ServerSettings>,
    /// For whom a token is exchanged.
    #[serde(default)]
    pub subject: Subject,
    /// What the token is for (RFC 8707); where no issuer is named, also where that is found (RFC 9728).
    pub resource: Option<String>,
    /// The same as a name that the server knows (RFC 8693).
    pub audience: Option<String>,
    /// What those may ask for whose remit covers certain tools.
    #[serde(default)]
    pub allow: Vec<Clause<Scopes>>,
    /// Whether a token is taken back with its lease. Not where the server takes back a person's consent
    /// along with it, as RFC 7009 section 2.1 allows.
    #[serde(default = "yes")]
    pub revoke: bool,
    /// How many seconds a token lives, where the server does not say.
    pub expires_in: Option<u64>,
}

/// How a token is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// For Remit itself, as a client (RFC 6749 section 4.4).
    ClientCredentials,
    /// For the task's person, by their own consent (RFC 6749 section 6).
    RefreshToken,
    /// For another token (RFC 8693).
    TokenExchange,
    /// For the word of the person's identity provider (ID-JAG).
    IdJag,
}

/// For whom a token is exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The task's person.
    #[default]
    Person,
    /// The task, by its JWT-SVID.
    Task,
}

/// An authorization server, and what Remit is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// What it calls itself, where its metadata is (RFC 8414, OpenID Connect Discovery).
    pub issuer: Option<String>,
    /// What it calls Remit.
    pub client_id: String,
    /// How Remit proves to be that client.
    pub client_auth: Option<ClientAuth>,
    /// The secret, or the private key (P-256, PKCS#8, PEM), by its name in sealed storage.
    pub client_secret: Option<SecretName>,
    /// What everybody asks for there.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// The certificates that its own must lead to, PEM; left out: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// Where tokens are, of a server without metadata.
    pub token_endpoint: Option<String>,
    /// Where people sign in, likewise.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are taken back, likewise.
    pub revocation_endpoint: Option<String>,
}

/// How Remit proves to be a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// With a secret in the head of the request.
    ClientSecretBasic,
    /// With a secret in its body.
    ClientSecretPost,
    /// With an assertion that a key signed (RFC 7523).
    PrivateKeyJwt,
    /// Not at all: what is proved is that whoever redeems a code asked for it (PKCE).
    None,
}

/// What may be asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scopes {
    /// By the names that the server knows.
    pub scopes: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

impl Kind for Settings {
    fn rebase(&mut self, base: &Path) {
        for server in [Some(&mut self.server), self.identity.as_mut()].into_iter().flatten() {
            rebase(&mut server.ca_file, base);
        }
    }

    fn open(&self, name: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let issuer = OAuth::new(name.clone(), self.clone(), Arc::new(doors.into()))?;
        Ok(Lender { accounts: Some(issuer.clone()), ..Lender::from(issuer) })
    }
}

impl Settings {
    /// Whether they make sense together.
    ///
    /// Errors: in words, what is missing or contradicts.
    pub(super) fn check(&self) -> Result<(), String> {
        let all = self.allow.iter().map(|clause| &clause.what.scopes);
        let identity = self.identity.iter().map(|server| &server.scopes);
        for scope in all.chain(identity).chain([&self.server.scopes]).flatten() {
            // RFC 6749 section 3.3.
            let good = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if scope.is_empty() || !scope.bytes().all(good) {
                return Err(format!(
                    "expected a scope without blanks and quotation marks, got `{scope}`"
                ));
            }
        }
        if self.expires_in.is_some_and(|seconds| !(1..=MAX_LIFE).contains(&seconds)) {
            return Err(format!("`expires_in` is a number of seconds from 1 to {MAX_LIFE}"));
        }
        match (self.grant, &self.identity) {
            (Grant::IdJag, None) => Err("`grant = \"id_jag\"` needs the table `identity`: where the \
                                         person signs in"
                .to_owned()),
            (Grant::IdJag, _) if self.server.issuer.is_none() => {
                Err("`grant = \"id_jag\"` needs `server.issuer`: for whom the identity provider makes its \
                     statement"
                    .to_owned())
            }
            (Grant::ClientCredentials | Grant::RefreshToken, Some(_)) => {
                Err("the table `identity` is for `grant = \"id_jag\"` and \"token_exchange\"".to_owned())
            }
            (Grant::ClientCredentials, None) if self.server.client_secret.is_none() => {
                Err("`grant = \"client_credentials\"` needs `server.client_secret`: without one, everybody is \
                     that client"
                    .to_owned())
            }
            (Grant::TokenExchange, Some(_)) if self.subject == Subject::Task => {
                Err("with `subject = \"task\"` nobody signs in: leave out the table `identity`".to_owned())
            }
            (Grant::TokenExchange, Some(_)) if self.server.issuer.is_none() => {
                Err("with the table `identity`, `grant = \"token_exchange\"` needs `server.issuer`: the person's \
                     token goes there, and whoever answers for `resource` could name any"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}
