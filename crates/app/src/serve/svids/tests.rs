//! Keys and a log that refuses their records: what a start finds then.

use remit_engine::Ports;
use remit_keys::Keys;
use remit_model::{Clock as _, Timestamp};
use remit_ports::Kind;
use remit_spiffe::trust_domain;
use remit_testkit::{
    Fault, FixedKeys, ManualClock, MemoryKeys, MemoryLedger, MemoryStore, ScriptedUpstream,
    SeededEntropy,
};
use remit_token::{Minter, Realm};
use tempfile::TempDir;

use super::*;
use crate::config::Config;

const DAY: Duration = Duration::from_hours(24);

/// Keys on a disk, and a log that fails when it is told to.
struct Place {
    dir: TempDir,
    clock: Arc<ManualClock>,
    ledger: Arc<MemoryLedger>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Keys::create(dir.path(), Arc::new(SeededEntropy::new(1))).unwrap();
        let clock = Arc::new(ManualClock::default());
        let keys = Arc::new(MemoryKeys::new());
        let ledger = Arc::new(MemoryLedger::new(Arc::clone(&clock) as _, keys));
        Self { dir, clock, ledger }
    }

    /// What a start finds.
    async fn start(&self) -> Arc<Svids> {
        self.ledger.restart();
        let keys = Keys::open(self.dir.path(), Arc::new(SeededEntropy::new(1))).unwrap();
        let realm = Realm::new("http://remit.test", "http://remit.test/mcp", "remit.test").unwrap();
        let ports = Ports {
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SeededEntropy::new(2)),
            ledger: Arc::clone(&self.ledger) as _,
            keys: Arc::new(MemoryKeys::new()),
            elsewhere: Arc::new(FixedKeys::default()),
            store: Arc::new(MemoryStore::new()),
            upstream: Arc::new(ScriptedUpstream::default()),
        };
        let minter: Minter = keys.minter(realm).unwrap();
        let config = self.dir.path().join("remit.toml");
        std::fs::write(&config, "policies = \"policies\"\n").unwrap();
        let settings = Config::read(&config).unwrap().settings();
        let engine = Engine::start(ports, settings, Vec::new(), minter).await.unwrap();
        let domain = trust_domain("remit.test").unwrap();
        Svids::open(keys.svids(), &domain, (DAY, true), engine).await.unwrap()
    }

    /// The bodies of the records of keys that say `what`.
    fn records(&self, what: &str) -> Vec<String> {
        let records = self.ledger.entries().into_iter();
        let ours = records.filter(|it| it.entry.clear.what == what && it.entry.kind == Kind::Key);
        ours.map(|it| format!("{:?}", it.body.unwrap())).collect()
    }

    fn assert_all_on_record(&self, svids: &Svids) {
        let made = self.records("made");
        for generation in svids.generations() {
            let is_it = |record: &String| record.contains(generation.kid());
            assert!(made.iter().any(is_it), "{generation:?} is on no record: {made:?}");
        }
    }
}

fn numbers(svids: &Svids) -> Vec<u64> {
    svids.generations().iter().map(|generation| generation.number()).collect()
}

fn olga() -> Actor {
    Actor { name: "olga".to_owned() }
}

#[tokio::test]
async fn keys_that_are_on_no_record_are_used_by_nobody_also_after_a_restart() {
    for fault in [None, Some(Fault::Before), Some(Fault::After)] {
        let place = Place::new();
        let svids = place.start().await;
        assert_eq!(numbers(&svids), [1]);
        place.clock.advance(DAY);
        match fault {
            None => place.ledger.set_full(true),
            Some(fault) => place.ledger.fail_next(fault),
        }
        assert!(svids.turn().await.is_err());
        assert_eq!(numbers(&svids), [1], "{fault:?}");
        // What such a start finds on disk is not due for anything.
        let again = place.start().await;
        assert_eq!(again.generations().len(), 2, "{fault:?}");
        place.assert_all_on_record(&again);
    }
}

#[tokio::test]
async fn keys_that_are_taken_back_stay_so_though_nothing_can_be_recorded() {
    let place = Place::new();
    let svids = place.start().await;
    place.ledger.set_full(true);
    assert!(svids.replace(&olga()).await.is_err(), "there are no new ones");
    assert!(svids.generations().is_empty(), "and the old ones are gone all the same");
    assert_eq!(place.records("withdrawn").len(), 1, "for which room was kept");
    place.ledger.fail_next(Fault::Before);
    let again = place.start().await;
    place.ledger.set_full(false);
    assert_ne!(numbers(&again), [1]);
    again.turn().await.unwrap();
    place.assert_all_on_record(&again);
    assert!(numbers(&again) > vec![1], "no number is used twice");
}

#[tokio::test]
async fn new_keys_wait_until_those_before_have_taken_over() {
    let place = Place::new();
    let svids = place.start().await;
    let takes_over = svids.generations()[0].takes_over();
    assert!(svids.rotate(&olga()).await.is_err());
    place.clock.advance(takes_over.since(place.clock.now()));
    assert_eq!(svids.rotate(&olga()).await.unwrap().number(), 2);
    assert!(svids.rotate(&olga()).await.is_err());
    assert_eq!(numbers(&svids), [1, 2]);
    assert!(svids.generations()[1].takes_over() > Timestamp(0));
    let (made, old) = svids.replace(&olga()).await.unwrap();
    assert_eq!((made.number(), old), (3, vec!["svid-1".to_owned(), "svid-2".to_owned()]));
    assert_eq!(numbers(&svids), [3]);
    assert_eq!(numbers(&*place.start().await), [3], "also after a restart");
    place.assert_all_on_record(&svids);
    let by_olga = place.ledger.entries().into_iter();
    let by_olga = by_olga.filter(|it| it.entry.clear.actor.as_deref() == Some("olga")).count();
    assert_eq!(by_olga, 3, "two made and one taken back");
}
