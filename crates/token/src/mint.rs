//! Mint: from a task's charter to a signed token.

use std::time::Duration;

use remit_jose::draw_id;
use remit_model::task::Charter;
use remit_model::{Entropy, ServerName, Timestamp};

use crate::claims::{Actor, Claims};
use crate::{Binding, Grant, GrantKeys, Realm, TokenError, Verifier};

/// The longest a grant may live. A stop does not wait for it (the task's state is asked at every
/// call); it bounds what a lost key or a skewed clock can do.
pub const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// Makes grants. Prints nothing of its keys.
#[derive(Debug)]
pub struct Minter {
    keys: GrantKeys,
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
    /// A minter for `realm` that signs with the newest of `keys`. Without any it makes nothing.
    pub fn new(keys: GrantKeys, realm: Realm) -> Self {
        Self { keys, realm }
    }

    /// Makes a grant on `terms` for the task of `charter`, good from `now` but not beyond the
    /// task's deadline.
    ///
    /// Errors: the lifetime is not within 1 s and [`MAX_LIFETIME`], the deadline has passed, or
    /// there is no key, or one that cannot sign.
    pub fn mint(
        &self,
        charter: &Charter,
        terms: &Terms,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(String, Grant), TokenError> {
        let signing = self.keys.newest().ok_or(TokenError::NoKey)?;
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
        Ok((signing.key.sign("at+jwt", &claims)?, grant))
    }

    /// What verifies whatever these keys signed. It remembers nothing yet.
    pub fn verifier(&self) -> Verifier {
        let public = self.keys.iter().map(|(it, _)| (it.kid().to_owned(), it.key.public()));
        Verifier::new(public.collect(), self.realm.clone())
    }

    /// The public keys as a JWK set (RFC 7517), for those who verify elsewhere.
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys.iter().map(|(it, _)| it.key.jwk("sig")).collect();
        serde_json::json!({ "keys": keys })
    }

    /// All that count.
    pub fn keys(&self) -> &GrantKeys {
        &self.keys
    }

    /// The names in every token.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }
}
