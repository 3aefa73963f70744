//! The tasks in memory: found by their names, and by who has worked on them.
//!
//! Whoever opens a task begins with what it has worked on before, so at each opening those tasks are looked
//! for; looking at every task would have it wait for the lock of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use remit_model::{Digest, Task, TaskId};

use crate::TaskCell;
use crate::inherit::Workers;

/// The tasks that are not closed, and those closed since the start; each cell has its own lock.
#[derive(Debug, Default)]
pub(crate) struct Tasks(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    cells: BTreeMap<TaskId, Arc<TaskCell>>,
    worked_on: BTreeMap<Digest, BTreeSet<TaskId>>,
}

impl Tasks {
    pub(crate) fn insert(&self, task: Task) {
        let workers = task.workers().copied().collect();
        let cell = Arc::new(TaskCell::new(task));
        let mut index = self.write();
        index.worked(cell.id(), &workers);
        index.cells.insert(cell.id().clone(), cell);
    }

    /// These work on `task` from now on. Said under its lock, right after it was recorded: before any of them
    /// has a grant for it.
    pub(crate) fn worked(&self, task: &TaskId, workers: &Workers) {
        self.write().worked(task, workers);
    }

    /// There is no such task after all.
    pub(crate) fn remove(&self, task: &TaskId) {
        let mut index = self.write();
        index.cells.remove(task);
        index.worked_on.retain(|_, tasks| !tasks.remove(task) || !tasks.is_empty());
    }

    pub(crate) fn get(&self, task: &TaskId) -> Option<Arc<TaskCell>> {
        self.read().cells.get(task).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<TaskCell>> {
        self.read().cells.values().cloned().collect()
    }

    /// The tasks on which one of `workers` has worked, each once.
    pub(crate) fn of<'a>(
        &self,
        workers: impl IntoIterator<Item = &'a Digest>,
    ) -> Vec<Arc<TaskCell>> {
        let index = self.read();
        let tasks = workers.into_iter().filter_map(|worker| index.worked_on.get(worker)).flatten();
        let tasks: BTreeSet<&TaskId> = tasks.collect();
        tasks.into_iter().filter_map(|task| index.cells.get(task).cloned()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn worked(&mut self, task: &TaskId, workers: &Workers) {
        for worker in workers {
            self.worked_on.entry(*worker).or_default().insert(task.clone());
        }
    }
}

impl FromIterator<Task> for Tasks {
    fn from_iter<T: IntoIterator<Item = Task>>(all: T) -> Self {
        let tasks = Self::default();
        all.into_iter().for_each(|task| tasks.insert(task));
        tasks
    }
}

#[cfg(test)]
mod tests {
    use remit_testkit::samples::{charter, task_id};

    use super::*;

    #[test]
    fn a_task_is_found_by_whoever_opened_it_or_went_on_with_it() {
        let [one, other, nobody] = [b"1", b"2", b"3"].map(|name| Digest::of(name));
        let opened = |n, by| {
            let mut charter = charter(n);
            charter.workers.insert(by);
            Task::open(charter)
        };
        let tasks = Tasks::from_iter([opened(1, one), opened(2, other)]);
        let of = |workers: &[Digest]| -> Vec<TaskId> {
            tasks.of(workers).iter().map(|cell| cell.id().clone()).collect()
        };
        assert_eq!((of(&[one]), of(&[other])), (vec![task_id(1)], vec![task_id(2)]));
        tasks.worked(&task_id(1), &Workers::from([other]));
        assert_eq!(of(&[other]), [task_id(1), task_id(2)]);
        assert_eq!(of(&[one, other]), [task_id(1), task_id(2)], "each once");
        assert_eq!(of(&[nobody]), []);
        tasks.remove(&task_id(1));
        assert_eq!((of(&[one]), of(&[other])), (vec![], vec![task_id(2)]));
    }
}
