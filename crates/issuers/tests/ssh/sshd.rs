//! An OpenSSH server of the test's own, on a free port, in a temporary folder, and its client.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use remit_ports::Issued;
use tempfile::TempDir;

pub(crate) struct Sshd {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Sshd {
    /// A server that trusts the authority whose private key [`Self::ca`] is.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for key in ["host", "ca"] {
            keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &folder.path().join(key));
        }
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let file = |name| folder.path().join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             AuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nTrustedUserCAKeys {}\nRevokedKeys {}\nLogLevel VERBOSE\n",
            file("host"),
            file("ca.pub"),
            file("revoked"),
        );
        fs::write(file("config"), config).unwrap();
        // It gives up its rights there, where it has any.
        let _ = fs::create_dir("/run/sshd");
        let mut command = Command::new(program());
        command.args(["-D", "-f", &file("config"), "-E", &file("log")]);
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let server = Self { folder, process, port };
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not start: {}", server.log());
    }

    /// The authority's private key.
    pub(crate) fn ca(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca")).unwrap()
    }

    /// The list of revoked keys.
    pub(crate) fn revoked(&self) -> PathBuf {
        self.folder.path().join("revoked")
    }

    /// Everything the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What `ssh` says when it logs in with what was issued and runs `command`.
    pub(crate) async fn run(&self, issued: &Issued, options: &[&str], command: &str) -> Output {
        let (key, certificate) = files(self.folder.path(), issued);
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string(), "-i"]).arg(key);
        ssh.arg("-o").arg(format!("CertificateFile={}", certificate.display()));
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(options).arg(format!("{}@127.0.0.1", user())).arg(command);
        let run = ssh.stdin(Stdio::null()).kill_on_drop(true).output();
        tokio::time::timeout(Duration::from_secs(30), run).await.unwrap().unwrap()
    }

    /// What `ssh-keygen` reads in a certificate.
    pub(crate) fn describe(&self, issued: &Issued) -> String {
        let (_, certificate) = files(self.folder.path(), issued);
        keygen(&["-L", "-f"], &certificate)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes what was issued where the client takes it from.
fn files(folder: &Path, issued: &Issued) -> (PathBuf, PathBuf) {
    let handle = issued.handle.as_deref().unwrap();
    let name: String = handle.chars().filter(char::is_ascii_alphanumeric).collect();
    let key = folder.join(name);
    let certificate = key.with_added_extension("cert");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    for (path, field) in [(&key, "key"), (&certificate, "certificate")] {
        let mut file = options.open(path).unwrap();
        std::io::Write::write_all(&mut file, issued.material.get(field).unwrap().as_bytes())
            .unwrap();
    }
    (key, certificate)
}

/// What `ssh-keygen` says.
pub(crate) fn keygen(words: &[&str], file: &Path) -> String {
    let output = Command::new("ssh-keygen").args(words).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Who runs this test, and so may log in whatever user the server runs as.
pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The server, which wants to be called by its whole name.
fn program() -> &'static str {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
    places.into_iter().find(|path| Path::new(path).exists()).expect("run e2e/setup first: no sshd")
}
