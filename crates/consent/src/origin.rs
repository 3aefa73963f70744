//! That a form was sent from our own page (RFC 6454), beside what the form itself holds.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// Whether a form came from a page of this very address. Browsers say so with each form that is sent
/// by POST; who does not is no browser that we speak with.
pub(crate) fn is_own(headers: &HeaderMap, target: &Uri) -> bool {
    let one = |name| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok());
        value.filter(|_| values.next().is_none())
    };
    let host = target.authority().map(http::uri::Authority::as_str).or_else(|| one(HOST));
    let own = |origin: &str, host: &str| {
        origin.split_once("://").is_some_and(|(scheme, authority)| {
            matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
        })
    };
    matches!((one(ORIGIN), host), (Some(origin), Some(host)) if own(origin, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_same_address_send_forms() {
        let uri = Uri::from_static("/oauth/consent");
        for (origin, own) in [
            (Some("http://127.0.0.1:7070"), true),
            (Some("http://127.0.0.1"), false),
            (Some("http://localhost:7070"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "127.0.0.1:7070".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_own(&headers, &uri), own, "{origin:?}");
        }
    }
}
