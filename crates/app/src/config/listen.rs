//! Where MCP clients connect, and what they must show there.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

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
}

impl Listen {
    /// Whether grants that are bound to no key are made and accepted.
    pub(crate) fn takes_bearer(&self) -> bool {
        self.bearer.unwrap_or(self.is_loopback())
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
}
