//! What a call touches: total, bounded, and whatever URL an argument is, the host that another URL
//! parser would connect to is among the named ones.

use std::sync::LazyLock;

use remit_catalogue::{Definition, MAX_RESOURCES, Overrides, infer, resource, resources};
use remit_model::{Profile, Resource, ResourceKind, ServerName, Value};
use url::{Host, Url};

static SERVER: LazyLock<ServerName> = LazyLock::new(|| "web".parse().unwrap());

static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
    let definition = r#"{"name":"fetch","description":"Fetches a page.","inputSchema":{
        "type":"object","properties":{"url":{"type":"string"},"path":{"type":"string"},
        "repo":{"type":"string"},"owner":{"type":"string"},"to":{"type":"string"},
        "account":{"type":"string"},"urls":{"type":"array","items":{"type":"string"}}}}}"#;
    infer(&Definition::parse(definition).unwrap(), "web", &Overrides::default())
});

/// The host that a browser would connect to.
fn connects_to(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(match url.host()? {
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => {
            address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string())
        }
    })
}

fn names(found: &[Resource], host: &str) -> bool {
    found.iter().any(|one| one.kind == ResourceKind::Host && one.id == host)
}

/// One input.
pub(crate) fn hold(text: &str) {
    if let Ok(input) = Value::parse(text) {
        let found = resources(&PROFILE, &input, &SERVER);
        assert!((1..=MAX_RESOURCES + 1).contains(&found.len()));
        assert!(found.is_sorted() && found.iter().all(|one| !one.id.is_empty()));
        assert_eq!(resources(&PROFILE, &input, &SERVER), found);
        return;
    }
    let by_uri = resource::of_uri(text, &SERVER);
    assert!(!by_uri.is_empty());
    let input = serde_json::json!({ "url": text }).to_string();
    let by_argument = resources(&PROFILE, &Value::parse(&input).unwrap(), &SERVER);
    // The root of all names, `.`, is nobody's.
    let named = |host: &String| host.is_ascii() && !host.is_empty() && !host.contains("xn--");
    if let Some(host) = connects_to(text).filter(named) {
        assert!(names(&by_argument, &host), "`{host}` is not among {by_argument:?}");
        assert!(names(&by_uri, &host), "`{host}` is not among {by_uri:?}");
    }
}
