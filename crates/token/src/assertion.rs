//! Client authentication by a signed assertion (RFC 7523 section 2.2).
//!
//! A client is a registered agent, or one that a person allows something in a browser. Its assertion is a
//! token that is meant for this issuer alone, good for minutes, used once: signed with the client's key
//! (`private_key_jwt`), or an agent's JWT-SVID (`spiffe_jwt`, draft-ietf-oauth-spiffe-client-auth), which
//! somebody else has verified.
//! What is remembered of those that were used ends with the process, so one that was made before the
//! process started is not believed either.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remit_jose::{Algorithm, Jws, JwsError, KeySet, Kind};
use remit_model::{Digest, Timestamp, Value};

use crate::claims::{is_only, ran_out};
use crate::elsewhere::{ForeignError, Vouched};
use crate::seen::{Again, MAX_ASSERTIONS, Seen};
use crate::verify::SKEW;

/// What an assertion looks like. Libraries give it the `typ` `JWT` or none; its own is that of
/// draft-ietf-oauth-rfc7523bis.
pub static ASSERTION: Kind = Kind {
    name: "assertion",
    most: 4 * 1024,
    types: &[
        "",
        "JWT",
        "application/JWT",
        "client-authentication+jwt",
        "application/client-authentication+jwt",
    ],
    types_in_words: "`JWT` or `client-authentication+jwt`: expected a client assertion, not any \
                     other kind of token",
    algorithms: &[Algorithm::Es256, Algorithm::EdDsa],
    algorithms_in_words: "`ES256` or `EdDSA`, the only algorithms accepted",
    members: &["alg", "kid", "typ"],
    members_in_words: "`typ`, `alg` and `kid`",
};

/// How far ahead an assertion's `exp` may lie: it is made for the request that it comes with.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_mins(10);

/// Characters a `jti` may have; it is kept as a digest.
const MAX_ID: usize = 256;

/// Why a client was not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It is not a signed assertion, or no registered key signed it.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// It names nobody whose keys are registered.
    #[error(
        "the assertion's `iss` names no agent with registered keys: give its [[agent]] a \
         `jwks_file`"
    )]
    Unknown,
    /// A claim is missing, or not what it should be.
    #[error("the assertion's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// Its claims name more than one client.
    #[error("the assertion's `iss` and `sub` are not the same")]
    Client,
    /// It is meant for somebody else too, or only for somebody else.
    #[error("the assertion's `aud` is not `{0}`, this issuer, and nothing else")]
    Audience(String),
    /// It ran out.
    #[error("the assertion ran out at {at}: make a new one for each request")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is good for too long.
    #[error(
        "the assertion is good for more than {} s: make one for each request", .most.as_secs()
    )]
    Long {
        /// For how long it may be.
        most: Duration,
    },
    /// It is not good yet.
    #[error("the assertion is not good before {at}: set the clock right")]
    Future {
        /// When it will be.
        at: Timestamp,
    },
    /// It was made before this process could remember anything.
    #[error("the assertion was made before this server started: make a new one for each request")]
    Old,
    /// It was used before.
    #[error("the assertion was used before: make a new one for each request")]
    Replayed,
    /// It could not be remembered, so that it could be used twice.
    #[error("too many assertions were used in a short time: wait a minute and make a new one")]
    Full,
}

/// An assertion of a client, which was not used yet.
#[derive(Debug)]
pub struct Assertion {
    client: String,
    id: String,
    expires: Timestamp,
}

impl Assertion {
    /// The client that it names.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The client that `text` says it is from, of which nobody has verified anything: good for finding the
    /// keys to check it with.
    pub fn unverified_client(text: &str) -> Option<String> {
        Jws::read(text, &ASSERTION).ok()?.unverified("iss")
    }
}

/// Believes the assertions that are made for one issuer, each once.
pub struct Assertions {
    issuer: String,
    started: Timestamp,
    seen: Seen,
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Assertions {
    /// For `issuer`, remembering from `started` on, at most [`MAX_ASSERTIONS`].
    pub fn new(issuer: &str, started: Timestamp) -> Self {
        Self { issuer: issuer.to_owned(), started, seen: Seen::new(MAX_ASSERTIONS) }
    }

    /// Checks an assertion against the keys of the client that it names, which `keys` finds. It is not
    /// used up: whoever has checked the rest of the request spends it.
    ///
    /// Errors: it is not an assertion of that client's for this issuer, or not good now.
    pub fn check(
        &self,
        assertion: &str,
        keys: &dyn Fn(&str) -> Option<Arc<KeySet>>,
        now: Timestamp,
    ) -> Result<Assertion, AssertionError> {
        let jws = Jws::read(assertion, &ASSERTION)?;
        // Whose key to check with is all that is believed of it before that.
        let named = jws.unverified("iss");
        let found = named.and_then(|client| Some((keys(&client)?, client)));
        let (keys, client) = found.ok_or(AssertionError::Unknown)?;
        let claims = keys.verified(&jws)?;
        let text = |name: &'static str| {
            claims.member(name).and_then(Value::as_text).ok_or(AssertionError::Claim(name))
        };
        if text("iss")? != client || text("sub")? != client {
            return Err(AssertionError::Client);
        }
        self.check_claims(&client, &claims, (MAX_ASSERTION_LIFETIME, now))
    }

    /// Checks the claims of a verified JWT-SVID of `client`, as [`Self::check`] does those of an
    /// assertion. `lifetime` is how long SVIDs live. That it is verified is the caller's word.
    ///
    /// Errors: it is not meant for this issuer alone, or not good now.
    pub fn check_svid(
        &self,
        client: &str,
        claims: &Value,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Assertion, AssertionError> {
        self.check_claims(client, claims, (lifetime, now))
    }

    fn check_claims(
        &self,
        client: &str,
        claims: &Value,
        (most, now): (Duration, Timestamp),
    ) -> Result<Assertion, AssertionError> {
        let audience = claims.member("aud").ok_or(AssertionError::Claim("aud"))?;
        if !is_only(audience, &self.issuer) {
            return Err(AssertionError::Audience(self.issuer.clone()));
        }
        let expires = self.check_times(claims, (most, now))?;
        let id = claims.member("jti").and_then(Value::as_text);
        let id = id.filter(|id| (1..=MAX_ID).contains(&id.len()));
        let id = id.ok_or(AssertionError::Claim("jti"))?.to_owned();
        Ok(Assertion { client: client.to_owned(), id, expires })
    }

    /// Uses `vouched` up, if it may be used once only.
    ///
    /// Errors: it was used before, it was made when nothing could be remembered, or it cannot be
    /// remembered now.
    pub fn spend_vouched(&self, vouched: &Vouched, now: Timestamp) -> Result<(), ForeignError> {
        let Some(id) = &vouched.once else { return Ok(()) };
        if vouched.made.after(SKEW) < self.started {
            return Err(ForeignError::Old);
        }
        let owner = Digest::of(format!("issuer:{}", vouched.named.issuer).as_bytes());
        self.seen.note((&owner, id), vouched.expires.after(SKEW), now).map_err(|why| match why {
            Again::Replayed => ForeignError::Replayed,
            Again::Full => ForeignError::Full,
        })
    }

    /// Uses `assertion` up; the client that it proved.
    ///
    /// Errors: it was used before, or it cannot be remembered.
    pub fn spend(&self, assertion: Assertion, now: Timestamp) -> Result<String, AssertionError> {
        let owner = Digest::of(format!("client:{}", assertion.client).as_bytes());
        let until = assertion.expires.after(SKEW);
        self.seen.note((&owner, &assertion.id), until, now).map_err(|why| match why {
            Again::Replayed => AssertionError::Replayed,
            Again::Full => AssertionError::Full,
        })?;
        Ok(assertion.client)
    }

    fn check_times(
        &self,
        claims: &Value,
        (most, now): (Duration, Timestamp),
    ) -> Result<Timestamp, AssertionError> {
        let seconds = |name| match claims.member(name) {
            None => Ok(None),
            Some(Value::Number(text)) => match text.parse() {
                Ok(secs) => Ok(Some(Timestamp::from_secs(secs))),
                Err(_) => Err(AssertionError::Claim(name)),
            },
            Some(_) => Err(AssertionError::Claim(name)),
        };
        let expires = seconds("exp")?.ok_or(AssertionError::Claim("exp"))?;
        let made = seconds("iat")?.ok_or(AssertionError::Claim("iat"))?;
        if ran_out(expires, now) {
            return Err(AssertionError::Expired { at: expires });
        }
        if expires > now.after(most).after(SKEW) {
            return Err(AssertionError::Long { most });
        }
        let begins = made.max(seconds("nbf")?.unwrap_or(made));
        if begins > now.after(SKEW) {
            return Err(AssertionError::Future { at: begins });
        }
        if made.after(SKEW) < self.started {
            return Err(AssertionError::Old);
        }
        Ok(expires)
    }
}
