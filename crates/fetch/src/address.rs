//! Addresses that may be asked: with TLS, or on this machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;

/// Bytes an address may have (R13).
const MAX_ADDRESS: usize = 2048;

/// An `https` address, or an `http` one whose host is a loopback address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    uri: Uri,
}

/// An address that may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address like `https://host/path`, without user, query and fragment (`http` only to a \
     loopback address such as `127.0.0.1`), got `{0}`"
)]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.chars().take(MAX_ADDRESS).collect());
        if text.len() > MAX_ADDRESS || text.contains(['#', '?', '@', '\\']) {
            return Err(wrong());
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| is_host(host)).ok_or_else(wrong)?;
        // The library takes anything for a port, and says then that there is none.
        let port = uri.authority().and_then(|all| all.as_str().strip_prefix(host));
        let digits = |port: &str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
        let number = port.and_then(|port| port.strip_prefix(':')).is_some_and(digits);
        if port != Some("") && !(number && uri.port_u16().is_some()) {
            return Err(wrong());
        }
        let safe = match uri.scheme_str() {
            Some("https") => true,
            // A name could lead elsewhere.
            Some("http") => is_loopback(host),
            _ => false,
        };
        if safe { Ok(Self { text: text.to_owned(), uri }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Address {
    /// The text that it was given as, character by character.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a request names.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it is asked with TLS.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether both lead to the same server.
    pub fn shares_origin(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }

    /// The addresses of an issuer's metadata: OpenID Connect Discovery section 4, then RFC 8414 section 3.
    pub fn of_metadata(&self) -> [String; 2] {
        let base = self.text.trim_end_matches('/');
        [
            format!("{base}/.well-known/openid-configuration"),
            self.well_known("oauth-authorization-server"),
        ]
    }

    /// The address of what is known by `name` of this one (RFC 8615, with the path behind as in RFC 8414
    /// section 3.1 and RFC 9728 section 3.1).
    pub fn well_known(&self, name: &str) -> String {
        let base = self.text.trim_end_matches('/');
        let path = self.uri.path().trim_end_matches('/');
        format!("{}/.well-known/{name}{path}", base.strip_suffix(path).unwrap_or(base))
    }

    /// Scheme, host and port, as browsers write an origin (RFC 6454 section 6.2).
    pub fn origin(&self) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{}", self.uri.scheme_str().unwrap_or_default(), authority.to_lowercase())
    }
}

/// A name of letters that mean the same to all readers, or an address. What ends in a number is an
/// address to some readers, however it is written.
fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let name = last.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let address = || host.parse::<Ipv4Addr>().is_ok() || in_brackets(host).is_some();
    host.bytes().all(plain) && name || address()
}

fn in_brackets(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn is_loopback(host: &str) -> bool {
    let ip = in_brackets(host).map(IpAddr::V6).or_else(|| host.parse().ok());
    ip.is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_on_its_way_may_be_asked() {
        for good in [
            "https://issuer.example",
            "https://issuer.example/",
            "https://10.0.0.1:6443/openid/v1/jwks",
            "http://127.0.0.1:9000/realm",
            "http://[::1]:9000",
        ] {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "issuer.example",
            "/path",
            "http://issuer.example",
            "http://localhost:9000",
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1.example",
            "https://user@issuer.example",
            "https://issuer.example?x=1",
            "https://issuer.example#x",
            "https:///path",
            "https://issuer.example:-/path",
            "https://issuer.example:/path",
            "https://issuer.example:65536/path",
            "https://issuer.example:+2/path",
            "https://a:b:c/path",
            "https://issuer.127.0.0.1",
            "https://2130706433/path",
            "https://0x7f.1/path",
            "https://issuer%2eexample/path",
            "https://issuer.example,evil.example/path",
            "https://[::1/path",
            "https://[issuer.example]/path",
            "file:///etc/passwd",
            "ftp://issuer.example",
            &format!("https://issuer.example/{}", "x".repeat(MAX_ADDRESS)),
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn metadata_is_where_both_specifications_put_it() {
        for (issuer, openid, oauth) in [
            (
                "https://a.example/t/1",
                "https://a.example/t/1/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/t/1",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
        ] {
            let address: Address = issuer.parse().unwrap();
            assert_eq!(address.of_metadata(), [openid, oauth]);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text: &str| text.parse::<Address>().unwrap();
        let one = origin("https://a.example/x");
        assert!(one.shares_origin(&origin("https://A.example/y")));
        for other in ["https://a.example:8443", "https://b.example", "https://a.example.b"] {
            assert!(!one.shares_origin(&origin(other)), "{other}");
        }
    }
}
