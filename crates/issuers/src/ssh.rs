//! SSH user certificates: a fresh key for each lease, signed for the logins that the remit's tools come
//! with, for as long as the lease.
//!
//! Returned, the key stands in a list that `sshd` reads at each login, until its certificate has run
//! out. A key is made in memory and goes to nobody before its public half is on record, so one that is
//! on no record opens nothing.
//!
//! *What the server cannot do:* end a session that is open. Only new logins are refused.

mod logins;
pub(crate) mod revoked;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_model::{CredentialName, Digest, Entropy, Secret, SecretName, Timestamp};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Secrets, Wanted,
};
use serde::Deserialize;
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::{Clause, Doors, Kind, Lender, granted};
pub use logins::{Command, Extension, LoginError, Logins, Network, Principal};
use revoked::List;

/// How far the clock of a server may be behind ours.
const BACKDATE: Duration = Duration::from_mins(1);

/// What the configuration says of the servers that trust one authority.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret with the authority's private key, Ed25519 in OpenSSH's form.
    pub ca: SecretName,
    /// The list of keys that are worth nothing any more: the servers' `RevokedKeys`.
    pub revoked: PathBuf,
    /// Whence logins come; from anywhere without any.
    #[serde(default)]
    pub source_address: BTreeSet<Network>,
    /// What a session may do besides running its command.
    #[serde(default)]
    pub extensions: BTreeSet<Extension>,
    /// What the remit's tools come with.
    pub allow: Vec<Clause<Logins>>,
}

impl Kind for Settings {
    fn rebase(&mut self, base: &Path) {
        self.revoked = base.join(&self.revoked);
    }

    fn open(&self, _: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let (secrets, entropy) = (Arc::clone(&doors.secrets), Arc::clone(&doors.entropy));
        Ssh::new(self.clone(), secrets, entropy).map(Lender::from)
    }
}

/// Lends certificates of one authority: fields `key` (private, OpenSSH's form), `certificate` and `user`,
/// the first of its principals.
pub struct Ssh {
    ca: SecretName,
    secrets: Arc<dyn Secrets>,
    entropy: Arc<dyn Entropy>,
    list: Arc<List>,
    source_address: BTreeSet<Network>,
    extensions: BTreeSet<Extension>,
    allow: Vec<Clause<Logins>>,
}

impl Ssh {
    /// Lends certificates as `settings` say.
    ///
    /// Errors: a clause names no principal, which a server would take for every one.
    pub fn new(
        settings: Settings,
        secrets: Arc<dyn Secrets>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, String> {
        let Settings { ca, revoked, source_address, extensions, allow } = settings;
        if allow.iter().any(|clause| clause.what.principals.is_empty()) {
            return Err("expected `principals` in each `allow`, got one without".to_owned());
        }
        let list = Arc::new(List::at(revoked));
        Ok(Self { ca, secrets, entropy, list, source_address, extensions, allow })
    }

    /// What `holder` may log in as: Remit itself as nobody. A certificate holds one command, for all of
    /// its principals.
    fn logins(&self, holder: &Holder) -> Result<Logins, IssuerError> {
        if holder.task.is_none() {
            return Ok(Logins::default());
        }
        let refused = |why: &str| Err(IssuerError::Refused(why.to_owned()));
        let mut granted = granted(&self.allow, holder);
        let Some(mut logins) = granted.next().cloned() else {
            return refused("no `allow` of this credential names a tool that the remit covers");
        };
        for others in granted {
            if others.command != logins.command {
                return refused(
                    "the remit covers tools that come with different commands, and a certificate holds \
                     one: expected a credential for each command",
                );
            }
            logins.principals.extend(others.principals.iter().cloned());
        }
        Ok(logins)
    }

    fn authority(&self) -> Result<PrivateKey, IssuerError> {
        let refused = |why: &str| IssuerError::Refused(format!("the secret `{}` {why}", self.ca));
        let text = self.secrets.read(&self.ca);
        let text = text.map_err(|why| IssuerError::Refused(why.to_string()))?;
        let key = PrivateKey::from_openssh(text.reveal()).ok();
        let key = key.filter(|it| matches!(it.public_key().algorithm(), Algorithm::Ed25519));
        let key = key.ok_or_else(|| {
            refused("holds no Ed25519 private key as `ssh-keygen -t ed25519` makes one")
        })?;
        if key.is_encrypted() {
            return Err(refused(
                "holds a key with a passphrase, which sealed storage makes needless: take it off with \
                 `ssh-keygen -p` and add the key again",
            ));
        }
        Ok(key)
    }

    fn make(&self, wanted: &Wanted) -> Result<Issued, IssuerError> {
        let (logins, authority) = (self.logins(&wanted.holder)?, self.authority()?);
        let mut seed = Zeroizing::new([0; 32]);
        self.entropy.fill(seed.as_mut_slice());
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
        let failed = |why: ssh_key::Error| IssuerError::Refused(format!("cannot sign: {why}"));
        let key = PrivateKey::new(pair, "").map_err(failed)?;
        let public = key.public_key().to_openssh().map_err(failed)?;
        let certificate = self.certificate(&key, &logins, wanted).map_err(failed)?;
        let certificate = certificate.sign(&authority).and_then(|it| it.to_openssh());
        let user = logins.principals.first().map(Principal::as_str).unwrap_or_default();
        let material = Material::default()
            .with("user", user)
            .with("certificate", certificate.map_err(failed)?)
            .with_secret("key", Secret::new(key.to_openssh(LineEnding::LF).map_err(failed)?));
        let until = Timestamp::from_secs(wanted.until.as_secs());
        Ok(Issued { material, until, handle: Some(public) })
    }

    fn certificate(
        &self,
        key: &PrivateKey,
        logins: &Logins,
        wanted: &Wanted,
    ) -> Result<Builder, ssh_key::Error> {
        let mut nonce = vec![0; Builder::RECOMMENDED_NONCE_SIZE];
        self.entropy.fill(&mut nonce);
        let since = wanted.now.as_secs().saturating_sub(BACKDATE.as_secs());
        let until = wanted.until.as_secs();
        let mut builder = Builder::new(nonce, key.public_key().key_data().clone(), since, until)?;
        builder.cert_type(CertType::User)?;
        builder.serial(serial(wanted))?;
        builder.key_id(key_id(wanted))?;
        for principal in &logins.principals {
            builder.valid_principal(principal.as_str())?;
        }
        if logins.principals.is_empty() {
            // A certificate of no principal would be good for every one. This one nobody is.
            builder.valid_principal(wanted.lease.as_str())?;
        }
        if let Some(command) = &logins.command {
            builder.critical_option("force-command", command.as_str())?;
        }
        if !self.source_address.is_empty() {
            let list: Vec<_> = self.source_address.iter().map(Network::as_str).collect();
            builder.critical_option("source-address", list.join(","))?;
        }
        for extension in &self.extensions {
            builder.extension(extension.name(), "")?;
        }
        Ok(builder)
    }
}

/// A number that belongs to the lease alone.
fn serial(wanted: &Wanted) -> u64 {
    let digest = Digest::of(wanted.lease.as_str().as_bytes());
    digest.0.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

/// What the server's log calls the certificate.
fn key_id(wanted: &Wanted) -> String {
    let task = wanted.holder.task.as_ref().map_or("-", |task| task.as_str());
    let agent = wanted.holder.agent.as_ref().map_or("-", |agent| agent.as_str());
    format!("{} {task} {agent}", wanted.lease)
}

impl Issuer for Ssh {
    fn kind(&self) -> &'static str {
        "ssh"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["key", "certificate", "user"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        self.logins(holder).map(|logins| logins.to_string())
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(async move {
            // What could not be taken back is not lent.
            self.list.tidy(wanted.now).await?;
            self.make(&wanted)
        })
    }

    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(async move {
            if let Some(handle) = &lent.handle {
                // One line that is no key, and the servers would refuse everybody.
                let public = PublicKey::from_openssh(handle).map_err(|why| {
                    IssuerError::Refused(format!("what stands on record is no public key: {why}"))
                })?;
                self.list.add(&public, &lent.lease, lent.until).await?;
            }
            Ok(Revoked::Now)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(async move {
            self.authority()?;
            self.list.tidy(Timestamp(0)).await
        })
    }
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("allow", &self.allow).finish_non_exhaustive()
    }
}
