//! The keys of grants while Remit runs: replaced in time and on record.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use remit_engine::Engine;
use remit_engine::approve::Actor;
use remit_keys::{KeysError, TokenKeys};
use remit_operator::Failure;
use remit_token::{GrantKey, GrantKeys};

use super::{off_the_loop, turning, unavailable};
use crate::environment::SystemEntropy;
use crate::fail::Fail;

/// What makes the keys that the engine uses.
#[derive(Debug)]
pub(crate) struct Tokens {
    keys: TokenKeys,
    engine: Arc<Engine>,
    rotation: Mutex<Duration>,
    /// Held by whoever changes the keys.
    litter: tokio::sync::Mutex<Litter>,
}

/// What the disk may still hold of keys that do not count.
#[derive(Debug)]
enum Litter {
    None,
    /// Some that are over.
    Over,
    /// All there are, which were taken back.
    Withdrawn,
}

impl Tokens {
    /// Takes over `keys`, which `engine` uses, and makes the first one. If that cannot be made yet,
    /// grants have to wait and all else goes on.
    pub(crate) async fn open(
        keys: TokenKeys,
        rotation: Duration,
        engine: Arc<Engine>,
    ) -> Arc<Self> {
        let (rotation, litter) = (Mutex::new(rotation), tokio::sync::Mutex::new(Litter::Over));
        let tokens = Self { keys, engine, rotation, litter };
        if let Err(why) = tokens.turn().await {
            tracing::warn!(%why, "the key of grants could not be made yet");
        }
        Arc::new(tokens)
    }

    /// How often the key is replaced from now on.
    pub(crate) fn configure(&self, rotation: Duration) {
        *self.rotation.lock().unwrap_or_else(PoisonError::into_inner) = rotation;
    }

    /// How often the key is replaced.
    pub(crate) fn rotation(&self) -> Duration {
        *self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the key whenever that is due.
    pub(crate) async fn run(self: Arc<Self>) {
        turning("the key of grants was not replaced", || self.turn()).await;
    }

    /// Lets go of the keys that are over, and makes the next one if it is due.
    async fn turn(&self) -> Result<(), Fail> {
        let mut litter = self.litter.lock().await;
        let (keys, now) = (self.engine.grant_keys(), self.engine.now());
        let counting = keys.at(now);
        if counting.len() < keys.len() {
            self.engine.use_grant_keys(counting.clone());
            *litter = Litter::Over;
        }
        self.clear(&mut litter).await?;
        if counting.is_due(self.rotation(), now) {
            self.make(None).await?;
        }
        Ok(())
    }

    /// Clears away what does not count, before another key is made beside it.
    async fn clear(&self, litter: &mut Litter) -> Result<(), Fail> {
        let now = self.engine.now();
        match litter {
            Litter::None => {}
            Litter::Over => self.on_disk(move |keys| keys.sweep(now)).await?,
            Litter::Withdrawn => self.on_disk(TokenKeys::withdraw).await?,
        }
        *litter = Litter::None;
        Ok(())
    }

    /// Makes a new key because `actor` wants it. It signs at once; what the others signed counts on.
    ///
    /// Errors: there are as many as may be, or it could not be made; nothing has changed.
    pub(crate) async fn rotate(&self, actor: &Actor) -> Result<Arc<GrantKey>, Failure> {
        let mut litter = self.litter.lock().await;
        let keys = self.engine.grant_keys().at(self.engine.now());
        if keys.is_full() {
            let ends = keys.iter().find_map(|(_, ends)| ends).unwrap_or_default();
            return Err(Failure::new(
                StatusCode::CONFLICT,
                format!(
                    "there are {} keys of grants that count, and the oldest does until {ends}: wait \
                     for that, or use --compromised if none of them can be trusted",
                    keys.len()
                ),
            ));
        }
        let made = async {
            self.clear(&mut litter).await?;
            self.make(Some(actor)).await
        };
        made.await.map_err(|why| {
            unavailable(&format_args!("no new key was made, the old one goes on: {why}"))
        })
    }

    /// Takes all keys back because `actor` says that they are compromised, and makes a new one in
    /// their place. What they signed is believed no more, whatever else fails.
    ///
    /// Errors: something of it failed; the text says what is left to do.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
    ) -> Result<(Arc<GrantKey>, Vec<String>), Failure> {
        let mut litter = self.litter.lock().await;
        let old: Vec<String> = self.engine.grant_keys().iter().map(|(key, _)| key.name()).collect();
        self.engine.take_grant_keys_back();
        tracing::warn!(?old, actor = actor.name, "keys of grants were taken back");
        *litter = Litter::Withdrawn;
        let replaced = async {
            // First, so that no crash brings them back; on record also where that fails.
            let cleared = self.clear(&mut litter).await;
            self.engine.keys_withdrawn(&old, actor).await?;
            cleared?;
            self.make(Some(actor)).await
        };
        replaced.await.map(|made| (made, old)).map_err(|why| {
            unavailable(&format_args!(
                "grants of before are believed no more, but not all was done: {why}; a new key is \
                 made and recorded as soon as that is possible, look with `remit keys list`"
            ))
        })
    }

    /// Makes the next key. It is on record before its files count and before it signs.
    async fn make(&self, actor: Option<&Actor>) -> Result<Arc<GrantKey>, Fail> {
        let now = self.engine.now();
        let draft = self.on_disk(move |keys| keys.draft(now, &SystemEntropy)).await?;
        let number = draft.number();
        let ids = BTreeMap::from([("kid", draft.kid())]);
        self.engine.key_made(&draft.name(), &ids, actor).await?;
        self.on_disk(move |keys| keys.keep(number)).await?;
        let made = Arc::new(draft);
        self.engine.use_grant_keys(self.engine.grant_keys().with(Arc::clone(&made)));
        tracing::info!(number, "a new key of grants");
        Ok(made)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&TokenKeys) -> Result<T, KeysError> + Send + 'static,
    ) -> Result<T, Fail> {
        let keys = self.keys.clone();
        off_the_loop(move || act(&keys)).await
    }

    /// The keys in use.
    pub(crate) fn keys(&self) -> GrantKeys {
        self.engine.grant_keys()
    }

    /// The file of key `number`.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.keys.file(number)
    }
}

#[cfg(test)]
mod tests;
