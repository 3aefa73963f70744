//! What Remit itself needs to ask a server what it offers.
//!
//! No agent is involved and no decision is: a person configured the server and what it needs. It is
//! cut to no tool at all, where its issuer can cut, and on record like any other.

use std::sync::Arc;

use remit_model::ServerName;
use remit_ports::{Holder, Lease};

use super::{Need, Use};
use crate::Engine;

impl Engine {
    /// The credentials for asking `server` what it offers. One that cannot be had is left out: many
    /// servers say without it.
    pub(crate) async fn own_leases(self: &Arc<Self>, server: &ServerName) -> Vec<Arc<Lease>> {
        let settings = self.settings();
        let mut leases = Vec::new();
        for needed in settings.lends.get(server).into_iter().flatten() {
            let Some(issuer) = self.ports.issuers.get(&needed.credential) else { continue };
            let holder = Holder::default();
            let Ok(scope) = issuer.scope(&holder) else { continue };
            let need = Need {
                issuer: Arc::clone(issuer),
                needed: needed.clone(),
                server: server.clone(),
                holder,
                scope,
                question: None,
            };
            let ends = self.now().after(needed.lifetime);
            let to = Use { deadline: ends, ends, decision: None };
            match self.lease(None, need, to).await {
                Ok(lease) => leases.push(lease),
                Err(why) => {
                    tracing::warn!(%server, credential = %needed.credential, why, "asking without it");
                }
            }
        }
        leases
    }

    /// Takes back what was only needed while a process started.
    pub(crate) fn return_own(&self, server: &ServerName) {
        let settings = self.settings();
        let needed = settings.lends.get(server).into_iter().flatten();
        for needed in needed.filter(|needed| needed.process) {
            self.withdraw(|out| {
                out.task.is_none()
                    && out.note.server == *server
                    && out.note.credential == needed.credential
            });
        }
    }
}
