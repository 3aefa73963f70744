//! What others vouch for: workloads of theirs (RFC 7523 section 2.1, as the MCP workload identity profile
//! has it), and people (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant).
//!
//! A token of somebody else's is read like our own: nothing in it chooses the key that it is checked
//! with, and its claims are read after its signature. Whose it claims to be tells only whose keys to
//! look for. What a person must have configured is an [`Issuer`]; which of its workloads is an agent
//! is said by [`Claims`].

mod asserted;
mod error;
mod issuer;
mod rule;

use std::time::Duration;

use remit_jose::Thumbprint;
use remit_model::{Named, Timestamp, Value};

pub use asserted::{ASSERTED, Asserted, IdJag};
pub use error::ForeignError;
pub use issuer::{Issuer, MAX_FOREIGN_LIFETIME, Preset, Speaks};
pub use rule::{Claims, MAX_CLAIMS, RuleError};

use crate::claims::{is_only, ran_out};
use crate::verify::SKEW;

/// Bytes a `sub` may have (R13); those of CI providers have some hundred.
const MAX_SUBJECT: usize = 1024;
/// Bytes a `jti` may have (R13); it is kept as a digest.
const MAX_ID: usize = 256;

/// Somebody that somebody else vouched for, in a token that was not used up yet.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Who it is.
    pub named: Named,
    /// All that the token says.
    pub claims: Value,
    /// The key that its holder must prove to have, if the token is bound to one (`cnf.jkt`).
    pub key: Option<Thumbprint>,
    pub(crate) made: Timestamp,
    pub(crate) expires: Timestamp,
    /// What tells it from all others of its issuer, if it may be used once only.
    pub(crate) once: Option<String>,
}

/// What the claims of a verified token must fit.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Who must be its only audience.
    pub audience: String,
    /// For how long it may be good in all.
    pub lifetime: Duration,
    /// Whether it may be used once only.
    pub once: bool,
}

impl Vouched {
    /// Reads the claims of a token about `named` whose signature was verified, at `now`.
    ///
    /// Errors: it vouches for nobody, is not meant for this audience alone, or not good now.
    pub fn read(
        named: Named,
        claims: Value,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<Self, ForeignError> {
        // RFC 8417 section 2.2, and logout tokens: issuers sign such with the keys of all their tokens, and not
        // each gives them a `typ` of their own.
        if claims.member("events").is_some() {
            return Err(ForeignError::Events);
        }
        // It is shown to people, so it holds nothing that a terminal obeys.
        let subject = &named.subject;
        if !(1..=MAX_SUBJECT).contains(&subject.len()) || subject.chars().any(char::is_control) {
            return Err(ForeignError::Claim("sub"));
        }
        let audience = claims.member("aud").ok_or(ForeignError::Claim("aud"))?;
        if !is_only(audience, &expected.audience) {
            return Err(ForeignError::Audience(expected.audience.clone()));
        }
        let (made, expires) = times(&claims, expected.lifetime, now)?;
        let key = bound_to(&claims)?;
        let once = expected.once.then(|| id(&claims)).transpose()?;
        Ok(Self { named, claims, key, made, expires, once })
    }

    /// That it is shown by whoever proved to have `key`, if it is bound to one.
    ///
    /// Errors: it is bound to another.
    pub fn check_bound(&self, key: Option<Thumbprint>) -> Result<(), ForeignError> {
        if self.key.is_none() || self.key == key { Ok(()) } else { Err(ForeignError::Unproved) }
    }
}

/// When it was made, and when it runs out.
fn times(
    claims: &Value,
    most: Duration,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), ForeignError> {
    let seconds = |name| match claims.member(name) {
        None => Ok(None),
        Some(Value::Number(text)) => {
            text.parse().map(Timestamp::from_secs).map(Some).map_err(|_| ForeignError::Claim(name))
        }
        Some(_) => Err(ForeignError::Claim(name)),
    };
    let expires = seconds("exp")?.ok_or(ForeignError::Claim("exp"))?;
    let made = seconds("iat")?.ok_or(ForeignError::Claim("iat"))?;
    if ran_out(expires, now) {
        return Err(ForeignError::Expired { at: expires });
    }
    if expires > made.after(most) {
        return Err(ForeignError::Long { most });
    }
    let begins = made.max(seconds("nbf")?.unwrap_or(made));
    if begins > now.after(SKEW) {
        return Err(ForeignError::Future { at: begins });
    }
    Ok((made, expires))
}

/// RFC 7800 with RFC 9449: a token that names a key is nobody's who cannot prove to have that key. A way
/// of binding that is not understood here binds all the same.
fn bound_to(claims: &Value) -> Result<Option<Thumbprint>, ForeignError> {
    let Some(bound) = claims.member("cnf") else { return Ok(None) };
    let thumbprint = match bound {
        Value::Record(members) if members.len() == 1 => members.get("jkt").and_then(Value::as_text),
        _ => None,
    };
    let thumbprint = thumbprint.and_then(|text| text.parse().ok());
    thumbprint.map(Some).ok_or(ForeignError::Claim("cnf"))
}

/// The `jti`, or where there is none what the whole token says.
fn id(claims: &Value) -> Result<String, ForeignError> {
    match claims.member("jti") {
        None => Ok(claims.canonical()),
        Some(Value::Text(id)) if (1..=MAX_ID).contains(&id.len()) => Ok(id.clone()),
        Some(_) => Err(ForeignError::Claim("jti")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    fn read(more: &str) -> Result<Vouched, ForeignError> {
        let now = NOW.as_secs();
        let claims = format!(r#"{{"aud":"us","iat":{now},"exp":{},"jti":"1"{more}}}"#, now + 60);
        let named = Named { issuer: "https://ci.example".into(), subject: "job-1".into() };
        let lifetime = Duration::from_mins(5);
        let expected = Expected { audience: "us".to_owned(), lifetime, once: true };
        Vouched::read(named, Value::parse(&claims).unwrap(), &expected, NOW)
    }

    #[test]
    fn a_token_that_tells_of_an_event_vouches_for_nobody() {
        read(r#","event_name":"push""#).unwrap();
        for events in [
            r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#,
            r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}"#,
            "{}",
            "null",
        ] {
            let refused = read(&format!(r#","events":{events}"#)).unwrap_err();
            assert_eq!(refused, ForeignError::Events, "{events}");
        }
    }

    #[test]
    fn a_security_event_token_is_not_even_read_as_an_assertion() {
        let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        for (typ, is_read) in [
            ("JWT", true),
            ("secevent+jwt", false),
            ("application/secevent+jwt", false),
            ("logout+jwt", false),
        ] {
            let header = part(&format!(r#"{{"alg":"RS256","kid":"1","typ":"{typ}"}}"#));
            let token = format!("{header}.{}.{}", part("{}"), part("signature"));
            assert_eq!(Asserted::read(&token).is_ok(), is_read, "{typ}");
        }
    }
}
