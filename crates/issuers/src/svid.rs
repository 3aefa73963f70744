//! SVIDs of the task's run, for servers that speak SPIFFE: an X.509-SVID with its key for mutual TLS, a
//! JWT-SVID for the audiences that are configured.
//!
//! They say who acts, `spiffe://…/agent/…/task/…`, and nothing of what it may do: that is for the server
//! to decide. Whoever verifies one has the bundle and asks nobody, so it is good until it runs out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use remit_model::{AgentName, Clock, CredentialName, Entropy, Secret, TaskId};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Wanted,
};
use remit_spiffe::{Authority, MAX_AUDIENCE, MAX_AUDIENCES, SpiffeId, SvidError, own_id, task_id};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::oauth::TaskTokens;
use crate::{Doors, Kind, Lender};

/// Characters of a line of PEM (RFC 7468 section 2).
const LINE: usize = 64;
/// How long a token lives by which a run asks for another: the moment in which it does.
const ASKING: Duration = Duration::from_mins(1);

/// What the configuration says of servers that take SVIDs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// For whom the JWT-SVID is.
    pub audience: Vec<String>,
}

impl Kind for Settings {
    fn open(&self, _: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let none = "this Remit issues no SVIDs of runs: they come from the source in [spiffe]";
        Svid::new(self.clone(), doors.mint.clone().ok_or(none)?).map(Lender::from)
    }
}

/// Who mints.
#[derive(Clone)]
pub struct Mint {
    /// The keys of the trust domain as they are now.
    pub authority: Arc<dyn Fn() -> Arc<Authority> + Send + Sync>,
    /// The audience by which Remit itself takes JWT-SVIDs.
    pub issuer: String,
    /// How long an SVID lives at most.
    pub lifetime: Duration,
    /// Where keys come from.
    pub entropy: Arc<dyn Entropy>,
    /// When it is looked whether one could be minted.
    pub clock: Arc<dyn Clock>,
}

/// Lends SVIDs: fields `token` (JWT-SVID), `certificate`, `key` and `bundle` (X.509-SVID, its private key
/// and the authorities' certificates, PEM) and `id`.
pub struct Svid {
    audience: Vec<String>,
    mint: Mint,
}

impl Svid {
    /// Lends SVIDs as `settings` say.
    ///
    /// Errors: audiences that no JWT-SVID has, or Remit itself among them.
    pub fn new(settings: Settings, mint: Mint) -> Result<Self, String> {
        let Settings { audience } = settings;
        let good = |it: &String| (1..=MAX_AUDIENCE).contains(&it.len());
        if !(1..=MAX_AUDIENCES).contains(&audience.len()) || !audience.iter().all(good) {
            return Err(format!(
                "expected an `audience` of 1 to {MAX_AUDIENCES} texts of at most {MAX_AUDIENCE} bytes, got \
                 {}",
                audience.len()
            ));
        }
        if audience.contains(&mint.issuer) {
            return Err(format!(
                "expected an `audience` other than Remit itself, got `{}`: whoever is lent such a token \
                 could pick up the task's other credentials with it",
                mint.issuer
            ));
        }
        Ok(Self { audience, mint })
    }

    /// Who `holder` is.
    fn id(&self, holder: &Holder) -> Result<SpiffeId, IssuerError> {
        let authority = (self.mint.authority)();
        let id = match (&holder.agent, &holder.task) {
            (Some(agent), Some(task)) => task_id(authority.domain(), agent, task),
            _ => own_id(authority.domain()),
        };
        id.map_err(|why| IssuerError::Refused(why.to_string()))
    }

    fn sign(&self, wanted: &Wanted) -> Result<Issued, IssuerError> {
        let (id, authority) = (self.id(&wanted.holder)?, (self.mint.authority)());
        let (now, entropy) = (wanted.now, self.mint.entropy.as_ref());
        let until = wanted.until.min(now.after(self.mint.lifetime));
        let failed = |why: SvidError| match why {
            SvidError::NoKey => IssuerError::Unavailable(why.to_string()),
            _ => IssuerError::Refused(why.to_string()),
        };
        let x509 = authority.x509(&id, until, now, entropy).map_err(failed)?;
        let audience = self.audience.as_slice();
        let jwt = authority.jwt((&id, audience), until, now, entropy).map_err(failed)?;
        let bundle = authority.x509_certificates(now).map(|it| pem("CERTIFICATE", it));
        let bundle: String = bundle.map(|it| it.to_string()).collect();
        let material = Material::default()
            .with("id", id.to_string())
            .with("certificate", pem("CERTIFICATE", &x509.certificate).to_string())
            .with("bundle", bundle)
            .with_secret("key", Secret::new(pem("PRIVATE KEY", &x509.key)))
            .with_secret("token", Secret::new(jwt.token));
        Ok(Issued { material, until: x509.expires.min(jwt.expires), handle: None })
    }
}

impl TaskTokens for Mint {
    fn mint(
        &self,
        agent: &AgentName,
        task: &TaskId,
        audience: &str,
    ) -> Result<Secret, IssuerError> {
        let failed = |why: &dyn fmt::Display| IssuerError::Unavailable(why.to_string());
        let (authority, now) = ((self.authority)(), self.clock.now());
        let id = task_id(authority.domain(), agent, task).map_err(|why| failed(&why))?;
        let audience = [audience.to_owned()];
        let minted = authority.jwt((&id, &audience), now.after(ASKING), now, self.entropy.as_ref());
        minted.map(|jwt| Secret::new(jwt.token)).map_err(|why| failed(&why))
    }
}

/// `der` in the form of RFC 7468.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(der));
    let frame = 2 * ("-----BEGIN -----\n".len() + label.len());
    // Reserved at once, since growing would leave copies of a key.
    let mut text =
        Zeroizing::new(String::with_capacity(body.len() + body.len() / LINE + 1 + frame));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    for (n, letter) in body.chars().enumerate() {
        if n > 0 && n % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

impl Issuer for Svid {
    fn kind(&self) -> &'static str {
        "svid"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["id", "token", "certificate", "key", "bundle"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        Ok(format!("{} for {}", self.id(holder)?, self.audience.join(",")))
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(async move { self.sign(&wanted) })
    }

    fn revoke(&self, _: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(std::future::ready(Ok(Revoked::AtExpiry)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(async move {
            let (authority, now) = ((self.mint.authority)(), self.mint.clock.now());
            let until = now.after(self.mint.lifetime);
            let (id, entropy) = (self.id(&Holder::default())?, self.mint.entropy.as_ref());
            let minted = authority.jwt((&id, &self.audience), until, now, entropy);
            minted.map(drop).map_err(|why| IssuerError::Unavailable(why.to_string()))
        })
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid").field("audience", &self.audience).finish_non_exhaustive()
    }
}
