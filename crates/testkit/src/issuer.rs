//! An issuer whose server is a map.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remit_model::{LeaseId, Secret, Timestamp};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Wanted,
};
use tokio::sync::watch;

/// Issues the fields `user` and `token`, which stand for what is alive at its server.
#[derive(Debug)]
pub struct MemoryIssuer {
    state: Mutex<State>,
    revoked: Revoked,
    /// Closed, what is issued is there and its answer is not.
    gate: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    alive: BTreeMap<LeaseId, Holder>,
    down: Option<IssuerError>,
    issued: usize,
    renews: bool,
}

impl MemoryIssuer {
    /// One that says `revoked` of what it takes back.
    pub fn new(revoked: Revoked) -> Self {
        Self { state: Mutex::default(), revoked, gate: watch::Sender::new(true) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails so from now on; `None`: works again. What fails was done all the same, as when an answer
    /// is lost.
    pub fn fail(&self, why: Option<IssuerError>) {
        self.state().down = why;
    }

    /// Opens or closes the gate before answers.
    pub fn set_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }

    /// Prolongs from now on.
    pub fn renews(&self) {
        self.state().renews = true;
    }

    /// What is worth something at its server.
    pub fn alive(&self) -> BTreeMap<LeaseId, Holder> {
        self.state().alive.clone()
    }

    /// How many it issued.
    pub fn issued(&self) -> usize {
        self.state().issued
    }

    /// The secret that it issued for `lease`.
    pub fn token(lease: &LeaseId) -> String {
        format!("token-of-{lease}")
    }
}

impl Issuer for MemoryIssuer {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["user", "token"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        Ok(holder.tools.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(async move {
            {
                let mut state = self.state();
                state.alive.insert(wanted.lease.clone(), wanted.holder);
                state.issued += 1;
            }
            // INVARIANT: the sender lives in self, so the wait cannot fail.
            drop(self.gate.subscribe().wait_for(|open| *open).await);
            if let Some(why) = &self.state().down {
                return Err(why.clone());
            }
            let token = Secret::new(Self::token(&wanted.lease));
            let material =
                Material::default().with("user", wanted.lease.as_str()).with_secret("token", token);
            let handle = Some(format!("handle-of-{}", wanted.lease));
            Ok(Issued { material, until: wanted.until, handle })
        })
    }

    fn renew(&self, lent: Lent, until: Timestamp) -> BoxFuture<'_, Result<Timestamp, IssuerError>> {
        Box::pin(async move {
            let state = self.state();
            let known = state.renews && state.alive.contains_key(&lent.lease);
            known.then_some(until).ok_or(IssuerError::NotRenewable)
        })
    }

    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(async move {
            let mut state = self.state();
            if let Some(why) = &state.down {
                return Err(why.clone());
            }
            if self.revoked == Revoked::Now {
                state.alive.remove(&lent.lease);
            }
            Ok(self.revoked)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(async move { self.state().down.clone().map_or(Ok(()), Err) })
    }
}
