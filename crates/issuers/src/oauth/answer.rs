//! What a token endpoint answered (RFC 6749 section 5). Pure.
//!
//! Of an answer that is no token only a code from a list is told on: a server may put anything into the
//! rest, what it was sent included.

use std::collections::BTreeSet;

use http::StatusCode;
use remit_fetch::Answer;
use remit_model::Secret;
use remit_ports::IssuerError;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::settings::MAX_LIFE;

/// Bytes that a token may have (R13): what stands in a header of every request.
const MAX_TOKEN: usize = 8 << 10;

/// Codes that may be told on (RFC 6749, 7009, 8693, 8707, 9449, OpenID Connect).
const CODES: [&str; 18] = [
    "access_denied",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
    "invalid_token",
];

/// What a token endpoint gave.
#[derive(Debug)]
pub(crate) struct Token {
    /// The token that was issued, whatever it is.
    pub(crate) access: Secret,
    /// What it is used as, in small letters.
    pub(super) used_as: String,
    /// What it is (RFC 8693).
    pub(super) issued: Option<String>,
    /// How many seconds it lives.
    pub(super) life: Option<u64>,
    /// What it is good for, where the server says.
    pub(super) scope: Option<BTreeSet<String>>,
    /// What the next one is to be had for.
    pub(crate) refresh: Option<Secret>,
    /// Who signed in.
    pub(crate) identity: Option<Secret>,
}

/// Why it gave none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// What was shown to it is not good, or no more (`invalid_grant`).
    Grant,
    /// Something else.
    Else(IssuerError),
}

impl From<NoToken> for IssuerError {
    fn from(why: NoToken) -> Self {
        match why {
            NoToken::Grant => Self::Refused(
                "the authorization server refused what it was shown: `invalid_grant`".to_owned(),
            ),
            NoToken::Else(why) => why,
        }
    }
}

#[derive(Deserialize)]
struct Said {
    access_token: Option<String>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
    scope: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    error: Option<String>,
}

/// Reads the answer of a token endpoint.
///
/// Errors: it gave no token that can be used.
pub(crate) fn read(answer: &Answer) -> Result<Token, NoToken> {
    let said: Option<Said> = serde_json::from_slice(&answer.body).ok();
    if answer.status != StatusCode::OK {
        return Err(because(answer.status, said.as_ref()));
    }
    let said = said.ok_or_else(|| refused("expected a token in JSON, got something else"))?;
    if said.error.is_some() {
        // Some servers do that with 200.
        return Err(because(StatusCode::BAD_REQUEST, Some(&said)));
    }
    let access =
        said.access_token.ok_or_else(|| refused("expected an `access_token`, got none"))?;
    let used_as = said.token_type.unwrap_or_default().to_ascii_lowercase();
    Ok(Token {
        access: secret(access, "access_token")?,
        used_as,
        issued: said.issued_token_type,
        life: said.expires_in.as_ref().map(life).transpose()?,
        scope: said
            .scope
            .map(|text| text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect()),
        refresh: said.refresh_token.map(|text| secret(text, "refresh_token")).transpose()?,
        identity: said.id_token.map(|text| secret(text, "id_token")).transpose()?,
    })
}

fn refused(why: &str) -> NoToken {
    NoToken::Else(IssuerError::Refused(format!(
        "the authorization server's answer is of no use: {why}"
    )))
}

/// Why an endpoint did not do what it was asked.
pub(super) fn failed(answer: &Answer) -> NoToken {
    let said: Option<Said> = serde_json::from_slice(&answer.body).ok();
    because(answer.status, said.as_ref())
}

/// The code of an error, if it is one that may be told on.
pub(super) fn known(code: &str) -> Option<&'static str> {
    CODES.iter().find(|known| **known == code).copied()
}

fn because(status: StatusCode, said: Option<&Said>) -> NoToken {
    let code = said.and_then(|said| said.error.as_deref()).and_then(known);
    if code == Some("invalid_grant") {
        return NoToken::Grant;
    }
    let text = match code {
        Some(code) => format!("the authorization server answered `{code}` ({status})"),
        None => format!("the authorization server answered with status {status}"),
    };
    let later = matches!(code, Some("temporarily_unavailable" | "server_error" | "slow_down"))
        || status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS;
    NoToken::Else(if later { IssuerError::Unavailable(text) } else { IssuerError::Refused(text) })
}

/// What can stand in a header, and in a form as it is.
fn secret(text: String, name: &str) -> Result<Secret, NoToken> {
    let text = Zeroizing::new(text);
    let good =
        (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !good {
        return Err(refused(&format!(
            "its `{name}` is empty, too long or has other than visible letters"
        )));
    }
    Ok(Secret::new(text))
}

/// A number of seconds, which some servers write as text.
fn life(said: &serde_json::Value) -> Result<u64, NoToken> {
    let seconds = said.as_u64().or_else(|| said.as_str().and_then(|text| text.parse().ok()));
    seconds.filter(|seconds| (1..=MAX_LIFE).contains(seconds)).ok_or_else(|| {
        refused("its `expires_in` is no number of seconds from 1 to those of a year")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-5e1f";

    fn answer(status: u16, body: &str) -> Answer {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Answer { status: StatusCode::from_u16(status).unwrap(), body }
    }

    #[test]
    fn a_token_is_read_with_what_is_said_of_it() {
        let body = r#"{"access_token":"a","token_type":"Bearer","expires_in":"60","scope":"x  y",
            "refresh_token":"r","example":{}}"#;
        let token = read(&answer(200, body)).unwrap();
        assert_eq!(
            (token.access.reveal(), token.used_as.as_str(), token.life),
            ("a", "bearer", Some(60))
        );
        assert_eq!(token.scope.unwrap().into_iter().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(token.refresh.unwrap().reveal(), "r");
        let bare = read(&answer(200, r#"{"access_token":"a","token_type":"bearer"}"#)).unwrap();
        assert_eq!((bare.life, bare.scope), (None, None));
    }

    #[test]
    fn what_is_absurd_is_no_token() {
        let long =
            format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, "a".repeat(MAX_TOKEN + 1));
        let with =
            |more: &str| format!(r#"{{"access_token":"{CANARY}","token_type":"Bearer",{more}}}"#);
        for body in [
            long,
            with(r#""expires_in":0"#),
            with(r#""expires_in":-1"#),
            with(r#""expires_in":1e300"#),
            with(r#""expires_in":99999999999999999999"#),
            with(r#""expires_in":31622401"#),
            with(r#""expires_in":"soon""#),
            with(r#""expires_in":[60]"#),
            with(r#""access_token":"b""#),
            with(r#""refresh_token":"a b""#),
            with(r#""refresh_token":"a\r\nX: y""#),
            r#"{"access_token":"","token_type":"Bearer"}"#.to_owned(),
            r#"{"token_type":"Bearer"}"#.to_owned(),
            format!("access_token={CANARY}&token_type=bearer"),
            "[]".to_owned(),
            String::new(),
        ] {
            let error = read(&answer(200, &body)).unwrap_err();
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
            assert!(matches!(error, NoToken::Else(IssuerError::Refused(_))), "{body}: {error:?}");
        }
    }

    #[test]
    fn of_an_error_only_a_known_code_is_told_on() {
        for (status, body, later, told) in [
            (
                400,
                r#"{"error":"invalid_scope","error_description":"canary-5e1f"}"#,
                false,
                "`invalid_scope`",
            ),
            (400, r#"{"error":"canary-5e1f"}"#, false, "status 400"),
            (401, r#"{"error":"invalid_client"}"#, false, "`invalid_client`"),
            (
                200,
                r#"{"error":"access_denied","error_description":"canary-5e1f"}"#,
                false,
                "`access_denied`",
            ),
            (429, "canary-5e1f", true, "status 429"),
            (503, r#"{"error":"temporarily_unavailable"}"#, true, "temporarily"),
            (500, "<html>canary-5e1f</html>", true, "status 500"),
        ] {
            let error = IssuerError::from(read(&answer(status, body)).unwrap_err());
            let text = error.to_string();
            assert!(text.contains(told) && !text.contains(CANARY), "{text}");
            assert_eq!(matches!(error, IssuerError::Unavailable(_)), later, "{text}");
        }
        let gone = answer(400, r#"{"error":"invalid_grant","error_description":"canary-5e1f"}"#);
        assert_eq!(read(&gone).unwrap_err(), NoToken::Grant);
    }
}
