//! The projection of the ledger, in one file, so that a start need not replay everything.
//!
//! Nothing here is the truth: the ledger is. Whatever is wrong with the file (torn, foreign, of
//! another version, not what it says, not of this ledger) it is moved aside to `projection.redb.bad`, said once in
//! the log, and the ledger is replayed from its beginning instead. Only a disk that refuses to be
//! read or written is an error.
//!
//! *Absences:* no clock, no randomness, nothing secret that the ledger's clear part does not hold
//! but the purposes of tasks, which is why the file is closed to other users.

mod file;
mod tables;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::Database;
use remit_ports::{Projection, Store, StoreError};

/// Why a file gives no projection.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// What is in it cannot be used; it can be done without.
    #[error("{0}")]
    Useless(String),
    /// The disk refused; it may be good.
    #[error("{0}")]
    Disk(String),
}

/// The store on redb, in `<state>/projection.redb`.
pub struct RedbStore {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Opened when first used; closed after any failure, because redb refuses everything after a
    /// failed write.
    database: Option<Database>,
    /// Whether something was loaded from the file or saved to it. If the file vanishes after that,
    /// no other is begun: a save names only what changed, so a new file would lack the rest and
    /// still carry a position.
    begun: bool,
    /// Why what is in the file is of no use, where it could not be moved aside yet.
    in_the_way: Option<String>,
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedbStore({})", self.path.display())
    }
}

impl RedbStore {
    /// The store under `state`. Nothing is opened yet.
    pub fn new(state: &Path) -> Self {
        Self { path: state.join("projection.redb"), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Option<Projection>, Fault> {
        let mut state = self.state();
        let database = match state.database.take() {
            Some(database) => database,
            None if !file::is_there(&self.path)? => {
                state.begun = false;
                return Ok(None);
            }
            None => file::open(&self.path)?,
        };
        let projection = tables::read(&database)?;
        state.database = Some(database);
        state.begun = projection.is_some();
        Ok(projection)
    }

    fn write(&self, changed: &Projection) -> Result<(), Fault> {
        let mut state = self.state();
        let database = match state.database.take() {
            Some(database) => database,
            None if file::is_there(&self.path)? => file::open(&self.path)?,
            None if state.begun => {
                let text = "its file is gone; it begins anew with the next start";
                return Err(Fault::Disk(text.to_owned()));
            }
            None => file::create(&self.path)?,
        };
        tables::write(&database, changed)?;
        state.database = Some(database);
        state.begun = true;
        Ok(())
    }

    /// Runs `act`. A panic within counts as a useless file: redb's debug builds panic where its
    /// release builds report corruption.
    fn guarded<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let fault = || Fault::Useless("reading it failed half-way".to_owned());
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(fault()))
    }

    fn move_aside(&self, why: &str, action: &'static str) -> Result<(), StoreError> {
        self.state().database = None;
        let aside = file::set_aside(&self.path)
            .map_err(|fault| StoreError { action, why: fault.to_string() })?;
        tracing::warn!(
            file = %self.path.display(),
            moved_to = %aside.display(),
            why,
            "the projection cannot be used and was moved aside: the ledger is replayed instead, \
             nothing is lost"
        );
        Ok(())
    }
}

impl Store for RedbStore {
    fn load(&self) -> Result<Option<Projection>, StoreError> {
        match Self::guarded(|| self.read()) {
            Ok(projection) => Ok(projection),
            Err(Fault::Disk(why)) => Err(StoreError { action: "read", why }),
            Err(Fault::Useless(why)) => {
                self.move_aside(&why, "read")?;
                self.state().begun = false;
                Ok(None)
            }
        }
    }

    /// A file that turns out to be useless is moved aside, and this save and those after it fail
    /// until the next start, which replays the ledger.
    fn save(&self, changed: &Projection) -> Result<(), StoreError> {
        let action = "written";
        let in_the_way = self.state().in_the_way.clone();
        if let Some(why) = in_the_way {
            self.set_aside(&why)?;
        }
        match Self::guarded(|| self.write(changed)) {
            Ok(()) => Ok(()),
            Err(Fault::Disk(why)) => Err(StoreError { action, why }),
            Err(Fault::Useless(why)) => {
                self.move_aside(&why, action)?;
                Err(StoreError { action, why })
            }
        }
    }

    fn set_aside(&self, why: &str) -> Result<(), StoreError> {
        *self.state() = State { in_the_way: Some(why.to_owned()), ..State::default() };
        self.move_aside(why, "moved aside")?;
        *self.state() = State::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
