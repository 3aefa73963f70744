//! A role in a real PostgreSQL server exists for as long as its task, and not a moment longer.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::json;

use super::server::{LENDER, Server, run};
use super::{all_returned, assert_nowhere, told};
use crate::kills::number;
use crate::peers::{Client, peer, python};
use crate::stand::{Plan, Stand};

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
        self.ready().await;
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
    let added = stand.as_operator_with_input(&["secret", "add", "lender"], &admin).await;
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
    while sessions(&server).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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

/// Promise R4 from outside: whenever the process is killed, nothing survives at the database.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_no_role_is_left() {
    let kills = number("REMIT_KILLS").unwrap_or(KILLS);
    let server = Server::own().await;
    let mut stand = stand(&server).await;
    for kill in 0..kills {
        let grant = stand.open("orders").await;
        let working = async {
            let mut talk = Client::TypeScriptStateless.connect(&grant).await;
            talk.call("orders__read_orders", &json!({})).await;
            stand.remit(&["task", "close", &grant.task]).await;
        };
        // Spread over the time from before the issue to after the return.
        let pause = Duration::from_millis(300 + 1_400 * (kill * 37 % kills) / kills.max(1));
        drop(tokio::time::timeout(pause, working).await);
        stand.kill().await;
        stand.start().await;
        all_returned(&stand).await;
        all_gone(&server).await;
    }
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
