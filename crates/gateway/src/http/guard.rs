//! Who may talk to the endpoint at all: by which name, from which page.

use axum::body::Body;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{Request, StatusCode};

use crate::gateway::Config;
use crate::http::reply::plain;

/// Refuses requests that a web page made through a name of its own (DNS rebinding), or from an
/// origin that is not allowed.
///
/// Errors: the answer, status 403.
pub(crate) fn check_address(config: &Config, request: &Request<Body>) -> Result<(), Box<Response>> {
    let host = our_name(config, request).ok_or_else(|| Box::new(strange()))?;
    let mut origins = request.headers().get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None)
            if origin.to_str().is_ok_and(|origin| may_come(config, origin, host)) =>
        {
            Ok(())
        }
        _ => Err(Box::new(plain(
            StatusCode::FORBIDDEN,
            "pages of this `Origin` may not talk to this server: configure it as an allowed origin",
        ))),
    }
}

/// The answer to a request by another name.
pub(crate) fn strange() -> Response {
    plain(
        StatusCode::FORBIDDEN,
        "the `Host` header does not name this server: use its loopback address, or configure the \
         name as an allowed host",
    )
}

/// The name by which a request addresses this server, if it is one of ours.
pub(crate) fn our_name<'a>(config: &Config, request: &'a Request<Body>) -> Option<&'a str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.to_str().ok()),
        (None, _) => None,
        _ => Some(None),
    };
    // An absolute target is the one that counts (RFC 9112 section 3.2.2); both must be ours.
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    let host = match (named, target) {
        (Some(host), None) => host,
        (Some(host), Some(target)) => host.filter(|_| is_ours(config, target)),
        (None, target) => target,
    };
    host.filter(|host| is_ours(config, host))
}

/// Whether `host`, with or without a port, is a loopback name or a configured one.
fn is_ours(config: &Config, host: &str) -> bool {
    let name = without_port(host);
    is_loopback(name)
        || config
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    name == "127.0.0.1" || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

/// Whether `origin` is configured, or the server's own on a loopback name.
fn may_come(config: &Config, origin: &str, host: &str) -> bool {
    let own = origin.split_once("://").is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https")
            && authority.eq_ignore_ascii_case(host)
            && is_loopback(without_port(host))
    });
    own || config.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &[&str], origin: Option<&str>) -> Option<u16> {
        let config = Config {
            allowed_hosts: vec!["remit.example".to_owned(), "gw.example:8443".to_owned()],
            allowed_origins: vec!["https://console.example".to_owned()],
            ..Config::default()
        };
        let mut request = Request::builder().uri("/mcp");
        for host in host {
            request = request.header(HOST, *host);
        }
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = request.body(Body::empty()).unwrap();
        check_address(&config, &request).err().map(|response| response.status().as_u16())
    }

    #[test]
    fn only_our_own_names_are_served() {
        for host in [
            "127.0.0.1:8321",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8321",
            "remit.example",
            "remit.example:443",
            "gw.example:8443",
        ] {
            assert_eq!(status(&[host], None), None, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "gw.example:1",
            "127.0.0.1:x",
            "::1",
            "",
        ] {
            assert_eq!(status(&[host], None), Some(403), "{host}");
        }
        assert_eq!(status(&[], None), Some(403));
        assert_eq!(status(&["localhost", "evil.example"], None), Some(403));
    }

    #[test]
    fn only_allowed_pages_are_served() {
        let at = "127.0.0.1:8321";
        for origin in ["http://127.0.0.1:8321", "https://console.example"] {
            assert_eq!(status(&[at], Some(origin)), None, "{origin}");
        }
        for origin in
            ["https://evil.example", "null", "http://127.0.0.1:9", "http://localhost:8321"]
        {
            assert_eq!(status(&[at], Some(origin)), Some(403), "{origin}");
        }
        assert_eq!(status(&["remit.example"], Some("http://remit.example")), Some(403));
    }
}
