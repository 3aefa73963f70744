//! What the server says to its client, and of itself.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use remit_ports::Issued;

use crate::sshd::{Sshd, keygen, user};

impl Sshd {
    /// Everything the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What `ssh` says when it logs in with what was issued and runs `command`.
    pub(crate) async fn run(&self, issued: &Issued, options: &[&str], command: &str) -> Output {
        let (key, certificate) = files(self.folder.path(), issued);
        let mut ssh = self.client(&key, &certificate);
        ssh.args(options).arg(format!("{}@127.0.0.1", user())).arg(command);
        tokio::time::timeout(Duration::from_secs(30), ssh.output()).await.unwrap().unwrap()
    }

    /// What `ssh-keygen` reads in a certificate.
    pub(crate) fn describe(&self, issued: &Issued) -> String {
        let (_, certificate) = files(self.folder.path(), issued);
        keygen(&["-L", "-f"], &certificate)
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
