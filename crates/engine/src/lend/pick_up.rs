//! A credential for a program that must hold one itself, because nothing that Remit carries calls it.
//!
//! It is picked up by the identity of the run: a JWT-SVID of the task, good for one request. What is
//! handed over is another lease each time, so that nothing is there to be picked up twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_model::question::{Asked, Loan};
use remit_model::{AgentName, CredentialName, Door, Refusal, ServerName, TaskId};
use remit_policy::{Verdict, decide};
use remit_ports::{Holder, Lease};
use remit_spiffe::{Authority, SvidError, run_of};
use remit_token::AssertionError;

use super::{Need, Needed, Use};
use crate::cell::TaskCell;
use crate::frame::Scene;
use crate::{Engine, Walking, draft};

/// What stands as the server of what is picked up: it goes to none that is configured.
pub const PICKED_UP: &str = "pick-up";

/// Why nothing was handed over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PickUpError {
    /// The JWT-SVID is not believed.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// It was used, or cannot be kept in mind.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// It is not a run's.
    #[error(
        "expected the JWT-SVID of a run, `spiffe://DOMAIN/agent/NAME/task/TASK`; got another's"
    )]
    NoRun,
    /// Its task has ended, or stands still.
    #[error("the task of this run is not open")]
    NotOpen,
    /// It cannot be picked up.
    #[error(
        "there is no credential `{0}` to be picked up: see `pick_up` of the [[credential]] tables"
    )]
    Unknown(CredentialName),
    /// It may not be lent.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It could not be had.
    #[error("credential `{0}`: {1}")]
    Unavailable(CredentialName, String),
}

impl Engine {
    /// Hands `credential` over to the run whose JWT-SVID is `svid`, which is used up by that.
    ///
    /// Errors: nothing is handed over.
    pub fn pick_up(
        self: &Arc<Self>,
        svid: &str,
        authority: Arc<Authority>,
        credential: CredentialName,
    ) -> Walking<Result<Arc<Lease>, PickUpError>> {
        let (engine, svid) = (Arc::clone(self), svid.to_owned());
        Walking::new(async move { engine.picking_up(&svid, &authority, &credential).await })
    }

    async fn picking_up(
        &self,
        svid: &str,
        authority: &Authority,
        credential: &CredentialName,
    ) -> Result<Arc<Lease>, PickUpError> {
        let now = self.now();
        let verified = authority.verify_jwt(svid, self.realm.issuer(), now)?;
        let (agent, task) = run_of(&verified.id).ok_or(PickUpError::NoRun)?;
        let cell = self.cell(&task).filter(|cell| *cell.agent() == agent);
        let cell = cell.ok_or(PickUpError::NotOpen)?;
        let lifetime = self.settings.load().svid_lifetime;
        let once = self.assertions.check_svid(agent.as_str(), &verified.claims, lifetime, now)?;
        self.assertions.spend(once, now)?;
        let (need, ends) = self.picked(&cell, (&agent, &task), credential)?;
        let to = Use { deadline: ends, ends, decision: None };
        let lease = self.issue(Some(&cell), &need, to).await;
        lease.map_err(|why| PickUpError::Unavailable(credential.clone(), why))
    }

    /// What is to be issued, if it may be lent, and its latest end.
    fn picked(
        &self,
        cell: &TaskCell,
        (agent, task): (&AgentName, &TaskId),
        credential: &CredentialName,
    ) -> Result<(Need, remit_model::Timestamp), PickUpError> {
        let unknown = || PickUpError::Unknown(credential.clone());
        let (world, settings) = (self.world(), self.settings.load());
        let lifetime = *settings.pick_ups.get(credential).ok_or_else(unknown)?;
        let issuer = Arc::clone(self.ports.issuers.get(credential).ok_or_else(unknown)?);
        let server: ServerName = PICKED_UP.parse().map_err(|_| unknown())?;
        let caller = self.caller(task, Door::PickUp).ok_or(PickUpError::NotOpen)?;
        let mut guard = cell.lock();
        if !guard.is_open() {
            return Err(PickUpError::NotOpen);
        }
        let now = self.now();
        let scene =
            Scene { world: &world, settings: &settings, caller: &caller, task: &guard, now };
        let kind = issuer.kind().to_owned();
        let seconds = lifetime.as_secs();
        let (credential_name, to) = (credential.clone(), server.clone());
        let loan = Loan { credential: credential_name, kind, server: to, seconds };
        let (ends, on_behalf) = (guard.charter.remit.deadline, guard.charter.on_behalf.clone());
        let covered = guard.remit().tools;
        let tools: BTreeSet<String> = world
            .catalogue
            .tools()
            .map(|tool| tool.id.to_string())
            .filter(|name| covered.could_cover(name))
            .collect();
        let refused = match decide(&world.snapshot, scene.lend(Asked::Lend, loan)) {
            Verdict::Permit(permit) => Ok(permit.into_question()),
            Verdict::Hold(held) => Err((held.question().clone(), super::unapprovable(&held))),
            Verdict::Deny(denied) => Err((denied.question().clone(), denied.refusal().clone())),
        };
        let question = match refused {
            Ok(question) => question,
            Err((question, refusal)) => {
                self.counters.refused(refusal.class);
                if cell.may_record_refusal(now) {
                    let record = draft::refusal(world.pins, (&question, None), &refusal);
                    let ledger = self.ports.ledger.as_ref();
                    if let Err(why) = cell.commit(&mut guard, ledger, record, now) {
                        tracing::warn!(%task, %why, "a refusal could not be recorded");
                    }
                }
                return Err(PickUpError::Refused(Box::new(refusal)));
            }
        };
        let (agent, task) = (Some(agent.clone()), Some(task.clone()));
        let holder = Holder { agent, task, on_behalf, tools };
        let scope = issuer.scope(&holder);
        let scope =
            scope.map_err(|why| PickUpError::Unavailable(credential.clone(), why.to_string()))?;
        let needed = Needed { credential: credential.clone(), lifetime, process: false };
        let question = Some(question);
        Ok((Need { issuer, needed, server, holder, scope, question }, ends))
    }
}
