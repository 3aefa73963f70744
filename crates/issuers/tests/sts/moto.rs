//! A service that is not AWS: moto's server, which verifies signatures, and boto3 as its client. The
//! end-to-end tests use it, too.

use std::fs::File;
use std::process::{Child, Command, Output, Stdio};

use remit_testkit::peers::{on_a_free_port, peer, python};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

/// The requests by which `aws.py lend` sets up what there is; from then on signatures are verified.
const UNSIGNED: &str = "6";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Moto {
    process: Child,
    _folder: TempDir,
    pub(crate) endpoint: String,
    /// The key that may assume the role, `ID:KEY`.
    pub(crate) key: String,
    /// The role, which may put objects anywhere.
    pub(crate) role: String,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let run = |port: u16| {
            let mut moto = Command::new(peer(".venv/bin/moto_server"));
            moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            moto.env("INITIAL_NO_AUTH_ACTION_COUNT", UNSIGNED);
            moto.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap()
        };
        let (process, port) = on_a_free_port(run, &log, "Running on http://127.0.0.1:{port}").await;
        let mut moto = Self {
            process,
            _folder: folder,
            endpoint: format!("http://127.0.0.1:{port}/"),
            key: String::new(),
            role: String::new(),
        };
        let said = boto(&moto.endpoint, &["lend"], ("x", "y", None)).await;
        let complaint = String::from_utf8_lossy(&said.stderr);
        let said = String::from_utf8_lossy(&said.stdout);
        let set_up = said.trim().split_once(' ').unwrap_or_else(|| panic!("{complaint}"));
        (moto.key, moto.role) = (set_up.0.to_owned(), set_up.1.to_owned());
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) async fn boto(
    endpoint: &str,
    words: &[&str],
    keys: (&str, &str, Option<&str>),
) -> Output {
    let mut python = tokio::process::Command::new(python());
    python.arg(peer("clients/aws.py")).arg(endpoint).args(words).env("AWS_REGION", REGION);
    python.env("AWS_ACCESS_KEY_ID", keys.0).env("AWS_SECRET_ACCESS_KEY", keys.1);
    python.envs(keys.2.map(|token| ("AWS_SESSION_TOKEN", token)));
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = python.kill_on_drop(true).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"an object").await.unwrap();
    process.wait_with_output().await.unwrap()
}
