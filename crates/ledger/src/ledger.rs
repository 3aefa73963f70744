//! The ledger as everybody else sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use remit_ports::{
    Accepted, BoxFuture, Committer, Draft, Ledger, LedgerError, LedgerStatus, Replayed, Room,
};
use remit_tlog::{Checkpoint, Hash, Note, SigningKey, VerifierKey, WitnessKey};
use tokio::sync::{Notify, oneshot};

use crate::board::{self, Board, Cosigned};
use crate::encode::{self, Prepared};
use crate::journal::Place;
use crate::reader::Reader;
use crate::recover::{OpenError, OpenReport, Recovered, recover};
use crate::room::Maker;
use crate::signing::{Pens, Signing};
use crate::space::{Fit, NoRoom, Space};
use crate::writer::{self, DiskRoom, Pending, Progress, Queue, Shared, Standing, Writer};
use crate::{Config, Doors, PublishError, publish};

/// A full disk is tried again at most once in this time.
const RETRY_NANOS: u64 = 1_000_000_000;

/// The bytes of a small permit: whether one of these would be taken is the ledger's status.
const SMALL_PERMIT: u64 = 8 << 10;

/// The ledger of one node, in files under its state directory.
pub struct FileLedger {
    shared: Arc<Shared>,
    config: Arc<Config>,
    doors: Doors,
    origin: Arc<str>,
    pens: Arc<Pens>,
    reader: Reader,
    board: Arc<Board>,
    report: OpenReport,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Keeps every other process out.
    _lock: File,
}

impl FileLedger {
    /// Opens or creates the ledger under `config.state`, whose log is named by the keys of `signing` and
    /// signed by those of them that it says. Reads the whole journal; cuts a torn end; publishes what is
    /// not published.
    ///
    /// Errors: another process has it, it is damaged, what is on disk contradicts the signed
    /// checkpoint, or a key that signs it is not there.
    pub fn open(
        config: Config,
        signing: impl Into<Signing>,
        doors: Doors,
    ) -> Result<Self, OpenError> {
        let recovered = recover(&config, signing.into(), &doors)?;
        let report = recovered.report.clone();
        if let Some(cut) = &report.cut {
            tracing::warn!(
                file = cut.file,
                entry = cut.index,
                why = cut.why,
                "cut what is no record off the journal's end"
            );
        }
        if !report.rebuilt.is_empty() {
            tracing::warn!(tiles = report.rebuilt.len(), "wrote missing tiles again");
        }
        Self::start(Arc::new(config), doors, recovered)
    }

    fn start(config: Arc<Config>, doors: Doors, recovered: Recovered) -> Result<Self, OpenError> {
        let Recovered { report, next, place, end, segment, room, open, publisher, lock } =
            recovered;
        let (reader, board) = (publisher.reader.clone(), Arc::clone(&publisher.board));
        let (origin, pens) = (Arc::from(&*publisher.origin), Arc::clone(&publisher.pens));
        let free = end.saturating_sub(place.offset);
        let queue = Queue {
            next,
            place,
            end,
            spare: None,
            space: Space::new(free, open, &config),
            pending: Vec::new(),
            dozing: false,
            disk: DiskRoom::Enough,
            failed: None,
            closing: false,
        };
        let published = if publisher.signed { publisher.builder.size() } else { 0 };
        let progress = Progress { durable: next, published, ..Progress::default() };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            taken: AtomicU64::new(next),
            asked: AtomicU64::new(next),
            work: Condvar::new(),
            low: Condvar::new(),
            grown: Notify::new(),
            segments: Mutex::new(BTreeMap::from([(place.segment, segment.into())])),
            progress: Mutex::new(progress),
            moved: Condvar::new(),
            publish: Condvar::new(),
            marks: Arc::clone(&reader.marks),
        });
        let mut writer = Writer::new(Arc::clone(&shared));
        let mut maker = Maker {
            shared: Arc::clone(&shared),
            segment: room,
            config: Arc::clone(&config),
            doors: doors.clone(),
        };
        // Before anybody can append, there is room or it is known that there is none.
        maker.grow();
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Thread)
        };
        let (every, for_publisher) = (config.publish_every, Arc::clone(&shared));
        let threads = vec![
            spawn("ledger-writer", Box::new(move || writer.run()))?,
            spawn("ledger-room", Box::new(move || maker.run()))?,
            spawn(
                "ledger-publisher",
                Box::new(move || writer::publish(&for_publisher, publisher, every)),
            )?,
        ];
        let threads = Mutex::new(threads);
        Ok(Self {
            shared,
            config,
            doors,
            origin,
            pens,
            reader,
            board,
            report,
            threads,
            _lock: lock,
        })
    }

    /// What start-up found and did.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Who signs the log, as far as it is published.
    pub fn signers(&self) -> Vec<VerifierKey> {
        self.board.line().now().to_vec()
    }

    /// The keys that there are from now on. Which of them sign is up to the log.
    pub fn sign_with(&self, keys: Vec<SigningKey>) {
        self.pens.replace(keys);
    }

    /// The newest checkpoint of the public log and the note around it; `None` before the first.
    pub fn published(&self) -> Option<(Checkpoint, Note)> {
        self.board.newest()
    }

    /// The proof that the public log's tree of `to` entries extends the one of `from` entries.
    ///
    /// Errors: it has not so many entries, or a tile cannot be read.
    pub fn prove_growth(&self, from: u64, to: u64) -> Result<Vec<Hash>, PublishError> {
        publish::prove_growth(&self.config.ledger(), from, to)
    }

    /// Keeps and publishes what `witness` said of the checkpoint in `note`: a line beside the log's
    /// own signature.
    ///
    /// Errors: the checkpoint is not this log's or not cosigned, or the disk refuses.
    pub fn attach(&self, witness: &WitnessKey, note: &Note) -> Result<(), PublishError> {
        self.board.attach(witness, note)
    }

    /// What `witness` cosigned last of this log; `None` if nothing.
    ///
    /// Errors: what was kept of it cannot be read.
    pub fn cosigned(&self, witness: &WitnessKey) -> Result<Option<Cosigned>, PublishError> {
        board::cosigned(&self.config.ledger(), &self.signers(), witness)
    }

    /// Visits the entries of `range` that are on disk, in order.
    ///
    /// Errors: the text names the entry.
    pub fn entries(
        &self,
        range: Range<u64>,
        visit: &mut dyn FnMut(Replayed),
    ) -> Result<(), LedgerError> {
        let durable = self.shared.progress().durable;
        self.reader.visit(range.start..range.end.min(durable), visit)
    }

    /// The newest `count` entries, oldest first.
    ///
    /// Errors: the text names the entry.
    pub fn tail(&self, count: u64) -> Result<Vec<Replayed>, LedgerError> {
        let durable = self.shared.progress().durable;
        let mut newest = Vec::new();
        self.reader.visit(durable.saturating_sub(count)..durable, &mut |one| newest.push(one))?;
        Ok(newest)
    }

    /// Waits until every record that has its place, or all of them that ever will be on disk, are under
    /// a signed checkpoint; returns how many entries that are.
    ///
    /// Errors: the public log cannot be written; the records are on disk nevertheless.
    pub fn flush(&self) -> Result<u64, LedgerError> {
        let (mut progress, _) = self.durable();
        let target = progress.durable;
        progress.asked = progress.asked.saturating_add(1);
        let mine = progress.asked;
        self.shared.publish.notify_one();
        let progress = self
            .shared
            .moved
            .wait_while(progress, |p| {
                p.answered < mine && p.published < target && p.writer != Standing::Ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        if progress.published >= target {
            return Ok(progress.published);
        }
        let why = progress.trouble.clone().unwrap_or_else(|| "the ledger is closing".to_owned());
        Err(LedgerError::Damaged(format!("the public log could not be brought up to date: {why}")))
    }

    /// Waits until every record that has its place is on disk, as far as that is still possible;
    /// gives how far the ledger got, and how many records had their place.
    fn durable(&self) -> (MutexGuard<'_, Progress>, u64) {
        let target = self.shared.queue().next;
        if let Some(last) = target.checked_sub(1) {
            self.shared.commit(last);
        }
        let progress = self
            .shared
            .moved
            .wait_while(self.shared.progress(), |p| {
                p.durable < target && p.writer == Standing::Writing
            })
            .unwrap_or_else(PoisonError::into_inner);
        (progress, target)
    }

    /// Writes what waits, publishes it, and stops. Dropping does the same.
    pub fn close(self) {
        drop(self);
    }

    /// Gives a prepared record its place, or refuses it.
    fn enqueue(&self, prepared: Prepared) -> Result<Accepted, LedgerError> {
        let mut queue = self.shared.queue();
        if let Some(why) = &queue.failed {
            return Err(why.clone());
        }
        if queue.closing {
            return Err(LedgerError::Failed("it is closing".to_owned()));
        }
        let asked = prepared.asks(queue.next);
        let ordinary = matches!(asked.room, Room::Permit | Room::Ordinary);
        if ordinary && queue.pending.len() >= self.config.queue {
            return Err(LedgerError::Busy);
        }
        check_parents(&prepared, &queue, asked.settles)?;
        match (queue.space.take(asked), queue.spare) {
            (Ok(Fit::Here), _) => {}
            (Ok(Fit::Next), Some(spare)) => {
                (queue.place, queue.end) = (Place::start_of(spare.number), spare.end);
                queue.spare = None;
            }
            // INVARIANT: there is room in the next segment only if there is one.
            (Ok(Fit::Next), None) | (Err(NoRoom), _) => return Err(self.no_room(&mut queue)),
        }
        if queue.disk == DiskRoom::Enough && queue.space.is_low() {
            queue.disk = DiskRoom::Wanted;
            self.shared.low.notify_one();
        }
        let (done, receiver) = oneshot::channel();
        let (index, place) = (queue.next, queue.place);
        queue.next = index.saturating_add(1);
        queue.place.offset = place.offset.saturating_add(asked.size);
        let Prepared { entry, body, leaf, question, .. } = prepared;
        let wake = std::mem::take(&mut queue.dozing);
        queue.pending.push(Pending { index, place, entry, body, leaf, question, done });
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        if asked.room == Room::Restriction {
            // A stop is in force already: a crash must not find it unrecorded, whoever waits for it.
            self.shared.commit(index);
        }
        let committer: Arc<dyn Committer> = Arc::<Shared>::clone(&self.shared);
        Ok(Accepted::assertion(index, receiver, Some(committer)))
    }

    /// There is no room: asks for more, and says whether waiting a moment helps.
    fn no_room(&self, queue: &mut Queue) -> LedgerError {
        let now = self.doors.clock.monotonic();
        let answer = match &mut queue.disk {
            DiskRoom::Full { tried, again } => {
                *again |= now.saturating_sub(*tried) >= RETRY_NANOS;
                LedgerError::NoSpace
            }
            disk => {
                *disk = DiskRoom::Wanted;
                LedgerError::Busy
            }
        };
        if queue.disk.is_asked() {
            self.shared.low.notify_one();
        }
        answer
    }
}

/// A record may only name entries before it, and settle a decision once.
fn check_parents(
    prepared: &Prepared,
    queue: &Queue,
    settles: Option<u64>,
) -> Result<(), LedgerError> {
    if let Some(parent) = prepared.parents.iter().find(|parent| **parent >= queue.next) {
        let next = queue.next;
        return Err(LedgerError::Misplaced(format!(
            "it names entry {parent} as its cause, the log has {next}"
        )));
    }
    let is_outcome = prepared.asks(queue.next).room == Room::Outcome;
    match settles {
        Some(decision) if !queue.space.is_open(decision) => Err(LedgerError::Misplaced(format!(
            "entry {decision} is no decision, or has its outcome"
        ))),
        None if is_outcome => Err(LedgerError::Misplaced("it settles no decision".to_owned())),
        _ => Ok(()),
    }
}

impl Ledger for FileLedger {
    fn append(&self, draft: Draft) -> Result<Accepted, LedgerError> {
        let prepared = encode::prepare(draft, &self.config, &self.doors, &self.origin)?;
        self.enqueue(prepared)
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut grown = pin!(self.shared.grown.notified());
            // From here on nothing is missed.
            grown.as_mut().enable();
            let waits = {
                let queue = self.shared.queue();
                queue.disk.is_asked() || queue.pending.len() >= self.config.queue
            };
            if waits {
                grown.await;
            }
        })
    }

    fn sync(&self) -> Result<(), LedgerError> {
        let (progress, target) = self.durable();
        if progress.durable >= target {
            return Ok(());
        }
        drop(progress);
        let failed = self.shared.queue().failed.clone();
        Err(failed.unwrap_or_else(|| LedgerError::Failed("it is closing".to_owned())))
    }

    fn replay(&self, from: u64, visit: &mut dyn FnMut(Replayed)) -> Result<(), LedgerError> {
        self.entries(from..u64::MAX, visit)
    }

    fn read(&self, index: u64) -> Result<Option<Replayed>, LedgerError> {
        let mut found = None;
        self.entries(index..index.saturating_add(1), &mut |one| found = Some(one))?;
        Ok(found)
    }

    fn prove(&self, index: u64) -> Result<Option<String>, LedgerError> {
        if index >= self.shared.progress().durable {
            return Ok(None);
        }
        self.flush()?;
        let prove = || publish::prove(&self.config.ledger(), &self.signers(), index);
        // Who signs may change between the two that are looked at.
        let proof =
            prove().or_else(|_| prove()).map_err(|why| LedgerError::Damaged(why.to_string()))?;
        Ok(proof.map(|proof| proof.to_string()))
    }

    fn status(&self) -> LedgerStatus {
        let refusing = {
            let mut queue = self.shared.queue();
            let no_space = queue.disk.is_full() && !queue.space.permits(SMALL_PERMIT);
            // Who waits for it to be ready again before calling must not wait for ever.
            let full = no_space.then(|| self.no_room(&mut queue));
            queue.failed.clone().or(full)
        };
        let progress = self.shared.progress();
        LedgerStatus {
            size: progress.durable,
            published: progress.published,
            refusing,
            origin: self.origin.to_string(),
        }
    }
}

impl Drop for FileLedger {
    fn drop(&mut self) {
        self.shared.queue().closing = true;
        self.shared.work.notify_all();
        self.shared.low.notify_all();
        let threads =
            std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledger panicked");
            }
        }
    }
}

impl fmt::Debug for FileLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileLedger({} in {})", self.origin, self.config.state.display())
    }
}
