//! Where MCP clients connect, and what they must show there.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::fail::Fail;

/// Where MCP clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// Address and port; beyond loopback only with TLS.
    pub(crate) address: SocketAddr,
    /// Where our certificate comes from, if not from files.
    pub(crate) tls: Option<Tls>,
    /// Certificate chain, PEM; relative to this file.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Private key, PEM; relative to this file.
    pub(crate) tls_key: Option<PathBuf>,
    /// Further values of `Host` that are served.
    pub(crate) hosts: Vec<String>,
    /// Values of `Origin` that are served; a browser page elsewhere is refused.
    pub(crate) origins: Vec<String>,
    /// Whether grants that are bound to no key are made and accepted; left out: on loopback only.
    pub(crate) bearer: Option<bool>,
    /// Whether clients are asked for certificates; left out: with TLS they are. Whoever has none comes
    /// in as before, and the request names whose certificates are meant, so that no browser asks its
    /// user for another.
    pub(crate) client_certificates: Option<bool>,
}

/// Where our certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tls {
    /// It is the X.509-SVID that we get from the `source` of `[spiffe]`.
    Svid,
}

impl Listen {
    /// Whether TLS is spoken.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some() || self.tls_certificate.is_some()
    }

    /// Whether grants that are bound to no key are made and accepted.
    pub(crate) fn takes_bearer(&self) -> bool {
        self.bearer.unwrap_or(self.is_loopback())
    }

    /// Whether clients are asked for certificates (mutual TLS).
    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.client_certificates.unwrap_or(self.has_tls())
    }

    /// Refuses what cannot be.
    ///
    /// Errors: TLS in halves, from two places or from where it cannot come, or certificates without TLS.
    pub(crate) fn check(&self, has_source: bool) -> Result<(), Fail> {
        if self.tls.is_some() && self.tls_certificate.is_some() {
            return Err(Fail::new(
                "[listen] needs either `tls = \"svid\"` or `tls_certificate` and `tls_key`, got both",
            ));
        }
        if self.tls.is_some() && !has_source {
            return Err(Fail::new(
                "[listen] has `tls = \"svid\"`, which takes a `source` in [spiffe] that gives Remit its \
                 SVID: an own one would be believed by nobody who does not know Remit's bundle",
            ));
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(Fail::new(
                "[listen] needs both `tls_certificate` and `tls_key`, or neither",
            ));
        }
        if self.asks_for_certificates() && !self.has_tls() {
            return Err(Fail::new(
                "[listen] asks for `client_certificates`, which only TLS can carry: set \
                 `tls_certificate` and `tls_key`, or leave it out",
            ));
        }
        Ok(())
    }

    /// Whether only this machine gets here.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7070)),
            tls: None,
            tls_certificate: None,
            tls_key: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            bearer: None,
            client_certificates: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_bearer_grants_must_be_asked_for() {
        for (text, bearer) in [
            ("", true),
            ("address = \"[::1]:7070\"", true),
            ("address = \"0.0.0.0:7070\"", false),
            ("address = \"192.0.2.1:7070\"", false),
            ("address = \"0.0.0.0:7070\"\nbearer = true", true),
            ("bearer = false", false),
        ] {
            let listen: Listen = toml::from_str(text).unwrap();
            assert_eq!(listen.takes_bearer(), bearer, "{text}");
        }
    }

    #[test]
    fn with_tls_certificates_are_asked_for_unless_that_is_turned_off() {
        const TLS: &str = "tls_certificate = \"a\"\ntls_key = \"b\"\n";
        for (text, asks) in [
            ("", Some(false)),
            (TLS, Some(true)),
            (&format!("{TLS}client_certificates = true"), Some(true)),
            (&format!("{TLS}client_certificates = false"), Some(false)),
            ("client_certificates = false", Some(false)),
            ("client_certificates = true", None),
            ("tls_key = \"b\"", None),
            ("tls = \"svid\"", None),
        ] {
            let listen: Listen = toml::from_str(text).unwrap();
            let asked = listen.check(false).ok().map(|()| listen.asks_for_certificates());
            assert_eq!(asked, asks, "{text}");
        }
    }

    #[test]
    fn an_svid_for_tls_comes_from_a_source_and_nothing_beside_it() {
        let listen = |text: &str| toml::from_str::<Listen>(text).unwrap();
        let svid = listen("tls = \"svid\"");
        assert!(svid.check(true).is_ok() && svid.has_tls() && svid.asks_for_certificates());
        let both = listen("tls = \"svid\"\ntls_certificate = \"a\"\ntls_key = \"b\"");
        assert!(both.check(true).unwrap_err().to_string().contains("got both"));
        assert!(svid.check(false).unwrap_err().to_string().contains("`source` in [spiffe]"));
    }
}
