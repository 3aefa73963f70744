//! Has the log's checkpoints cosigned, beside everything else: each witness is visited on its own,
//! none is waited for by a call, and one that does not answer costs nothing but its cosignature.
//!
//! What a visit needs is read from the public log, and what it brings is kept there, so a restart
//! begins where the last run ended.

mod post;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_ledger::FileLedger;
use remit_model::{Clock, Timestamp};
use remit_operator::wire;
use remit_tlog::{Checkpoint, Note, Submission};
use remit_witness::{Answer, Exchange, Step};

use self::post::Post;
use crate::config;

pub(crate) use self::post::fetch;

/// How often it is looked whether there is something to cosign.
const TICK: Duration = Duration::from_secs(1);
/// A checkpoint is cosigned again after this long, so that the age of the last cosignature says
/// how long nobody watched, and not how long nothing happened.
const REFRESH: Duration = Duration::from_mins(5);
/// Between two visits to a witness that did not cosign, at least and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// The witnesses of one log.
pub(crate) struct Cosigning {
    ledger: Arc<FileLedger>,
    clock: Arc<dyn Clock>,
    /// By verifier key.
    seats: Mutex<BTreeMap<String, Seat>>,
}

/// One witness, and how it is with it.
struct Seat {
    witness: config::Witness,
    post: Arc<Post>,
    /// The last that it cosigned.
    cosigned: u64,
    at: Option<Timestamp>,
    /// On the monotonic clock: no visit before this.
    next: u64,
    wait: Duration,
    visited: bool,
    trouble: Option<Trouble>,
}

/// Why a visit brought no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    why: String,
    contradicts: bool,
}

impl Trouble {
    fn failed(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), contradicts: false }
    }
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
            let kept = before.remove(&key).filter(|seat| seat.witness.url == witness.url);
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
        Ok(Seat {
            post: Arc::new(Post::new(&witness.url)?),
            witness: witness.clone(),
            cosigned: kept.as_ref().map_or(0, |kept| kept.size),
            at: kept.map(|kept| Timestamp::from_secs(kept.time)),
            next: 0,
            wait: Duration::ZERO,
            visited: false,
            trouble: None,
        })
    }

    /// Visits whoever is due, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            for key in self.due() {
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    let brought = this.visit(&key).await;
                    this.leave(&key, brought);
                });
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Who is to be visited now; nobody is visited twice at once.
    fn due(&self) -> Vec<String> {
        let Some((checkpoint, _)) = self.ledger.published() else { return Vec::new() };
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut due = Vec::new();
        for (key, seat) in self.seats().iter_mut() {
            let stale = seat.at.is_none_or(|at| now.since(at) >= REFRESH);
            let wanted = checkpoint.size != seat.cosigned || stale || seat.trouble.is_some();
            if checkpoint.size > 0 && wanted && !seat.visited && monotonic >= seat.next {
                seat.visited = true;
                due.push(key.clone());
            }
        }
        due
    }

    /// Has the newest checkpoint cosigned and keeps what comes of it.
    async fn visit(&self, key: &str) -> Result<(u64, Timestamp), Trouble> {
        let gone = || Trouble::failed("it is no longer configured");
        let (witness, post, mut old) = {
            let seats = self.seats();
            let seat = seats.get(key).ok_or_else(gone)?;
            (seat.witness.key.0.clone(), Arc::clone(&seat.post), seat.cosigned)
        };
        let (checkpoint, note) = self.ledger.published().ok_or_else(gone)?;
        old = old.min(checkpoint.size);
        let mut exchange = Exchange::new(&witness, &checkpoint, &note);
        loop {
            let submission = self.submission(old, &checkpoint, &note).await?;
            let answer = post.submit(submission.to_string()).await.map_err(Trouble::failed)?;
            let (kind, body) = (answer.kind.as_str(), answer.body.as_str());
            match exchange.answered(old, &Answer { status: answer.status, kind, body }) {
                Step::From(size) => old = size,
                Step::Cosigned { note, time } => {
                    let ledger = Arc::clone(&self.ledger);
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

    /// Writes down how a visit went.
    fn leave(&self, key: &str, brought: Result<(u64, Timestamp), Trouble>) {
        let monotonic = self.clock.monotonic();
        let mut seats = self.seats();
        let Some(seat) = seats.get_mut(key) else { return };
        seat.visited = false;
        let name = seat.witness.key.0.name().to_owned();
        match brought {
            Ok((size, at)) => {
                if seat.trouble.take().is_some() {
                    tracing::info!(witness = name, size, "cosigns again");
                }
                (seat.cosigned, seat.at, seat.wait) = (size, Some(at), Duration::ZERO);
            }
            Err(trouble) => {
                if seat.trouble.as_ref() != Some(&trouble) {
                    told(&name, &trouble);
                }
                seat.wait = (seat.wait * 2).clamp(RETRY.0, RETRY.1);
                seat.trouble = Some(trouble);
            }
        }
        let wait = u64::try_from(seat.wait.as_nanos()).unwrap_or(u64::MAX);
        seat.next = monotonic.saturating_add(wait);
    }
}

fn told(witness: &str, trouble: &Trouble) {
    let why = &trouble.why;
    if trouble.contradicts {
        tracing::error!(witness, why, "the witness CONTRADICTS this log");
    } else {
        tracing::warn!(witness, why, "no cosignature; trying again");
    }
}

impl remit_operator::Witnesses for Cosigning {
    fn status(&self) -> Vec<wire::Witness> {
        let witness = |seat: &Seat| wire::Witness {
            name: seat.witness.key.0.name().to_owned(),
            url: seat.witness.url.clone(),
            cosigned: seat.cosigned,
            at: seat.at,
            contradicts: seat.trouble.as_ref().is_some_and(|trouble| trouble.contradicts),
            last_error: seat.trouble.as_ref().map(|trouble| trouble.why.clone()),
        };
        self.seats().values().map(witness).collect()
    }
}

impl fmt::Debug for Cosigning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigning({} witnesses)", self.seats().len())
    }
}
