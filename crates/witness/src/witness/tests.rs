//! Whatever comes in whatever order: never two trees, never a smaller one, never an answer that is
//! not on disk.

use std::sync::atomic::{AtomicU64, Ordering};

use remit_model::Timestamp;
use remit_tlog::tree::{Frontier, prove_consistency};
use remit_tlog::{Hash, Node, SigningKey, TreeError};

use super::*;

/// A log of our own making.
pub(crate) struct Log {
    origin: String,
    nodes: BTreeMap<Node, Hash>,
    roots: Vec<Hash>,
}

impl Log {
    /// With `size` entries; logs that differ in `salt` fork from the sixth entry on.
    pub(crate) fn of(origin: &str, size: u64, salt: &[u8]) -> Self {
        let (mut nodes, mut frontier) = (BTreeMap::new(), Frontier::default());
        let mut roots = vec![frontier.root()];
        for n in 0..size {
            let salt = if n < 5 { b"" } else { salt };
            let leaf = Hash::leaf(&[&n.to_be_bytes(), salt].concat());
            frontier
                .push(leaf, |node, hash| {
                    nodes.insert(node, hash);
                })
                .unwrap();
            roots.push(frontier.root());
        }
        Self { origin: origin.to_owned(), nodes, roots }
    }

    pub(crate) fn signing(origin: &str) -> SigningKey {
        SigningKey::from_seed(origin, &[1; 32]).unwrap()
    }

    pub(crate) fn key(&self) -> VerifierKey {
        Self::signing(&self.origin).verifier().clone()
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::new(&self.origin, size, self.roots[usize::try_from(size).unwrap()])
    }

    pub(crate) fn submission(&self, old: u64, size: u64) -> Submission {
        let read = |node| Ok::<_, TreeError>(self.nodes[&node]);
        Submission {
            old,
            proof: prove_consistency(old, size, read).unwrap(),
            checkpoint: self.checkpoint(size).sign(&Self::signing(&self.origin)).unwrap(),
        }
    }

    pub(crate) fn body(&self, old: u64, size: u64) -> Vec<u8> {
        self.submission(old, size).to_string().into_bytes()
    }
}

/// The same with its signature line so many times.
fn repeated(submission: &Submission, times: usize) -> Submission {
    let mut all = submission.clone();
    let line = all.checkpoint.signatures()[0].clone();
    for _ in 1..times {
        all.checkpoint = all.checkpoint.with(line.clone()).unwrap();
    }
    all
}

/// Seconds that the test sets.
pub(crate) struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> u64 {
        0
    }
}

pub(crate) fn clock(seconds: u64) -> Arc<Seconds> {
    Arc::new(Seconds(AtomicU64::new(seconds)))
}

pub(crate) fn witness(dir: &Path, logs: &[&Log]) -> Witness {
    let trusted = logs.iter().map(|log| log.key()).collect();
    let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
    Witness::open(dir, key, trusted, clock(1_700_000_000)).unwrap()
}

fn cosigned(witness: &Witness, log: &Log, size: u64, line: &str) -> Option<u64> {
    let mut note = log.submission(0, size).checkpoint;
    for line in remit_tlog::note::signatures(line).unwrap() {
        note = note.with(line).unwrap();
    }
    witness.key().cosigned(&note).unwrap()
}

#[test]
fn what_is_cosigned_is_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let first = witness(dir.path(), &[&log]);
    let line = first.add_checkpoint(&log.body(0, 7)).unwrap();
    assert_eq!(cosigned(&first, &log, 7, &line), Some(1_700_000_000));
    assert_eq!(first.add_checkpoint(&log.body(0, 9)).unwrap_err(), Refused::Conflict(7));
    drop(first);
    let second = witness(dir.path(), &[&log]);
    assert_eq!(second.logs().unwrap(), [("log.example".to_owned(), 7)]);
    assert_eq!(second.add_checkpoint(&log.body(0, 9)).unwrap_err(), Refused::Conflict(7));
    second.add_checkpoint(&log.body(7, 20)).unwrap();
    let kept = second.checkpoint(&origin_hash("log.example")).unwrap();
    assert_eq!(kept.text(), log.checkpoint(20).to_string());
    assert_eq!(kept.signatures().len(), 2, "the log's and the witness's");
    assert_eq!(second.checkpoint(&origin_hash("else.example")), None);
}

#[test]
fn the_same_again_is_cosigned_again_with_a_later_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 7, b"");
    let clock = clock(1000);
    let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
    let witness = Witness::open(dir.path(), key, vec![log.key()], Arc::clone(&clock) as _).unwrap();
    let first = witness.add_checkpoint(&log.body(0, 7)).unwrap();
    assert_eq!(witness.add_checkpoint(&log.body(7, 7)).unwrap(), first, "within one second");
    clock.0.store(1060, Ordering::Relaxed);
    let later = witness.add_checkpoint(&log.body(7, 7)).unwrap();
    assert_eq!(cosigned(&witness, &log, 7, &later), Some(1060));
    clock.0.store(0, Ordering::Relaxed);
    let refused = witness.add_checkpoint(&log.body(7, 7)).unwrap_err();
    assert!(matches!(refused, Refused::Failed(_)), "no time is no cosignature: {refused:?}");
}

#[test]
fn whichever_signatures_come_with_it_the_same_within_a_second_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 7, b"");
    let witness = witness(dir.path(), &[&log]);
    let first = witness.add_checkpoint(&log.body(0, 7)).unwrap();
    // In the place of the file that would be written first.
    let draft = dir.path().join(origin_hash("log.example")).with_extension("new");
    std::fs::create_dir(&draft).unwrap();
    for times in [1, 2, 99] {
        let body = repeated(&log.submission(7, 7), times).to_string();
        assert_eq!(witness.add_checkpoint(body.as_bytes()).unwrap(), first, "{times} lines");
    }
    let kept = witness.checkpoint(&origin_hash("log.example")).unwrap();
    assert_eq!(kept.signatures().len(), 2, "one of the log, one of the witness");
}

#[test]
fn what_the_log_did_not_sign_is_refused_whoever_has_the_turn() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 7, b"");
    let witness = Arc::new(witness(dir.path(), &[&log]));
    let _turn = witness.logs["log.example"].turn.lock().unwrap();
    let stranger = SigningKey::from_seed("log.example", &[9; 32]).unwrap();
    let checkpoint = log.checkpoint(7).sign(&stranger).unwrap();
    let body = Submission { checkpoint, ..log.submission(0, 7) }.to_string();
    let (answered, answer) = std::sync::mpsc::channel();
    let asked = Arc::clone(&witness);
    std::thread::spawn(move || answered.send(asked.add_checkpoint(body.as_bytes())));
    let answer = answer.recv_timeout(Duration::from_secs(20)).expect("an answer");
    assert!(matches!(answer, Err(Refused::Unsigned(_))), "{answer:?}");
}

#[test]
fn wrong_proofs_are_told_of_now_and_then_and_bury_no_fork() {
    let (log, fork) = (Log::of("log.example", 20, b""), Log::of("log.example", 20, b"other"));
    let at = |minutes: u64| minutes * 60_000_000_000;
    let mut turn = Turn::default();
    assert!(turn.tells(false, at(7)));
    assert!((0..1000).all(|n| !turn.tells(false, at(7) + n)), "whatever its root");
    assert!(turn.tells(true, at(7)) && !turn.tells(true, at(7) + 1));
    assert!(turn.tells(false, at(8)) && turn.tells(true, at(8)));

    let latest = log.checkpoint(10);
    assert!(contradicts(&fork.checkpoint(10), Some(&latest)), "whatever proof came with it");
    assert!(!contradicts(&log.checkpoint(10), Some(&latest)), "with a wrong proof of the same");
    assert!(!contradicts(&fork.checkpoint(11), Some(&latest)), "nobody can tell");
    assert!(contradicts(&Checkpoint::new("log.example", 0, latest.root), None));
}

#[test]
fn unknown_logs_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (log, other) = (Log::of("log.example", 3, b""), Log::of("other.example", 3, b""));
    let witness = witness(dir.path(), &[&log]);
    let refused = witness.add_checkpoint(&other.body(0, 3)).unwrap_err();
    assert_eq!(refused, Refused::Unknown("other.example".to_owned()));
    for bad in [&b"\xff"[..], b"", b"old 0\n\n", b"old 0\n\nx\n\n\xe2\x80\x94 a AAAAAAA=\n"] {
        let refused = witness.add_checkpoint(bad).unwrap_err();
        assert!(matches!(refused, Refused::Malformed(_)), "{refused:?}");
    }
}

#[test]
fn of_two_forks_at_once_one_wins_and_the_other_never_does() {
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let (log, fork) = (Log::of("log.example", 20, b""), Log::of("log.example", 20, b"other"));
        let witness = witness(dir.path(), &[&log]);
        witness.add_checkpoint(&log.body(0, 5)).unwrap();
        let answers: Vec<_> = std::thread::scope(|scope| {
            let submit = |n: u64| {
                let body = if n.is_multiple_of(2) { log.body(5, 20) } else { fork.body(5, 20) };
                let witness = &witness;
                scope.spawn(move || (n % 2, witness.add_checkpoint(&body)))
            };
            let all: Vec<_> = (0..8).map(|n| submit(n + round)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let winners: Vec<u64> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(side, _)| *side).collect();
        assert_eq!(winners.len(), 1, "the first moved the size on, so every other is a conflict");
        let loser = if winners[0] == 0 { &fork } else { &log };
        let refused = witness.add_checkpoint(&loser.body(20, 20)).unwrap_err();
        assert!(matches!(refused, Refused::Inconsistent { size: 20, .. }), "{refused:?}");
    }
}

#[test]
fn what_was_cosigned_must_be_readable_or_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let open = witness(dir.path(), &[&log]);
    open.add_checkpoint(&log.body(0, 7)).unwrap();
    let file = dir.path().join(origin_hash("log.example"));
    let good = std::fs::read_to_string(&file).unwrap();
    let smaller = log.submission(0, 3).checkpoint.to_string();
    for bad in ["", "nonsense", &smaller, &good.replacen('\n', "x\n", 1)] {
        std::fs::write(&file, bad).unwrap();
        let refused = open.add_checkpoint(&log.body(7, 20)).unwrap_err();
        assert!(matches!(refused, Refused::Failed(_)), "{bad:?}: {refused:?}");
        let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
        assert!(Witness::open(dir.path(), key, vec![log.key()], clock(1)).is_err(), "{bad:?}");
    }
    // What a crash left of an unfinished write is no part of it.
    std::fs::write(&file, &good).unwrap();
    std::fs::write(file.with_extension("new"), "half a che").unwrap();
    open.add_checkpoint(&log.body(7, 20)).unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_kept_is_not_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let witness = witness(&dir.path().join("logs"), &[&log]);
    // In the place of the file that would be written first.
    let draft = dir.path().join("logs").join(origin_hash("log.example")).with_extension("new");
    std::fs::create_dir(&draft).unwrap();
    let refused = witness.add_checkpoint(&log.body(0, 7)).unwrap_err();
    assert!(matches!(refused, Refused::Failed(_)), "{refused:?}");
    std::fs::remove_dir(&draft).unwrap();
    witness.add_checkpoint(&log.body(0, 9)).unwrap();
}

#[test]
fn what_may_be_lost_is_not_shown_and_is_written_again_before_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let open = witness(dir.path(), &[&log]);
    // A file that was put in its place, as by a write whose sync failed: this witness knows of no sync.
    let line = witness(dir.path(), &[&log]).add_checkpoint(&log.body(0, 7)).unwrap();
    assert_eq!(open.checkpoint(&origin_hash("log.example")), None);
    let draft = dir.path().join(origin_hash("log.example")).with_extension("new");
    std::fs::create_dir(&draft).unwrap();
    let refused = open.add_checkpoint(&log.body(7, 7)).unwrap_err();
    assert!(matches!(refused, Refused::Failed(_)), "{refused:?}");
    assert_eq!(open.checkpoint(&origin_hash("log.example")), None);
    std::fs::remove_dir(&draft).unwrap();
    assert_eq!(open.add_checkpoint(&log.body(7, 7)).unwrap(), line);
    assert!(open.checkpoint(&origin_hash("log.example")).is_some());
}

#[test]
fn a_log_whose_key_was_replaced_goes_on_where_it_was_under_the_keys_that_are_trusted_now() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let new = SigningKey::from_seed("log.example", &[7; 32]).unwrap();
    let open = |trusted| {
        let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
        Witness::open(dir.path(), key, trusted, clock(1)).unwrap()
    };
    let body = |old, size, keys: &[&SigningKey]| {
        let checkpoint = log.checkpoint(size).sign_by(keys).unwrap();
        Submission { checkpoint, ..log.submission(old, size) }.to_string().into_bytes()
    };
    let old = Log::signing("log.example");
    open(vec![log.key()]).add_checkpoint(&body(0, 7, &[&old, &new])).unwrap();
    let both = open(vec![log.key(), new.verifier().clone()]);
    both.add_checkpoint(&body(7, 9, &[&old, &new])).unwrap();
    both.add_checkpoint(&body(9, 11, &[&old])).unwrap();
    drop(both);
    // What was cosigned is of the old key alone, which the witness was told to forget.
    let later = open(vec![new.verifier().clone()]);
    assert_eq!(later.logs().unwrap(), [("log.example".to_owned(), 11)]);
    let refused = later.add_checkpoint(&body(11, 20, &[&old])).unwrap_err();
    assert!(matches!(refused, Refused::Unsigned(_)), "{refused:?}");
    assert_eq!(later.add_checkpoint(&body(0, 20, &[&new])).unwrap_err(), Refused::Conflict(11));
    later.add_checkpoint(&body(11, 20, &[&new])).unwrap();
}
