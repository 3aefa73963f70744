//! The keys of SVIDs while Remit runs: replaced in time and on record.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_engine::Engine;
use remit_keys::SvidKeys;
use remit_spiffe::{Authority, TrustDomain};
use tokio::sync::watch;

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

/// How often it is asked whether keys are due, or over.
const TICK: Duration = Duration::from_secs(1);

/// The keys in use. Whoever issues or verifies watches them; that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Svids {
    keys: SvidKeys,
    engine: Arc<Engine>,
    rotation: Mutex<Duration>,
    authority: watch::Sender<Arc<Authority>>,
}

impl Svids {
    /// Opens the keys of `domain`, and makes the first ones. If those cannot be made yet, SVIDs have
    /// to wait and all else goes on: a full disk must not keep stops from working.
    ///
    /// Errors: the keys there are cannot be read.
    pub(crate) async fn open(
        keys: SvidKeys,
        domain: &TrustDomain,
        rotation: Duration,
        engine: Arc<Engine>,
    ) -> Result<Arc<Self>, Fail> {
        let (authority, _) = watch::channel(Arc::new(keys.load(domain)?));
        let svids = Self { keys, engine, rotation: Mutex::new(rotation), authority };
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
        let mut failing = false;
        loop {
            tokio::time::sleep(TICK).await;
            match self.turn().await {
                Ok(()) => failing = false,
                // Once, not at every try.
                Err(why) if !failing => {
                    failing = true;
                    tracing::error!(%why, "the keys of SVIDs were not replaced; trying on");
                }
                Err(_) => {}
            }
        }
    }

    /// Makes the next generation if it is due, and lets go of those that are over. A new one is on
    /// record before anybody hears of it.
    async fn turn(&self) -> Result<(), Fail> {
        let now = self.engine.now();
        let before = Arc::clone(&self.authority.borrow());
        let over = before.generations().iter().any(|generation| generation.is_over(now));
        if !over && !before.is_due(now) {
            return Ok(());
        }
        let (keys, domain) = (self.keys.clone(), before.domain().clone());
        let rotation = *self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        let rotated = tokio::task::spawn_blocking(move || {
            keys.rotate(&domain, rotation, now, &SystemEntropy)
        });
        let rotated = rotated.await.map_err(|why| Fail::new(why.to_string()))??;
        let newest = |authority: &Authority| {
            authority
                .generations()
                .last()
                .map(|generation| (generation.number(), generation.ends()))
        };
        if let Some((number, ends)) = newest(&rotated).filter(|it| newest(&before) != Some(*it)) {
            self.engine.key_made(&format!("svid-{number}")).await?;
            tracing::info!(number, %ends, "new keys sign SVIDs soon");
        }
        self.authority.send_replace(Arc::new(rotated));
        Ok(())
    }
}
