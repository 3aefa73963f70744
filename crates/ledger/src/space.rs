//! Who may still write when room is short: permits first give way, stops and outcomes never.
//!
//! Pure accounting over the room that is already allocated on disk. The invariant: the free room
//! is never below what is reserved for the outcomes of open calls, and below the restrictions'
//! reserve only because restrictions used it.

use std::collections::BTreeSet;

use remit_ports::Room;

/// A record does not fit the room it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Which segment a record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The one that is being written.
    Here,
    /// The next one, and all after it too.
    Next,
}

/// The room of the segment that is being written, and of the next one.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    free: u64,
    /// In the segment that comes next; 0 if there is none yet.
    spare: u64,
    /// Decisions without an outcome; each has `outcome_reserve` kept for it.
    open: BTreeSet<u64>,
    outcome_reserve: u64,
    restriction_reserve: u64,
    headroom: u64,
}

/// A record that asks for room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// What it draws on.
    pub(crate) room: Room,
    /// Bytes of its frame.
    pub(crate) size: u64,
    /// The index it would have.
    pub(crate) index: u64,
    /// The decision it settles.
    pub(crate) settles: Option<u64>,
}

impl Space {
    /// `free` bytes, with room kept for the outcomes of `open` decisions.
    pub(crate) fn new(free: u64, open: BTreeSet<u64>, config: &crate::Config) -> Self {
        Self {
            free,
            spare: 0,
            open,
            outcome_reserve: config.outcome_reserve,
            restriction_reserve: config.restriction_reserve,
            headroom: config.headroom(),
        }
    }

    /// Takes the room for a record, or nothing. A record goes to the next segment where this one has no
    /// room for it, once that can hold it and all that is reserved.
    pub(crate) fn take(&mut self, asked: Asked) -> Result<Fit, NoRoom> {
        let outcomes = match asked.room {
            Room::Permit => self.outcomes().saturating_add(self.outcome_reserve),
            Room::Outcome => self.outcomes().saturating_sub(self.outcome_reserve),
            Room::Ordinary | Room::Restriction => self.outcomes(),
        };
        // A restriction uses the room that is kept for them, an outcome that which was kept for it.
        let draws = match asked.room {
            Room::Restriction => true,
            Room::Outcome => asked.size <= self.outcome_reserve,
            Room::Permit | Room::Ordinary => false,
        };
        let least = asked.size.saturating_add(outcomes);
        let whole = least.saturating_add(self.restriction_reserve);
        let here = if draws { least } else { whole };
        let fit = if here <= self.free {
            Fit::Here
        } else if whole <= self.spare {
            self.free = std::mem::take(&mut self.spare);
            Fit::Next
        } else {
            return Err(NoRoom);
        };
        self.free = self.free.saturating_sub(asked.size);
        if asked.room == Room::Permit {
            self.open.insert(asked.index);
        }
        if let Some(decision) = asked.settles {
            self.open.remove(&decision);
        }
        Ok(fit)
    }

    /// Whether `decision` has no outcome yet.
    pub(crate) fn is_open(&self, decision: u64) -> bool {
        self.open.contains(&decision)
    }

    /// Whether a permit of `size` bytes would be taken.
    pub(crate) fn permits(&self, size: u64) -> bool {
        let kept = self.reserved().saturating_add(self.outcome_reserve);
        size.saturating_add(kept) <= self.free.max(self.spare)
    }

    /// Whether more room should be made.
    pub(crate) fn is_low(&self) -> bool {
        self.free.saturating_add(self.spare) < self.wanted()
    }

    /// Whether there is so much room that none has to be made for a while.
    pub(crate) fn is_ample(&self) -> bool {
        self.free.max(self.spare) >= self.wanted().saturating_mul(2)
    }

    /// The least room that should be free.
    fn wanted(&self) -> u64 {
        self.reserved().saturating_add(self.headroom)
    }

    /// More room was made.
    pub(crate) fn grow(&mut self, bytes: u64) {
        self.free = self.free.saturating_add(bytes);
    }

    /// More room was made in the next segment.
    pub(crate) fn grow_spare(&mut self, bytes: u64) {
        self.spare = self.spare.saturating_add(bytes);
    }

    fn outcomes(&self) -> u64 {
        self.outcome_reserve.saturating_mul(self.open.len() as u64)
    }

    fn reserved(&self) -> u64 {
        self.outcomes().saturating_add(self.restriction_reserve)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Config;

    fn config() -> Config {
        let mut config = Config::new("/nowhere".into(), "n");
        (config.outcome_reserve, config.restriction_reserve) = (100, 50);
        config
    }

    fn ask(room: Room, size: u64, index: u64, settles: Option<u64>) -> Asked {
        Asked { room, size, index, settles }
    }

    #[test]
    fn permits_give_way_first_then_ordinary_records_then_restrictions() {
        let mut space = Space::new(400, BTreeSet::new(), &config());
        space.take(ask(Room::Permit, 100, 0, None)).unwrap();
        assert_eq!(space.take(ask(Room::Permit, 51, 1, None)), Err(NoRoom));
        assert!(space.permits(50) && !space.permits(51));
        assert_eq!(space.take(ask(Room::Ordinary, 151, 1, None)), Err(NoRoom));
        space.take(ask(Room::Ordinary, 150, 1, None)).unwrap();
        assert_eq!(space.take(ask(Room::Restriction, 51, 2, None)), Err(NoRoom));
        space.take(ask(Room::Restriction, 50, 2, None)).unwrap();
        space.take(ask(Room::Outcome, 100, 3, Some(0))).unwrap();
        assert!(!space.is_open(0));
        assert_eq!(space.take(ask(Room::Restriction, 1, 4, None)), Err(NoRoom));
    }

    #[test]
    fn an_outcome_beyond_its_reserve_needs_ordinary_room() {
        let mut space = Space::new(260, BTreeSet::from([7]), &config());
        assert_eq!(space.take(ask(Room::Outcome, 211, 8, Some(7))), Err(NoRoom));
        assert!(space.is_open(7), "what was refused changes nothing");
        space.take(ask(Room::Outcome, 210, 8, Some(7))).unwrap();
    }

    #[test]
    fn stops_and_large_outcomes_go_to_the_next_segment_too_once_it_holds_all_that_is_reserved() {
        for (room, settles, reserved) in
            [(Room::Restriction, None, 150), (Room::Outcome, Some(7), 50)]
        {
            let mut space = Space::new(110, BTreeSet::from([7]), &config());
            let asked = ask(room, 200, 8, settles);
            assert_eq!(space.take(asked), Err(NoRoom));
            space.grow_spare(200 + reserved - 1);
            assert_eq!(space.take(asked), Err(NoRoom), "{room:?}");
            space.grow_spare(1);
            assert_eq!(space.take(asked), Ok(Fit::Next), "{room:?}");
            assert_eq!((space.free, space.spare), (reserved, 0));
        }
    }

    proptest! {
        #[test]
        fn every_open_call_can_always_settle_and_whoever_is_refused_has_more_room_made(
            asks in prop::collection::vec((0_u8..6, 1_u64..150), 0..200), free in 50_u64..3000,
        ) {
            let mut config = config();
            config.max_body = 0;
            let mut space = Space::new(free, BTreeSet::new(), &config);
            // What restrictions took since all that is reserved was there.
            let mut stops = 0;
            for (index, (room, size)) in (0_u64..).zip(asks) {
                let settles = space.open.first().copied();
                let asked = match (room, settles) {
                    (0, _) => ask(Room::Permit, size, index, None),
                    (1, Some(_)) => ask(Room::Outcome, size, index, settles),
                    (2, _) => ask(Room::Restriction, size, index, None),
                    (3, _) => {
                        space.grow_spare(size * 10);
                        continue;
                    }
                    // As much as the maker makes at most: twice what is wanted.
                    (4, _) if size < 10 => {
                        space.grow_spare(space.wanted() * 2);
                        continue;
                    }
                    _ => ask(Room::Ordinary, size, index, None),
                };
                let taken = space.take(asked);
                let kept = asked.room == Room::Outcome && size <= 100;
                prop_assert!(!kept || taken == Ok(Fit::Here));
                prop_assert!(taken.is_ok() || !space.is_ample());
                if asked.room == Room::Restriction && taken.is_ok() {
                    stops += size;
                }
                if taken == Ok(Fit::Next) {
                    prop_assert!(space.free >= space.reserved());
                    stops = 0;
                }
                prop_assert!(space.free >= space.outcomes());
                prop_assert!(space.free + stops >= space.reserved());
            }
        }
    }
}
