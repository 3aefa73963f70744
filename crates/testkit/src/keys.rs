//! Body keys in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use remit_model::{Digest, TaskId};
use remit_ports::{BodyKey, BodyKeys, KeyError};
use zeroize::Zeroizing;

use crate::fault::{Fault, lock};

/// A keyring whose keys follow from the task's id: made when asked, gone when erased.
#[derive(Debug, Default)]
pub struct MemoryKeys {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<TaskId, BodyKey>,
    erased: BTreeSet<TaskId>,
    fault: Option<Fault>,
    unreadable: bool,
}

impl MemoryKeys {
    /// A keyring with the node's own key only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next creation or erasure fails.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.state).fault = Some(fault);
    }

    /// Whether the keys of tasks cannot be read from now on, though they are there.
    pub fn set_unreadable(&self, unreadable: bool) {
        lock(&self.state).unreadable = unreadable;
    }

    /// The tasks that have a key.
    pub fn tasks(&self) -> Vec<TaskId> {
        lock(&self.state).keys.keys().cloned().collect()
    }
}

impl State {
    /// Runs `change` unless a fault comes before it, and fails if there was one.
    fn write(&mut self, change: impl FnOnce(&mut Self)) -> Result<(), KeyError> {
        let fault = self.fault.take();
        if fault != Some(Fault::Before) {
            change(self);
        }
        fault.map_or(Ok(()), |_| Err(KeyError::Failed("the test wanted it".to_owned())))
    }
}

fn key_of(name: &str) -> BodyKey {
    BodyKey::new(Zeroizing::new(Digest::of(name.as_bytes()).0))
}

impl BodyKeys for MemoryKeys {
    fn create(&self, task: &TaskId) -> Result<(), KeyError> {
        let mut state = lock(&self.state);
        if state.erased.contains(task) {
            return Err(KeyError::Gone(task.to_string()));
        }
        state.write(|state| {
            state.keys.entry(task.clone()).or_insert_with(|| key_of(task.as_str()));
        })
    }

    fn key(&self, task: Option<&TaskId>) -> Result<BodyKey, KeyError> {
        let Some(task) = task else { return Ok(key_of("node")) };
        let state = lock(&self.state);
        if state.unreadable {
            return Err(KeyError::Failed("the test wanted it".to_owned()));
        }
        let key = state.keys.get(task).cloned();
        key.ok_or_else(|| KeyError::Gone(task.to_string()))
    }

    fn erase(&self, task: &TaskId) -> Result<(), KeyError> {
        lock(&self.state).write(|state| {
            state.keys.remove(task);
            state.erased.insert(task.clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_key_lives_from_creation_to_erasure() {
        let keys = MemoryKeys::new();
        let (one, two) = (samples::task_id(1), samples::task_id(2));
        assert_eq!(keys.key(Some(&one)).unwrap_err(), KeyError::Gone(one.to_string()));
        keys.create(&one).unwrap();
        keys.create(&two).unwrap();
        let key = |task| *keys.key(task).unwrap().as_bytes();
        assert_ne!(key(Some(&one)), key(Some(&two)));
        assert_ne!(key(Some(&one)), key(None));
        keys.erase(&one).unwrap();
        assert!(keys.key(Some(&one)).is_err());
        assert!(keys.create(&one).is_err(), "an erased task has no second life");
        assert_eq!(keys.tasks(), [two]);
    }

    #[test]
    fn a_fault_comes_in_two_kinds() {
        let keys = MemoryKeys::new();
        let task = samples::task_id(1);
        keys.fail_next(Fault::Before);
        assert!(keys.create(&task).is_err() && keys.key(Some(&task)).is_err());
        keys.fail_next(Fault::After);
        assert!(keys.create(&task).is_err() && keys.key(Some(&task)).is_ok());
        keys.set_unreadable(true);
        assert!(matches!(keys.key(Some(&task)), Err(KeyError::Failed(_))));
        assert!(keys.key(None).is_ok() && keys.tasks() == [task]);
    }
}
