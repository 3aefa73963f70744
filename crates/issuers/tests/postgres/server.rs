//! A PostgreSQL server of the test's own, on a free port, in a temporary folder. Not a fake: the real one,
//! which `e2e/setup` installs. The end-to-end tests use it, too.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use remit_testkit::peers::on_a_free_port;
use tempfile::TempDir;
use tokio_postgres::{Client, Error, NoTls};

/// The superuser, `user:password`.
pub(crate) const BOSS: &str = "boss:canary-of-the-boss";
/// Who may make roles and nothing else, likewise.
pub(crate) const LENDER: &str = "lender:canary-of-the-lender";

/// What there is: two groups, what they may do, and two databases.
const SHOP: &str = "
    CREATE TABLE orders (id int, total numeric); INSERT INTO orders VALUES (1, 9.5);
    CREATE TABLE customers (id int);
    CREATE ROLE orders_reader NOLOGIN; GRANT SELECT ON orders TO orders_reader;
    CREATE ROLE orders_writer NOLOGIN; GRANT INSERT ON orders TO orders_writer;
    CREATE ROLE lender LOGIN CREATEROLE PASSWORD 'canary-of-the-lender';
    GRANT orders_reader, orders_writer TO lender WITH ADMIN OPTION;
    CREATE SCHEMA work; GRANT USAGE, CREATE ON SCHEMA work TO orders_writer;
    GRANT SELECT ON customers TO lender WITH GRANT OPTION";

/// A server with the groups `orders_reader` and `orders_writer`, and tables for them.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) process: Mutex<Option<Child>>,
    pub(crate) port: u16,
}

impl Server {
    /// It is down from now on.
    pub(crate) fn stop(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut process) = process {
            // Its children end with it.
            let _ = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }

    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        std::fs::write(&password, "canary-of-the-boss").unwrap();
        certificate(folder.path());
        for file in ["", "password", "server.crt", "server.key"] {
            if let Some(uid) = uid() {
                chown(folder.path().join(file), Some(uid), None).unwrap();
            }
        }
        let words = ["-A", "scram-sha-256", "-U", "boss", "-E", "UTF8", "--locale=C", "--no-sync"];
        let mut init = program("initdb");
        init.args(words).arg("-D").arg(&data).arg("--pwfile").arg(&password);
        assert!(init.stdout(Stdio::null()).status().unwrap().success());

        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (log, ready) = (folder.path().join("log"), "ready to accept connections");
        let starting = on_a_free_port(|port| run(folder.path(), port), &log, ready);
        let (process, port) = runtime.block_on(starting);
        let server = Self { process: Mutex::new(Some(process)), folder, port };
        runtime.block_on(async {
            let boss = server.boss().await;
            boss.batch_execute("SET log_statement = 'none'").await.unwrap();
            boss.batch_execute(SHOP).await.unwrap();
        });
        server
    }

    /// The address of a database for `user:password`.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The superuser in the database of the orders.
    pub(crate) async fn boss(&self) -> Client {
        let login = login(&self.url(BOSS, "postgres")).await;
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        login.unwrap_or_else(|why| panic!("{why}: {}", log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn run(folder: &Path, port: u16) -> Child {
    let mut server = program("postgres");
    server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-k"]).arg(folder);
    let file = |name| folder.join(name).display().to_string();
    for setting in [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "log_statement=all",
        "ssl=on",
        &format!("ssl_cert_file={}", file("server.crt")),
        &format!("ssl_key_file={}", file("server.key")),
    ] {
        server.args(["-c", setting]);
    }
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    server.stderr(log).stdout(Stdio::null()).spawn().unwrap()
}

/// A session, for as long as the client lives.
pub(crate) async fn login(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The user that the server runs as, where the test is root: it refuses to run as that.
fn uid() -> Option<u32> {
    let id = |words: &[&str]| {
        let said = Command::new("id").args(words).output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse::<u32>().ok()
    };
    (id(&["-u"]) == Some(0)).then(|| id(&["-u", "postgres"]).expect("there is a user `postgres`"))
}

/// One of the server's programs, from the search path or where Debian keeps them.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut here: Vec<_> = versions.map(|it| it.path().join("bin").join(name)).collect();
    here.retain(|path| path.exists());
    here.sort();
    let mut command = Command::new(here.pop().as_deref().map_or(OsStr::new(name), Path::as_os_str));
    command.env("LC_ALL", "C").current_dir("/");
    if let Some(uid) = uid() {
        command.uid(uid);
    }
    command
}

fn certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-nodes", "-days", "30", "-subj", "/CN=test"]);
    openssl.args([
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "server.key",
        "-out",
        "server.crt",
    ]);
    assert!(openssl.current_dir(folder).stderr(Stdio::null()).status().unwrap().success());
}
