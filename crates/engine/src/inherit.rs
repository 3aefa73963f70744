//! What a task begins with: the labels of everything that whoever opens it has worked on before (promise
//! R6).
//!
//! An agent that has read something bad could ask for a new task and begin as if it had not. So a process
//! begins where it, or one that it descends from, left off in earlier tasks. Of a client that no kernel
//! names nobody can say which process it is; it could be the same one, so it begins where all of that
//! agent's clients left off. A clean start has a person, or a process that was started for it.

use std::collections::BTreeSet;

use remit_model::{AgentName, Digest, Label, Workload};

use crate::Engine;

/// By what it is known who worked on a task: the process that opened it, or the clients of an agent.
pub(crate) type Workers = BTreeSet<Digest>;

/// The process that opens a task.
pub(crate) fn process(workload: &Workload) -> Workers {
    workload.processes.first().copied().into_iter().collect()
}

/// All the clients of an agent, of which nobody knows how many there are.
pub(crate) fn clients(agent: &AgentName) -> Workers {
    Workers::from([Digest::of_parts(&[b"clients", agent.as_str().as_bytes()])])
}

impl Engine {
    /// The join of the labels of all tasks on which one of `before` worked.
    pub(crate) fn left_by<'a>(&self, before: impl IntoIterator<Item = &'a Digest>) -> Label {
        let before: BTreeSet<&Digest> = before.into_iter().collect();
        let mut label = Label::default();
        if before.is_empty() {
            return label;
        }
        for cell in self.cells() {
            if cell.workers().iter().any(|worker| before.contains(worker)) {
                label = label.join(cell.lock().account().label.clone());
            }
        }
        label
    }
}
