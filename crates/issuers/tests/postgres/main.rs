#![cfg(test)]
//! Roles are lent by a real server, and nothing of them outlives their return.

mod server;
mod shared;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use remit_issuers::postgres::{Postgres, Settings};
use remit_model::Timestamp;
use remit_ports::{Holder, Issued, Issuer as _, IssuerError, Lent, Revoked, Wanted};
use remit_testkit::samples::{holder, lease_id as lease};
use remit_testkit::{MemorySecrets, SeededEntropy, samples};
use server::{BOSS, LENDER, Server, login};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Long past, and long to come, whatever the server's clock says.
const PAST: Timestamp = Timestamp::from_secs(1_000_000_000);
const LATER: Timestamp = Timestamp::from_secs(4_000_000_000);

const ALLOW: &str = r#"
    admin = "shop-db"
    connections = 2
    [[allow]]
    tools = ["db/query"]
    roles = ["orders_reader"]
    [[allow]]
    tools = ["db/insert"]
    roles = ["orders_reader", "orders_writer"]
    [[allow]]
    tools = ["db/customers"]
    grant = ["SELECT ON TABLE public.customers"]
"#;

fn issuer(admin: &str, more: &str) -> Postgres {
    configured(admin, &format!("{more}\n{ALLOW}"))
}

fn configured(admin: &str, table: &str) -> Postgres {
    let settings: Settings = toml::from_str(table).unwrap();
    let secrets = Arc::new(MemorySecrets::with("shop-db", admin).unwrap());
    Postgres::new(settings, secrets, Arc::new(SeededEntropy::new(7))).unwrap()
}

fn wanted(issuer: &Postgres, n: u32, tools: &[&str]) -> Wanted {
    samples::wanted(issuer, n, holder(tools), LATER)
}

fn lent(n: u32) -> Lent {
    Lent { lease: lease(n), task: Some(samples::task_id(1)), handle: None, until: LATER }
}

fn url(issued: &Issued) -> &str {
    issued.material.get("url").unwrap()
}

async fn roles(boss: &Client, n: u32) -> i64 {
    let name = format!("remit_{}", lease(n));
    boss.query_one("SELECT count(*) FROM pg_roles WHERE rolname = $1", &[&name])
        .await
        .unwrap()
        .get(0)
}

async fn sessions(boss: &Client, n: u32) -> i64 {
    let name = format!("remit_{}", lease(n));
    let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    boss.query_one(count, &[&name]).await.unwrap().get(0)
}

async fn refused(client: &Client, statement: &str) {
    let why = client.batch_execute(statement).await.unwrap_err();
    assert_eq!(why.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {why:?}");
}

#[tokio::test]
async fn a_role_may_do_what_its_tools_come_with_until_it_is_returned() {
    let server = Server::shared().await;
    for (n, admin) in [(1, BOSS), (2, LENDER)] {
        let (issuer, boss) = (issuer(&server.url(admin, "postgres"), ""), server.boss().await);
        issuer.probe().await.unwrap();
        assert_eq!(roles(&boss, n).await, 0);
        let issued = issuer.issue(wanted(&issuer, n, &["db/query", "mail/send"])).await.unwrap();
        assert_eq!((roles(&boss, n).await, issued.until), (1, LATER));

        let agent = login(url(&issued)).await.unwrap();
        agent.batch_execute("SELECT total FROM orders").await.unwrap();
        for beyond in [
            "INSERT INTO orders VALUES (2, 1)",
            "SELECT * FROM customers",
            "CREATE TABLE public.loot (id int)",
            "CREATE ROLE accomplice",
            "CREATE DATABASE loot",
            "COPY orders TO PROGRAM 'true'",
            "SELECT rolpassword FROM pg_authid",
            "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
            "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100",
            &format!("COMMENT ON ROLE remit_{} IS 'nobody'", lease(n)),
            "GRANT orders_reader TO lender",
            "SET SESSION AUTHORIZATION lender",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('boss', 'lender')",
        ] {
            refused(&agent, beyond).await;
        }
        let other = login(url(&issued)).await.unwrap();
        let third = login(url(&issued)).await.unwrap_err();
        assert_eq!(third.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
        assert_eq!(sessions(&boss, n).await, 2);

        // Whoever has a role may set its password, and others can know that one.
        agent.batch_execute("ALTER ROLE CURRENT_USER PASSWORD 'known'").await.unwrap();
        assert_eq!(issuer.revoke(lent(n)).await, Ok(Revoked::Now));
        assert_eq!((roles(&boss, n).await, sessions(&boss, n).await), (0, 0));
        assert!(agent.batch_execute("SELECT 1").await.is_err());
        assert!(other.batch_execute("SELECT 1").await.is_err());
        let back = login(url(&issued)).await.unwrap_err();
        assert_eq!(back.code(), Some(&SqlState::INVALID_PASSWORD));
        assert_eq!(issuer.revoke(lent(n)).await, Ok(Revoked::Now), "returned twice");
    }
}

#[tokio::test]
async fn a_scope_says_what_is_granted() {
    let issuer = issuer("host=localhost", "");
    for (tools, scope) in [
        (&["db/query"][..], r#"MEMBER OF "orders_reader""#),
        (&["db/insert", "db/query"], r#"MEMBER OF "orders_reader"; MEMBER OF "orders_writer""#),
        (&["db/customers"], r#"SELECT ON TABLE "public"."customers""#),
    ] {
        assert_eq!(issuer.scope(&holder(tools)).unwrap(), scope);
    }
    assert!(matches!(issuer.scope(&holder(&["mail/send"])), Err(IssuerError::Refused(_))));
    // Remit itself asks a server what it offers, and may log in for that.
    let remit = Holder { agent: None, task: None, on_behalf: None, tools: [].into() };
    assert_eq!(issuer.scope(&remit).unwrap(), "");
}

#[tokio::test]
async fn a_privilege_of_its_own_is_granted_and_goes_with_the_role() {
    let server = Server::shared().await;
    for (n, admin) in [(11, BOSS), (12, LENDER)] {
        let (issuer, boss) = (issuer(&server.url(admin, "postgres"), ""), server.boss().await);
        let issued = issuer.issue(wanted(&issuer, n, &["db/customers"])).await.unwrap();
        let agent = login(url(&issued)).await.unwrap();
        agent.batch_execute("SELECT * FROM customers").await.unwrap();
        refused(&agent, "SELECT * FROM orders").await;
        issuer.revoke(lent(n)).await.unwrap();
        assert_eq!(roles(&boss, n).await, 0);
    }
}

/// Logs in again and again until it is kept out for good, and gives what it still holds then.
async fn hammer(url: String) -> Vec<Client> {
    let mut held = Vec::new();
    loop {
        match login(&url).await {
            Ok(client) => held.push(client),
            Err(why) if why.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {}
            Err(_) => return held,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_all_the_while_reads_nothing_at_the_end() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    for n in 200..204 {
        let issued = issuer.issue(wanted(&issuer, n, &["db/query"])).await.unwrap();
        let hammering = (0..2).map(|_| tokio::spawn(hammer(url(&issued).to_owned())));
        let hammering: Vec<_> = hammering.collect();
        assert_eq!(issuer.revoke(lent(n)).await, Ok(Revoked::Now));
        for clients in join_all(hammering).await {
            for client in clients.unwrap() {
                client.batch_execute("SELECT * FROM orders").await.unwrap_err();
            }
        }
    }
}

/// A login can be under way while its role is dropped, and nothing that the server shows tells.
#[tokio::test]
async fn a_session_that_outlives_its_role_reads_nothing() {
    let server = Server::shared().await;
    let (issuer, boss) = (issuer(&server.url(LENDER, "postgres"), ""), server.boss().await);
    let issued = issuer.issue(wanted(&issuer, 210, &["db/query"])).await.unwrap();
    let agent = login(url(&issued)).await.unwrap();
    agent.batch_execute("SELECT * FROM orders").await.unwrap();
    boss.batch_execute(&format!("DROP ROLE remit_{}", lease(210))).await.unwrap();
    refused(&agent, "SELECT * FROM orders").await;
}

#[tokio::test]
async fn what_was_never_issued_is_returned() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    assert_eq!(issuer.revoke(lent(20)).await, Ok(Revoked::Now));
    assert_eq!(issuer.renew(lent(20), LATER).await, Err(IssuerError::NotRenewable));
}

/// Waits until somebody waits for a lock that another holds.
async fn somebody_waits(boss: &Client) {
    let waits = "SELECT 1 FROM pg_locks WHERE NOT granted";
    for _ in 0..500 {
        if !boss.query(waits, &[]).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

/// Nobody waits for it any more, and the server goes on for a while.
#[tokio::test]
async fn what_is_just_being_made_is_never_made() {
    let server = Server::start_apart().await;
    let (issuer, boss) = (issuer(&server.url(LENDER, "postgres"), ""), server.boss().await);
    let (holds, create) = (server.boss().await, format!("CREATE ROLE remit_{}", lease(25)));
    holds.batch_execute(&format!("BEGIN; {create}")).await.unwrap();
    tokio::select! {
        issued = issuer.issue(wanted(&issuer, 25, &["db/query"])) => panic!("{issued:?}"),
        () = somebody_waits(&boss) => {}
    }
    assert_eq!(issuer.revoke(lent(25)).await, Ok(Revoked::Now));
    holds.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(roles(&boss, 25).await, 0);
}

/// What its maker said last may be on its way still.
#[tokio::test]
async fn what_the_server_is_not_told_yet_is_never_made() {
    let server = Server::start_apart().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    let name = format!("remit_{}", lease(26));
    let maker = login(&server.url(LENDER, "postgres")).await.unwrap();
    maker.batch_execute(&format!("SET application_name = {name}")).await.unwrap();
    assert_eq!(issuer.revoke(lent(26)).await, Ok(Revoked::Now));
    maker.batch_execute(&format!("CREATE ROLE {name}")).await.unwrap_err();
    assert_eq!(roles(&server.boss().await, 26).await, 0);
}

/// A return looks twice: for the role, and for whoever makes it.
#[tokio::test]
async fn what_is_made_between_two_looks_is_returned() {
    let server = Server::start_apart().await;
    let (issuer, boss) = (issuer(&server.url(LENDER, "postgres"), ""), server.boss().await);
    issuer.probe().await.unwrap();
    let name = format!("remit_{}", lease(27));
    let maker = login(&server.url(LENDER, "postgres")).await.unwrap();
    let create = format!("CREATE ROLE {name}; GRANT {name} TO CURRENT_USER");
    maker.batch_execute(&format!("SET application_name = {name}; BEGIN")).await.unwrap();
    maker.batch_execute(&create).await.unwrap();
    // Whoever lists sessions reads the names of their databases.
    let (holds, lock) = (server.boss().await, "BEGIN; LOCK TABLE pg_database");
    holds.batch_execute(lock).await.unwrap();
    let between = async {
        somebody_waits(&boss).await;
        maker.batch_execute("COMMIT; RESET application_name").await.unwrap();
        holds.batch_execute("COMMIT").await.unwrap();
    };
    let (ended, ()) = tokio::join!(issuer.revoke(lent(27)), between);
    assert_eq!((ended, roles(&boss, 27).await), (Ok(Revoked::Now), 0));
}

#[tokio::test]
async fn a_role_is_found_under_another_name() {
    let server = Server::shared().await;
    let (issuer, boss) = (issuer(&server.url(LENDER, "postgres"), ""), server.boss().await);
    let issued = issuer.issue(wanted(&issuer, 30, &["db/query"])).await.unwrap();
    let agent = login(url(&issued)).await.unwrap();
    let rename = format!("ALTER ROLE remit_{} RENAME TO \"other \"\"role; --\"", lease(30));
    agent.batch_execute(&rename).await.unwrap_err();
    boss.batch_execute(&rename).await.unwrap();
    issuer.revoke(lent(30)).await.unwrap();
    assert!(agent.batch_execute("SELECT 1").await.is_err());
    let left = boss.query("SELECT 1 FROM pg_roles WHERE rolname LIKE 'other%'", &[]).await.unwrap();
    assert!(left.is_empty());
}

/// Anybody may make a large object in any database that takes connections.
#[tokio::test]
async fn what_a_role_made_in_other_databases_does_not_keep_it() {
    let server = Server::shared().await;
    let boss = server.boss().await;
    boss.batch_execute("CREATE DATABASE elsewhere").await.unwrap();
    for (n, admin) in [(41, BOSS), (42, LENDER)] {
        let issuer = issuer(&server.url(admin, "postgres"), "");
        let issued = issuer.issue(wanted(&issuer, n, &["db/insert"])).await.unwrap();
        let there = url(&issued).replace("/postgres", "/elsewhere");
        let there = login(&there).await.unwrap();
        there.batch_execute("SELECT lo_create(0); CREATE TEMP TABLE t (id int)").await.unwrap();
        let agent = login(url(&issued)).await.unwrap();
        agent.batch_execute("CREATE TABLE work.draft (id int); SELECT lo_create(0)").await.unwrap();
        issuer.revoke(lent(n)).await.unwrap();
        assert_eq!((roles(&boss, n).await, sessions(&boss, n).await), (0, 0));
        boss.batch_execute("SELECT * FROM work.draft").await.unwrap_err();
    }
}

/// Left behind, a view or a function would read with the rights of whoever owns it then.
#[tokio::test]
async fn nothing_that_a_role_made_acts_for_others_once_it_is_returned() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    let issued = issuer.issue(wanted(&issuer, 50, &["db/insert"])).await.unwrap();
    let agent = login(url(&issued)).await.unwrap();
    let left = "CREATE FUNCTION work.run(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \
                    $$ BEGIN EXECUTE q; END $$; \
                CREATE VIEW work.everybody AS SELECT * FROM customers; \
                CREATE TABLE work.bait (id int DEFAULT length(current_user)); \
                GRANT ALL ON work.everybody, work.bait TO PUBLIC";
    agent.batch_execute(left).await.unwrap();
    issuer.revoke(lent(50)).await.unwrap();

    let issued = issuer.issue(wanted(&issuer, 51, &["db/insert"])).await.unwrap();
    let next = login(url(&issued)).await.unwrap();
    for (statement, expected) in [
        ("SELECT work.run('SELECT * FROM customers')", SqlState::UNDEFINED_FUNCTION),
        ("SELECT * FROM work.everybody", SqlState::UNDEFINED_TABLE),
        ("SELECT * FROM work.bait", SqlState::UNDEFINED_TABLE),
    ] {
        let why = next.batch_execute(statement).await.unwrap_err();
        assert_eq!(why.code(), Some(&expected), "{statement}");
    }
    issuer.revoke(lent(51)).await.unwrap();
}

#[tokio::test]
async fn nobody_logs_in_after_the_end() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    let ended = Wanted { until: PAST, ..wanted(&issuer, 60, &["db/query"]) };
    let issued = issuer.issue(ended).await.unwrap();
    let late = login(url(&issued)).await.unwrap_err();
    assert_eq!(late.code(), Some(&SqlState::INVALID_PASSWORD));
    assert_eq!(issuer.renew(lent(60), LATER).await, Ok(LATER));
    login(url(&issued)).await.unwrap();
    issuer.revoke(lent(60)).await.unwrap();
}

#[tokio::test]
async fn neither_log_nor_error_nor_debug_holds_a_secret() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    let issued = issuer.issue(wanted(&issuer, 70, &["db/query"])).await.unwrap();
    let again = issuer.issue(wanted(&issuer, 70, &["db/query"])).await.unwrap_err();
    assert!(again.to_string().contains("already exists"), "{again}");
    let password = issued.material.get("password").unwrap();
    let log = server.log();
    assert!(log.contains(&format!("CREATE ROLE \"remit_{}\"", lease(70))), "statements are logged");
    let shown = format!("{log} {issued:?} {issuer:?} {again} {again:?}");
    assert!(!shown.contains(password) && !shown.contains("canary-of-the-lender"));
    issuer.revoke(lent(70)).await.unwrap();
}

#[tokio::test]
async fn many_at_once_do_not_meet() {
    let server = Server::shared().await;
    let issuer = issuer(&server.url(LENDER, "postgres"), "");
    let one = async |n| {
        let issued = issuer.issue(wanted(&issuer, n, &["db/insert", "db/customers"])).await?;
        login(url(&issued)).await.unwrap().batch_execute("SELECT 1").await.unwrap();
        issuer.revoke(lent(n)).await
    };
    for ended in join_all((100..108).map(one)).await {
        assert_eq!(ended, Ok(Revoked::Now));
    }
}

#[tokio::test]
async fn a_broken_connection_is_opened_again() {
    let server = Server::shared().await;
    let boss = server.boss().await;
    boss.batch_execute("CREATE ROLE cut_off LOGIN CREATEROLE PASSWORD 'pw'").await.unwrap();
    let issuer = issuer(&server.url("cut_off:pw", "postgres"), "");
    issuer.probe().await.unwrap();
    let end =
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'cut_off'";
    boss.batch_execute(end).await.unwrap();
    // The first may find out, the second must not.
    let _ = issuer.probe().await;
    issuer.probe().await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_verified() {
    let server = Server::shared().await;
    let address = format!("{}?sslmode=require", server.url(LENDER, "postgres"));
    let trusts = format!("ca_file = \"{}\"", server.ca_file().display());
    let issued = issuer(&address, &trusts);
    issued.probe().await.unwrap();
    let stranger = issuer(&address, "").probe().await.unwrap_err();
    assert!(
        matches!(&stranger, IssuerError::Unavailable(why) if why.contains("certificate")),
        "{stranger}"
    );
    let issued = issued.issue(wanted(&issued, 80, &["db/query"])).await.unwrap();
    assert!(url(&issued).ends_with("?sslmode=require"));
    issuer(&server.url(LENDER, "postgres"), "").revoke(lent(80)).await.unwrap();
}

#[tokio::test]
async fn whoever_cannot_lend_says_why() {
    let server = Server::shared().await;
    let said =
        async |admin: &str, more: &str| issuer(admin, more).probe().await.unwrap_err().to_string();
    let wrong = said(&server.url("lender:canary", "postgres"), "").await;
    assert!(
        wrong.contains("password authentication failed")
            && wrong.contains("`remit secret rotate shop-db`"),
        "{wrong}"
    );
    assert!(!wrong.contains("canary"), "{wrong}");
    let unreadable = said("canary", "").await;
    assert!(
        unreadable.contains("connection string") && !unreadable.contains("canary"),
        "{unreadable}"
    );
    let unknown = ALLOW.replace("orders_writer", "nobody");
    let unknown = configured(&server.url(LENDER, "postgres"), &unknown).probe().await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no role \"nobody\"");
    let boss = server.boss().await;
    boss.batch_execute("CREATE ROLE plain LOGIN PASSWORD 'plain'").await.unwrap();
    let plain = said(&server.url("plain:plain", "postgres"), "").await;
    assert!(plain.contains("CREATEROLE"), "{plain}");
}

#[tokio::test]
async fn a_server_that_is_down_or_silent_keeps_nobody_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("postgresql://{LENDER}@127.0.0.1:{port}/postgres");
    let issuer = issuer(&address, "");
    let silent = issuer.issue(wanted(&issuer, 90, &["db/query"])).await.unwrap_err();
    drop(listener);
    let down = issuer.revoke(lent(90)).await.unwrap_err();
    for why in [silent, down] {
        assert!(matches!(&why, IssuerError::Unavailable(_)), "{why}");
        assert!(!why.to_string().contains("canary"), "{why}");
    }
}

#[test]
fn settings_that_give_nothing_are_refused() {
    for (bad, says) in [
        ("admin = \"a\"\n[[allow]]\ntools = [\"db/query\"]", "`roles` or `grant`"),
        ("admin = \"a\"\nconnections = 0\nallow = []", "at least 1"),
    ] {
        let settings: Settings = toml::from_str(bad).unwrap();
        let secrets = Arc::new(MemorySecrets::default());
        let why = Postgres::new(settings, secrets, Arc::new(SeededEntropy::new(7))).unwrap_err();
        assert!(why.contains(says), "{why}");
    }
    let heir = toml::from_str::<Settings>("admin = \"a\"\nheir = \"b\"\nallow = []").unwrap_err();
    assert!(heir.to_string().contains("unknown field `heir`"), "what was made is handed to nobody");
    for bad in [
        "roles = [\"a; DROP TABLE b\"]",
        "grant = [\"SELECT ON TABLE a.b; DROP TABLE c\"]",
        "grant = [\"ALL ON TABLE a.b\"]",
    ] {
        let text = format!("admin = \"a\"\n[[allow]]\ntools = [\"db/query\"]\n{bad}");
        let why = toml::from_str::<Settings>(&text).unwrap_err();
        assert!(why.to_string().contains("expected"), "{why}");
    }
}
