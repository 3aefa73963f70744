//! A token that somebody shows as an assertion, before and after its signature was looked at.

use remit_jose::{Algorithm, Jws, JwsError, KeySet, Kind};
use remit_model::{Named, Timestamp, Value};

use super::{Expected, ForeignError, Issuer, Speaks, Vouched};
use crate::MAX_ASSERTION_LIFETIME;

/// What an assertion of somebody else's looks like. Issuers name the certificate of their key in `x5t`,
/// which is not looked at.
pub static ASSERTED: Kind = Kind {
    name: "assertion",
    most: 8 * 1024,
    types: &["", "JWT", "JOSE", "oauth-id-jag+jwt", "application/oauth-id-jag+jwt"],
    types_in_words: "`JWT` or `oauth-id-jag+jwt`: expected a workload's token or an ID-JAG, not any \
                     other kind of token",
    algorithms: &Algorithm::ALL,
    algorithms_in_words: "`ES256`, `ES384`, `EdDSA`, `RS256` or `PS256`, the only algorithms accepted",
    members: &["alg", "kid", "typ", "x5t", "x5t#S256"],
    members_in_words: "`typ`, `alg`, `kid` and `x5t`",
};

/// An assertion of which nobody has verified anything.
#[derive(Debug)]
pub struct Asserted<'a>(Jws<'a>);

/// A person for whom a client may act, and what narrows that.
#[derive(Clone, Debug)]
pub struct IdJag {
    /// Who, and what tells the assertion from others.
    pub vouched: Vouched,
    /// The resources that it is for, if it says so.
    pub resources: Option<Vec<String>>,
    /// What it is for, as JSON, if it says so.
    pub details: Option<String>,
}

impl<'a> Asserted<'a> {
    /// Reads a token in compact form and its header.
    ///
    /// Errors: it is no assertion.
    pub fn read(token: &'a str) -> Result<Self, JwsError> {
        let jws = Jws::read(token, &ASSERTED)?;
        // Whose it claims to be is read before its signature, so it must be one thing to all readers.
        jws.check_form()?;
        Ok(Self(jws))
    }

    /// Whether its type says that it speaks for a person.
    pub fn is_id_jag(&self) -> bool {
        self.0.typ().ends_with("oauth-id-jag+jwt")
    }

    /// The key that it says signed it.
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id()
    }

    /// A claim that nobody has verified: good for finding the keys to verify it with.
    pub fn unverified(&self, name: &str) -> Option<String> {
        self.0.unverified(name)
    }

    /// The workload that it is about, if it is one of `issuer`'s for `ours` and one of `keys` signed it.
    ///
    /// Errors: it is not, or not good now.
    pub fn workload(
        &self,
        issuer: &Issuer,
        keys: &KeySet,
        ours: &str,
        now: Timestamp,
    ) -> Result<Vouched, ForeignError> {
        if self.is_id_jag() {
            return Err(ForeignError::Person);
        }
        let claims = self.signed(issuer, keys, Speaks::Workloads)?;
        let audience = issuer.audience.as_deref().unwrap_or(ours).to_owned();
        let expected = Expected { audience, lifetime: issuer.lifetime, once: issuer.once };
        Vouched::read(named(&claims)?, claims, &expected, now)
    }

    /// The person on whose behalf `client`, under any of its names, may act.
    ///
    /// Errors: it is no ID-JAG of `issuer`'s that was given to that client for `ours`, or not good now.
    pub fn person(
        &self,
        (issuer, keys): (&Issuer, &KeySet),
        client: &[&str],
        ours: &str,
        now: Timestamp,
    ) -> Result<IdJag, ForeignError> {
        if !self.is_id_jag() {
            return Err(ForeignError::NoPerson);
        }
        let claims = self.signed(issuer, keys, Speaks::People)?;
        let given_to = claims.member("client_id").and_then(Value::as_text);
        if !client.contains(&given_to.ok_or(ForeignError::Claim("client_id"))?) {
            return Err(ForeignError::Client);
        }
        // The profile wants a name in each, so none goes by what it says alone.
        if claims.member("jti").is_none() {
            return Err(ForeignError::Claim("jti"));
        }
        // Somebody else acts besides: whoever left that out would record half of it.
        if claims.member("act").is_some() {
            return Err(ForeignError::Unknown("act"));
        }
        let (audience, lifetime) = (ours.to_owned(), MAX_ASSERTION_LIFETIME);
        let resources = claims.member("resource").map(texts).transpose()?;
        let details = claims.member("authorization_details").map(Value::canonical);
        let expected = Expected { audience, lifetime, once: true };
        let vouched = Vouched::read(named(&claims)?, claims, &expected, now)?;
        Ok(IdJag { vouched, resources, details })
    }

    fn signed(
        &self,
        issuer: &Issuer,
        keys: &KeySet,
        speaks: Speaks,
    ) -> Result<Value, ForeignError> {
        if !issuer.vouches_for.contains(&speaks) {
            return Err(ForeignError::NotFor(speaks.in_words()));
        }
        if !issuer.algorithms.contains(&self.0.algorithm()) {
            return Err(ForeignError::Algorithm);
        }
        let claims = keys.verified(&self.0)?;
        if claims.member("iss").and_then(Value::as_text) != Some(&issuer.url) {
            return Err(ForeignError::Issuer);
        }
        Ok(claims)
    }
}

fn named(claims: &Value) -> Result<Named, ForeignError> {
    let text = |name: &'static str| {
        claims.member(name).and_then(Value::as_text).ok_or(ForeignError::Claim(name))
    };
    Ok(Named { issuer: text("iss")?.to_owned(), subject: text("sub")?.to_owned() })
}

/// A string, or a list of some.
fn texts(value: &Value) -> Result<Vec<String>, ForeignError> {
    let listed = match value {
        Value::Text(one) => vec![one.clone()],
        Value::List(several) => {
            let texts = several.iter().map(|it| it.as_text().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(ForeignError::Claim("resource"))?
        }
        _ => return Err(ForeignError::Claim("resource")),
    };
    if listed.is_empty() { Err(ForeignError::Claim("resource")) } else { Ok(listed) }
}
