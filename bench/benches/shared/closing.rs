//! From the close of a task to the confirmed end of what it was lent: through the engine, with the record of
//! the end in a ledger on disk, and nothing but the issuer and its server outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use remit_catalogue::Overrides;
use remit_engine::lend::Needed;
use remit_engine::open::{Opener, Proposal};
use remit_engine::{Elsewhere, Engine, Ports, Settings, Template};
use remit_ledger::files::Disk;
use remit_ledger::{Config, Doors, FileLedger};
use remit_model::task::CloseReason;
use remit_model::{Budget, Confidentiality, Door, Foreseeable, Timestamp, ToolId, ToolRule};
use remit_ports::{Discovery, Issuer};
use remit_testkit::samples::{self, agent, agent_name, server};
use remit_testkit::{
    FixedKeys, ManualClock, MemoryKeys, MemoryStore, ScriptedUpstream, SeededEntropy,
};
use remit_tlog::SigningKey;
use remit_token::{GrantKey, GrantKeys, Minter, Realm};

use crate::part::Part;

/// Closes `rounds` tasks, each of which was lent something by `issuer` for the tool `a/b`; one after the other,
/// each timed until its end is on record and nothing of it is out.
pub(crate) async fn closing(name: &'static str, issuer: Arc<dyn Issuer>, rounds: u32) -> Part {
    // Not in a temporary folder: that may be in memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = engine(folder.path(), issuer).await;
    let returning = tokio::spawn(Arc::clone(&engine).keep_returning());
    engine.discover(&server("a")).await.unwrap();
    let mut part = Part::new(name);
    for _ in 0..rounds {
        let proposal = Proposal {
            template: "lent".into(),
            agent: Some(agent_name("bot")),
            purpose: Some("close again".into()),
            ..Proposal::default()
        };
        let opened = engine.open(&Opener::Operator("olga".into()), proposal).await.unwrap();
        let task = opened.id();
        let caller = engine.caller(task, Door::McpHttp).unwrap();
        let lent = engine
            .call(caller, samples::call(&ToolId::new(&server("a"), "b"), "{}"), samples::link())
            .await
            .unwrap();
        let is_out = || engine.leases().iter().any(|lease| lease.task.as_ref() == Some(task));
        assert!(is_out(), "nothing was lent: {:?}", lent.outcome());
        part.time(async {
            drop(engine.close(task, CloseReason::Done, "olga").unwrap());
            while is_out() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    returning.abort();
    part
}

async fn engine(folder: &std::path::Path, issuer: Arc<dyn Issuer>) -> Arc<Engine> {
    let (clock, keys) = (Arc::new(ManualClock::default()), Arc::new(MemoryKeys::new()));
    let doors = Doors {
        clock: Arc::clone(&clock) as _,
        entropy: Arc::new(SeededEntropy::new(2)),
        keys: Arc::clone(&keys) as _,
        files: Arc::new(Disk),
    };
    let log = SigningKey::from_seed("bench.example", &[1; 32]).unwrap();
    let ledger = FileLedger::open(Config::new(folder.to_owned(), "bench"), log, doors).unwrap();
    let upstream = ScriptedUpstream::default();
    let reads =
        r#"{"name":"b","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#;
    upstream.offer(&server("a"), Discovery { tools: vec![reads.into()], ..Discovery::default() });
    let ports = Ports {
        clock,
        entropy: Arc::new(SeededEntropy::new(3)),
        ledger: Arc::new(ledger),
        keys,
        elsewhere: Arc::new(FixedKeys::default()),
        store: Arc::new(MemoryStore::new()),
        upstream: Arc::new(upstream),
        issuers: Arc::new(BTreeMap::from([("key".parse().unwrap(), issuer)])),
    };
    Engine::start(ports, settings(), vec![samples::permit_all()], minter()).await.unwrap()
}

fn minter() -> Minter {
    let drawn =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = GrantKey::open(1, Timestamp(0), drawn.unwrap().as_ref()).unwrap();
    let endpoint = "http://127.0.0.1:7070/mcp";
    Minter::new(GrantKeys::from_iter([key]), Realm::new(endpoint, endpoint, "bench").unwrap())
}

fn settings() -> Settings {
    let template = Template {
        name: "lent".into(),
        may_open: vec![agent_name("bot")],
        purpose: None,
        known: Vec::new(),
        declare: false,
        foreseen: Foreseeable::default(),
        tools: vec![ToolRule::any_arguments("a/*".parse().unwrap())],
        ceiling: Confidentiality::Restricted,
        budget: Budget::default(),
        lasts: Duration::from_hours(1),
        idle: None,
        delegation: 0,
    };
    let (credential, lifetime) = ("key".parse().unwrap(), Duration::from_mins(10));
    let overrides =
        Overrides { owner: "operators".into(), trust_annotations: true, tools: BTreeMap::new() };
    Settings {
        node: "bench".into(),
        agents: [agent()].into_iter().collect(),
        templates: BTreeMap::from([("lent".into(), Arc::new(template))]),
        groups: BTreeMap::from([("operators".into(), Vec::new())]),
        servers: BTreeMap::from([(server("a"), overrides)]),
        lends: BTreeMap::from([(
            server("a"),
            vec![Needed { credential, lifetime, process: false }],
        )]),
        pick_ups: BTreeMap::new(),
        approval_lifetime: Duration::from_mins(5),
        renewed_within: Duration::from_hours(24),
        call_timeout: Duration::from_mins(1),
        grant_lifetime: Duration::from_mins(5),
        svid_lifetime: Duration::from_mins(10),
        own_uid: 7,
        bearer: true,
        client_keys: BTreeMap::new(),
        elsewhere: Elsewhere::default(),
        canaries: BTreeSet::new(),
    }
}
