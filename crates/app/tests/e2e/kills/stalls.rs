//! What stands still, jumps or runs out around the process: the process itself, its wall clock, its
//! file descriptors, a tool server that never answers, a client that never reads. The accounts are
//! compared as after a kill; `cargo xtask crash` makes the pauses long.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::caller::{Caller, Told};
use super::desk::{BIG, BULK, NEVER};
use super::{LIMITS, Scene, number, settle, work};
use crate::peers::peer;
use crate::stand::{Grant, PATIENCE};

/// How long the process stands still, in seconds, where nobody says.
const HALT: u64 = 4;
/// A task that is over while the process stands still.
const SHORT: Duration = Duration::from_secs(2);
/// Connections that are opened and say nothing.
const SILENT: usize = 16;
/// How many more file descriptors than it has a starved process may open.
const SPARE: u64 = 2;
/// Clients that ask for much and read nothing.
const UNREAD: usize = 12;

async fn callers(scene: &Arc<Scene>, count: u64) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for number in 0..count {
        let caller = Caller::new(&scene.stand.read().await.open("work").await);
        let scene = Arc::clone(scene);
        callers.spawn(async move { work(&scene, caller, number).await });
    }
    callers
}

/// A task that lasts this long.
async fn task(scene: &Scene, lasts: Duration) -> Grant {
    let lasts = format!("{}s", lasts.as_secs());
    let open = ["task", "open", "--template", "work", "--purpose", "stalls", "--for", &lasts];
    Grant::of(&scene.stand.read().await.ask(&open).await)
}

async fn state(scene: &Scene, task: &str) -> String {
    let shown = scene.stand.read().await.ask(&["task", "show", task]).await;
    shown["state"].as_str().unwrap().to_owned()
}

/// Kilobytes of the process that are in memory.
fn resident(process: Pid) -> usize {
    let status = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// File descriptors of the process that are open.
fn descriptors(process: Pid) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap();
    open.count().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_sends_nothing_whose_time_is_over_and_goes_on() {
    let halt = Duration::from_secs(number("REMIT_HALT").unwrap_or(HALT));
    let scene = Arc::new(Scene::set(LIMITS, &[]).await);
    let callers = callers(&scene, 6).await;
    let (short, long) = (task(&scene, SHORT).await, task(&scene, SHORT * 1000).await);
    let mut early = Caller::new(&short);
    assert_eq!(scene.call(&mut early, "put", "early").await, Told::Answer);
    let process = scene.stand.read().await.process();
    kill_process(process, Signal::STOP).unwrap();
    // Taken by the kernel while nobody is there: a call of each task, and a stop of the longer one.
    sleep(SHORT).await;
    let late = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.call(&mut early, "put", "late").await }
    });
    let freeze = tokio::spawn({
        let (scene, task) = (Arc::clone(&scene), long.task.clone());
        async move { scene.stand.read().await.remit(&["task", "freeze", &task]).await }
    });
    scene.told(|told| told.after_stop.insert("late".to_owned()));
    sleep(halt.saturating_sub(SHORT)).await;
    kill_process(process, Signal::CONT).unwrap();
    let told = late.await.unwrap();
    // After a long halt its grant has run out as well, which is told first.
    let over = match &told {
        Told::Refused { class, .. } => ["budget", "structural"].contains(&class.as_str()),
        Told::Expired => halt > SHORT * 2,
        _ => false,
    };
    assert!(over, "the task was over: {told:?}");
    let frozen = freeze.await.unwrap();
    assert!(frozen.ok, "{}", frozen.said());
    assert_eq!(state(&scene, &long.task).await, "frozen");
    let mut again = Caller::new(&task(&scene, SHORT * 1000).await);
    assert_eq!(scene.call(&mut again, "put", "again").await, Told::Answer);
    settle(&scene, callers).await;
}

/// The library that gives a process another wall clock than the machine's.
fn fake_clock() -> String {
    let python = std::fs::read_dir(peer(".venv/lib")).unwrap().next().unwrap().unwrap().path();
    let library = python.join("site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1");
    assert!(library.exists(), "{} is missing: run e2e/setup first", library.display());
    library.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_jumps_ends_authority_early_or_in_time_and_never_late() {
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0").unwrap();
    let library = fake_clock();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let jump = |to: &str| std::fs::write(&offset, to).unwrap();
    let limits = "grant = \"10m\"\napproval = \"3s\"\ncall = \"20s\"";
    let scene = Arc::new(Scene::set(limits, &environment).await);

    // Forward: the grant and the task have run out, new ones are good, and stay so when the clock
    // is set right again.
    let before = task(&scene, Duration::from_mins(30)).await;
    let mut caller = Caller::new(&before);
    assert_eq!(scene.call(&mut caller, "put", "before").await, Told::Answer);
    jump("+2h");
    assert_eq!(caller.call("put", "over").await, Told::Expired);
    ended(&scene, &before.task).await;
    let after = task(&scene, Duration::from_mins(30)).await;
    jump("+0");
    let mut caller = Caller::new(&after);
    assert_eq!(scene.call(&mut caller, "put", "after").await, Told::Answer);

    // Back: a task of four seconds, an approval of three and a call of twenty end when they would have.
    let short = task(&scene, Duration::from_secs(4)).await;
    let mut held = Caller::new(&after);
    let Told::Refused { hold: Some(hold), .. } = scene.call(&mut held, "erase", "erase-1").await
    else {
        panic!("a person is asked before something is destroyed");
    };
    scene.stand.read().await.act(&["approve", &hold]).await;
    jump("-3h");
    ended(&scene, &short.task).await;
    sleep(Duration::from_secs(1)).await;
    let told = scene.call(&mut held, "erase", "erase-1").await;
    assert!(matches!(&told, Told::Refused { hold: Some(_), .. }), "an old approval: {told:?}");
    let never = timeout(Duration::from_secs(40), scene.call(&mut held, "put", "never-1")).await;
    assert!(never.unwrap().follows_a_permit());
    settle(&scene, JoinSet::new()).await;
}

/// Waits until a task has ended by itself.
async fn ended(scene: &Scene, task: &str) {
    for _ in 0..100 {
        if state(scene, task).await == "closed" {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{task} goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_file_descriptors_refuses_and_recovers() {
    let scene = Arc::new(Scene::set(LIMITS, &[]).await);
    let callers = callers(&scene, 4).await;
    scene.until_busy().await;
    let (process, address) = {
        let stand = scene.stand.read().await;
        (stand.process(), stand.address().to_owned())
    };
    // The server inherited ours.
    let before = getrlimit(Resource::Nofile);
    let starved = Rlimit { current: Some(descriptors(process) + SPARE), ..before };
    prlimit(Some(process), Resource::Nofile, starved).unwrap();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.extend(TcpStream::connect(&address).await);
    }
    // Who is connected goes on, or is told why not.
    let told = || scene.told(|told| told.calls.len());
    for _ in 0..5 {
        let before = told();
        timeout(PATIENCE, async {
            while told() == before {
                scene.breathe().await;
            }
        })
        .await
        .expect("somebody is told something");
        sleep(Duration::from_millis(300)).await;
    }
    drop(silent);
    prlimit(Some(process), Resource::Nofile, before).unwrap();
    let mut late = Caller::new(&scene.stand.read().await.open("work").await);
    assert_eq!(scene.call(&mut late, "put", "late").await, Told::Answer);
    settle(&scene, callers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_costs_each_call_its_time_and_no_more() {
    let scene = Arc::new(Scene::set("call = \"2s\"", &[]).await);
    let grant = task(&scene, SHORT * 1000).await;
    let mut stuck = JoinSet::new();
    // Fewer than a task remembers one by one, so that other calls are not suspected.
    for number in 0..50 {
        let (scene, mut caller) = (Arc::clone(&scene), Caller::new(&grant));
        let id = format!("{NEVER}{number}");
        stuck.spawn(async move {
            timeout(Duration::from_secs(30), scene.call(&mut caller, "put", &id)).await
        });
    }
    let told: Vec<Told> = stuck.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(told.iter().all(Told::follows_a_permit), "{told:?}");
    let mut caller = Caller::new(&grant);
    assert_eq!(scene.call(&mut caller, "put", "still-there").await, Told::Answer);
    // The same call again may happen twice, so a person is asked.
    let sent = scene.desk.seen().into_keys().find(|id| id.starts_with(NEVER)).unwrap();
    let told = scene.call(&mut caller, "put", &sent).await;
    assert!(matches!(&told, Told::Refused { hold: Some(_), .. }), "{told:?}");
    settle(&scene, JoinSet::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_cost_memory_for_their_results_and_nobody_else_time() {
    let scene = Arc::new(Scene::set(LIMITS, &[]).await);
    let grant = task(&scene, SHORT * 1000).await;
    let process = scene.stand.read().await.process();
    let before = resident(process);
    let mut unread = Vec::new();
    for number in 0..UNREAD {
        let caller = Caller::new(&grant);
        let request = caller.text("put", &format!("{BIG}{number}"));
        let mut stream = TcpStream::connect(caller.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        unread.push(stream);
    }
    let mut caller = Caller::new(&task(&scene, SHORT * 1000).await);
    for number in 0..20 {
        let id = format!("put-{number}");
        let told = timeout(PATIENCE, scene.call(&mut caller, "put", &id)).await;
        assert_eq!(told.unwrap(), Told::Answer);
    }
    while scene.desk.seen().keys().filter(|id| id.starts_with(BIG)).count() < UNREAD {
        scene.breathe().await;
    }
    // What came from the server, what goes to the client, and what is on its way between.
    let most = before + UNREAD * 6 * BULK / 1024;
    let now = resident(process);
    assert!(now < most, "{before} kB before, {now} kB with {UNREAD} unread answers");
    drop(unread);
    settle(&scene, JoinSet::new()).await;
}
