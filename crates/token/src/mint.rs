//! Mint: from a task's charter to a signed token.

use std::fmt;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use remit_model::task::Charter;
use remit_model::{Entropy, Timestamp};

use crate::claims::Claims;
use crate::{Grant, Realm, TokenError, Verifier};

/// The longest a grant may live. A stop does not wait for it (the task's state is asked at every
/// call); it bounds what a lost key or a skewed clock can do.
pub const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// Makes grants. The one holder of the token key; prints nothing of it and wipes it when dropped.
pub struct Minter {
    key: EncodingKey,
    public: DecodingKey,
    kid: String,
    x: String,
    y: String,
    realm: Realm,
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter")
            .field("kid", &self.kid)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl Minter {
    /// A minter for `realm` from an ES256 private key in PKCS#8 DER. The key's id (`kid`) is its
    /// RFC 7638 thumbprint, so that no two keys share one. `pkcs8` is copied; wiping it is its
    /// owner's duty.
    ///
    /// Errors: [`TokenError::Secret`].
    pub fn new(pkcs8: &[u8], realm: Realm) -> Result<Self, TokenError> {
        let secret = |why: jsonwebtoken::errors::Error| TokenError::Secret(why.to_string());
        let key = EncodingKey::from_ec_der(pkcs8);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(secret)?;
        let AlgorithmParameters::EllipticCurve(public) = &jwk.algorithm else {
            return Err(TokenError::Secret("its public key is not on a curve".to_owned()));
        };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(secret)?;
        let (x, y) = (public.x.clone(), public.y.clone());
        let public = DecodingKey::from_ec_components(&x, &y).map_err(secret)?;
        Ok(Self { key, public, kid, x, y, realm })
    }

    /// Makes a grant for the task of `charter`, good from `now` for `lifetime` but not beyond the
    /// task's deadline.
    ///
    /// Errors: the lifetime is not within 1 s and [`MAX_LIFETIME`], the deadline has passed, or
    /// the key cannot sign.
    pub fn mint(
        &self,
        charter: &Charter,
        lifetime: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(String, Grant), TokenError> {
        if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
            return Err(TokenError::Lifetime { asked: lifetime.as_secs() });
        }
        let deadline = charter.remit.deadline;
        let expires = Timestamp::from_secs(now.after(lifetime).min(deadline).as_secs());
        if expires.as_secs() <= now.as_secs() {
            return Err(TokenError::TaskEnded { deadline });
        }
        let grant = Grant {
            task: charter.id.clone(),
            agent: charter.agent.clone(),
            subject: self.realm.subject(&charter.agent, &charter.id),
            expires,
            id: draw_id(entropy),
        };
        let claims = Claims {
            iss: self.realm.issuer(),
            aud: self.realm.audience(),
            sub: &grant.subject,
            client_id: grant.agent.as_str(),
            task: grant.task.as_str(),
            iat: now.as_secs(),
            exp: grant.expires.as_secs(),
            jti: &grant.id,
        };
        let token = jsonwebtoken::encode(&self.header(), &claims, &self.key)
            .map_err(|why| TokenError::Secret(why.to_string()))?;
        Ok((token, grant))
    }

    /// What verifies the tokens of this minter.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.public.clone(), self.kid.clone(), self.realm.clone())
    }

    /// The public key as a JWK set (RFC 7517), for those who verify elsewhere.
    pub fn jwks(&self) -> String {
        serde_json::json!({"keys": [{
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y,
            "kid": self.kid, "alg": "ES256", "use": "sig",
        }]})
        .to_string()
    }

    /// The id of the key in use.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The names in every token.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        header
    }
}

fn draw_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    HEXLOWER.encode(&bytes)
}
