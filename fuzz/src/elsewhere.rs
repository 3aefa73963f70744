//! What others publish about themselves: the metadata of an issuer, its key set, the bundle of a trust
//! domain. What is believed is what the very party said, and leads nowhere that is not safe to ask.
//!
//! Input: a line with the issuer's URL, then the document.

use std::sync::LazyLock;

use remit_federation::{Address, key_address};
use remit_jose::{KeySet, MAX_PUBLISHED};
use remit_model::Value;
use remit_spiffe::{Authority, ForeignBundle, trust_domain};

use crate::input::cut_text;

static OURS: LazyLock<Authority> =
    LazyLock::new(|| Authority::new(trust_domain("ours.example").unwrap(), []));

/// What another parser reads, which must lead where we ask; it refuses names that are badly encoded.
fn read(address: &str) -> Option<url::Url> {
    let theirs = url::Url::parse(address).ok()?;
    let ours: http::Uri = address.parse().unwrap();
    if let Some(url::Host::Domain(name)) = theirs.host() {
        assert_eq!(Some(name), ours.host().map(str::to_lowercase).as_deref());
    }
    let default = if theirs.scheme() == "https" { 443 } else { 80 };
    assert_eq!(theirs.port_or_known_default(), Some(ours.port_u16().unwrap_or(default)));
    Some(theirs)
}

fn is_local(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

/// The document as another parser reads it, which takes no number that is too large.
fn theirs(document: &str) -> Option<serde_json::Value> {
    serde_json::from_str(document)
        .inspect_err(|why| assert!(why.to_string().contains("number")))
        .ok()
}

fn metadata(issuer: &str, document: &str) {
    let Ok(address) = issuer.parse::<Address>() else { return };
    let Some(parsed) = read(issuer) else { return };
    assert!(parsed.scheme() == "https" || is_local(&parsed), "{issuer}");
    match key_address(document, &address) {
        Ok(keys) => {
            let Some(said) = theirs(document) else { return };
            assert_eq!(said["issuer"].as_str(), Some(issuer));
            assert_eq!(said["jwks_uri"].as_str(), Some(keys.as_str()));
            let Some(keys) = read(keys.as_str()) else { return };
            let local = parsed.scheme() == "http" && is_local(&keys);
            assert!(keys.scheme() == "https" || local, "{keys}");
        }
        Err(why) => assert!(why.len() < 4096, "{why}"),
    }
}

fn keys(document: &str) {
    let Ok(set) = Value::parse(document) else { return };
    if let Ok(keys) = KeySet::published(&set, &["", "sig"]) {
        assert!(keys.thumbprints().len() <= MAX_PUBLISHED);
        let Some(read) = theirs(document) else { return };
        for key in read["keys"].as_array().unwrap() {
            assert!(["d", "k", "p"].iter().all(|secret| key.get(secret).is_none()), "{key}");
        }
    }
    if let Ok(bundle) = ForeignBundle::read(document, "theirs.example", &OURS) {
        assert!(bundle.keys.thumbprints().len() <= MAX_PUBLISHED);
    }
    assert!(ForeignBundle::read(document, "ours.example", &OURS).is_err());
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    if let Some((issuer, document)) = cut_text(data) {
        metadata(issuer, document);
        keys(document);
    }
}
