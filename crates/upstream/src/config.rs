//! What is configured about a server, and the bounds on all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remit_fetch::trusting;
use rustls::ClientConfig;

use crate::delivery::Delivery;

/// The variables a child may inherit; everything else stays behind, secrets included.
pub(crate) const INHERITED: [&str; 11] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "USER",
    "LOGNAME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// One configured server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// How it is reached.
    pub transport: Transport,
    /// One process or session for all tasks instead of one for each.
    pub shared: bool,
    /// Where what is lent goes.
    pub deliveries: Vec<Delivery>,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum Transport {
    /// A child process.
    Stdio(StdioServer),
    /// A Streamable HTTP endpoint.
    Http(HttpServer),
}

/// A server that runs as a child process.
#[derive(Clone)]
pub struct StdioServer {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, beside the few plain variables of [`Base`]; values may be secret.
    pub env: BTreeMap<String, String>,
    /// Its working directory; else the one of this process.
    pub directory: Option<PathBuf>,
}

/// A server at an address.
#[derive(Clone)]
pub struct HttpServer {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    believed: Option<Arc<ClientConfig>>,
}

/// Why a server cannot be configured so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// The address.
    #[error("expected an address like `https://host/mcp`, got `{0}`")]
    Address(String),
    /// A header.
    #[error("header `{0}` has a name or value that HTTP does not allow")]
    Header(String),
    /// A header that is ours to set.
    #[error("header `{0}` is set by Remit itself; leave it out")]
    Reserved(String),
}

/// What this process gives to all servers.
#[derive(Clone, Debug)]
pub struct Base {
    /// The environment of this process; only a fixed list of plain variables is passed on.
    pub environment: BTreeMap<String, String>,
    /// Our name and version, as servers are told.
    pub version: String,
    /// A folder of ours alone, for what processes are lent as files.
    pub lent: PathBuf,
    /// The bounds.
    pub limits: Limits,
}

/// The bounds on every server (promise R13).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of one message from a server.
    pub message: usize,
    /// The deepest nesting of one message.
    pub depth: usize,
    /// The most requests in flight on one connection.
    pub in_flight: usize,
    /// The most processes and sessions at once.
    pub connections: usize,
    /// How long a server may take to start and shake hands.
    pub start: Duration,
    /// How long a silent server is taken for one that does not know `server/discover`.
    pub probe: Duration,
    /// How long one page of a listing may take.
    pub listing: Duration,
    /// The most definitions of one kind.
    pub definitions: usize,
    /// How long a process may take to end by itself once its input is closed.
    pub grace: Duration,
    /// How long a server waits for a client's answer to its own request.
    pub client_answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            depth: 128,
            in_flight: 64,
            connections: 256,
            start: Duration::from_mins(1),
            probe: Duration::from_secs(10),
            listing: Duration::from_secs(30),
            definitions: 2000,
            grace: Duration::from_secs(2),
            client_answer: Duration::from_mins(5),
        }
    }
}

/// The header `name`, if it is one that a person may set.
///
/// Errors: it is none, or belongs to the protocol.
pub(crate) fn free_header(name: &str) -> Result<HeaderName, BadServer> {
    let lower = name.to_ascii_lowercase();
    let ours =
        ["host", "content-type", "content-length", "accept", "connection", "transfer-encoding"];
    if lower.starts_with("mcp-") || ours.contains(&lower.as_str()) {
        return Err(BadServer::Reserved(name.to_owned()));
    }
    lower.parse().map_err(|_| BadServer::Header(name.to_owned()))
}

impl HttpServer {
    /// The endpoint at `url`, with `headers` on every request.
    ///
    /// Errors: no usable address, no usable header, or a header that belongs to the protocol.
    pub fn new(url: &str, headers: &BTreeMap<String, String>) -> Result<Self, BadServer> {
        let bad = || BadServer::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.host().is_none_or(str::is_empty)
        {
            return Err(bad());
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let key = free_header(name)?;
            let bad = |_| BadServer::Header(name.clone());
            let mut value: HeaderValue = value.parse().map_err(bad)?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(Self { uri, headers: map, believed: None })
    }

    /// Believed as `config` says, and not by the certificates of this machine.
    #[must_use]
    pub fn believed_by(self, config: ClientConfig) -> Self {
        Self { believed: Some(Arc::new(config)), ..self }
    }

    /// Whom to take for it, with no certificate of ours. Reads files.
    ///
    /// Errors: the certificates of this machine cannot be read.
    pub(crate) fn tls(&self) -> Result<ClientConfig, String> {
        if let Some(config) = &self.believed {
            return Ok(ClientConfig::clone(config));
        }
        trusting(None, self.uri.scheme_str() == Some("https"))
    }
}

impl StdioServer {
    /// What must not be shown: the values of configured variables, where they are long enough that
    /// a match is no accident (promise R12).
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.env.values().filter(|value| value.len() >= 8).cloned().collect()
    }
}

impl Transport {
    /// `stdio` or `http`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Stdio(_) => "stdio",
            Self::Http(_) => "http",
        }
    }
}

/// Names the variables, not their values.
impl fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioServer")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("directory", &self.directory)
            .finish()
    }
}

/// Names the headers, not their values.
impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("uri", &self.uri)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> BTreeMap<String, String> {
        [(name.to_owned(), value.to_owned())].into()
    }

    #[test]
    fn addresses_and_headers_are_checked() {
        assert!(
            HttpServer::new("https://h/mcp", &headers("authorization", "Bearer s3cret")).is_ok()
        );
        for bad in ["", "h/mcp", "ftp://h/", "file:///x", "http://"] {
            assert!(HttpServer::new(bad, &BTreeMap::new()).is_err(), "{bad}");
        }
        for (name, value) in [("Mcp-Name", "x"), ("Host", "x"), ("x y", "x"), ("x", "a\nb")] {
            assert!(HttpServer::new("http://h/", &headers(name, value)).is_err(), "{name}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let http = HttpServer::new("https://h/mcp", &headers("authorization", "Bearer s3cret"));
        let stdio = StdioServer {
            program: "x".to_owned(),
            args: Vec::new(),
            env: headers("TOKEN", "s3cret-value"),
            directory: None,
        };
        let shown = format!("{:?} {stdio:?}", http.unwrap());
        assert!(shown.contains("authorization") && shown.contains("TOKEN"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
