//! Clients: a document introduces the client at its own address alone, and answers go only where another
//! parser of addresses sees the same host.
//!
//! Input: a line with a redirect address, then a document.

use remit_consent::{Document, Proves, check_redirect};
use serde_json::Value;
use url::{Host, Url};

use crate::input::cut;

const URL: &str = "https://app.example/client.json";

fn is_good(address: &str) {
    // Where no browser goes, no answer gets.
    let Ok(seen) = Url::parse(address) else { return };
    assert!(seen.username().is_empty() && seen.password().is_none() && seen.fragment().is_none());
    let host = seen.host_str().unwrap();
    let written = address.split_once("://").unwrap().1;
    assert!(written.starts_with(host), "{address} is at {host}");
    let local = match seen.host().unwrap() {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    assert!(seen.scheme() == "https" || seen.scheme() == "http" && local, "{address}");
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (line, document) = cut(data);
    if let Ok(address) = std::str::from_utf8(line)
        && check_redirect(address).is_ok()
    {
        is_good(address);
    }
    if let Ok(read) = Document::read(URL, document) {
        let seen: Value = serde_json::from_slice(document).unwrap();
        assert_eq!(seen["client_id"], URL);
        assert!(seen.get("client_secret").is_none());
        let signs = seen["token_endpoint_auth_method"] == "private_key_jwt";
        match read.proves {
            Proves::Nothing => assert!(!signs),
            Proves::By(keys) => assert!(signs && !keys.thumbprints().is_empty()),
            Proves::ByThoseAt(address) => {
                assert!(signs && seen["jwks_uri"] == address);
                let host = |url: &str| Url::parse(url).unwrap().origin();
                assert_eq!(host(&address), host(URL));
            }
        }
        let named = seen["redirect_uris"].as_array().unwrap();
        assert!(!read.redirect_uris.is_empty());
        for address in &read.redirect_uris {
            assert!(named.iter().any(|other| other == address));
            is_good(address);
        }
    }
}
