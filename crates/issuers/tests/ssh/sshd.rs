//! An OpenSSH server of the test's own, on a free port, in a temporary folder. The end-to-end tests use it,
//! too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use remit_testkit::peers::on_a_free_port;
use tempfile::TempDir;

pub(crate) struct Sshd {
    pub(crate) folder: TempDir,
    process: Child,
    pub(crate) port: u16,
}

impl Sshd {
    /// A server that trusts the authority whose private key [`Self::ca`] is.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for key in ["host", "ca"] {
            keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &folder.path().join(key));
        }
        let file = |name| folder.path().join(name).display().to_string();
        // It gives up its rights there, where it has any.
        let _ = fs::create_dir("/run/sshd");
        let run = |port: u16| {
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\nStrictModes no\n\
                 AuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin prohibit-password\nTrustedUserCAKeys {}\nRevokedKeys {}\nLogLevel VERBOSE\n",
                file("host"),
                file("ca.pub"),
                file("revoked"),
            );
            fs::write(file("config"), config).unwrap();
            let mut command = Command::new(program());
            command.args(["-D", "-f", &file("config"), "-E", &file("log")]);
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        let ready = "Server listening on 127.0.0.1 port {port}.";
        let (process, port) = on_a_free_port(run, &folder.path().join("log"), ready).await;
        Self { folder, process, port }
    }

    /// `ssh` with this key and its certificate, which trusts the server and asks nobody.
    pub(crate) fn client(&self, key: &Path, certificate: &Path) -> tokio::process::Command {
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
        ssh.stdin(Stdio::null()).kill_on_drop(true);
        ssh
    }

    /// The authority's private key.
    pub(crate) fn ca(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca")).unwrap()
    }

    /// The list of revoked keys.
    pub(crate) fn revoked(&self) -> PathBuf {
        self.folder.path().join("revoked")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
