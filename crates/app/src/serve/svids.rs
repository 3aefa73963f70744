//! The keys of SVIDs while Remit runs: replaced in time and on record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use remit_engine::Engine;
use remit_engine::approve::Actor;
use remit_keys::{KeysError, SvidKeys};
use remit_operator::Failure;
use remit_spiffe::{Authority, Generation, TrustDomain};
use tokio::sync::watch;

use super::{off_the_loop, turning, unavailable};
use crate::environment::SystemEntropy;
use crate::fail::Fail;

/// Where the socket is in a state directory.
pub(crate) fn socket(state: &Path) -> PathBuf {
    state.join("workload.sock")
}

/// The same as clients take it, in `SPIFFE_ENDPOINT_SOCKET`: with an absolute path.
pub(crate) fn endpoint(state: &Path) -> String {
    let socket = socket(state);
    format!("unix://{}", std::path::absolute(&socket).unwrap_or(socket).display())
}

/// The keys in use. Whoever issues or verifies watches them; that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Svids {
    keys: SvidKeys,
    engine: Arc<Engine>,
    /// Whether there are any: not where somebody else issues SVIDs.
    issues: bool,
    rotation: Mutex<Duration>,
    /// Held by whoever changes the keys.
    turning: tokio::sync::Mutex<()>,
    authority: watch::Sender<Arc<Authority>>,
}

impl Svids {
    /// Opens the keys of `domain`, and makes the first ones, if this Remit `issues` SVIDs at all. If those
    /// cannot be made yet, SVIDs have to wait and all else goes on: a full disk must not keep stops from
    /// working.
    ///
    /// Errors: the keys there are cannot be read.
    pub(crate) async fn open(
        keys: SvidKeys,
        domain: &TrustDomain,
        (rotation, issues): (Duration, bool),
        engine: Arc<Engine>,
    ) -> Result<Arc<Self>, Fail> {
        let none = || Ok(Authority::new(domain.clone(), []));
        let loaded = if issues { keys.load(domain) } else { none() };
        let (authority, _) = watch::channel(Arc::new(loaded?));
        let (rotation, turning) = (Mutex::new(rotation), tokio::sync::Mutex::default());
        let svids = Self { keys, engine, issues, rotation, turning, authority };
        if let Err(why) = svids.turn().await {
            tracing::warn!(%why, "the keys of SVIDs could not be made yet");
        }
        Ok(Arc::new(svids))
    }

    /// How often keys are replaced from now on; those there are stay as long as they would have.
    pub(crate) fn configure(&self, rotation: Duration) {
        *self.rotation.lock().unwrap_or_else(PoisonError::into_inner) = rotation;
    }

    /// The keys, as they are now and from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Authority>> {
        self.authority.subscribe()
    }

    /// Replaces keys whenever they are due.
    pub(crate) async fn run(self: Arc<Self>) {
        turning("the keys of SVIDs were not replaced", || self.turn()).await;
    }

    /// Makes the next generation if it is due, and lets go of those that are over.
    async fn turn(&self) -> Result<(), Fail> {
        if !self.issues {
            return Ok(());
        }
        let _turning = self.turning.lock().await;
        let now = self.engine.now();
        if self.authority.borrow().is_due(now) {
            let made = self.make(None).await?;
            self.add(made);
        }
        if self.generations().iter().any(|generation| generation.is_over(now)) {
            self.on_disk(move |keys| keys.sweep(now)).await?;
            let left = self.generations().into_iter().filter(|it| !it.is_over(now));
            self.publish(Authority::new(self.domain(), left));
        }
        Ok(())
    }

    /// Makes the next generation at once because `actor` wants it, beside those there are.
    ///
    /// Errors: the newest does not sign yet, or the new one could not be made; nothing has changed.
    pub(crate) async fn rotate(&self, actor: &Actor) -> Result<Arc<Generation>, Failure> {
        self.check_issues()?;
        let _turning = self.turning.lock().await;
        let now = self.engine.now();
        // So that a bundle never holds more of them than a verifier should have to read.
        if let Some(newest) = self.generations().last().filter(|it| now < it.takes_over()) {
            return Err(Failure::new(
                StatusCode::CONFLICT,
                format!(
                    "{} was made at {} and takes over at {}: wait for that, or use \
                     --compromised if no key there is can be trusted",
                    newest.name(),
                    newest.made(),
                    newest.takes_over()
                ),
            ));
        }
        let made = self.make(Some(actor)).await.map_err(|why| {
            unavailable(&format_args!("no new keys were made, the old ones go on: {why}"))
        })?;
        self.add(Arc::clone(&made));
        Ok(made)
    }

    /// Takes all generations back because `actor` says that they are compromised, and makes a new one
    /// in their place. What they signed is believed no more, whatever else fails.
    ///
    /// Errors: something of it failed; the text says what is left to do.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
    ) -> Result<(Arc<Generation>, Vec<String>), Failure> {
        self.check_issues()?;
        let _turning = self.turning.lock().await;
        let old: Vec<String> = self.generations().iter().map(|old| old.name()).collect();
        let replaced = async {
            // First, so that no crash brings them back.
            self.on_disk(SvidKeys::withdraw).await?;
            self.engine.keys_withdrawn(&old, actor).await?;
            self.make(Some(actor)).await
        };
        let replaced = replaced.await;
        let left = replaced.as_ref().ok().map(Arc::clone);
        self.publish(Authority::new(self.domain(), left));
        tracing::warn!(?old, actor = actor.name, "keys of SVIDs were taken back");
        replaced.map(|made| (made, old)).map_err(|why| {
            unavailable(&format_args!(
                "the old keys are believed no more, but not all was done: {why}; new keys are made \
                 and recorded as soon as that is possible, look with `remit keys list`"
            ))
        })
    }

    fn check_issues(&self) -> Result<(), Failure> {
        let why = "no SVID is signed here: they come from the `source` of [spiffe], whose keys are \
                   replaced there";
        if self.issues { Ok(()) } else { Err(Failure::new(StatusCode::CONFLICT, why)) }
    }

    /// Makes the next generation. It is on record before its files count and before anybody hears
    /// of it.
    async fn make(&self, actor: Option<&Actor>) -> Result<Arc<Generation>, Fail> {
        let (domain, now) = (self.domain(), self.engine.now());
        let rotation = *self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        let draft =
            self.on_disk(move |keys| keys.draft(&domain, rotation, now, &SystemEntropy)).await?;
        let (number, certificate) = (draft.number(), draft.certificate_id());
        let ids = BTreeMap::from([("certificate", certificate.as_str()), ("jwt", draft.kid())]);
        self.engine.key_made(&draft.name(), &ids, actor).await?;
        self.on_disk(move |keys| keys.keep(number)).await?;
        tracing::info!(number, ends = %draft.ends(), "new keys of SVIDs");
        Ok(Arc::new(draft))
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&SvidKeys) -> Result<T, KeysError> + Send + 'static,
    ) -> Result<T, Fail> {
        let keys = self.keys.clone();
        off_the_loop(move || act(&keys)).await
    }

    fn add(&self, made: Arc<Generation>) {
        self.authority.send_modify(|authority| *authority = Arc::new(authority.with(made)));
    }

    fn publish(&self, authority: Authority) {
        self.authority.send_replace(Arc::new(authority));
    }

    fn domain(&self) -> TrustDomain {
        self.authority.borrow().domain().clone()
    }

    /// All generations in use, in order.
    pub(crate) fn generations(&self) -> Vec<Arc<Generation>> {
        self.authority.borrow().generations().to_vec()
    }

    /// The files of generation `number`: of the key that signs certificates, and of the other.
    pub(crate) fn files(&self, number: u64) -> [PathBuf; 2] {
        [self.keys.signer(number), self.keys.jwt(number)]
    }
}

#[cfg(test)]
mod tests;
