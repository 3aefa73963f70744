//! How many connections each user has, so that no user shuts out the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The places of a socket, as many for each user.
#[derive(Debug)]
pub struct Users {
    most: usize,
    taken: Mutex<BTreeMap<u32, usize>>,
}

/// One of a user's places; given back when dropped.
#[derive(Debug)]
pub struct Place {
    users: Arc<Users>,
    uid: u32,
}

impl Users {
    /// Places for `most` connections of each user.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// One of the places of `uid`; `None` if all of them are taken.
    pub fn place(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(uid).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { users: Arc::clone(self), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.users.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.uid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_places_for_others() {
        let users = Users::new(3);
        let greedy: Vec<_> = (0..3).map(|_| users.place(7).unwrap()).collect();
        assert!(users.place(7).is_none());
        assert!(users.place(8).is_some());
        drop(greedy);
        assert!(users.place(7).is_some());
        assert!(users.taken.lock().unwrap().is_empty(), "all were given back");
    }
}
