//! Opening a connection: back-off, the pinned executable, the handshake.

use std::sync::Arc;

use remit_mcp::Era;
use remit_model::ServerName;
use remit_ports::{Link, UpstreamError};

use crate::config::Transport;
use crate::connection::{Connection, Given, Key};
use crate::delivery::Equipment;
use crate::handshake::{self, Disagreement, Plan};
use crate::http::Endpoint;
use crate::inward::{Inward, Outlet};
use crate::outward;
use crate::servers::{Server, Servers};
use crate::stdio::{self, Handed, Pipe};
use crate::table::Table;
use crate::wire::Wire;

impl Servers {
    /// Opens the connection `key`, for the client `link` if it is a task's own.
    ///
    /// Errors: the server cannot be started or reached, or nothing could be agreed on.
    pub(crate) async fn open(
        &self,
        key: &Key,
        server: &Arc<Server>,
        (link, equipment): (Option<&Link>, &Arc<Equipment>),
    ) -> Result<Connection, UpstreamError> {
        // A connection that is not a task's own is not any client's either.
        let session = key.1.is_some() && link.is_some_and(|link| link.session);
        let known = server.learnt(|learnt| learnt.era(session));
        let first = self.attempt(key, server, (link, equipment), known).await;
        match first {
            // A server of the session era may end when it is asked something it does not know.
            Err((_, true)) if known.is_none() => self
                .attempt(key, server, (link, equipment), Some(Era::Sessions))
                .await
                .map_err(|(e, _)| e),
            other => other.map_err(|(error, _)| error),
        }
    }

    /// Opens a connection and shakes hands. An error says whether the server ended meanwhile.
    async fn attempt(
        &self,
        key: &Key,
        server: &Arc<Server>,
        (link, equipment): (Option<&Link>, &Arc<Equipment>),
        era: Option<Era>,
    ) -> Result<Connection, (UpstreamError, bool)> {
        let limits = self.base.limits;
        let table = Arc::new(Table::new(limits.in_flight));
        let inward = Arc::new(Inward::new(
            key.0.clone(),
            key.1.clone(),
            Arc::clone(&table),
            Arc::clone(&server.health),
            Outlet {
                events: self.events.clone(),
                drifted: Arc::clone(&server.drifted),
                wait: limits.client_answer,
                veil: equipment.veil.clone(),
            },
        ));
        let (wire, given) =
            self.wire(key, server, (inward, equipment)).await.map_err(|error| (error, false))?;
        let us = outward::implementation(&self.base.version);
        let plan = Plan { era, probe: limits.probe, start: limits.start, us: &us };
        let link = link.filter(|_| key.1.is_some());
        match handshake::shake(&*wire, link, plan).await {
            Ok(spoken) => {
                server.learnt(|learnt| learnt.learn(&spoken, era));
                Ok(Connection { server: key.0.clone(), wire, spoken, us, given })
            }
            Err(disagreement) => {
                let ended = !wire.is_alive();
                wire.close();
                server.health.failed();
                let server = key.0.clone();
                Err(match disagreement {
                    Disagreement::Unreachable(why) => {
                        (UpstreamError::Unreachable { server, why }, ended)
                    }
                    Disagreement::Protocol(why) => (UpstreamError::Protocol { server, why }, ended),
                })
            }
        }
    }

    async fn wire(
        &self,
        key: &Key,
        server: &Arc<Server>,
        (inward, equipment): (Arc<Inward>, &Arc<Equipment>),
    ) -> Result<(Arc<dyn Wire>, Given), UpstreamError> {
        let limits = self.base.limits;
        let unreachable = |why| UpstreamError::Unreachable { server: key.0.clone(), why };
        let wait = server.health.wait();
        if wait > limits.grace {
            let why =
                format!("it failed to start; the next attempt is in {} s", wait.as_secs() + 1);
            return Err(unreachable(why));
        }
        tokio::time::sleep(wait).await;
        match &server.config.transport {
            Transport::Http(http) => {
                let (equipment, veil) = (Arc::clone(equipment), equipment.veil.clone());
                let endpoint =
                    Endpoint::new(http, inward, equipment, limits).map_err(unreachable)?;
                Ok((endpoint, Given { veil, ..Given::default() }))
            }
            Transport::Stdio(config) => {
                let found = self.admitted(&key.0, server).await?;
                let mut handed = Handed::of(equipment, &self.base.lent).map_err(unreachable)?;
                let (leases, veil) = (equipment.leases.clone(), equipment.veil.clone());
                let given = Given { leases, _files: handed.files.take(), veil };
                let process = stdio::start(config, &found.path, &self.base, handed);
                let process = process.map_err(|why| {
                    server.health.failed();
                    unreachable(why)
                })?;
                Ok((Pipe::open(process, inward, limits), given))
            }
        }
    }

    /// The executable of a stdio server, if it is the pinned one. Where none is pinned yet, the one
    /// that is found is pinned from now on.
    async fn admitted(
        &self,
        name: &ServerName,
        server: &Arc<Server>,
    ) -> Result<stdio::Found, UpstreamError> {
        let unreachable = |why| UpstreamError::Unreachable { server: name.clone(), why };
        let (executables, of) = (Arc::clone(&self.executables), Arc::clone(server));
        let search = self.base.environment.get("PATH").cloned().unwrap_or_default();
        let found = tokio::task::spawn_blocking(move || match &of.config.transport {
            Transport::Stdio(config) => executables.find(config, &search),
            Transport::Http(_) => Err("an HTTP server has no executable".to_owned()),
        });
        let found = found.await.map_err(|e| unreachable(e.to_string()))?.map_err(unreachable)?;
        let pinned = server.learnt(|learnt| *learnt.pinned.get_or_insert(found.digest));
        if pinned == found.digest {
            return Ok(found);
        }
        Err(UpstreamError::ExecutableChanged { server: name.clone(), pinned, found: found.digest })
    }
}
