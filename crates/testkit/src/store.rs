//! A projection in memory.

use std::sync::Mutex;

use remit_model::TaskId;
use remit_ports::{Projection, Store, StoreError};

use crate::fault::{Fault, lock};

/// A store that merges tasks as its port demands, and counts its saves.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Projection>,
    saves: usize,
    unreadable: bool,
    fault: Option<Fault>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next save fails.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.state).fault = Some(fault);
    }

    /// Whether loading fails from now on.
    pub fn set_unreadable(&self, unreadable: bool) {
        lock(&self.state).unreadable = unreadable;
    }

    /// Loses everything, as a deleted file would.
    pub fn lose(&self) {
        lock(&self.state).kept = None;
    }

    /// How often it was saved to.
    pub fn saves(&self) -> usize {
        lock(&self.state).saves
    }

    /// What it holds.
    pub fn kept(&self) -> Option<Projection> {
        lock(&self.state).kept.clone()
    }
}

fn failed(action: &'static str) -> StoreError {
    StoreError { action, why: "the test wanted it".to_owned() }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Option<Projection>, StoreError> {
        let state = lock(&self.state);
        if state.unreadable { Err(failed("read")) } else { Ok(state.kept.clone()) }
    }

    fn save(&self, changed: &Projection) -> Result<(), StoreError> {
        let mut state = lock(&self.state);
        let fault = state.fault.take();
        if fault != Some(Fault::Before) {
            let mut next = changed.clone();
            let kept = state.kept.take().unwrap_or_default();
            let stays = |id: &TaskId| changed.tasks.iter().all(|task| task.id() != id);
            next.tasks.extend(kept.tasks.into_iter().filter(|task| stays(task.id())));
            next.tasks.sort_by(|a, b| a.id().cmp(b.id()));
            state.kept = Some(next);
            state.saves += 1;
        }
        fault.map_or(Ok(()), |_| Err(failed("written")))
    }

    fn set_aside(&self, _: &str) -> Result<(), StoreError> {
        self.lose();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use remit_model::Task;

    use super::*;
    use crate::samples;

    fn task(n: u8, purpose: &str) -> Task {
        let mut charter = samples::charter(n);
        charter.purpose = purpose.to_owned();
        Task::open(charter)
    }

    #[test]
    fn tasks_not_given_stay_and_the_rest_is_replaced() {
        let store = MemoryStore::new();
        assert_eq!(store.load().unwrap(), None);
        let first = Projection {
            position: 2,
            tasks: vec![task(2, "b"), task(1, "a")],
            catalogue: Some("{}".into()),
            ..Projection::default()
        };
        store.save(&first).unwrap();
        store.fail_next(Fault::Before);
        let second = Projection { position: 3, tasks: vec![task(1, "A")], ..Projection::default() };
        assert!(store.save(&second).is_err());
        assert_eq!(store.load().unwrap().unwrap().position, 2);
        store.save(&second).unwrap();
        let kept = store.load().unwrap().unwrap();
        assert_eq!(kept.tasks, [task(1, "A"), task(2, "b")]);
        assert_eq!((kept.position, kept.catalogue, store.saves()), (3, None, 2));
        store.set_unreadable(true);
        assert!(store.load().is_err());
        store.set_unreadable(false);
        store.set_aside("of no use").unwrap();
        store.save(&second).unwrap();
        assert_eq!(store.load().unwrap(), Some(second));
    }
}
