//! The sessions that are open over HTTP, by their ids.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use remit_model::{Entropy, ServerName, TaskId, Timestamp};

use crate::session::Session;

/// All of them.
#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    per_task: usize,
    open: Mutex<BTreeMap<String, Arc<Session>>>,
}

impl Sessions {
    /// Sessions that end after `idle` without use, at most `per_task` of one task.
    pub(crate) fn new(idle: Duration, per_task: usize) -> Self {
        Self { idle, per_task, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session and gives its id (128 random bits). Where its task has too many, the one
    /// that was used longest ago and has nothing under way ends.
    ///
    /// Errors: the task has too many, and all are busy.
    pub(crate) fn open(
        &self,
        session: Session,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<String, TooMany> {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let id = HEXLOWER.encode(&bytes);
        session.touch(now);
        let mut open = self.lock();
        self.expire(&mut open, now);
        let of_task = open.iter().filter(|(_, other)| other.task == session.task);
        if of_task.clone().count() >= self.per_task {
            let oldest = of_task.filter(|(_, other)| other.is_idle()).min_by_key(|(_, s)| s.used());
            let oldest = oldest.map(|(id, _)| id.clone()).ok_or(TooMany(self.per_task))?;
            if let Some(old) = open.remove(&oldest) {
                old.end();
            }
        }
        open.insert(id.clone(), Arc::new(session));
        Ok(id)
    }

    /// The session `id` if it belongs to this task and this endpoint.
    pub(crate) fn find(
        &self,
        id: &str,
        task: &TaskId,
        server: Option<&ServerName>,
        now: Timestamp,
    ) -> Option<Arc<Session>> {
        let mut open = self.lock();
        self.expire(&mut open, now);
        let session = open.get(id)?;
        if session.task != *task || session.server.as_ref() != server {
            return None;
        }
        session.touch(now);
        Some(Arc::clone(session))
    }

    /// Ends the session `id`.
    pub(crate) fn close(&self, id: &str) {
        let closed = self.lock().remove(id);
        if let Some(session) = closed {
            session.end();
        }
    }

    fn expire(&self, open: &mut BTreeMap<String, Arc<Session>>, now: Timestamp) {
        open.retain(|_, session| {
            let stays = now.since(session.used()) < self.idle || !session.is_idle();
            if !stays {
                session.end();
            }
            stays
        });
    }
}

/// A task has as many sessions as it may, and all are busy.
#[derive(Debug, thiserror::Error)]
#[error("the task has {0} sessions and all are busy: end one first")]
pub(crate) struct TooMany(usize);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use remit_mcp::Raw;
    use remit_mcp::revision::Revision;

    use super::*;
    use crate::session::Opening;

    #[derive(Default)]
    struct Counting(AtomicU8);
    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn task(letter: char) -> TaskId {
        format!("tsk_0000000000000000000000000{letter}").parse().unwrap()
    }

    fn session(letter: char) -> Session {
        let capabilities = Raw::parse("{}").unwrap();
        let opening = Opening { revision: Revision::LATEST_WITH_SESSIONS, capabilities };
        Session::new(task(letter), None, opening)
    }

    #[test]
    fn a_session_opens_for_its_own_task_and_endpoint_until_it_is_idle() {
        let sessions = Sessions::new(Duration::from_secs(10), 4);
        let entropy = Counting::default();
        let id = sessions.open(session('a'), &entropy, Timestamp(0)).unwrap();
        let server: ServerName = "mail".parse().unwrap();
        assert!(sessions.find(&id, &task('a'), None, Timestamp(5_000)).is_some());
        assert!(sessions.find(&id, &task('b'), None, Timestamp(5_000)).is_none());
        assert!(sessions.find(&id, &task('a'), Some(&server), Timestamp(5_000)).is_none());
        assert!(sessions.find(&id, &task('a'), None, Timestamp(14_999)).is_some());
        assert!(sessions.find(&id, &task('a'), None, Timestamp(24_999)).is_none());
    }

    #[test]
    fn the_oldest_idle_session_of_the_task_makes_room() {
        let sessions = Sessions::new(Duration::from_secs(1000), 2);
        let entropy = Counting::default();
        let open = |letter, at| sessions.open(session(letter), &entropy, Timestamp(at));
        let (one, two) = (open('a', 1).unwrap(), open('a', 2).unwrap());
        let other = open('b', 0).unwrap();
        let busy = sessions.find(&one, &task('a'), None, Timestamp(2)).unwrap();
        let _stream = busy.stream();
        let three = open('a', 3).unwrap();
        let there = |id: &str, letter| sessions.find(id, &task(letter), None, Timestamp(3));
        assert!(there(&two, 'a').is_none() && there(&one, 'a').is_some());
        let _stream = there(&three, 'a').unwrap().stream();
        assert!(open('a', 4).is_err());
        assert!(there(&other, 'b').is_some());
    }
}
