//! On what it was measured: figures without it mean nothing.

use std::fmt;

use serde::Serialize;

use crate::fail::Fail;

/// The machine's kind; nothing that names it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    /// The load average of the last minute before the run: what else it was busy with.
    load: String,
}

impl Machine {
    /// This one.
    ///
    /// Errors: the kernel does not say.
    pub(crate) fn read() -> Result<Self, Fail> {
        let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
        let named = cpus.lines().find_map(|line| line.strip_prefix("model name"));
        let named = named.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let load = std::fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: named.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            kernel,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, load } = self;
        write!(
            f,
            "{cores} cores of {processor}, Linux {kernel}, load average before the run {load}"
        )
    }
}
