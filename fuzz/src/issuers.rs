//! What issuers are answered: nothing becomes a credential or an address that another parser does not see
//! there, and no error repeats what was said.
//!
//! Input: a line that says which answer it is (for a token endpoint's its status), then the answer.

use http::StatusCode;
use remit_fetch::{Address, Answer};
use remit_issuers::parsers;
use remit_model::Timestamp;
use serde_json::Value;
use url::{Host, Url};

use crate::input::cut;

const NOW: Timestamp = Timestamp(1_795_471_200_123);
const NAME: &str = "https://as.example/t";

/// What stands in a header of every request.
fn is_token(text: &str) -> bool {
    (1..=8192).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// The same JSON, unless the other parser minds something that nobody looks at, such as the range of a number.
fn seen(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

fn tokens(status: StatusCode, body: &[u8]) {
    let answer = Answer { status, body: body.to_vec().into() };
    match parsers::tokens(&answer) {
        Ok(tokens) => {
            assert_eq!(status, StatusCode::OK);
            assert!(tokens.iter().all(|it| is_token(it.reveal())));
            let Some(seen) = seen(body) else { return };
            assert_eq!(seen["access_token"], tokens[0].reveal());
            assert!(seen.get("error").is_none_or(Value::is_null));
        }
        Err(why) => assert!(why.to_string().len() < 200, "{why}"),
    }
}

/// Where another parser of addresses goes, no less safe than whoever named it.
fn is_safe(address: &Address) {
    // Where no browser goes, no person is sent.
    let Ok(seen) = Url::parse(address.as_str()) else { return };
    assert!(seen.scheme() == "https" && seen.username().is_empty() && seen.password().is_none());
    assert!(seen.query().is_none() && seen.fragment().is_none());
    let host = address.uri().host().unwrap().to_ascii_lowercase();
    let same = seen.host_str() == Some(host.as_str());
    assert!(same || matches!(seen.host(), Some(Host::Ipv6(_))), "{address} is at {seen}");
}

fn metadata(text: &str) {
    let name: Address = NAME.parse().unwrap();
    if let Ok(endpoints) = parsers::endpoints(text, &name) {
        endpoints.iter().for_each(is_safe);
        let Some(seen) = seen(text.as_bytes()) else { return };
        assert_eq!(seen["issuer"], NAME);
        assert_eq!(seen["token_endpoint"], endpoints[0].as_str());
    }
    if let Ok(issuer) = parsers::issuer_of(text, &name) {
        is_safe(&issuer);
        let Some(seen) = seen(text.as_bytes()) else { return };
        assert_eq!(seen["resource"], NAME);
        assert_eq!(seen["authorization_servers"][0], issuer.as_str());
    }
}

fn session(body: &[u8]) {
    match parsers::session(body) {
        Ok(secrets) => {
            let text = std::str::from_utf8(body).expect("it is text");
            assert!(text.contains("AccessKeyId"));
            assert!(secrets.iter().all(|it| !it.reveal().is_empty()));
        }
        Err(why) => assert!(why.to_string().len() < 200, "{why}"),
    }
    let code = parsers::code(body);
    let word = code.len() <= 64 && code.bytes().all(|it| it.is_ascii_alphanumeric());
    assert!(word || code == "without a code", "{code}");
}

/// Nobody else's line goes, and one that may go does so for good.
fn revoked(text: &str) {
    for line in text.lines().filter(|line| parsers::has_run_out(line, NOW)) {
        assert!(line.contains(" remit ") && line.contains(" until "), "{line}");
        assert!(parsers::has_run_out(line, Timestamp(u64::MAX)), "{line}");
    }
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (line, answer) = cut(data);
    let text = std::str::from_utf8(answer);
    match (line, text) {
        (b"session", _) => session(answer),
        (b"metadata", Ok(text)) => metadata(text),
        (b"revoked", Ok(text)) => revoked(text),
        (status, _) => {
            if let Ok(status) = StatusCode::from_bytes(status) {
                tokens(status, answer);
            }
        }
    }
}
