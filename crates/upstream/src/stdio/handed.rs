//! What a process is handed when it starts: in its environment, as files, or as open descriptors.
//!
//! A file or a descriptor stands in its environment by path or number alone, so that whoever reads that
//! (`/proc/PID/environ`, a crash report, the log of a program that prints it) has nothing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use command_fds::{CommandFdExt as _, FdMapping};
use remit_model::Secret;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tempfile::TempDir;
use tokio::process::Command;

use crate::delivery::Equipment;

/// The first descriptor after the standard streams.
const FIRST: i32 = 3;

/// What one process is handed.
#[derive(Default)]
pub(crate) struct Handed {
    variables: BTreeMap<String, Secret>,
    descriptors: Vec<FdMapping>,
    /// The folder of its files, which are gone when this is.
    pub(crate) files: Option<TempDir>,
}

impl Handed {
    /// What belongs into a process of `equipment`; files in a folder below `base`.
    ///
    /// Errors: something cannot be written.
    pub(crate) fn of(equipment: &Equipment, base: &Path) -> Result<Self, String> {
        let failed = |why: io::Error| format!("what it is lent cannot be written: {why}");
        let mut handed = Self { variables: equipment.variables.clone(), ..Self::default() };
        handed.put_files(&equipment.files, base).map_err(failed)?;
        handed.put_descriptors(&equipment.descriptors).map_err(failed)?;
        Ok(handed)
    }

    fn put_files(&mut self, files: &BTreeMap<String, Secret>, base: &Path) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let ours_alone = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(ours_alone).tempdir_in(base)?;
        for (name, secret) in files {
            let path = folder.path().join(name);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(secret.reveal().as_bytes())?;
            self.variables.insert(name.clone(), Secret::new(path.display().to_string()));
        }
        self.files = Some(folder);
        Ok(())
    }

    fn put_descriptors(&mut self, descriptors: &BTreeMap<String, Secret>) -> io::Result<()> {
        for (child_fd, (name, secret)) in (FIRST..).zip(descriptors) {
            self.descriptors.push(FdMapping { parent_fd: sealed(secret)?, child_fd });
            self.variables.insert(name.clone(), Secret::new(child_fd.to_string()));
        }
        Ok(())
    }

    /// Hands it to the process that `command` starts. No other process inherits a descriptor: it is closed
    /// in whatever else is started, and here as soon as `command` is gone.
    ///
    /// Errors: it cannot be done.
    pub(crate) fn to(self, command: &mut Command) -> Result<(), String> {
        command.envs(self.variables.iter().map(|(name, secret)| (name, secret.reveal())));
        if !self.descriptors.is_empty() {
            command.fd_mappings(self.descriptors).map_err(|why| why.to_string())?;
        }
        Ok(())
    }
}

/// A file without a name, in memory alone, that nobody can change.
fn sealed(secret: &Secret) -> io::Result<OwnedFd> {
    let memory = memfd_create("lent", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(secret.reveal().as_bytes())?;
    file.rewind()?;
    fcntl_add_seals(
        &file,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(file.into())
}
