//! Which process this is, for as long as it lives and nobody after it, and from which it descends.
//!
//! A process id comes back; a process id with the moment at which it was given, of this start of the
//! machine, does not.

use std::fs;
use std::io;

use remit_model::{Digest, MAX_DESCENT};

/// The names of the process `pid` of user `uid` and of its ancestors, itself first, and how many of them,
/// from the first on, run as that user. One that has ended in between, and those above it, are left out:
/// nobody descends from it any more.
pub(crate) fn of(pid: u32, uid: u32) -> io::Result<(Vec<Digest>, usize)> {
    let boot = fs::read("/proc/sys/kernel/random/boot_id")?;
    let (mut names, mut kin) = (Vec::new(), 0);
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| *pid > 1 && names.len() < MAX_DESCENT) {
        let Some(stat) = text(pid, "stat") else { break };
        let Some((parent, born)) = read(&stat) else { break };
        // Not by the owner of the folder, which a process makes root by hiding its memory. One of which
        // nobody can say whose it is counts as this user's.
        let is_kin = || text(pid, "status").is_none_or(|status| runs_as(&status, uid));
        if kin == names.len() && is_kin() {
            kin += 1;
        }
        names.push(Digest::of_parts(&[b"process", &boot, &pid.to_be_bytes(), born.as_bytes()]));
        next = Some(parent);
    }
    Ok((names, kin))
}

/// What a file of the process `pid` says, if it can be read. Its name there can be any bytes.
pub(crate) fn text(pid: u32, file: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether one of the user ids in `/proc/<pid>/status` is `uid` (`proc_pid_status(5)`); also if it has none.
fn runs_as(status: &str, uid: u32) -> bool {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.is_none_or(|ids| ids.split_ascii_whitespace().any(|id| id.parse() == Ok(uid)))
}

/// The parent in `/proc/<pid>/stat`, and when the process began (`proc_pid_stat(5)`, fields 4 and 22).
/// The name before them may hold brackets and blanks itself.
pub(crate) fn read(stat: &str) -> Option<(u32, &str)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    Some((parent, fields.nth(17)?))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn a_process_descends_from_whoever_started_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let ((mine, my_kin), (its, kin)) = (of(id(), uid).unwrap(), of(child.id(), uid).unwrap());
        assert_eq!(its.get(1..), Some(mine.as_slice()));
        assert_ne!(its.first(), mine.first());
        assert!(my_kin >= 1 && kin == my_kin + 1, "{my_kin}, {kin}");
        assert_eq!(of(child.id(), uid + 1).unwrap(), (its, 0), "it stays itself, and its user's");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of(child.id(), uid).unwrap(), (Vec::new(), 0), "it is nobody any more");
    }

    #[test]
    fn a_name_that_is_no_text_hides_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
        symlink("/bin/sleep", &odd).unwrap();
        let uid = rustix::process::getuid().as_raw();
        let mut child = Command::new(&odd).arg0("sleep").arg("60").spawn().unwrap();
        let ((mine, _), (its, _)) = (of(id(), uid).unwrap(), of(child.id(), uid).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(its.get(1..), Some(mine.as_slice()));
    }

    #[test]
    fn a_process_is_whoever_it_runs_as_or_may() {
        let status = |ids: &str| format!("Name:\ta\nUid:\t{ids}\nGid:\t9\t9\t9\t9\n");
        for (ids, expected) in [("7\t7\t7\t7", true), ("0\t7\t0\t0", true), ("8\t8\t8\t8", false)] {
            assert_eq!(runs_as(&status(ids), 7), expected, "{ids}");
        }
        assert!(runs_as("", 7), "on doubt");
    }

    #[test]
    fn a_name_cannot_pass_for_anything_else() {
        let fields = (3..=30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(read(&format!("7 (a) 1 2 3) {fields}")), Some((4, "22")));
        assert_eq!(read("7 (a) S 1"), None);
        assert_eq!(read("nothing"), None);
    }
}
