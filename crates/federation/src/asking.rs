//! Asking for keys when a token comes that needs them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use remit_jose::KeySet;
use remit_model::{Clock, Value, Voucher};
use remit_ports::{BoxFuture, ForeignKeys, NoKeys};
use remit_spiffe::{Authority, ForeignBundle};
use tokio::sync::watch;

use crate::fetch::{Way, in_time};
use crate::kept::Kept;
use crate::metadata::key_address;
use crate::{Access, Address, Source};

/// What keys are for that an issuer of tokens publishes (RFC 7517 section 4.2).
const TOKENS: [&str; 2] = ["", "sig"];

/// The keys of all who are trusted.
pub struct Federation {
    clock: Arc<dyn Clock>,
    vouchers: RwLock<BTreeMap<Voucher, Arc<Asked>>>,
    /// Our own keys, which nobody else may claim; there are none before [`Federation::configure`].
    ours: RwLock<Option<watch::Receiver<Arc<Authority>>>>,
}

/// Somebody, and what is known of their keys.
struct Asked {
    source: Source,
    kept: Mutex<Kept>,
    /// Held by whoever asks.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation").finish_non_exhaustive()
    }
}

impl Federation {
    /// One that trusts nobody yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, vouchers: RwLock::default(), ours: RwLock::default() }
    }

    /// Trusts these from now on, and nobody else. What is known of those who stay is kept.
    pub fn configure(
        &self,
        sources: BTreeMap<Voucher, Source>,
        ours: watch::Receiver<Arc<Authority>>,
    ) {
        *self.ours.write().unwrap_or_else(PoisonError::into_inner) = Some(ours);
        let mut vouchers = self.vouchers.write().unwrap_or_else(PoisonError::into_inner);
        let asked = |(voucher, source): (Voucher, Source)| {
            let known = vouchers.get(&voucher).filter(|known| known.source == source);
            let asked = known.map_or_else(|| Arc::new(Asked::new(source)), Arc::clone);
            (voucher, asked)
        };
        let trusted = sources.into_iter().map(asked).collect();
        *vouchers = trusted;
    }

    async fn find(&self, voucher: &Voucher, key_id: Option<&str>) -> Result<Arc<KeySet>, NoKeys> {
        let none = |why: String| NoKeys { of: voucher.clone(), why };
        let asked = {
            let vouchers = self.vouchers.read().unwrap_or_else(PoisonError::into_inner);
            vouchers.get(voucher).map(Arc::clone)
        };
        let asked = asked.ok_or_else(|| none("nobody configured where they are".to_owned()))?;
        let (access, source) = match &asked.source {
            Source::Given(keys) => return Ok(Arc::clone(keys)),
            Source::Discovered(_, access) | Source::Keys(_, access) | Source::Bundle(_, access) => {
                (access, &asked.source)
            }
        };
        // Whoever can do with what is known does not wait for somebody else's question.
        let now = self.clock.now();
        let turn = if asked.kept().has(key_id, now) {
            asked.turn.try_lock().ok()
        } else {
            Some(asked.turn.lock().await)
        };
        let now = self.clock.now();
        if turn.is_some() && asked.kept().is_wanting(key_id, now) && asked.kept().ask(now) {
            let fetched = in_time(self.fetch(voucher, source, access)).await;
            asked.note(voucher, fetched, now);
        }
        drop(turn);
        let kept = asked.kept();
        let why = || kept.failed.clone().unwrap_or_else(|| "they were just asked for".to_owned());
        kept.good(self.clock.now()).ok_or_else(|| none(why()))
    }

    async fn fetch(
        &self,
        voucher: &Voucher,
        source: &Source,
        access: &Access,
    ) -> Result<(KeySet, Option<Duration>), String> {
        match source {
            Source::Discovered(issuer, _) => {
                let way = Way::open(access, issuer.is_tls()).await?;
                let keys = discover(&way, issuer).await?;
                let trusted = keys.shares_origin(issuer);
                Ok((read(&way.get(&keys, trusted).await?)?, None))
            }
            Source::Keys(keys, _) => {
                let way = Way::open(access, keys.is_tls()).await?;
                Ok((read(&way.get(keys, true).await?)?, None))
            }
            Source::Bundle(endpoint, _) => {
                let way = Way::open(access, endpoint.is_tls()).await?;
                let text = way.get(endpoint, true).await?;
                let bundle = self.bundle(voucher, &text)?;
                Ok((bundle.keys, bundle.refresh))
            }
            Source::Given(_) => Err("they are in the configuration".to_owned()),
        }
    }

    fn bundle(&self, voucher: &Voucher, text: &str) -> Result<ForeignBundle, String> {
        let ours = self.ours.read().unwrap_or_else(PoisonError::into_inner);
        let ours = ours.as_ref().map(|ours| Arc::clone(&ours.borrow()));
        let (Voucher::Domain(domain), Some(ours)) = (voucher, ours) else {
            return Err("only a trust domain has a bundle".to_owned());
        };
        ForeignBundle::read(text, domain, &ours).map_err(|why| why.to_string())
    }
}

impl ForeignKeys for Federation {
    fn keys<'a>(
        &'a self,
        voucher: &'a Voucher,
        key_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NoKeys>> {
        Box::pin(self.find(voucher, key_id))
    }
}

impl Asked {
    fn new(source: Source) -> Self {
        Self { source, kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came is kept; what failed is told once, not at every try.
    fn note(
        &self,
        voucher: &Voucher,
        fetched: Result<(KeySet, Option<Duration>), String>,
        now: remit_model::Timestamp,
    ) {
        let mut kept = self.kept();
        match fetched {
            Ok((keys, refresh)) => {
                tracing::info!(%voucher, keys = keys.thumbprints().len(), "its keys were fetched");
                kept.came(Arc::new(keys), refresh, now);
            }
            Err(why) => {
                if kept.failed.as_ref() != Some(&why) {
                    tracing::warn!(%voucher, %why, "its keys cannot be fetched");
                }
                kept.failed = Some(why);
            }
        }
    }
}

/// Where the issuer's keys are, by whichever metadata it has.
async fn discover(way: &Way, issuer: &Address) -> Result<Address, String> {
    let mut failed = Vec::new();
    for at in issuer.of_metadata() {
        let at: Address = at.parse().map_err(|why| format!("its metadata: {why}"))?;
        match way.get(&at, true).await {
            Ok(metadata) => return key_address(&metadata, issuer),
            Err(why) => failed.push(why),
        }
    }
    Err(failed.join("; "))
}

fn read(set: &str) -> Result<KeySet, String> {
    let set = Value::parse(set).map_err(|why| format!("its keys cannot be read: {why}"))?;
    KeySet::published(&set, &TOKENS).map_err(|why| format!("its keys cannot be read: {why}"))
}
