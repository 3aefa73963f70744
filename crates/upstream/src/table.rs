//! The requests in flight on one connection.
//!
//! Owner of our ids: a server sees only numbers we made, which double as progress tokens, so that
//! nothing a client chose can collide with another client's choice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_mcp::Outcome;
use remit_ports::Link;
use tokio::sync::oneshot;

/// How a request in flight ends: with an answer, or with the reason why there is none.
pub(crate) type Answer = Result<Outcome, String>;

/// The requests in flight.
#[derive(Debug)]
pub(crate) struct Table {
    inner: Mutex<Inner>,
    max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    waiting: BTreeMap<u64, Waiter>,
    closed: Option<String>,
}

#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Answer>,
    link: Option<Link>,
}

/// A place in the table; leaving it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    table: Arc<Table>,
    /// Our id of the request.
    pub(crate) id: u64,
    /// Where its answer comes.
    pub(crate) answer: oneshot::Receiver<Answer>,
}

impl Table {
    /// A table with room for `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { inner: Mutex::default(), max }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a request of `link`.
    ///
    /// Errors: the table is full, or the connection ended.
    pub(crate) fn enter(self: &Arc<Self>, link: Option<Link>) -> Result<Place, String> {
        let mut inner = self.lock();
        if let Some(why) = &inner.closed {
            return Err(why.clone());
        }
        if inner.waiting.len() >= self.max {
            return Err(format!("{} requests are in flight at this server already", self.max));
        }
        inner.last += 1;
        let id = inner.last;
        let (answer, receiver) = oneshot::channel();
        inner.waiting.insert(id, Waiter { answer, link });
        Ok(Place { table: Arc::clone(self), id, answer: receiver })
    }

    /// Answers the request `id`; `false` if no such request is in flight.
    pub(crate) fn settle(&self, id: u64, answer: Answer) -> bool {
        let waiter = self.lock().waiting.remove(&id);
        waiter.is_some_and(|waiter| waiter.answer.send(answer).is_ok())
    }

    /// Fails the one request in flight if there is exactly one: then a message that names none can
    /// only be about it.
    pub(crate) fn fail_only(&self, why: &str) {
        let mut inner = self.lock();
        if inner.waiting.len() == 1
            && let Some((_, waiter)) = inner.waiting.pop_first()
        {
            let _ = waiter.answer.send(Err(why.to_owned()));
        }
    }

    /// Fails everything in flight and lets nothing more in.
    pub(crate) fn close(&self, why: &str) {
        let mut inner = self.lock();
        inner.closed.get_or_insert_with(|| why.to_owned());
        for (_, waiter) in std::mem::take(&mut inner.waiting) {
            let _ = waiter.answer.send(Err(why.to_owned()));
        }
    }

    /// The client of request `id`.
    pub(crate) fn link(&self, id: u64) -> Option<Link> {
        self.lock().waiting.get(&id)?.link.clone()
    }

    /// The client that a message without an id is for: the one whose request is the latest. A
    /// shared connection carries calls of several tasks, where only a single request in flight
    /// leaves no doubt.
    pub(crate) fn sole(&self, shared: bool) -> Option<Link> {
        let inner = self.lock();
        let mut links = inner.waiting.values().rev().filter_map(|waiter| waiter.link.as_ref());
        let latest = links.next()?;
        (!shared || links.next().is_none()).then(|| latest.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use remit_mcp::Object;
    use remit_testkit::samples::link;

    use super::*;

    fn answer() -> Outcome {
        Outcome::Result(Object::empty())
    }

    #[test]
    fn places_are_bounded_and_freed() {
        let table = Arc::new(Table::new(2));
        let one = table.enter(None).unwrap();
        let two = table.enter(None).unwrap();
        assert!(table.enter(None).unwrap_err().contains("in flight"));
        drop(one);
        let three = table.enter(None).unwrap();
        assert!(three.id > two.id, "an id is never used again");
    }

    #[test]
    fn answers_find_their_request_and_no_other() {
        let table = Arc::new(Table::new(2));
        let mut place = table.enter(None).unwrap();
        assert!(!table.settle(place.id + 1, Ok(answer())));
        assert!(table.settle(place.id, Ok(answer())));
        assert!(!table.settle(place.id, Ok(answer())), "only once");
        assert!(matches!(place.answer.try_recv(), Ok(Ok(_))));
    }

    #[test]
    fn the_end_of_a_connection_reaches_everyone() {
        let table = Arc::new(Table::new(2));
        let mut place = table.enter(None).unwrap();
        table.close("it ended");
        assert!(matches!(place.answer.try_recv(), Ok(Err(why)) if why == "it ended"));
        assert_eq!(table.enter(None).unwrap_err(), "it ended");
    }

    #[test]
    fn a_shared_connection_attributes_only_without_doubt() {
        let table = Arc::new(Table::new(3));
        let _one = table.enter(Some(link())).unwrap();
        let _own = table.enter(None).unwrap();
        assert!(table.sole(true).is_some());
        let _two = table.enter(Some(link())).unwrap();
        assert!(table.sole(true).is_none() && table.sole(false).is_some());
    }
}
