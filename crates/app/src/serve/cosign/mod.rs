//! Has the log's checkpoints cosigned, beside everything else: each witness is visited on its own,
//! none is waited for by a call, and one that does not answer costs nothing but its cosignature.
//!
//! What a visit needs is read from the public log, and what it brings is kept there, so a restart
//! begins where the last run ended.

mod post;
mod seat;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_ledger::FileLedger;
use remit_model::{Clock, Timestamp};
use remit_operator::wire;
use remit_tlog::{Checkpoint, Note, Submission};
use remit_witness::{Answer, Exchange, Step};

use self::seat::{Seat, Trouble, Visit};
use crate::config;

pub(crate) use self::post::fetch;

/// How often it is looked whether there is something to cosign.
const TICK: Duration = Duration::from_secs(1);

/// The witnesses of one log.
pub(crate) struct Cosigning {
    ledger: Arc<FileLedger>,
    clock: Arc<dyn Clock>,
    /// By verifier key.
    seats: Mutex<BTreeMap<String, Seat>>,
}

impl Cosigning {
    /// Has `ledger` cosigned by these.
    pub(crate) fn new(
        ledger: Arc<FileLedger>,
        clock: Arc<dyn Clock>,
        witnesses: &[config::Witness],
    ) -> Arc<Self> {
        let cosigning = Self { ledger, clock, seats: Mutex::default() };
        cosigning.configure(witnesses);
        Arc::new(cosigning)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<String, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these cosign it. One that did before goes on as it was.
    pub(crate) fn configure(&self, witnesses: &[config::Witness]) {
        let mut seats = self.seats();
        let mut before = std::mem::take(&mut *seats);
        for witness in witnesses {
            let key = witness.key.0.to_string();
            let kept = before.remove(&key).filter(|seat| seat.is_at(&witness.url));
            let seat = kept.map_or_else(|| self.seat(witness), Ok);
            match seat {
                Ok(seat) => drop(seats.insert(key, seat)),
                Err(why) => tracing::error!(%why, url = witness.url, "not a usable witness"),
            }
        }
    }

    fn seat(&self, witness: &config::Witness) -> Result<Seat, String> {
        let kept = self.ledger.cosigned(&witness.key.0).unwrap_or_else(|why| {
            tracing::warn!(%why, "what the witness cosigned is asked for anew");
            None
        });
        Seat::new(witness, kept.as_ref())
    }

    /// Visits whoever is due, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            for visit in self.due() {
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    let brought = this.visit(&visit).await;
                    this.leave(&visit, brought);
                });
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Who is to be visited now; nobody is visited twice at once.
    fn due(&self) -> Vec<Visit> {
        let Some((checkpoint, _)) = self.ledger.published() else { return Vec::new() };
        let monotonic = self.clock.monotonic();
        let mut seats = self.seats();
        seats.values_mut().filter_map(|seat| seat.due(checkpoint.size, monotonic)).collect()
    }

    /// Has the newest checkpoint cosigned and keeps what comes of it.
    async fn visit(&self, visit: &Visit) -> Result<(u64, Timestamp), Trouble> {
        let none = || Trouble::failed("nothing is published yet");
        let (checkpoint, note) = self.ledger.published().ok_or_else(none)?;
        let mut old = visit.cosigned.min(checkpoint.size);
        let mut exchange = Exchange::new(&visit.key, &checkpoint, &note);
        loop {
            let submission = self.submission(old, &checkpoint, &note).await?;
            let answer =
                visit.post.submit(submission.to_string()).await.map_err(Trouble::failed)?;
            let (kind, body) = (answer.kind.as_str(), answer.body.as_str());
            let answer = Answer { status: answer.status, kind, body };
            // Whatever is published meanwhile, anybody can submit.
            let published = self.ledger.published().map_or(0, |(newest, _)| newest.size);
            match exchange.answered(old, published, &answer) {
                Step::From(size) => old = size,
                Step::Cosigned { note, time } => {
                    let (ledger, witness) = (Arc::clone(&self.ledger), visit.key.clone());
                    let kept = tokio::task::spawn_blocking(move || ledger.attach(&witness, &note));
                    kept.await.map_err(Trouble::failed)?.map_err(Trouble::failed)?;
                    return Ok((checkpoint.size, Timestamp::from_secs(time)));
                }
                Step::Contradicted(why) => return Err(Trouble { why, contradicts: true }),
                Step::Failed(why) => return Err(Trouble::failed(why)),
            }
        }
    }

    async fn submission(
        &self,
        old: u64,
        checkpoint: &Checkpoint,
        note: &Note,
    ) -> Result<Submission, Trouble> {
        let (ledger, size) = (Arc::clone(&self.ledger), checkpoint.size);
        let proof = tokio::task::spawn_blocking(move || ledger.prove_growth(old, size));
        let proof = proof.await.map_err(Trouble::failed)?.map_err(Trouble::failed)?;
        // What other witnesses said of it is nothing to this one.
        let bare = note.clone().only(|line| line.name == checkpoint.origin);
        Ok(Submission { old, proof, checkpoint: bare })
    }

    /// Writes down how a visit went, unless the witness is reached by another way since it began, or not at
    /// all.
    fn leave(&self, visit: &Visit, brought: Result<(u64, Timestamp), Trouble>) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut seats = self.seats();
        let seat = seats.get_mut(&visit.key.to_string());
        let Some(seat) = seat.filter(|seat| seat.is_of(visit)) else { return };
        match brought {
            Ok(cosigned) => seat.took(cosigned, (now, monotonic)),
            Err(trouble) => seat.failed(trouble, monotonic),
        }
    }
}

impl remit_operator::Witnesses for Cosigning {
    fn status(&self) -> Vec<wire::Witness> {
        self.seats().values().map(Seat::status).collect()
    }
}

impl fmt::Debug for Cosigning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigning({} witnesses)", self.seats().len())
    }
}
