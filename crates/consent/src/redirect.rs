//! Where a client's answers go: the addresses that may be registered, and how one of them is met.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

/// The longest address (R13).
const MAX_ADDRESS: usize = 2048;

/// Hosts that are this machine, as a client writes them.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// An address that may not be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a redirect address like `https://app.example/callback` or `http://127.0.0.1/callback`, \
     without fragment or user, got `{0}`"
)]
pub struct RedirectError(String);

/// Whether answers may go to `address` at all: https, or http on this machine.
///
/// Errors: they may not.
pub fn check(address: &str) -> Result<(), RedirectError> {
    parts(address).map(drop).ok_or_else(|| RedirectError(address.to_owned()))
}

#[derive(Debug)]
struct Parts<'a> {
    scheme: &'a str,
    host: String,
    port: Option<u16>,
    /// From the path on.
    rest: &'a str,
}

fn parts(address: &str) -> Option<Parts<'_>> {
    let plain = address.len() <= MAX_ADDRESS
        && address.bytes().all(|b| b.is_ascii_graphic())
        && !address.contains(['#', '\\', '"', '<', '>']);
    let (scheme, rest) = address.split_once("://").filter(|_| plain)?;
    let from = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(from)?;
    // Its grammar is the library's business; what it makes of it must be what stands there.
    let uri: Uri = format!("{scheme}://{authority}/").parse().ok()?;
    let (host, port) = (uri.host()?, uri.port_u16());
    let same = match port {
        None => authority == host,
        Some(port) => authority == format!("{host}:{port}"),
    };
    let local = LOOPBACK.contains(&host);
    let good = same && is_plain(host) && (scheme == "https" || scheme == "http" && local);
    good.then(|| Parts { scheme, host: host.to_owned(), port, rest })
}

/// Whether a browser means by `host` what a person reads: it takes `0x7f.1` for 127.0.0.1 (URL standard,
/// host parser).
fn is_plain(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let read = address.parse::<Ipv6Addr>().ok();
        return !address.contains('.') && read.is_some_and(|read| read.to_string() == address);
    }
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = |label: &str| !label.is_empty() && label.bytes().all(letter);
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    host.split('.').all(good) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether `asked` is the registered address: the same, character by character. On this machine, over
/// http, the port may be another (RFC 8252 section 7.3), because a client takes one that is free.
pub(crate) fn is_met(registered: &str, asked: &str) -> bool {
    let (Some(left), Some(right)) = (parts(registered), parts(asked)) else { return false };
    registered == asked
        || left.scheme == "http"
            && right.scheme == "http"
            && (left.host == right.host && left.rest == right.rest)
}

/// Whether answers to `address` stay on this machine, where any program can take them.
pub(crate) fn is_local(address: &str) -> bool {
    parts(address).is_some_and(|parts| LOOPBACK.contains(&parts.host.as_str()))
}

/// The host of `address` as a person reads it, with its port.
pub(crate) fn host(address: &str) -> String {
    let Some(Parts { host, port, .. }) = parts(address) else { return String::new() };
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

/// What a content security policy calls the origin of `address`. Chromium holds the redirect that
/// follows a form against `form-action`, too. The grammar has no IPv6 address: of one, the scheme.
pub(crate) fn source(address: &str) -> String {
    let Some(Parts { scheme, host, port, .. }) = parts(address) else { return String::new() };
    match port {
        _ if host.starts_with('[') => format!("{scheme}:"),
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// `address` with these parameters of an answer.
pub(crate) fn with(address: &str, parameters: &[(&str, &str)]) -> String {
    let between = if address.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{address}{between}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_can_be_answered() {
        for good in [
            "https://app.example/callback",
            "https://app.example",
            "https://app.example:8443/a?b=c",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:7/callback",
            "http://[::1]:7/",
            "http://localhost:7/",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "app.example",
            "http://app.example/",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.2/",
            "https://",
            "https://user@app.example/",
            "https://app.example/#x",
            "https://APP.example/",
            "https://app.example:x/",
            "https://app.example:99999/",
            "https://a b/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://app..example/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::1/",
            "https://app.example;x/",
            "https:\\\\app.example/",
            "https://app.example\\@evil.example/",
            "javascript://x/%0aalert(1)",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//app.example/",
            "ftp://app.example/",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_met_exactly_but_for_the_port_on_this_machine() {
        for (registered, asked, met) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/CB", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example:8443/cb", false),
            ("https://a.example/cb", "https://a.example.evil.example/cb", false),
            ("https://a.example/cb", "http://a.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1/cb", "http://localhost:5000/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/other", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
            ("https://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
            ("http://[::1]/cb", "http://[::1]:5000/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000@evil.example/cb", false),
        ] {
            assert_eq!(is_met(registered, asked), met, "{registered} {asked}");
        }
    }

    #[test]
    fn an_answer_joins_what_the_address_has() {
        assert_eq!(with("https://a/cb", &[("code", "x y")]), "https://a/cb?code=x+y");
        assert_eq!(with("https://a/cb?q=1", &[("e", "a&b")]), "https://a/cb?q=1&e=a%26b");
        assert_eq!(source("https://a.example:8443/cb?x"), "https://a.example:8443");
        assert_eq!(source("http://[::1]:7/cb"), "http:");
        assert_eq!(host("http://127.0.0.1:7/cb"), "127.0.0.1:7");
    }
}
