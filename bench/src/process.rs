//! What a process has used, as the kernel counts it.

use std::time::Duration;

use crate::fail::Fail;

/// A process under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(rustix::process::Pid);

impl Process {
    /// The process with this id.
    ///
    /// Errors: no process has such an id.
    pub(crate) fn new(id: u32) -> Result<Self, Fail> {
        let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
        id.map(Self).ok_or_else(|| Fail::new("expected the id of a process"))
    }

    /// The CPU time of all its threads so far, also of those that ended; to the kernel's tick, so
    /// measure for seconds.
    ///
    /// Errors: it is gone.
    pub(crate) fn cpu(self) -> Result<Duration, Fail> {
        let ticks = cpu_ticks(&self.read("stat")?).ok_or_else(|| self.unreadable("stat"))?;
        let each = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_micros(ticks.saturating_mul(each)))
    }

    /// The memory that it holds now, in KiB.
    ///
    /// Errors: it is gone.
    pub(crate) fn resident(self) -> Result<u64, Fail> {
        resident_kib(&self.read("status")?).ok_or_else(|| self.unreadable("status"))
    }

    /// Stops it where it is, so that it uses nothing while another is measured.
    ///
    /// Errors: it is gone.
    pub(crate) fn park(self) -> Result<(), Fail> {
        Ok(rustix::process::kill_process(self.0, rustix::process::Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// Errors: it is gone.
    pub(crate) fn unpark(self) -> Result<(), Fail> {
        Ok(rustix::process::kill_process(self.0, rustix::process::Signal::CONT)?)
    }

    /// Asks it to end.
    ///
    /// Errors: it is gone.
    pub(crate) fn end(self) -> Result<(), Fail> {
        Ok(rustix::process::kill_process(self.0, rustix::process::Signal::TERM)?)
    }

    fn read(self, file: &str) -> Result<String, Fail> {
        let path = format!("/proc/{}/{file}", self.0.as_raw_nonzero());
        std::fs::read_to_string(&path)
            .map_err(|why| Fail::new(format!("cannot read {path}: {why}")))
    }

    fn unreadable(self, file: &str) -> Fail {
        Fail::new(format!("cannot make sense of /proc/{}/{file}", self.0.as_raw_nonzero()))
    }
}

/// `utime` + `stime` of `proc_pid_stat(5)`, fields 14 and 15. The name, field 2, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    ticks()?.checked_add(ticks()?)
}

/// `VmRSS` of `proc_pid_status(5)`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_understood() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4 100 0 0 0 31 11 0 0 20 0 5 0 99 1000 25";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert_eq!(resident_kib("Name:\ta\nVmRSS:\t   5120 kB\nThreads:\t2\n"), Some(5120));
        assert_eq!(resident_kib("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let own = Process::new(std::process::id()).unwrap();
        assert!(own.resident().unwrap() > 100);
        own.cpu().unwrap();
        assert!(Process::new(0).is_err());
    }
}
