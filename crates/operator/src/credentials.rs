//! Credentials at the operator's door: what can be lent, what is, and taking it back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use remit_engine::Engine;
use remit_engine::lend::take_back::LeaseView;
use remit_model::CredentialName;
use tokio::task::JoinSet;

use crate::auth::Anyone;
use crate::{Door, Failure, wire};

/// How long an issuer may take to say that it works (R13).
const PROBE: Duration = Duration::from_secs(5);

/// `GET /v1/credentials`
pub(crate) async fn list(State(door): State<Door>) -> Json<wire::Credentials> {
    let leases = door.engine.leases().into_iter().map(lease).collect();
    let settings = door.engine.settings();
    let issuers = &door.engine.ports().issuers;
    let configured = issuers.iter().map(|(name, issuer)| {
        let uses = settings.lends.iter().filter_map(|(server, needed)| {
            let needed = needed.iter().find(|needed| needed.credential == *name)?;
            Some((server.clone(), needed.lifetime))
        });
        let (servers, lifetimes): (Vec<_>, Vec<_>) = uses.unzip();
        wire::Credential {
            name: name.clone(),
            kind: issuer.kind().to_owned(),
            servers,
            lifetime_seconds: lifetimes.first().map_or(0, Duration::as_secs),
        }
    });
    Json(wire::Credentials { configured: configured.collect(), leases })
}

fn lease(view: LeaseView) -> wire::Lease {
    wire::Lease {
        lease: view.lease,
        credential: view.credential,
        kind: view.kind,
        server: view.server,
        task: view.task,
        agent: view.agent,
        since: view.since,
        until: view.until,
        state: view.state.to_owned(),
        trouble: view.trouble,
    }
}

/// `POST /v1/credentials/probe`: asks each issuer whether it could issue now.
pub(crate) async fn probe(
    State(door): State<Door>,
    _: Anyone,
) -> Json<BTreeMap<CredentialName, Option<String>>> {
    let mut asked = JoinSet::new();
    for (name, issuer) in door.engine.ports().issuers.iter() {
        let (name, issuer) = (name.clone(), Arc::clone(issuer));
        asked.spawn(async move {
            let late = || Err(format!("no answer within {} s", PROBE.as_secs()));
            let probed = tokio::time::timeout(PROBE, issuer.probe()).await;
            let probed = probed.map_or_else(|_| late(), |it| it.map_err(|why| why.to_string()));
            (name, probed.err())
        });
    }
    Json(asked.join_all().await.into_iter().collect())
}

/// `POST /v1/credentials/revoke`: a stop, open to every peer.
pub(crate) async fn revoke(
    State(door): State<Door>,
    anyone: Anyone,
    Json(which): Json<wire::Revoke>,
) -> Result<Json<wire::Revoked>, Failure> {
    let wire::Revoke { lease, credential, task } = which;
    if lease.is_none() && credential.is_none() && task.is_none() {
        return Err(Failure::bad(
            "expected a `lease`, a `credential` or a `task`; got none of them",
        ));
    }
    let engine: &Engine = &door.engine;
    let revoked = engine.withdraw(|out| {
        lease.as_ref().is_none_or(|lease| *lease == out.note.id)
            && credential.as_ref().is_none_or(|name| *name == out.note.credential)
            && task.as_ref().is_none_or(|task| Some(task) == out.task.as_ref())
    });
    tracing::info!(by = anyone.name(), revoked, "credentials are taken back");
    Ok(Json(wire::Revoked { revoked }))
}
