//! Where MCP clients connect, and what they must show there.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::fail::Fail;

/// Where MCP clients connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// Address and port; beyond loopback only with TLS.
    pub(crate) address: SocketAddr,
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

impl Listen {
    /// Whether grants that are bound to no key are made and accepted.
    pub(crate) fn takes_bearer(&self) -> bool {
        self.bearer.unwrap_or(self.is_loopback())
    }

    /// Whether clients are asked for certificates (mutual TLS).
    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.client_certificates.unwrap_or(self.tls_certificate.is_some())
    }

    /// Refuses what cannot be.
    ///
    /// Errors: TLS in halves, or certificates without TLS.
    pub(crate) fn check(&self) -> Result<(), Fail> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(Fail::new(
                "[listen] needs both `tls_certificate` and `tls_key`, or neither",
            ));
        }
        if self.asks_for_certificates() && self.tls_certificate.is_none() {
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
        ] {
            let listen: Listen = toml::from_str(text).unwrap();
            let asked = listen.check().ok().map(|()| listen.asks_for_certificates());
            assert_eq!(asked, asks, "{text}");
        }
    }
}
