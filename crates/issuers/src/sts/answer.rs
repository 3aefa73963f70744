//! What the service answers: XML, in the namespace of its version.

use remit_model::Secret;
use remit_ports::IssuerError;
use roxmltree::Document;
use zeroize::Zeroizing;

/// Letters of an error's code that are passed on.
const MAX_CODE: usize = 64;

/// The keys of a session.
pub(crate) struct Session {
    pub(crate) access_key: String,
    pub(crate) secret_key: Secret,
    pub(crate) token: Secret,
}

/// The session in an answer.
///
/// Errors: there is none; nothing of the answer stands in the error.
pub(crate) fn session(body: &[u8]) -> Result<Session, IssuerError> {
    let read = || {
        let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
        let text = |name| {
            let mut found = document.descendants().filter(|it| it.tag_name().name() == name);
            found.next().and_then(|it| it.text()).filter(|text| !text.is_empty())
        };
        let secret = |name| text(name).map(|it| Secret::new(Zeroizing::new(it.to_owned())));
        Some(Session {
            access_key: text("AccessKeyId")?.to_owned(),
            secret_key: secret("SecretAccessKey")?,
            token: secret("SessionToken")?,
        })
    };
    read().ok_or_else(|| {
        IssuerError::Refused(
            "expected a session in the service's answer, got something else".to_owned(),
        )
    })
}

/// The code of an error, which is a word of the service's documentation.
pub(crate) fn code(body: &[u8]) -> String {
    let read = || {
        let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
        let code = document.descendants().find(|it| it.tag_name().name() == "Code")?.text()?;
        let word = code.len() <= MAX_CODE && code.bytes().all(|it| it.is_ascii_alphanumeric());
        word.then(|| code.to_owned())
    };
    read().unwrap_or_else(|| "without a code".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_all_of_its_keys() {
        let answer = |inner: &str| {
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <Credentials>{inner}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
            )
        };
        let all = "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a/b+c=</SecretAccessKey>\
                   <SessionToken>t&#x2F;u</SessionToken>";
        let session = session(answer(all).as_bytes()).unwrap();
        let shown =
            (session.access_key.as_str(), session.secret_key.reveal(), session.token.reveal());
        assert_eq!(shown, ("ASIA1", "a/b+c=", "t/u"));
        for bad in [
            answer("<AccessKeyId>canary</AccessKeyId>"),
            answer("<AccessKeyId>canary</AccessKeyId><SecretAccessKey/><SessionToken/>"),
            "<!DOCTYPE a [<!ENTITY b \"canary\">]><a>&b;</a>".to_owned(),
            "canary".to_owned(),
        ] {
            let why = super::session(bad.as_bytes()).map(drop).unwrap_err().to_string();
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn of_an_error_only_its_code_is_told() {
        let error = |code: &str| {
            format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>canary</Message></Error></ErrorResponse>"
            )
        };
        assert_eq!(code(error("AccessDenied").as_bytes()), "AccessDenied");
        for bad in [error("a canary"), error(&"a".repeat(65)), error(""), "canary".to_owned()] {
            assert_eq!(code(bad.as_bytes()), "without a code");
        }
    }
}
