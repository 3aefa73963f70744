//! Agreement of HTTP headers with the body in the stateless era.
//!
//! MCP 2026-07-28 *Request Metadata* and *Server Validation*: proxies may route on
//! `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*`, so a request whose headers
//! say something else than its body is refused (−32020), and requests we make carry them.

use data_encoding::BASE64;

use crate::error::RpcError;
use crate::frame::Request;
use crate::method;
use crate::param_headers::ParamHeaders;
use crate::raw::Raw;
use crate::revision::Revision;

/// Prefix of all that MCP gives a meaning.
pub const PREFIX: &str = "mcp-";
/// The revision.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The method.
pub const METHOD: &str = "mcp-method";
/// The tool, prompt or resource.
pub const NAME: &str = "mcp-name";
/// Prefix of mirrored arguments.
pub const PARAM_PREFIX: &str = "mcp-param-";
/// The session; session era only.
pub const SESSION_ID: &str = "mcp-session-id";

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// Checks the headers of a request of the stateless era against its body.
///
/// In: the headers of MCP ([`PREFIX`]) as name and value, the request, the revision from its `_meta`, and for a
/// `tools/call` of a known tool what that tool mirrors.
///
/// Errors: −32020 with a text that names the header.
pub fn check(
    headers: &[(&str, &str)],
    request: &Request,
    revision: Revision,
    mirrored: Option<&ParamHeaders>,
) -> Result<(), RpcError> {
    check_version(headers, revision.as_str())?;
    let named = required(headers, METHOD)?;
    if named != request.method() {
        return Err(mismatch(METHOD, named, request.method()));
    }
    if let Some(member) = method::subject_member(request.method()) {
        let body = request.param(member).and_then(|raw| raw.as_text());
        let header = decode(NAME, required(headers, NAME)?)?;
        if body.as_deref() != Some(header.as_str()) {
            return Err(mismatch(NAME, &header, body.as_deref().unwrap_or("nothing")));
        }
    }
    let empty = Raw::trusted("{}");
    let arguments = request.param("arguments").unwrap_or(empty);
    for declared in mirrored.map(ParamHeaders::declared).unwrap_or_default() {
        let name = format!("{PARAM_PREFIX}{}", declared.name.to_ascii_lowercase());
        let sent = single(headers, &name)?.map(|value| decode(&name, value)).transpose()?;
        match (sent, declared.value(&arguments)) {
            (None, None) => {}
            (Some(sent), Some(body)) if agrees(&sent, &body) => {}
            (Some(sent), body) => {
                let body = body.as_ref().map_or("nothing", Raw::as_str);
                return Err(mismatch(&name, &sent, body));
            }
            (None, Some(_)) => return Err(missing(&name)),
        }
    }
    Ok(())
}

/// Checks the version header alone against the version `stated` in `_meta`, which may be one that
/// nobody knows.
///
/// Errors: −32020.
pub fn check_version(headers: &[(&str, &str)], stated: &str) -> Result<(), RpcError> {
    let version = required(headers, PROTOCOL_VERSION)?;
    if version == stated { Ok(()) } else { Err(mismatch(PROTOCOL_VERSION, version, stated)) }
}

/// The headers that a request of ours to a stateless server carries.
///
/// Errors: a method that cannot stand in a header, or a mirrored argument that is not a string, an
/// integer or a boolean; such a call cannot be sent over HTTP.
pub fn generate(
    request: &Request,
    revision: Revision,
    mirrored: Option<&ParamHeaders>,
) -> Result<Vec<(String, String)>, RpcError> {
    // Only names and arguments have a form for what a header cannot hold.
    if encode(request.method()) != request.method() {
        return Err(RpcError::invalid_request(
            "expected a method of visible ASCII characters, because a header repeats it",
        ));
    }
    let mut headers = vec![
        (PROTOCOL_VERSION.to_owned(), revision.as_str().to_owned()),
        (METHOD.to_owned(), request.method().to_owned()),
    ];
    if let Some(member) = method::subject_member(request.method()) {
        let subject = request.param(member).and_then(|raw| raw.as_text());
        let subject = subject.ok_or_else(|| {
            RpcError::invalid_params(format!("expected `params.{member}` to be a string"))
        })?;
        headers.push((NAME.to_owned(), encode(&subject)));
    }
    let Some(arguments) = request.param("arguments") else { return Ok(headers) };
    for declared in mirrored.map(ParamHeaders::declared).unwrap_or_default() {
        let Some(value) = declared.value(&arguments) else { continue };
        let text = plain(&value).ok_or_else(|| {
            RpcError::invalid_params(format!(
                "expected argument `{}` to be a string, an integer or a boolean, because the tool mirrors it into a header",
                declared.path.join(".")
            ))
        })?;
        headers
            .push((format!("{PARAM_PREFIX}{}", declared.name.to_ascii_lowercase()), encode(&text)));
    }
    Ok(headers)
}

/// A header value for `text`, base64 in the sentinel form where it is not plain.
pub fn encode(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && text.trim() == text
        && !(text.starts_with(SENTINEL_START) && text.ends_with(SENTINEL_END));
    if plain {
        return text.to_owned();
    }
    format!("{SENTINEL_START}{}{SENTINEL_END}", BASE64.encode(text.as_bytes()))
}

/// The text a header value stands for.
///
/// Errors: characters a header may not have, or a sentinel around something that is not base64 of
/// UTF-8.
pub fn decode(header: &str, value: &str) -> Result<String, RpcError> {
    let value = value.trim_matches([' ', '\t']);
    if !value.bytes().all(|b| b == b'\t' || (0x20..=0x7e).contains(&b)) {
        return Err(RpcError::header_mismatch(format!("`{header}` has invalid characters")));
    }
    let inner = value.strip_prefix(SENTINEL_START).and_then(|v| v.strip_suffix(SENTINEL_END));
    let Some(inner) = inner else { return Ok(value.to_owned()) };
    // The decoder also takes padded pieces one after the other: one text has one spelling.
    let bytes = BASE64.decode(inner.as_bytes()).ok();
    let bytes = bytes.filter(|bytes| BASE64.encode(bytes) == inner);
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        RpcError::header_mismatch(format!("`{header}` is marked as base64 of UTF-8 but is not"))
    })
}

/// The text of a value that may be mirrored.
fn plain(value: &Raw) -> Option<String> {
    match value.as_str() {
        flag @ ("true" | "false") => Some(flag.to_owned()),
        _ => value.as_text().or_else(|| integer(value.as_str())),
    }
}

fn agrees(sent: &str, body: &Raw) -> bool {
    match body.as_text() {
        Some(text) => sent == text,
        None if matches!(body.as_str(), "true" | "false") => sent == body.as_str(),
        None => integer(sent).is_some_and(|sent| Some(sent) == integer(body.as_str())),
    }
}

/// The decimal text of a number that is an integer within ±2^53 (`42.0` is 42); `None` otherwise.
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || fraction.bytes().any(|b| b != b'0') {
        return None;
    }
    let number: u64 = whole.parse().ok().filter(|n| *n < 1 << 53)?;
    Some(if number == 0 { "0".to_owned() } else { format!("{sign}{number}") })
}

fn single<'a>(headers: &[(&str, &'a str)], name: &str) -> Result<Option<&'a str>, RpcError> {
    let mut found = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(RpcError::header_mismatch(format!("`{name}` stands twice; send it once")))
        }
        (first, _) => Ok(first.map(|(_, value)| value.trim_matches([' ', '\t']))),
    }
}

fn required<'a>(headers: &[(&str, &'a str)], name: &str) -> Result<&'a str, RpcError> {
    single(headers, name)?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> RpcError {
    RpcError::header_mismatch(format!("`{name}` is missing; send it with the value of the body"))
}

fn mismatch(name: &str, header: &str, body: &str) -> RpcError {
    let short = |text: &str| text.chars().take(80).collect::<String>();
    RpcError::header_mismatch(format!(
        "`{name}` says `{}` but the body says `{}`; send the value of the body",
        short(header),
        short(body)
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodes_as_the_specification_shows() {
        for (text, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode(text), header);
            assert_eq!(decode("x", header).unwrap(), text);
        }
        for bad in [
            "=?base64?SGVsbG8?=",
            "=?base64?SGV%bG8=?=",
            "caf\u{e9}",
            "=?base64?/w==?=",
            "=?base64?YQ==Yg==?=",
        ] {
            assert!(decode("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_method_that_no_header_can_hold_is_not_sent() {
        let request = Request::build(&crate::Id::number(1), "t\u{7f}/call", None).unwrap();
        assert_eq!(generate(&request, Revision::LATEST, None).unwrap_err().code, -32600);
    }

    #[test]
    fn integers_agree_numerically() {
        let body = |text: &str| Raw::parse(text).unwrap();
        for (sent, in_body, same) in [
            ("42", "42", true),
            ("42.0", "42", true),
            ("-0", "0", true),
            ("042", "42", true),
            ("42", "42.5", false),
            ("42", "\"42\"", true),
            ("42.0", "\"42\"", false),
            ("true", "true", true),
            ("True", "true", false),
            ("9007199254740993", "9007199254740992", false),
            ("[1]", "[1]", false),
        ] {
            assert_eq!(agrees(sent, &body(in_body)), same, "{sent} {in_body}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_a_header(text in any::<String>()) {
            let header = encode(&text);
            prop_assert!(header.bytes().all(|b| (0x20..=0x7e).contains(&b)));
            prop_assert_eq!(decode("x", &header).unwrap(), text);
        }
    }
}
