//! Asking for keys when a token comes that needs them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use remit_fetch::in_time;
use remit_jose::KeySet;
use remit_model::{Clock, Value, Voucher};
use remit_ports::{BoxFuture, ForeignKeys, NoKeys};
use remit_spiffe::{Authority, ForeignBundle};
use tokio::sync::watch;

use crate::documents::Documents;
use crate::kept::Kept;
use crate::metadata::key_address;
use crate::{Address, Source, WorkloadApi};

/// What keys are for that an issuer of tokens publishes (RFC 7517 section 4.2).
pub const TOKENS: [&str; 2] = ["", "sig"];

/// The keys of all who are trusted.
pub struct Federation {
    clock: Arc<dyn Clock>,
    handed: Arc<WorkloadApi>,
    vouchers: RwLock<BTreeMap<Voucher, Arc<Asked>>>,
}

/// Somebody, and what is known of their keys.
struct Asked {
    voucher: Voucher,
    source: Source,
    /// Our own keys, which nobody else may claim.
    ours: watch::Receiver<Arc<Authority>>,
    kept: Mutex<Kept>,
    /// Held by whoever asks.
    turn: tokio::sync::Mutex<()>,
}

/// What was fetched, and how long to wait before that is done again, if its owner says so.
type Fetched = (KeySet, Option<Duration>);

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation").finish_non_exhaustive()
    }
}

impl Federation {
    /// One that trusts nobody yet; `handed` is what a Workload API hands out.
    pub fn new(clock: Arc<dyn Clock>, handed: Arc<WorkloadApi>) -> Self {
        Self { clock, handed, vouchers: RwLock::default() }
    }

    /// Trusts these from now on, and nobody else, beside `ours`. What is known of those who stay is kept.
    pub fn configure(
        &self,
        sources: BTreeMap<Voucher, Source>,
        ours: &watch::Receiver<Arc<Authority>>,
    ) {
        let mut vouchers = self.vouchers.write().unwrap_or_else(PoisonError::into_inner);
        let asked = |(voucher, source): (Voucher, Source)| {
            let known = vouchers.get(&voucher).filter(|known| known.source == source);
            let new = || Arc::new(Asked::new(voucher.clone(), source.clone(), ours.clone()));
            let asked = known.map_or_else(new, Arc::clone);
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
        match (&asked.source, voucher) {
            (Source::Given(keys), _) => return Ok(Arc::clone(keys)),
            (Source::Handed, Voucher::Domain(domain)) => {
                return self.handed.keys(domain).map_err(none);
            }
            _ => {}
        }
        let now = self.clock.now();
        if !asked.kept().has(key_id, now) {
            asked.ask(key_id, self.clock.as_ref()).await;
        } else if asked.kept().is_wanting(key_id, now) {
            // Whoever can do with what is known does not wait.
            let (asked, clock) = (Arc::clone(&asked), Arc::clone(&self.clock));
            tokio::spawn(async move { asked.ask(None, clock.as_ref()).await });
        }
        let kept = asked.kept();
        let why = || kept.failed.clone().unwrap_or_else(|| "they were just asked for".to_owned());
        kept.good(self.clock.now()).ok_or_else(|| none(why()))
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
    fn new(voucher: Voucher, source: Source, ours: watch::Receiver<Arc<Authority>>) -> Self {
        let (kept, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { voucher, source, ours, kept, turn }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the keys, unless somebody else has just done so. What came is kept; what failed is told
    /// once, not at every try.
    async fn ask(&self, key_id: Option<&str>, clock: &dyn Clock) {
        let _turn = self.turn.lock().await;
        let now = clock.now();
        let may = {
            let mut kept = self.kept();
            kept.is_wanting(key_id, now) && kept.ask(now)
        };
        if !may {
            return;
        }
        let fetched = in_time(self.fetch()).await;
        let (voucher, mut kept) = (&self.voucher, self.kept());
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

    async fn fetch(&self) -> Result<Fetched, String> {
        match &self.source {
            Source::Discovered(issuer, access) => {
                let documents = Documents::open(access, issuer.is_tls()).await?;
                let keys = discover(&documents, issuer).await?;
                let trusted = keys.shares_origin(issuer);
                Ok((read(&documents.get(&keys, trusted).await?)?, None))
            }
            Source::Keys(keys, access) => {
                let documents = Documents::open(access, keys.is_tls()).await?;
                Ok((read(&documents.get(keys, true).await?)?, None))
            }
            Source::Bundle(endpoint, access) => {
                let documents = Documents::open(access, endpoint.is_tls()).await?;
                let bundle = self.bundle(&documents.get(endpoint, true).await?)?;
                Ok((bundle.keys, bundle.refresh))
            }
            Source::Given(_) | Source::Handed => Err("they are there already".to_owned()),
        }
    }

    fn bundle(&self, text: &str) -> Result<ForeignBundle, String> {
        let Voucher::Domain(domain) = &self.voucher else {
            return Err("only a trust domain has a bundle".to_owned());
        };
        let ours = Arc::clone(&self.ours.borrow());
        ForeignBundle::read(text, domain, &ours).map_err(|why| why.to_string())
    }
}

/// Where the issuer's keys are, by whichever metadata it has.
async fn discover(documents: &Documents, issuer: &Address) -> Result<Address, String> {
    let mut failed = Vec::new();
    for at in issuer.of_metadata() {
        let at: Address = at.parse().map_err(|why| format!("its metadata: {why}"))?;
        match documents.get(&at, true).await {
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
