//! The host of a URL, as the parsers in the field read it.
//!
//! A policy compares hosts, and the server behind us will parse the URL once more, with a parser we
//! do not know. So the tricks that make parsers disagree are resolved the way the WHATWG URL
//! standard does (blanks and control characters inside, `\` as `/`, missing slashes, percent-encoded
//! and full-width characters, IPv4 as one number or in hexadecimal), and where RFC 3986 would yield
//! another host from the same text, both are named.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The text without what URL parsers drop: blanks and control characters at the ends, tabs and line
/// ends anywhere.
pub(super) fn stripped(text: &str) -> String {
    text.trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect()
}

/// A scheme in lower case and what follows its colon. `localhost:80` and `C:\a` have none;
/// `http:80` has one, because browsers read it as `http://80/`.
pub(super) fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let good = scheme.len() > 1
        && scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let scheme = scheme.to_ascii_lowercase();
    (good && (is_special(&scheme) || !begins_with_port(rest))).then_some((scheme, rest))
}

fn begins_with_port(rest: &str) -> bool {
    let port = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the whole text is a URL with an authority, or one that a browser would take for one. Words
/// after a colon are none; a blank elsewhere than in the host is only a blank.
pub(super) fn is_url(text: &str) -> bool {
    let text = stripped(text);
    scheme(&text).is_some_and(|(scheme, rest)| {
        let place = rest.trim_start_matches(['/', '\\']);
        let authority = place.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let is_one = is_special(&scheme)
            || rest.starts_with("//")
            || matches!(scheme.as_str(), "file" | "mailto");
        is_one && !host.contains(' ')
    })
}

fn is_special(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp")
}

/// The host or hosts a text names: of a URL, of `user@host:path`, or the text itself.
pub(super) fn hosts(text: &str) -> Vec<String> {
    let text = stripped(text);
    let mut found = Vec::new();
    match scheme(&text) {
        Some((scheme, rest)) if is_special(&scheme) => {
            found.push(host_of_authority(
                rest.trim_start_matches(['/', '\\']),
                &['/', '\\', '?', '#'],
            ));
            if let Some(strict) = rest.strip_prefix("//") {
                found.push(host_of_authority(strict, &['/', '?', '#']));
            }
            if begins_with_port(rest) {
                found.push(scheme);
            }
        }
        Some((scheme, rest)) => match rest.strip_prefix("//") {
            Some(rest) => {
                let host = host_of_authority(rest, &['/', '?', '#']);
                found.push(if host.is_empty() { format!("{scheme}:") } else { host });
            }
            None => found.push(format!("{scheme}:")),
        },
        None => {
            let rest = text.trim_start_matches(['/', '\\']);
            found.push(host_of_authority(rest, &['/', '\\', '?', '#']));
        }
    }
    found.dedup();
    found.retain(|host| !host.is_empty());
    found
}

/// Host and path of a remote repository: a URL, or `user@host:path` as git and scp write it.
pub(super) fn split_remote(text: &str) -> Option<(String, String)> {
    let text = stripped(text);
    if let Some((scheme, rest)) = scheme(&text)
        && let Some(rest) = rest.strip_prefix("//")
        && scheme != "file"
    {
        let (_, path) = rest.split_once('/')?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        return Some((hosts(&text).into_iter().next()?, path.to_owned()));
    }
    let (before, path) = text.split_once(':')?;
    let (_, host) = before.rsplit_once('@')?;
    (!host.contains('/')).then(|| (normal(host), path.to_owned()))
}

/// Cuts userinfo, port, path and what follows.
fn host_of_authority(text: &str, ends: &[char]) -> String {
    let authority = text.split(|c| ends.contains(&c)).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(v6) => ipv6(v6.split(']').next().unwrap_or(v6)),
        None => normal(host.split(':').next().unwrap_or(host)),
    }
}

/// One spelling of an IPv6 address; one that only wraps an IPv4 address is that.
fn ipv6(text: &str) -> String {
    match text.parse::<Ipv6Addr>() {
        Ok(address) => {
            address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string())
        }
        Err(_) => text.to_ascii_lowercase(),
    }
}

/// One spelling: percent-decoded, mapped as UTS 46 has it, without trailing dot, IPv4 as dotted
/// decimal. What that mapping refuses is only put in lower case.
fn normal(host: &str) -> String {
    let decoded = percent_decoded(host);
    let lower = match idna::domain_to_unicode(&decoded) {
        (mapped, Ok(())) => mapped,
        (_, Err(_)) => decoded.to_lowercase(),
    };
    let trimmed = lower.strip_suffix('.').unwrap_or(&lower);
    ipv4(trimmed).map_or_else(|| trimmed.to_owned(), |address| address.to_string())
}

/// IPv4 as the WHATWG parser reads it: one to four parts, decimal, octal or hexadecimal.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, rest) = parts.split_last()?;
    if rest.len() > 3 || rest.iter().any(|part| *part > 255) {
        return None;
    }
    let open = 8 * (4 - rest.len());
    let mut address = u32::try_from(*last).ok().filter(|last| u64::from(*last) < 1 << open)?;
    for (at, part) in rest.iter().enumerate() {
        address |= u32::try_from(*part).ok()? << (24 - 8 * at);
    }
    Some(Ipv4Addr::from(address))
}

fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match (part.strip_prefix("0x"), part.strip_prefix('0')) {
        (Some(""), _) => return Some(0),
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (part, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

/// `%41` as `A`; what does not decode to UTF-8 is replaced.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let decoded = if *first == b'%' { pair(tail) } else { None };
        out.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn pair(bytes: &[u8]) -> Option<u8> {
    let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(hex(0)? * 16 + hex(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_blank_beside_it_does_not_hide_the_host() {
        for url in ["http://evil.example/a b", "http:///etc/../x -y", "https:u u@evil.example?b"] {
            assert!(is_url(url), "{url}");
        }
        for words in ["http: see the page", "https://a.example is down", "note: a/b c"] {
            assert!(!is_url(words), "{words}");
        }
    }

    #[test]
    fn every_trick_ends_at_its_host() {
        for (text, expected) in [
            ("https://Example.com/a?b#c", &["example.com"][..]),
            ("https://example.com:8443/", &["example.com"]),
            ("https://example.com./", &["example.com"]),
            ("https://good.example@evil.example/", &["evil.example"]),
            ("https://good.example:pw@evil.example:1/", &["evil.example"]),
            ("https:evil.example", &["evil.example"]),
            ("https:/evil.example/a", &["evil.example"]),
            ("https:\\\\evil.example\\a", &["evil.example"]),
            ("https://evil.example\\@good.example/", &["evil.example", "good.example"]),
            ("  ht\ntps://ev\til.example/ ", &["evil.example"]),
            ("https://%65vil.example/", &["evil.example"]),
            ("https://ｅvil。example/", &["evil.example"]),
            ("https://ev\u{ad}il.example/", &["evil.example"]),
            ("//evil.example/a", &["evil.example"]),
            ("evil.example/a", &["evil.example"]),
            ("localhost:8080/a", &["localhost"]),
            ("http://2130706433/", &["127.0.0.1"]),
            ("http://0x7f.1/", &["127.0.0.1"]),
            ("http://0177.0.0.1/", &["127.0.0.1"]),
            ("http://1.2.3.4.5/", &["1.2.3.4.5"]),
            ("http:0/", &["0.0.0.0", "http"]),
            ("HTTPS:8080", &["0.0.31.144", "https"]),
            ("http://[0:0::1]:80/", &["::1"]),
            ("http://[::FFFF:7f00:1]/", &["127.0.0.1"]),
            ("git@git.example:a/b", &["git.example"]),
            ("data:text/plain,https://good.example", &["data:"]),
            ("custom://Host/x", &["host"]),
            ("https://", &[]),
        ] {
            assert_eq!(hosts(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_host_names_no_path_port_or_user(
            user in "[a-z]{0,5}", host in "[a-z]{1,8}\\.[a-z]{2,3}", port in 1u16.., path in "[a-z/@:]{0,9}"
        ) {
            let at = if user.is_empty() { "" } else { "@" };
            prop_assert_eq!(hosts(&format!("https://{user}{at}{host}:{port}/{path}")), vec![host]);
        }

        #[test]
        fn total(text in any::<String>()) {
            let _ = (hosts(&text), is_url(&text), split_remote(&text), scheme(&text));
        }
    }
}
