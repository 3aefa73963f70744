//! For the tests of keys: keys on a disk, and a log that refuses their records when it is told to.

use std::sync::Arc;

use remit_engine::approve::Actor;
use remit_engine::{Engine, Ports};
use remit_keys::{Guard, Keys};
use remit_model::Clock as _;
use remit_ports::Kind;
use remit_testkit::{
    Fault, FixedKeys, ManualClock, MemoryKeys, MemoryLedger, MemoryStore, ScriptedUpstream,
    SeededEntropy,
};
use remit_token::{Minter, Realm};
use tempfile::TempDir;

use crate::config::Config;

/// Keys on a disk, and a log that fails when it is told to.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ledger: Arc<MemoryLedger>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let doors = (Arc::clone(&clock) as _, Arc::new(SeededEntropy::new(1)) as _);
        Keys::create(dir.path(), (Guard::nothing(), None), doors).unwrap();
        let keys = Arc::new(MemoryKeys::new());
        let ledger = Arc::new(MemoryLedger::new(Arc::clone(&clock) as _, keys));
        Self { dir, clock, ledger }
    }

    /// What a start finds: the keys on the disk, and an engine that uses them.
    pub(crate) async fn start(&self) -> (Keys, Arc<Engine>) {
        self.ledger.restart();
        let doors = (Arc::clone(&self.clock) as _, Arc::new(SeededEntropy::new(1)) as _);
        let keys = Keys::open(self.dir.path(), (Guard::nothing(), None), doors).unwrap();
        let realm = Realm::new("http://remit.test", "http://remit.test/mcp", "remit.test").unwrap();
        let ports = Ports {
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SeededEntropy::new(2)),
            ledger: Arc::clone(&self.ledger) as _,
            keys: Arc::new(MemoryKeys::new()),
            elsewhere: Arc::new(FixedKeys::default()),
            store: Arc::new(MemoryStore::new()),
            upstream: Arc::new(ScriptedUpstream::default()),
            issuers: Arc::default(),
        };
        let minter = Minter::new(keys.tokens().load(self.clock.now()).unwrap(), realm);
        let config = self.dir.path().join("remit.toml");
        std::fs::write(&config, "policies = \"policies\"\n").unwrap();
        let settings = Config::read(&config).unwrap().settings();
        let engine = Engine::start(ports, settings, Vec::new(), minter).await.unwrap();
        (keys, engine)
    }

    /// The log takes no record from now on, or fails at the next one.
    pub(crate) fn refuse_records(&self, fault: Option<Fault>) {
        match fault {
            None => self.ledger.set_full(true),
            Some(fault) => self.ledger.fail_next(fault),
        }
    }

    /// The bodies of the records of keys that say `what`.
    pub(crate) fn records(&self, what: &str) -> Vec<String> {
        let records = self.ledger.entries().into_iter();
        let ours = records.filter(|it| it.entry.clear.what == what && it.entry.kind == Kind::Key);
        ours.map(|it| format!("{:?}", it.body.unwrap())).collect()
    }

    /// How many records name `actor`.
    pub(crate) fn records_by(&self, actor: &str) -> usize {
        let records = self.ledger.entries().into_iter();
        records.filter(|it| it.entry.clear.actor.as_deref() == Some(actor)).count()
    }
}

pub(crate) fn olga() -> Actor {
    Actor { name: "olga".to_owned() }
}
