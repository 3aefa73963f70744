//! Mint: from a task's charter to a signed token.

use std::time::Duration;

use data_encoding::HEXLOWER;
use remit_jose::SigningKey;
use remit_model::task::Charter;
use remit_model::{Entropy, ServerName, Timestamp};

use crate::claims::{Actor, Claims};
use crate::{Binding, Grant, Realm, TokenError, Verifier};

/// The longest a grant may live. A stop does not wait for it (the task's state is asked at every
/// call); it bounds what a lost key or a skewed clock can do.
pub const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// Makes grants. The one holder of the token key; prints nothing of it.
#[derive(Debug)]
pub struct Minter {
    key: SigningKey,
    realm: Realm,
}

/// What is asked of a grant beside its task.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// How long it lives.
    pub lifetime: Duration,
    /// What its holder has to show with it.
    pub binding: Binding,
    /// The one server whose endpoint takes it; `None` for all.
    pub server: Option<ServerName>,
}

impl Minter {
    /// A minter for `realm` from an ES256 private key in PKCS#8 DER, which is copied; wiping it is
    /// its owner's duty.
    ///
    /// Errors: [`TokenError::Secret`].
    pub fn new(pkcs8: &[u8], realm: Realm) -> Result<Self, TokenError> {
        Ok(Self { key: SigningKey::from_pkcs8(pkcs8)?, realm })
    }

    /// Makes a grant on `terms` for the task of `charter`, good from `now` but not beyond the
    /// task's deadline.
    ///
    /// Errors: the lifetime is not within 1 s and [`MAX_LIFETIME`], the deadline has passed, or
    /// the key cannot sign.
    pub fn mint(
        &self,
        charter: &Charter,
        terms: &Terms,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(String, Grant), TokenError> {
        let lifetime = terms.lifetime;
        if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
            return Err(TokenError::Lifetime { asked: lifetime.as_secs() });
        }
        let deadline = charter.remit.deadline;
        let expires = Timestamp::from_secs(now.after(lifetime).min(deadline).as_secs());
        if expires.as_secs() <= now.as_secs() {
            return Err(TokenError::TaskEnded { deadline });
        }
        let own = self.realm.subject(&charter.agent, &charter.id);
        let mut runs: Vec<String> = charter
            .lineage
            .iter()
            .map(|ancestor| self.realm.subject(&ancestor.agent, &ancestor.task))
            .chain([own])
            .collect();
        let actors = runs.split_off(1).into_iter().rev().collect::<Vec<_>>();
        let grant = Grant {
            task: charter.id.clone(),
            agent: charter.agent.clone(),
            subject: runs.pop().unwrap_or_default(),
            actors,
            server: terms.server.clone(),
            binding: terms.binding,
            expires,
            id: draw_id(entropy),
        };
        let claims = Claims {
            iss: self.realm.issuer(),
            aud: &self.realm.resource(grant.server.as_ref()),
            sub: &grant.subject,
            client_id: grant.agent.as_str(),
            task: grant.task.as_str(),
            iat: now.as_secs(),
            exp: grant.expires.as_secs(),
            jti: &grant.id,
            act: Actor::of(&grant.actors),
            cnf: grant.binding.confirmation(),
        };
        Ok((self.key.sign("at+jwt", &claims)?, grant))
    }

    /// What verifies the tokens of this minter.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.key.public(), self.key.id().to_owned(), self.realm.clone())
    }

    /// The public key as a JWK set (RFC 7517), for those who verify elsewhere.
    pub fn jwks(&self) -> String {
        self.key.jwks()
    }

    /// The id of the key in use.
    pub fn kid(&self) -> &str {
        self.key.id()
    }

    /// The names in every token.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }
}

fn draw_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    HEXLOWER.encode(&bytes)
}
