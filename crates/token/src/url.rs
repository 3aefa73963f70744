//! Whether two URLs name the same target (RFC 9449 section 4.3, step 9: RFC 3986 section 6.2.2 and
//! 6.2.3, query and fragment left out).

use http::Uri;

/// Whether `given` and `own` are the same URL of the web, without their queries and fragments.
/// `given` is somebody else's text; `own` is ours.
pub(crate) fn is_same(given: &str, own: &str) -> bool {
    // By far the most common case, and the cheapest.
    given == own || normal(given).is_some_and(|given| Some(given) == normal(own))
}

/// Scheme and host in small letters, no default port, no empty path, no needless escapes.
fn normal(text: &str) -> Option<String> {
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = uri.authority()?;
    // `user@host` would be another name for a host; nobody needs it here.
    if authority.as_str().contains('@') {
        return None;
    }
    let default = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port_u16().unwrap_or(default);
    let path = if uri.path().is_empty() { "/".to_owned() } else { unescape(uri.path())? };
    Some(format!("{scheme}://{host}:{port}{path}"))
}

/// Escapes of unreserved characters undone, all others in capital letters (RFC 3986 section
/// 6.2.2.1 and 6.2.2.2).
fn unescape(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (digits, tail) = after.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~') {
            out.push(character);
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn the_same_target_in_other_words() {
        let own = "https://gw.example/mcp";
        for same in [
            own,
            "HTTPS://GW.example/mcp",
            "https://gw.example:443/mcp",
            "https://gw.example/mcp?x=1",
            "https://gw.example/mcp#here",
            "https://gw.example/%6dcp",
        ] {
            assert!(is_same(same, own), "{same}");
        }
        assert!(is_same("http://127.0.0.1:80", "http://127.0.0.1/"));
        assert!(is_same("http://h/a%2fb", "http://h/a%2Fb"));
        assert!(is_same("http://[::1]:7070/mcp", "http://[::1]:7070/mcp"));
    }

    #[test]
    fn another_target() {
        let own = "https://gw.example/mcp";
        for other in [
            "",
            "/mcp",
            "gw.example/mcp",
            "http://gw.example/mcp",
            "https://gw.example:8443/mcp",
            "https://gw.example/mcp/",
            "https://gw.example/MCP",
            "https://gw.example/mcp/mail",
            "https://gw.example/x/../mcp",
            "https://gw.example.evil/mcp",
            "https://gw.example@evil.example/mcp",
            "https://evil@gw.example/mcp",
            "https://evil.example/?https://gw.example/mcp",
            "https://gw.example/%mcp",
            "https://gw.example/%+6dcp",
            "https://gw.example/m\u{e7}p",
        ] {
            assert!(!is_same(other, own), "{other}");
        }
    }
}
