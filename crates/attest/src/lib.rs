//! Who is at the other end of a socket, by the kernel's word alone: of a Unix socket here, of a TCP
//! connection on this machine in [`loopback`].
//!
//! A process id says who a process is only while that process lives: afterwards it may be somebody
//! else's. So a [`Peer`] holds a pidfd, which stands for one process for good, and everything read by
//! process id is believed only if that process still lives after it was read. The pidfd comes from
//! the socket itself (`SO_PEERPIDFD`, Linux 6.5): one that is opened by number could be another's
//! already. On an older kernel there is none, and nothing but user and group is known of a peer.
//!
//! The peer is whoever *connected*. A socket that was passed on still stands for that process.
//!
//! *Absences:* no rule about who may do what; nothing that a peer says of itself.

mod ancestry;
pub mod loopback;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use nix::sys::socket::{getsockopt, sockopt};
use remit_model::{Digest, Workload};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The largest executable whose digest is taken (R13); it is read at each attestation.
pub const MAX_EXECUTABLE: u64 = 512 * 1024 * 1024;
/// How many supplementary groups are looked at (R13); the kernel's own bound is 65,536.
const MAX_GROUPS: usize = 1024;
/// How much of a file under `/proc` is read (R13).
const MAX_PROC: u64 = 1024 * 1024;

/// Why a peer was not attested.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The kernel did not say who it is.
    #[error("the kernel did not say who is at the other end of the socket: {0}")]
    Unknown(io::Error),
    /// It is gone.
    #[error("the process that connected has ended, so nothing can be said of it any more")]
    Gone,
    /// Its executable is larger than any that is read.
    #[error("its executable has {0} bytes, at most {MAX_EXECUTABLE} are read")]
    TooLarge(u64),
    /// Something about it could not be read.
    #[error("could not read what it runs: {0}; Remit must run as root, or as the same user")]
    Unreadable(io::Error),
}

/// The process that connected to a Unix socket.
#[derive(Debug)]
pub struct Peer {
    uid: u32,
    gid: u32,
    pid: i32,
    process: Option<OwnedFd>,
}

impl Peer {
    /// The peer of `socket`.
    ///
    /// Errors: the kernel does not say who it is.
    pub fn of(socket: &impl AsFd) -> Result<Self, AttestError> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials)
            .map_err(|why| AttestError::Unknown(why.into()))?;
        let process = match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(process) => Some(process),
            Err(nix::Error::ESRCH | nix::Error::ENODATA | nix::Error::EINVAL) => {
                return Err(AttestError::Gone);
            }
            // A kernel that does not know it.
            Err(_) => None,
        };
        // Of another process namespace there is no number here.
        let process = process.filter(|_| credentials.pid() > 0);
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid(), process })
    }

    /// Its user id when it connected.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Its process id, for the log only: it may be somebody else's by now.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What is known of it; with the digest of its executable, which is read for that, if `digest`.
    /// Blocks while it reads. What else cannot be read stays unknown, and fits nothing.
    ///
    /// Errors: it has ended, or its executable cannot be read or is too large.
    pub fn workload(&self, digest: bool) -> Result<Workload, AttestError> {
        let bare = Workload { gid: Some(self.gid), ..Workload::of_user(self.uid) };
        let Some(process) = &self.process else { return Ok(bare) };
        let read = || -> Result<Workload, AttestError> {
            let found = u32::try_from(self.pid).ok();
            let found = found.and_then(|pid| ancestry::of(pid, self.uid).ok());
            let (processes, kin) = found.unwrap_or_default();
            Ok(Workload {
                groups: self.read("status").map(|text| groups(&text)).unwrap_or_default(),
                path: self.path(),
                sha256: digest.then(|| self.digest()).transpose()?,
                cgroup: self.read("cgroup").ok().and_then(|text| cgroup(&text)),
                processes,
                kin,
                ..bare
            })
        };
        let workload = read();
        if lives(process) { workload } else { Err(AttestError::Gone) }
    }

    /// The digest of the file that is being executed, whatever has its name by now.
    fn digest(&self) -> Result<Digest, AttestError> {
        File::open(self.proc("exe")).map_err(AttestError::Unreadable).and_then(hash)
    }

    /// The path of its executable, if it has the same view of the file system as we do: in a mount
    /// namespace of its own, which any user can make, every path can be anything.
    fn path(&self) -> Option<String> {
        let namespace = |path: PathBuf| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
        let ours = namespace(PathBuf::from("/proc/self/ns/mnt"))?;
        if namespace(self.proc("ns/mnt"))? != ours {
            return None;
        }
        fs::read_link(self.proc("exe")).ok()?.into_os_string().into_string().ok()
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        File::open(self.proc(name))?.take(MAX_PROC).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Whether the process has not ended: a pidfd is readable from then on (`pidfd_open(2)`).
fn lives(process: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(process, PollFlags::IN)];
    matches!(poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

fn hash(mut file: File) -> Result<Digest, AttestError> {
    let length = file.metadata().map_err(AttestError::Unreadable)?.len();
    if length > MAX_EXECUTABLE {
        return Err(AttestError::TooLarge(length));
    }
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(AttestError::Unreadable)? {
            0 => break,
            read => context.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    let digest = context.finish();
    let bytes = digest.as_ref().try_into();
    bytes.map(Digest).map_err(|_| AttestError::Unreadable(io::Error::other("no digest")))
}

/// The line `Groups:` of `/proc/<pid>/status`.
fn groups(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_whitespace().take(MAX_GROUPS).filter_map(|group| group.parse().ok()).collect()
}

/// The line `0::` of `/proc/<pid>/cgroup`: version 2, of which each process has one.
fn cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
