//! Real processes at real sockets.

use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use super::*;

/// A socket, and a process of another program that is connected to it.
struct Scene {
    child: Child,
    stream: UnixStream,
    path: PathBuf,
}

/// Connects and stays. A shell cannot do that; python3 is on every machine that builds this.
const CONNECTS: &str = "import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
sys.stdin.read()";

impl Scene {
    fn new(name: &str) -> Self {
        Self::under(name, &mut Command::new("python3"))
    }

    /// Where `python` runs an interpreter of its own.
    fn under(name: &str, python: &mut Command) -> Self {
        let path = std::env::temp_dir().join(format!("remit-attest-{}-{name}", std::process::id()));
        drop(fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let connecting = python.args(["-c", CONNECTS]).arg(&path).stdin(Stdio::piped());
        let child = connecting.spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        Self { child, stream, path }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_file(&self.path));
    }
}

#[test]
fn the_kernel_says_who_connected() {
    let scene = Scene::new("who");
    let peer = Peer::of(&scene.stream).unwrap();
    assert_eq!(peer.pid(), i32::try_from(scene.child.id()).unwrap());
    let workload = peer.workload(true).unwrap();
    assert_eq!(workload.uid, rustix::process::geteuid().as_raw());
    assert_eq!(workload.gid, Some(rustix::process::getegid().as_raw()));
    let executable = fs::canonicalize(format!("/proc/{}/exe", scene.child.id())).unwrap();
    assert_eq!(workload.path.as_deref(), executable.to_str());
    assert_eq!(workload.sha256, Some(Digest::of(&fs::read(executable).unwrap())));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(workload.cgroup, cgroup(&own), "a child is in its parent's group");
}

/// What a process id stands for by now does not matter: the pidfd stands for who connected.
#[test]
fn of_a_process_that_ended_nothing_is_said() {
    let mut scene = Scene::new("ended");
    let peer = Peer::of(&scene.stream).unwrap();
    assert!(peer.workload(false).is_ok());
    scene.child.kill().unwrap();
    scene.child.wait().unwrap();
    assert!(matches!(peer.workload(false), Err(AttestError::Gone)));
    assert!(matches!(peer.workload(true), Err(AttestError::Gone)));
    // As if the number had gone to a process of somebody else: this one.
    let reused = Peer { pid: i32::try_from(std::process::id()).unwrap(), ..peer };
    assert!(matches!(reused.workload(false), Err(AttestError::Gone)));
    assert!(matches!(reused.workload(true), Err(AttestError::Gone)));
}

#[test]
fn of_a_process_that_ended_before_it_was_looked_at_nothing_is_said() {
    let mut scene = Scene::new("early");
    scene.child.kill().unwrap();
    scene.child.wait().unwrap();
    let said = Peer::of(&scene.stream).and_then(|peer| peer.workload(false));
    assert!(matches!(said, Err(AttestError::Gone)), "{said:?}");
}

#[test]
fn in_a_mount_namespace_of_its_own_a_path_means_nothing() {
    let own = ["--user", "--mount"];
    let possible = Command::new("unshare").args(own).arg("true").status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine lets nobody have a mount namespace");
        return;
    }
    let scene = Scene::under("mount", Command::new("unshare").args(own).arg("python3"));
    let workload = Peer::of(&scene.stream).unwrap().workload(false).unwrap();
    assert_eq!(workload.path, None);
    assert_eq!(workload.uid, rustix::process::geteuid().as_raw());
}

#[test]
fn proc_is_read_as_the_kernel_writes_it() {
    assert_eq!(groups("Gid:\t1\nGroups:\t4 27 1000 \nNStgid:\t1\n"), [4, 27, 1000]);
    assert!(groups("Groups:\t \n").is_empty());
    assert_eq!(cgroup("1:cpu:/a\n0::/user.slice\n").as_deref(), Some("/user.slice"));
    assert_eq!(cgroup("1:cpu:/a\n"), None);
}
