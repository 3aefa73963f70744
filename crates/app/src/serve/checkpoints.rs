//! The keys that sign the log while Remit runs: replaced when an operator says so.
//!
//! Nothing here is due by itself, neither a new key nor the end of an old one. Witnesses and whoever
//! verifies have to be told, each by a person, and only the operator knows when all were; meanwhile both
//! keys sign, which costs a line in each checkpoint.
//!
//! The record is what changes who signs ([`remit_ports::record::Signers`]): the ledger acts by it, also
//! after a crash, and files are brought in line with it afterwards.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use remit_engine::Engine;
use remit_engine::approve::Actor;
use remit_engine::key::Succession;
use remit_keys::{LogKey, LogKeys};
use remit_ledger::FileLedger;
use remit_model::Timestamp;
use remit_operator::Failure;
use remit_ports::Ledger as _;
use remit_ports::record::Signers;
use remit_tlog::VerifierKey;

use super::{files, turning, unavailable};
use crate::environment::SystemEntropy;
use crate::fail::Fail;

/// What makes the keys that sign the log.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    disk: Disk,
    engine: Arc<Engine>,
    signers: Mutex<Vec<Signer>>,
    /// Held by whoever changes the keys: whether the disk may not be yet as the log says.
    unsettled: tokio::sync::Mutex<bool>,
}

/// A key that signs the log.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    /// Which, from 1 on.
    pub(crate) number: u64,
    /// When it was made.
    pub(crate) made: Timestamp,
    /// How others know it.
    pub(crate) key: VerifierKey,
}

impl Signer {
    fn of(key: &LogKey) -> Self {
        Self { number: key.number, made: key.made, key: key.key.verifier().clone() }
    }

    /// Its name in records.
    pub(crate) fn name(&self) -> String {
        LogKeys::name(self.number)
    }
}

impl Checkpoints {
    /// Takes over `keys`, with which `ledger` was opened, and finishes what a crash interrupted. If that
    /// cannot be done yet, it is later.
    ///
    /// Errors: the keys cannot be read.
    pub(crate) async fn open(
        keys: LogKeys,
        state: &Path,
        ledger: &Arc<FileLedger>,
        engine: &Arc<Engine>,
    ) -> Result<Arc<Self>, Fail> {
        let origin = files::origin(state)?;
        let signers = keys.load(&origin)?.iter().filter(|key| key.counts).map(Signer::of).collect();
        let disk = Disk { keys, origin, state: state.to_owned(), ledger: Arc::clone(ledger) };
        let (engine, signers) = (Arc::clone(engine), Mutex::new(signers));
        let checkpoints = Self { disk, engine, signers, unsettled: tokio::sync::Mutex::new(true) };
        if let Err(why) = checkpoints.turn().await {
            tracing::warn!(%why, "the keys of the log are not yet as it says; trying on");
        }
        Ok(Arc::new(checkpoints))
    }

    /// Brings the disk in line with the log whenever it is not.
    pub(crate) async fn run(self: Arc<Self>) {
        turning("the keys of the log are not yet as it says", || self.turn()).await;
    }

    async fn turn(&self) -> Result<(), Fail> {
        let mut unsettled = self.unsettled.lock().await;
        if *unsettled { self.settle(&mut unsettled).await } else { Ok(()) }
    }

    /// Publishes what the log says of its keys, keeps those that it names and wipes the others.
    async fn settle(&self, unsettled: &mut bool) -> Result<(), Fail> {
        let signers = self.on_disk(Disk::settle).await?;
        *self.signers.lock().unwrap_or_else(PoisonError::into_inner) = signers;
        *unsettled = false;
        Ok(())
    }

    /// Makes a new key because `actor` wants it: it signs beside the old one, or alone if that is
    /// compromised. Gives it, and the names of those that sign no more.
    ///
    /// Errors: there are two already, or it could not be made or recorded; the text says what is true.
    pub(crate) async fn rotate(
        &self,
        actor: &Actor,
        compromised: bool,
    ) -> Result<(Signer, Vec<String>), Failure> {
        let mut unsettled = self.unsettled.lock().await;
        let old = self.settled(&mut unsettled).await?;
        if let ([older, newer], false) = (old.as_slice(), compromised) {
            let (older, newer) = (older.name(), newer.name());
            let why = format!(
                "{older} and {newer} sign the log, side by side: once all who verify and witness \
                 know {newer}, `remit keys retire log` ends {older}; use --compromised if neither \
                 can be trusted"
            );
            return Err(Failure::new(StatusCode::CONFLICT, why));
        }
        *unsettled = true;
        let now = self.engine.now();
        let made = self.on_disk(move |disk| disk.draft(now)).await;
        let made = made.map_err(|why| {
            unavailable(&format_args!("no new key was made, the old one goes on: {why}"))
        })?;
        let stay = if compromised { &[][..] } else { old.as_slice() };
        let over: Vec<String> =
            if compromised { old.iter().map(Signer::name).collect() } else { Vec::new() };
        let signers = signers(&old, stay.iter().chain([&made]));
        let succession = Succession { made: Some(made.name()), over: over.clone(), signers };
        self.record(succession, actor).await?;
        if compromised {
            tracing::warn!(?over, actor = actor.name, "keys of the log were taken back");
        }
        self.settle(&mut unsettled).await.map_err(|why| recorded(&why))?;
        Ok((made, over))
    }

    /// Lets the older of two keys sign no more because `actor` wants it. Gives its name and that of the
    /// one that goes on.
    ///
    /// Errors: there is one only, or it could not be recorded; the text says what is true.
    pub(crate) async fn retire(&self, actor: &Actor) -> Result<(String, String), Failure> {
        let mut unsettled = self.unsettled.lock().await;
        let both = self.settled(&mut unsettled).await?;
        let [older, newer] = both.as_slice() else {
            let why = "one key signs the log, and it stays: `remit keys rotate log` makes another \
                       beside it first";
            return Err(Failure::new(StatusCode::CONFLICT, why));
        };
        *unsettled = true;
        let signers = signers(&both, [newer]);
        let succession = Succession { made: None, over: vec![older.name()], signers };
        self.record(succession, actor).await?;
        self.settle(&mut unsettled).await.map_err(|why| recorded(&why))?;
        Ok((older.name(), newer.name()))
    }

    /// Who signs, once what was left to do is done: so that the old key has vouched for the new one, under
    /// a checkpoint of both, before anything else changes.
    async fn settled(&self, unsettled: &mut bool) -> Result<Vec<Signer>, Failure> {
        if *unsettled {
            let settled = self.settle(unsettled).await;
            settled.map_err(|why| {
                unavailable(&format_args!("the last change of keys is not finished: {why}"))
            })?;
        }
        Ok(self.signers())
    }

    async fn record(&self, succession: Succession, actor: &Actor) -> Result<(), Failure> {
        let recorded = self.engine.log_signed_by(succession, actor).await;
        recorded.map_err(|why| {
            unavailable(&format_args!(
                "it is not on record, so the same keys go on signing the log: {why}"
            ))
        })
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Disk) -> Result<T, Fail> + Send + 'static,
    ) -> Result<T, Fail> {
        let disk = self.disk.clone();
        let acted = tokio::task::spawn_blocking(move || act(&disk)).await;
        acted.map_err(|why| Fail::new(why.to_string()))?
    }

    /// Who signs, the oldest first.
    pub(crate) fn signers(&self) -> Vec<Signer> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file of key `number`.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.disk.keys.file(number)
    }
}

/// Everything that these keys have to do with the disk.
#[derive(Clone, Debug)]
struct Disk {
    keys: LogKeys,
    origin: String,
    state: PathBuf,
    ledger: Arc<FileLedger>,
}

impl Disk {
    /// Makes the next key, and lets the ledger have it in case the log is to name it.
    fn draft(&self, now: Timestamp) -> Result<Signer, Fail> {
        let made = Signer::of(&self.keys.draft(&self.origin, now, &SystemEntropy)?);
        let all = self.keys.load(&self.origin)?;
        self.ledger.sign_with(all.into_iter().map(|key| key.key).collect());
        Ok(made)
    }

    /// Brings everything in line with what the log says: first what it names, last what it does not, so
    /// that wherever this ends the next one can go on.
    fn settle(&self) -> Result<Vec<Signer>, Fail> {
        // A record that was written and not synced counts at the next start, or not: nobody knows.
        self.ledger.sync()?;
        self.ledger.flush()?;
        let named = self.ledger.signers();
        let mut sign = self.keys.load(&self.origin)?;
        sign.retain(|key| named.contains(key.key.verifier()));
        if sign.is_empty() {
            return Err(Fail::new(
                "none of the keys in `keys/` signs the log by what it says; restore them",
            ));
        }
        for draft in sign.iter().filter(|key| !key.counts) {
            self.keys.keep(draft.number)?;
        }
        let signers: Vec<Signer> = sign.iter().map(Signer::of).collect();
        if let Some(newest) = signers.last() {
            files::write_key(&self.state, &newest.key)?;
        }
        self.ledger.sign_with(sign.into_iter().map(|key| key.key).collect());
        let numbers: Vec<u64> = signers.iter().map(|signer| signer.number).collect();
        self.keys.keep_only(&numbers)?;
        Ok(signers)
    }
}

fn signers<'a>(before: &[Signer], now: impl IntoIterator<Item = &'a Signer>) -> Signers {
    let text = |signer: &Signer| signer.key.to_string();
    Signers { before: before.iter().map(text).collect(), now: now.into_iter().map(text).collect() }
}

/// It is on record, and something of what follows failed.
fn recorded(why: &Fail) -> Failure {
    unavailable(&format_args!(
        "it is on record and holds, but not all was done: {why}; the rest is done as soon as that is \
         possible, look with `remit keys list`"
    ))
}
