//! What a task begins with: the labels of everything that whoever opens it has worked on before (promise
//! R6).
//!
//! An agent that has read something bad could ask for a new task and begin as if it had not. So a process
//! begins where it, or one that it descends from, left off in earlier tasks. So does a client that shows a
//! JWT-SVID of ours, which says to which process it was issued. Of any other client nobody can say which
//! process it is; it could be any, so it begins where all of that agent's clients and processes left off, and
//! every process where all its clients did. Whoever gets a further grant works on the task, too. A clean
//! start has a person, or a process that was started for it.

use std::collections::BTreeSet;

use remit_model::{AgentName, Descent, Digest, Label};

use crate::Engine;
use crate::open::Opener;

/// By what it is known who worked on a task: processes that opened it or went on with it, or the clients of an
/// agent.
pub(crate) type Workers = BTreeSet<Digest>;

/// All the clients of an agent at the token endpoint, of which nobody knows how many there are.
pub(crate) fn clients(agent: &AgentName) -> Digest {
    Digest::of_parts(&[b"clients", agent.as_str().as_bytes()])
}

/// All the processes of an agent that the kernel named.
pub(crate) fn processes(agent: &AgentName) -> Digest {
    Digest::of_parts(&[b"processes", agent.as_str().as_bytes()])
}

/// Who will work on a task, and where they left off.
pub(crate) struct Known {
    pub(crate) workers: Workers,
    pub(crate) label: Label,
}

impl Engine {
    /// What is known of whoever opens a task for `agent`. A person who opens it makes a clean start, but
    /// whoever gets the grant is some client.
    pub(crate) fn known_of(&self, opener: &Opener, agent: &AgentName) -> Known {
        let (clients, processes) = (clients(agent), processes(agent));
        match opener {
            Opener::Operator(_) => {
                Known { workers: Workers::from([clients]), label: Label::default() }
            }
            // Its client comes back by a person alone.
            Opener::Person(..) => Known { workers: Workers::new(), label: Label::default() },
            Opener::Peer(workload) => match workload.worker() {
                Some(worker) => Known {
                    workers: Workers::from([worker, processes]),
                    label: self.left_by(workload.processes.iter().chain([&clients])),
                },
                // The kernel did not say which process it is.
                None => Known {
                    workers: Workers::from([clients, processes]),
                    label: self.left_by([&clients, &processes]),
                },
            },
            Opener::Client(client) => self.known_of_client(agent, client.process.as_ref()),
        }
    }

    /// The same of a client of the token endpoint; `process` is whom our Workload API vouched to. That could
    /// have been started only to ask: so all that run as its user and that it descends from work on the task.
    pub(crate) fn known_of_client(&self, agent: &AgentName, process: Option<&Descent>) -> Known {
        let (clients, processes) = (clients(agent), processes(agent));
        match process {
            Some(process) => Known {
                workers: process.kin.iter().copied().chain([processes]).collect(),
                label: self.left_by(process.all().chain([&clients])),
            },
            None => Known {
                workers: Workers::from([clients]),
                label: self.left_by([&clients, &processes]),
            },
        }
    }

    /// The join of the labels of all tasks on which one of `before` worked.
    pub(crate) fn left_by<'a>(&self, before: impl IntoIterator<Item = &'a Digest>) -> Label {
        let tasks = self.tasks.of(before);
        tasks
            .iter()
            .map(|cell| cell.lock().account().label.clone())
            .fold(Label::default(), Label::join)
    }
}
