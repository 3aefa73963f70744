//! The claims of a grant, both ways: RFC 9068 section 2.2, `task`, and `cnf` (RFC 7800).

use std::collections::BTreeMap;

use remit_model::task::MAX_LINEAGE;
use remit_model::{AgentName, TaskId, Timestamp, Value};
use serde::Serialize;

use crate::verify::SKEW;
use crate::{Binding, Grant, MAX_LIFETIME, Realm, TokenError};

/// Every claim a grant has, `cnf` only if it is bound, `act` only if its task was handed on; one more or
/// one less and it is not a grant.
const NAMES: [&str; 10] =
    ["act", "aud", "client_id", "cnf", "exp", "iat", "iss", "jti", "sub", "task"];

/// Characters a `jti` may have.
const MAX_ID: usize = 64;

/// What is signed.
#[derive(Debug, Serialize)]
pub(crate) struct Claims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) task: &'a str,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<BTreeMap<&'static str, String>>,
}

/// Who acts for the subject, and who did before (RFC 8693 section 4.1).
#[derive(Debug, Serialize)]
pub(crate) struct Actor<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Self>>,
}

impl<'a> Actor<'a> {
    /// The claim for `actors`, the present one first.
    pub(crate) fn of(actors: &'a [String]) -> Option<Self> {
        let (now, before) = actors.split_first()?;
        Some(Self { sub: now, act: Self::of(before).map(Box::new) })
    }
}

/// The grant that signed `claims` make, at `now`.
///
/// Errors: a claim is missing, foreign, of the wrong form, or not of `realm`; or the time is not
/// within the token's.
pub(crate) fn read(claims: &Value, realm: &Realm, now: Timestamp) -> Result<Grant, TokenError> {
    if let Value::Record(members) = claims
        && members.keys().any(|name| !NAMES.contains(&name.as_str()))
    {
        return Err(TokenError::ForeignClaim);
    }
    let text = |name| claims.member(name).and_then(Value::as_text).ok_or(TokenError::Claim(name));
    if text("iss")? != realm.issuer() {
        return Err(TokenError::Issuer);
    }
    let server = realm.part(text("aud")?).ok_or(TokenError::Audience)?;
    let expires = times(claims, now)?;
    let agent: AgentName =
        text("client_id")?.parse().map_err(|_| TokenError::Claim("client_id"))?;
    let task: TaskId = text("task")?.parse().map_err(|_| TokenError::Claim("task"))?;
    let (subject, actors) = (text("sub")?.to_owned(), actors(claims.member("act"))?);
    if *actors.first().unwrap_or(&subject) != realm.subject(&agent, &task) {
        return Err(TokenError::Claim(if actors.is_empty() { "sub" } else { "act" }));
    }
    let id = text("jti")?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(TokenError::Claim("jti"));
    }
    let binding = claims.member("cnf").map(Binding::read).transpose()?.unwrap_or_default();
    Ok(Grant { task, agent, subject, actors, server, binding, expires, id: id.to_owned() })
}

/// The actors in `act`, the present one first: an object with `sub` and, within, whoever acted before.
fn actors(mut claim: Option<&Value>) -> Result<Vec<String>, TokenError> {
    let mut actors = Vec::new();
    while let Some(act) = claim {
        let Value::Record(members) = act else { return Err(TokenError::Claim("act")) };
        let known = members.keys().all(|name| matches!(name.as_str(), "sub" | "act"));
        let sub = members.get("sub").and_then(Value::as_text).filter(|_| known);
        actors.push(sub.ok_or(TokenError::Claim("act"))?.to_owned());
        if actors.len() > MAX_LINEAGE {
            return Err(TokenError::Claim("act"));
        }
        claim = members.get("act");
    }
    Ok(actors)
}

fn times(claims: &Value, now: Timestamp) -> Result<Timestamp, TokenError> {
    let seconds = |name| match claims.member(name) {
        Some(Value::Number(text)) => text.parse::<u64>().map_err(|_| TokenError::Claim(name)),
        _ => Err(TokenError::Claim(name)),
    };
    let (made, expires) = (seconds("iat")?, seconds("exp")?);
    if expires <= made || expires - made > MAX_LIFETIME.as_secs() {
        return Err(TokenError::Claim("exp"));
    }
    let (made, expires) = (Timestamp::from_secs(made), Timestamp::from_secs(expires));
    if made > now.after(SKEW) {
        return Err(TokenError::Future { at: made });
    }
    if ran_out(expires, now) {
        return Err(TokenError::Expired { at: expires });
    }
    Ok(expires)
}

/// Whether a token that expires at `expires` is no longer accepted at `now` (RFC 7519 section
/// 4.1.4: "on or after", with the leeway it allows).
pub(crate) fn ran_out(expires: Timestamp, now: Timestamp) -> bool {
    now >= expires.after(SKEW)
}

/// Whether `audience` is `wanted`, alone or alone in a list: whoever else is named could use the token
/// here.
pub(crate) fn is_only(audience: &Value, wanted: &str) -> bool {
    match audience {
        Value::Text(one) => one == wanted,
        Value::List(several) => match several.as_slice() {
            [Value::Text(one)] => one == wanted,
            _ => false,
        },
        _ => false,
    }
}
