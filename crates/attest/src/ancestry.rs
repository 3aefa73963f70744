//! Which process this is, for as long as it lives and nobody after it, and from which it descends.
//!
//! A process id comes back; a process id with the moment at which it was given, of this start of the
//! machine, does not.

use std::fs;
use std::io;

use remit_model::Digest;

/// How far up it is looked (R13); what is above is a supervisor, or the machine's first process.
const MAX_ANCESTORS: usize = 32;

/// The names of the process `pid` and of its ancestors, itself first. One that has ended in between, and
/// those above it, are left out: nobody descends from it any more.
pub(crate) fn of(pid: u32) -> io::Result<Vec<Digest>> {
    let boot = fs::read("/proc/sys/kernel/random/boot_id")?;
    let mut names = Vec::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| *pid > 1 && names.len() < MAX_ANCESTORS) {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { break };
        let Some((parent, born)) = read(&stat) else { break };
        names.push(Digest::of_parts(&[b"process", &boot, &pid.to_be_bytes(), born.as_bytes()]));
        next = Some(parent);
    }
    Ok(names)
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
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn a_process_descends_from_whoever_started_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (mine, its) = (of(id()).unwrap(), of(child.id()).unwrap());
        assert_eq!(its.get(1..), Some(mine.as_slice()));
        assert_ne!(its.first(), mine.first());
        assert_eq!(of(child.id()).unwrap(), its, "it stays itself");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(of(child.id()).unwrap().is_empty(), "it is nobody any more");
    }

    #[test]
    fn a_name_cannot_pass_for_anything_else() {
        let fields = (3..=30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(read(&format!("7 (a) 1 2 3) {fields}")), Some((4, "22")));
        assert_eq!(read("7 (a) S 1"), None);
        assert_eq!(read("nothing"), None);
    }
}
