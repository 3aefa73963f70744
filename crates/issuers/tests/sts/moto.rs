//! A service that is not AWS: moto's server, which verifies signatures, and boto3 as its client. The
//! end-to-end tests use it, too.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// The requests by which `aws.py lend` sets up what there is; from then on signatures are verified.
const UNSIGNED: &str = "6";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Moto {
    _process: Child,
    pub(crate) endpoint: String,
    /// The key that may assume the role, `ID:KEY`.
    pub(crate) key: String,
    /// The role, which may put objects anywhere.
    pub(crate) role: String,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut moto = Command::new(peer(".venv/bin/moto_server"));
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        moto.env("INITIAL_NO_AUTH_ACTION_COUNT", UNSIGNED).kill_on_drop(true);
        let process = moto.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..1000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let endpoint = format!("http://127.0.0.1:{port}/");
        let said = boto(&endpoint, &["lend"], ("x", "y", None)).await;
        let said = String::from_utf8(said.stdout).unwrap();
        let (key, role) = said.trim().split_once(' ').expect("moto is set up");
        Self { _process: process, endpoint, key: key.to_owned(), role: role.to_owned() }
    }
}

pub(crate) async fn boto(
    endpoint: &str,
    words: &[&str],
    keys: (&str, &str, Option<&str>),
) -> Output {
    let mut python = Command::new(peer(".venv/bin/python"));
    python.arg(peer("clients/aws.py")).arg(endpoint).args(words).env("AWS_REGION", REGION);
    python.env("AWS_ACCESS_KEY_ID", keys.0).env("AWS_SECRET_ACCESS_KEY", keys.1);
    python.envs(keys.2.map(|token| ("AWS_SESSION_TOKEN", token)));
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = python.kill_on_drop(true).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"an object").await.unwrap();
    process.wait_with_output().await.unwrap()
}

/// A file under `e2e/`; it must be there.
fn peer(path: &str) -> PathBuf {
    // Whoever runs this lies somewhere below the root.
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = roots.map(|root| root.join("e2e").join(path)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("e2e/{path} is missing: run e2e/setup first"))
}
