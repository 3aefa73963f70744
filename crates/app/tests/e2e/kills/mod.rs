//! `kill -9` at random instants, again and again, under load.
//!
//! A real `remit serve` stands between callers that are never still and a tool server that writes
//! down what reaches it. The process is killed while it serves, while it recovers, while it ends.
//! After each start the three accounts of [`books`] are compared, from outside only: what the
//! server saw (R2), what clients and operators were told (R7, R11), what the log says (R9).
//!
//! `cargo xtask crash --kills 1000` runs it at length; without that it is one run of
//! [`KILLS`]. A run that fails says its seed.

mod books;
mod caller;
mod desk;
pub(crate) mod draw;
mod people;
mod stalls;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::stand::{Plan, Ran, Stand};
use books::{Findings, Log, Promises};
use caller::{Caller, Told};
use desk::Desk;
use draw::Draw;

/// Kills where nobody says how many.
const KILLS: usize = 100;
/// Kills of one state directory: a fresh one keeps each comparison short.
const KILLS_PER_RUN: usize = 50;
/// The longest that the server is left alone; once in five times it is four times that, so that
/// people get something done.
const UPTIME: Duration = Duration::from_millis(350);
/// The longest that a start is left alone where it is to be interrupted; it takes about as long.
const STARTUP: Duration = Duration::from_millis(300);
/// The longest that an end is left alone where it is to be interrupted.
const ENDING: Duration = Duration::from_millis(30);
/// Callers under way at once.
const CALLERS: u64 = 8;
/// People at the command line, the first of whom approves and the others stop.
const PEOPLE: u64 = 5;

/// Grants outlive a run.
const LIMITS: &str = "grant = \"1h\"";

/// What everybody in one run shares.
pub(crate) struct Scene {
    /// Held shared by each step of a client or a person, and alone while the server is replaced.
    stand: RwLock<Stand>,
    desk: Desk,
    promises: Mutex<Promises>,
    /// How many entries of the log were read after the last start.
    read: AtomicU64,
    /// Set right before a kill, cleared when the server is up again.
    down: AtomicBool,
    over: AtomicBool,
}

impl Scene {
    /// A fresh state directory with these lines under `[limits]`, served under this environment.
    async fn set(limits: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::default();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let profile = "[server.tool.\"*\"]\nreturns = \"trusted\"\n\
            [server.tool.\"put\"]\neffect = \"write\"\nreach = \"local\"\n\
            [server.tool.\"erase\"]\neffect = \"destroy\"\nreach = \"local\"\n";
        let plan = Plan::new()
            .at(&port.to_string())
            .http("desk", &desk.serve().await, profile)
            .template("work", &["desk/*"], "deadline = \"8h\"\n")
            .limits(limits)
            .environment(environment);
        let state = folder.path().join("state");
        let stand = RwLock::new(Stand::up(&plan, folder, state).await);
        let (promises, read) = (Mutex::default(), AtomicU64::new(0));
        let (down, over) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { stand, desk, promises, read, down, over }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    fn told<T>(&self, note: impl FnOnce(&mut Promises) -> T) -> T {
        note(&mut self.promises.lock().unwrap())
    }

    /// Waits a moment, so that nobody spins while the server is down.
    async fn breathe(&self) {
        sleep(Duration::from_millis(2)).await;
    }

    /// Waits until calls flow again.
    async fn until_busy(&self) {
        let before = self.desk.seen().len();
        while self.desk.seen().len() == before {
            self.breathe().await;
        }
    }

    /// Waits until everything that is on record now was read.
    async fn until_read(&self) {
        let size = || async { self.stand.read().await.ask(&["audit", "verify"]).await };
        let target = size().await["journal"].as_u64().unwrap();
        while self.read.load(Ordering::SeqCst) < target && !self.is_over() {
            self.breathe().await;
        }
    }

    /// One call, noted with what its client was told.
    async fn call(&self, caller: &mut Caller, tool: &str, id: &str) -> Told {
        let step = self.stand.read().await;
        let told = caller.call(tool, id).await;
        let blameless = told == Told::Broken && !self.is_down();
        drop(step);
        self.told(|promises| {
            promises.calls.entry(id.to_owned()).or_default().push(told.clone());
            if blameless {
                promises.strange.push(format!("{id} broke off without a kill"));
            }
        });
        told
    }

    /// One command of a person who knows the passphrase; `expect` notes what it may change.
    async fn command(&self, args: &[&str], expect: impl FnOnce(&mut Promises)) -> Ran {
        let step = self.stand.read().await;
        self.told(expect);
        step.with_passphrase(args).await
    }
}

/// Lets the callers come to rest, then holds the three accounts against each other.
async fn settle(scene: &Scene, callers: JoinSet<()>) {
    scene.over.store(true, Ordering::SeqCst);
    callers.join_all().await;
    let mut run = Run::default();
    run.compare(scene, &*scene.stand.read().await).await;
    assert!(run.findings.is_empty(), "{:#?}", run.findings);
}

/// Until the run is over: calls, each with an id of its own.
async fn work(scene: &Scene, mut caller: Caller, number: u64) {
    let mut call = 0_u64;
    while !scene.is_over() {
        call += 1;
        if scene.call(&mut caller, "put", &format!("put-{number}-{call}")).await == Told::Broken {
            scene.breathe().await;
        }
    }
}

/// What a run did and found.
#[derive(Default)]
struct Run {
    kills: usize,
    /// Of these, while it started, and while it ended.
    starting: usize,
    ending: usize,
    verified: usize,
    log: Log,
    findings: Findings,
}

impl Run {
    /// Kills until there were `kills`, or something was found.
    async fn go(&mut self, scene: &Scene, kills: usize, draw: &mut Draw) {
        while self.kills < kills && self.findings.is_empty() {
            if !draw.one_in(4) {
                scene.until_busy().await;
            }
            let most = if draw.one_in(5) { UPTIME * 4 } else { UPTIME };
            sleep(draw.pause(most)).await;
            let ending = draw.one_in(10);
            scene.down.store(true, Ordering::SeqCst);
            scene.stand.read().await.die(ending.then(|| draw.pause(ENDING))).await;
            self.ending += usize::from(ending);
            // Every step has ended, now that its server has.
            let mut stand = scene.stand.write().await;
            stand.kill().await;
            self.kills += 1;
            while draw.one_in(4) {
                stand.start_in_vain(draw.pause(STARTUP)).await;
                self.starting += 1;
                self.kills += 1;
            }
            stand.start().await;
            self.compare(scene, &stand).await;
            scene.down.store(false, Ordering::SeqCst);
        }
        scene.over.store(true, Ordering::SeqCst);
    }

    /// Holds the accounts against each other; nothing is under way.
    async fn compare(&mut self, scene: &Scene, stand: &Stand) {
        let verified = stand.ask(&["audit", "verify"]).await;
        self.verified += 1;
        if verified["open_calls"] != 0 {
            self.findings
                .wrong
                .push(format!("a permit without an outcome after a start: {verified}"));
        }
        let from = self.log.next.to_string();
        let export = stand.with_passphrase(&["audit", "export", "--bodies", "--from", &from]).await;
        assert!(export.ok, "remit audit export: {}", export.said());
        for line in export.stdout.lines() {
            self.log.read(&serde_json::from_str(line).unwrap());
        }
        scene.read.store(self.log.next, Ordering::SeqCst);
        let seen = scene.desk.seen();
        let found = scene.told(|promises| books::compare(&seen, promises, &self.log));
        self.findings.lost.extend(found.lost);
        self.findings.unrecorded.extend(found.unrecorded);
        self.findings.wrong.extend(found.wrong);
        self.states(scene, &stand.ask(&["task", "list"]).await);
    }

    /// Each task is in a state in which it may be, and from now on in that one.
    fn states(&mut self, scene: &Scene, tasks: &Value) {
        let tasks = tasks.as_array().unwrap().iter();
        let mut found: std::collections::BTreeMap<&str, &str> = tasks
            .map(|task| (task["task"].as_str().unwrap(), task["state"].as_str().unwrap()))
            .collect();
        scene.told(|told| {
            for (task, may) in &mut told.states {
                match found.remove(task.as_str()) {
                    Some(state) if may.contains(&state) => may.retain(|one| *one == state),
                    other => {
                        self.findings.wrong.push(format!("{task} is {other:?}, may be {may:?}"));
                    }
                }
            }
        });
    }
}

/// One state directory, from its making to the last kill.
async fn run(kills: usize, seed: u64) -> Run {
    let scene = Arc::new(Scene::set(LIMITS, &[]).await);
    let mut others = JoinSet::new();
    for number in 0..CALLERS {
        let caller = Caller::new(&scene.stand.read().await.open("work").await);
        let scene = Arc::clone(&scene);
        others.spawn(async move { work(&scene, caller, number).await });
    }
    for number in 1..=PEOPLE {
        let (scene, draw) = (Arc::clone(&scene), Draw::new(seed, number));
        others.spawn(async move {
            match number {
                1 => people::approver(&scene, draw).await,
                _ => people::stopper(&scene, draw).await,
            }
        });
    }
    let mut run = Run::default();
    run.go(&scene, kills, &mut Draw::new(seed, 0)).await;
    while let Some(ended) = others.join_next().await {
        ended.unwrap();
    }
    run.compare(&scene, &*scene.stand.read().await).await;
    let figures = books::figures(&scene.desk.seen(), &scene.promises.lock().unwrap(), &run.log);
    println!(
        "seed {seed:>4}: {} kills ({} starting, {} ending), verified {}/{}; {} permits, {} seen; \
         told: {} answers, {} refusals, {} broken, {} acts; {} unknown ({} of them answered); \
         lost {}, unrecorded {}",
        run.kills,
        run.starting,
        run.ending,
        run.verified,
        run.kills - run.starting + 1,
        figures.permits,
        figures.seen,
        figures.answered,
        figures.refused,
        figures.broken,
        figures.acts,
        figures.unknown,
        figures.unknown_answered,
        run.findings.lost.len(),
        run.findings.unrecorded.len(),
    );
    run
}

/// A number from the environment: how `cargo xtask crash` hands on what it was asked for.
#[expect(clippy::disallowed_methods, reason = "tests have no other arguments")]
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_it_loses_nothing_and_does_nothing_unrecorded() {
    let kills = number("REMIT_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let first = number("REMIT_SEED").unwrap_or(1);
    let mut done = 0;
    for seed in first.. {
        let run = run(KILLS_PER_RUN.min(kills - done), seed).await;
        done += run.kills;
        assert!(run.findings.is_empty(), "seed {seed}: {:#?}", run.findings);
        if done >= kills {
            break;
        }
    }
    println!("{done} kills: nothing lost, nothing unrecorded");
}
