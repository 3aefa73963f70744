//! JWT-SVIDs, both ways (SPIFFE JWT-SVID).
//!
//! Verification trusts nothing that the token says: the key is looked up among ours, and the claims
//! are read after the signature.

use std::fmt;
use std::time::Duration;

use remit_jose::{Algorithm, Jws, Kind, draw_id};
use remit_model::{Descent, Entropy, Timestamp, Value};
use serde::Serialize;
use spiffe::{SpiffeId, TrustDomain};

use crate::{Authority, Generation, SvidError, id};

/// The longest token that is read, in bytes (R13). One of ours has some 500.
pub const MAX_TOKEN: usize = 8 * 1024;
/// For how many at once a token may be made (R13); the standard advises one.
pub const MAX_AUDIENCES: usize = 8;
/// How long the name of an audience may be, in bytes (R13).
pub const MAX_AUDIENCE: usize = 512;
/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(5);

/// What a JWT-SVID of ours looks like (section 2).
static JWT_SVID: Kind = Kind {
    name: "JWT-SVID",
    most: MAX_TOKEN,
    types: &["", "JWT", "JOSE"],
    types_in_words: "`JWT` or `JOSE`: expected a JWT-SVID, not any other kind of token",
    algorithms: &[Algorithm::Es256],
    algorithms_in_words: "`ES256`, the only algorithm of this trust domain",
    members: &["alg", "kid", "typ"],
    members_in_words: "`typ`, `alg` and `kid`",
};

/// A JWT-SVID.
#[derive(Clone)]
pub struct JwtSvid {
    /// Whose.
    pub id: SpiffeId,
    /// The token; whoever has it is that one, towards its audience.
    pub token: String,
    /// When it runs out.
    pub expires: Timestamp,
}

impl fmt::Debug for JwtSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSvid").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a JWT-SVID that was believed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub id: SpiffeId,
    /// All its claims.
    pub claims: Value,
}

impl Verified {
    /// Which process it was issued to, if it says so.
    pub fn process(&self) -> Option<Descent> {
        Descent::read(self.claims.member(PROCESS)?)
    }
}

/// The claim that says which process a token was issued to. Only we read it.
const PROCESS: &str = "remit_process";

#[derive(Serialize)]
struct Claims<'a> {
    sub: String,
    jti: String,
    aud: &'a [String],
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    remit_process: Option<&'a Descent>,
}

/// To whom a token is issued.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whom it names.
    pub id: &'a SpiffeId,
    /// The process, where its audience is to know.
    pub process: Option<&'a Descent>,
}

impl<'a> From<&'a SpiffeId> for Subject<'a> {
    fn from(id: &'a SpiffeId) -> Self {
        Self { id, process: None }
    }
}

/// Signs a token to `subject`, good between `from` and the end of `generation` or `until`.
pub(crate) fn sign(
    generation: &Generation,
    (subject, audience): (Subject<'_>, &[String]),
    (from, until): (Timestamp, Timestamp),
    entropy: &dyn Entropy,
) -> Result<JwtSvid, SvidError> {
    let named = |audience: &String| (1..=MAX_AUDIENCE).contains(&audience.len());
    if !(1..=MAX_AUDIENCES).contains(&audience.len()) || !audience.iter().all(named) {
        return Err(SvidError::Audiences);
    }
    let expires = Timestamp::from_secs(until.min(generation.ends).as_secs());
    if expires <= from {
        return Err(SvidError::TooShort);
    }
    let claims = Claims {
        sub: subject.id.to_string(),
        jti: draw_id(entropy),
        aud: audience,
        iat: from.as_secs(),
        exp: expires.as_secs(),
        remit_process: subject.process,
    };
    let signed = generation.jwt.sign("JWT", &claims);
    let token = signed.map_err(|_| SvidError::Crypto("signing a token"))?;
    Ok(JwtSvid { id: subject.id.clone(), token, expires })
}

/// See [`Authority::verify_jwt`].
pub(crate) fn verify(
    authority: &Authority,
    token: &str,
    audience: &str,
    now: Timestamp,
) -> Result<Verified, SvidError> {
    let jws = Jws::read(token, &JWT_SVID)?;
    let kid = jws.key_id().ok_or(SvidError::NoKeyId)?;
    let mut known = authority.alive(now).filter(|generation| generation.jwt.id() == kid);
    let signer = known.next().ok_or(SvidError::Key)?;
    let claims = jws.verified(&signer.jwt.public())?;
    let id = subject(&claims, authority.domain())?;
    check_audience(&claims, audience)?;
    check_times(&claims, Some(signer.ends), now)?;
    Ok(Verified { id, claims })
}

/// Whose it is, if that is somebody of `domain`.
pub(crate) fn subject(claims: &Value, domain: &TrustDomain) -> Result<SpiffeId, SvidError> {
    let text = claims.member("sub").and_then(Value::as_text).ok_or(SvidError::Claim("sub"))?;
    let id = id::read(text).map_err(|_| SvidError::Claim("sub"))?;
    if id.trust_domain() != domain {
        return Err(SvidError::Foreign);
    }
    if id.path().is_empty() { Err(SvidError::Claim("sub")) } else { Ok(id) }
}

/// RFC 7519 section 4.1.3: a string, or a list of them.
pub(crate) fn check_audience(claims: &Value, audience: &str) -> Result<(), SvidError> {
    let is_it = |value: &Value| value.as_text() == Some(audience);
    let named = match claims.member("aud") {
        Some(Value::List(list)) if !list.is_empty() => list.iter().any(is_it),
        Some(text @ Value::Text(_)) => is_it(text),
        _ => return Err(SvidError::Claim("aud")),
    };
    if named { Ok(()) } else { Err(SvidError::Audience) }
}

/// The times, of which none lies beyond `ends`, where that is known: nothing outlives the key that
/// signed it.
pub(crate) fn check_times(
    claims: &Value,
    ends: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), SvidError> {
    let at = |name| match claims.member(name) {
        Some(Value::Number(text)) => {
            text.parse().map(Timestamp::from_secs).map(Some).map_err(|_| SvidError::Claim(name))
        }
        Some(_) => Err(SvidError::Claim(name)),
        None => Ok(None),
    };
    let in_time = |expires: &Timestamp| ends.is_none_or(|ends| *expires <= ends);
    let expires = at("exp")?.filter(in_time).ok_or(SvidError::Claim("exp"))?;
    if now >= expires.after(SKEW) {
        return Err(SvidError::Expired { at: expires });
    }
    for from in [at("iat")?, at("nbf")?].into_iter().flatten() {
        if from > now.after(SKEW) {
            return Err(SvidError::Future { at: from });
        }
    }
    Ok(())
}
