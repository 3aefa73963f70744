//! A role in a real PostgreSQL server exists for as long as its task, and not a moment longer.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::server::{BOSS, LENDER, Server, login, run};
use super::{all_returned, assert_nowhere, leases, told};
use crate::kills::draw::Draw;
use crate::kills::number;
use crate::peers::{Client, peer, python};
use crate::stand::{Grant, Plan, Stand};

/// How often the process is killed in an ordinary run; `REMIT_KILLS` says another number.
const KILLS: u64 = 8;

impl Server {
    /// One of a test's own.
    pub(crate) async fn own() -> Self {
        tokio::task::spawn_blocking(Self::start).await.unwrap()
    }

    /// It is up again.
    pub(crate) async fn start_again(&self) {
        let process = run(self.folder.path(), self.port);
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        for _ in 0..500 {
            if login(&self.url(BOSS, "postgres")).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not start again");
    }
}

async fn stand(server: &Server) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let credential = "[[credential]]\nname = \"db\"\nkind = \"postgres\"\nadmin = \"lender\"\n\n\
        [[credential.allow]]\ntools = [\"orders/read_orders\", \"orders/read_slowly\"]\nroles = [\"orders_reader\"]\n\n\
        [[credential.allow]]\ntools = [\"orders/read_customers\"]\ngrant = [\"SELECT ON TABLE public.customers\"]\n\n";
    let lend = "lend = [{ credential = \"db\", variable = { DATABASE_URL = \"{url}\" } }]";
    let plan = Plan::new()
        .with(credential)
        .stdio("orders", &[&python(), &peer("servers/orders.py")], lend)
        .template("orders", &["orders/read_orders", "orders/read_slowly"], "")
        .template("all", &["orders/*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    let admin = server.url(LENDER, "postgres");
    let added = stand.with_input(&["secret", "add", "lender"], &admin).await;
    assert!(added.ok, "{}", added.said());
    stand
}

async fn roles(server: &Server) -> Vec<String> {
    let boss = server.boss().await;
    let rows = boss.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'remit\\_%'", &[]).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn sessions(server: &Server) -> i64 {
    let boss = server.boss().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'remit\\_%'";
    boss.query_one(count, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_lives_with_its_task_and_can_do_what_the_remit_needs() {
    let server = Server::own().await;
    let stand = stand(&server).await;
    let canary = "canary-of-the-lender";
    // What Remit itself had to ask for the tools is gone again.
    all_gone(&server).await;
    let grant = stand.open("orders").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let orders = talk.text("orders__read_orders", &json!({})).await;
    let role = roles(&server).await.pop().expect("there is a role during the task");
    assert!(orders.starts_with(&format!("{role}|1|9.5")), "{orders}");
    let held = memory_of_child(&stand, "orders.py");
    assert!(holds(&held, &role), "what it is lent is in its memory");
    assert!(!holds(&held, canary), "and what Remit has for the issuer is not");
    talk.text("orders__read_slowly", &json!({})).await;
    for _ in 0..500 {
        if sessions(&server).await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sessions(&server).await, 1, "the session that lasts was begun");
    let wide = stand.open("all").await;
    let mut other = Client::TypeScriptStateless.connect(&wide).await;
    let customers = other.text("orders__read_customers", &json!({})).await;
    assert!(!customers.contains("permission denied"), "{customers}");
    assert_eq!(roles(&server).await.len(), 2, "each task has a role of its own");
    other.end().await;
    stand.remit(&["task", "close", &wide.task]).await;
    talk.end().await;
    stand.remit(&["task", "close", &grant.task]).await;
    all_returned(&stand).await;
    assert_eq!(roles(&server).await, Vec::<String>::new());
    assert_eq!(sessions(&server).await, 0, "a session that was open is ended");
    assert_eq!(told(&stand, &grant.task).await, ["lending", "lent", "returned"]);
    assert_nowhere(&stand, canary, &stand.state().join("nothing")).await;
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_delays_the_return_and_never_forgets_it() {
    let server = Server::own().await;
    let stand = stand(&server).await;
    let grant = stand.open("orders").await;
    let mut talk = Client::TypeScriptStateless.connect(&grant).await;
    talk.text("orders__read_orders", &json!({})).await;
    talk.end().await;
    server.stop();
    stand.remit(&["task", "close", &grant.task]).await;
    let owed = |all: &serde_json::Value| all["leases"][0]["trouble"].is_string();
    let list = stand.until("the return is tried in vain", &["credential", "list"], owed).await;
    assert!(!list.to_string().contains("canary"), "{list}");
    server.start_again().await;
    all_returned(&stand).await;
    assert_eq!(roles(&server).await, Vec::<String>::new());
}

/// All that the process started by `stand` has in its memory, as a core dump would.
fn memory_of_child(stand: &Stand, named: &str) -> Vec<u8> {
    let remit = stand.process().as_raw_nonzero().to_string();
    let read = |pid: &str, file: &str| std::fs::read(format!("/proc/{pid}/{file}"));
    let processes = std::fs::read_dir("/proc").unwrap();
    let names = processes.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let child = names.into_iter().find(|pid| {
        let text =
            |file| String::from_utf8_lossy(&read(pid, file).unwrap_or_default()).into_owned();
        text("cmdline").contains(named) && text("status").contains(&format!("PPid:\t{remit}\n"))
    });
    let child = child.expect("the server of the task runs");
    let maps = String::from_utf8(read(&child, "maps").unwrap()).unwrap();
    let memory = std::fs::File::open(format!("/proc/{child}/mem")).unwrap();
    let mut all = Vec::new();
    for map in maps.lines().filter(|map| map.contains(" rw")) {
        let (from, to) = map.split(' ').next().unwrap().split_once('-').unwrap();
        let at = |text| u64::from_str_radix(text, 16).unwrap();
        let mut piece = vec![0; usize::try_from(at(to) - at(from)).unwrap()];
        if std::os::unix::fs::FileExt::read_exact_at(&memory, &mut piece, at(from)).is_ok() {
            all.extend(piece);
        }
    }
    all
}

fn holds(memory: &[u8], text: &str) -> bool {
    memory.windows(text.len()).any(|piece| piece == text.as_bytes())
}

/// An errand of a task, from its first request to its end where it `ends`.
async fn errand(stand: &Stand, grant: &Grant, ends: bool) {
    let mut talk = Client::TypeScriptStateless.connect(grant).await;
    talk.text("orders__read_orders", &json!({})).await;
    if ends {
        stand.remit(&["task", "close", &grant.task]).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "another process writes down when it did something")]
fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// When the lease of each record was begun and ended, as the log says; each is begun and ended once.
async fn lives(stand: &Stand) -> Vec<(u64, u64)> {
    let mut lives = BTreeMap::<String, (Vec<u64>, Vec<u64>)>::new();
    for entry in stand.entries().await.iter().filter(|entry| entry["kind"] == "lease") {
        let clear = &entry["clear"];
        let life = lives.entry(clear["lease"]["id"].as_str().unwrap().to_owned()).or_default();
        match clear["what"].as_str().unwrap() {
            "lending" => life.0.push(entry["wall"].as_u64().unwrap()),
            "returned" | "ran out" => life.1.push(entry["wall"].as_u64().unwrap()),
            _ => {}
        }
    }
    let once = |(lease, (begun, ended)): (String, (Vec<u64>, Vec<u64>))| {
        assert_eq!((begun.len(), ended.len()), (1, 1), "{lease} begins and ends once");
        (begun[0], ended[0])
    };
    lives.into_iter().map(once).collect()
}

/// Promise R4 from outside: whenever the process is killed, nothing survives at the database.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_no_role_is_left() {
    let kills = number("REMIT_KILLS").unwrap_or(KILLS);
    let seed = number("REMIT_SEED").unwrap_or(1);
    let mut draw = Draw::new(seed, 0);
    let server = Server::own().await;
    let mut stand = stand(&server).await;
    let (mut killed, mut longest) = (Vec::new(), None);
    for _ in 0..kills {
        let grant = stand.open("orders").await;
        if let Some(longest) = longest {
            let pause = draw.pause(longest);
            let ends = !draw.one_in(3);
            drop(tokio::time::timeout(pause, errand(&stand, &grant, ends)).await);
        } else {
            // The first is killed when all is done and nothing is returned, and says how long that takes.
            let begun = now();
            errand(&stand, &grant, false).await;
            longest = Some(Duration::from_millis(2 * (now() - begun)));
        }
        stand.kill().await;
        killed.push(now());
        stand.start().await;
        all_returned(&stand).await;
        all_gone(&server).await;
    }
    let nothing = |all: &serde_json::Value| leases(all).is_empty();
    stand.until("nothing is lent", &["credential", "list"], nothing).await;
    let lives = lives(&stand).await;
    let out_at = |kill: &&u64| lives.iter().any(|(begun, ended)| begun <= *kill && *kill <= ended);
    let between = killed.iter().filter(out_at).count();
    println!("seed {seed}, {kills} kills: something was out at {between}, nothing is left");
    assert!(between > 0, "seed {seed}: nothing was ever out when the server was killed");
    crate::proof::log_is_good(&stand).await;
}

async fn all_gone(server: &Server) {
    for _ in 0..500 {
        if roles(server).await.is_empty() && sessions(server).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still there: {:?}", roles(server).await);
}
