//! The tool servers, as the configuration has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use remit_fetch::trusting;
use remit_model::{Clock, ServerName};
use remit_upstream::{Base, HttpServer, Limits, ServerConfig, StdioServer, Transport};

use crate::config::{Believed, Config, Server};
use crate::environment;
use crate::fail::Fail;
use crate::tls::Vouching;

/// All of them; those that have to be somebody are held against what `vouching` learns.
///
/// Errors: one has an address, headers or certificates that cannot be used; the text names it.
pub(super) fn configured(
    config: &Config,
    (vouching, clock): (&Vouching, &Arc<dyn Clock>),
) -> Result<BTreeMap<ServerName, ServerConfig>, Fail> {
    let server = |server: &Server| {
        let transport = transport(server, (vouching, clock))
            .map_err(|why| Fail::new(format!("server `{}`: {why}", server.name)))?;
        let (shared, deliveries) = (server.shared, server.deliveries()?);
        Ok((server.name.clone(), ServerConfig { transport, shared, deliveries }))
    };
    config.servers.iter().map(server).collect()
}

fn transport(
    server: &Server,
    (vouching, clock): (&Vouching, &Arc<dyn Clock>),
) -> Result<Transport, Fail> {
    if let Some((program, args)) = server.command.split_first() {
        return Ok(Transport::Stdio(StdioServer {
            program: program.clone(),
            args: args.to_vec(),
            env: server.env.clone(),
            directory: server.directory.clone(),
        }));
    }
    let http = HttpServer::new(server.url.as_deref().unwrap_or_default(), &server.headers)?;
    let believed = match server.believed()? {
        Believed::Machine => return Ok(Transport::Http(http)),
        Believed::Authorities(file) => trusting(Some(&file), true).map_err(Fail::new)?,
        Believed::Svid(id) => vouching.expecting(id, Arc::clone(clock))?,
    };
    Ok(Transport::Http(http.believed_by(believed)))
}

/// What this process gives to all of them.
pub(super) fn base(config: &Config, lent: PathBuf) -> Base {
    Base {
        environment: environment::variables(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lent,
        limits: Limits { message: config.limits.result_bytes, ..Limits::default() },
    }
}
