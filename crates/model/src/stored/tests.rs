//! What holds of labels in servers, whatever is written and lowered.

use proptest::prelude::*;

use super::*;
use crate::label::{Confidentiality, Integrity};

fn labels() -> impl Strategy<Value = Label> {
    ("[a-c]", 0..4_usize, any::<bool>()).prop_map(|(source, rank, outside)| Label {
        confidentiality: Confidentiality::ALL[rank],
        integrity: if outside { Integrity::untrusted(&source) } else { Integrity::Trusted },
        ..Label::default()
    })
}

fn trails() -> impl Strategy<Value = BTreeSet<Trail>> {
    let trail = proptest::collection::vec("[ab]", 0..4)
        .prop_map(|steps| Trail::of(&steps.iter().map(String::as_str).collect::<Vec<_>>()));
    proptest::collection::btree_set(trail, 0..3)
}

fn written() -> impl Strategy<Value = Written> {
    ("[xy]", trails(), labels()).prop_map(|(server, trails, label)| Written {
        server: server.parse().unwrap(),
        trails,
        label,
    })
}

fn ceilings() -> impl Strategy<Value = Ceiling> {
    let sensitivity = proptest::option::of(0..4_usize);
    (sensitivity, any::<bool>()).prop_map(|(rank, trusted)| Ceiling {
        sensitivity: rank.map(|rank| Confidentiality::ALL[rank]),
        trusted,
    })
}

/// Everything written and over, as far as `over` says.
fn folded(writings: &[Written], over: bool) -> Stored {
    let mut stored = Stored::default();
    let mut next = 0;
    for written in writings {
        stored.apply(next, Change::Writes(written));
        if over {
            stored.apply(next + 1, Change::Settled(next));
        }
        next += 2;
    }
    stored
}

/// Whether what is written along one trail is found along the other.
fn meet(written: &Trail, read: &Trail) -> bool {
    written.steps().any(|step| *step == read.at) || read.steps().any(|step| *step == written.at)
}

proptest! {
    #[test]
    fn what_is_written_never_lowers_and_reaches_whoever_reads_it(
        before in proptest::collection::vec(written(), 0..8),
        next in written(),
        asked in written(),
    ) {
        let (was, mut is) = (folded(&before, true), folded(&before, true));
        is.apply(1000, Change::Writes(&next));
        let of = |stored: &Stored| stored.of(&asked.server, &asked.trails);
        prop_assert!(of(&was).flows_to(&of(&is)));
        prop_assert!(was.all_of(&asked.server).flows_to(&is.all_of(&asked.server)));
        prop_assert!(of(&is).flows_to(&is.all_of(&asked.server)));
        prop_assert!(next.label.flows_to(&is.all_of(&next.server)));
        let meets = next.trails.iter().any(|to| asked.trails.iter().any(|at| meet(to, at)));
        if next.trails.is_empty() || meets {
            prop_assert!(next.label.flows_to(&is.of(&next.server, &asked.trails)));
        }
    }

    #[test]
    fn records_that_are_known_already_change_nothing(
        writings in proptest::collection::vec(written(), 0..8),
        lowered in (trails(), ceilings()),
    ) {
        let server = "x".parse().unwrap();
        let at = lowered.0.first().map(Trail::at);
        let lowered = Lowered { server, at, to: lowered.1 };
        let mut once = folded(&writings, false);
        once.apply(100, Change::Lowered(&lowered));
        let mut again = once.clone();
        for (index, written) in (0..).step_by(2).zip(&writings) {
            again.apply(index, Change::Writes(written));
        }
        again.apply(100, Change::Lowered(&lowered));
        prop_assert_eq!(again, once);
    }

    /// Lowering is as if what it is about had been written with less in the first place.
    #[test]
    fn what_is_lowered_is_what_stands_there_and_nothing_else(
        writings in proptest::collection::vec(written(), 0..8),
        at in proptest::option::of(trails()),
        to in ceilings(),
        asked in trails(),
    ) {
        let server: ServerName = "x".parse().unwrap();
        let at = at.and_then(|trails| trails.first().cloned());
        let mut lowered = folded(&writings, true);
        let place = at.as_ref().map(Trail::at);
        lowered.apply(1000, Change::Lowered(&Lowered { server: server.clone(), at: place, to }));
        let in_place = |trail: &Trail| at.as_ref().is_none_or(|at| trail.steps().any(|step| *step == at.at));
        let mut less = Vec::new();
        for written in &writings {
            let (inside, outside): (BTreeSet<_>, BTreeSet<_>) =
                written.trails.iter().cloned().partition(in_place);
            let under = if written.server == server { written.label.clone().under(to) } else { written.label.clone() };
            let anywhere = written.trails.is_empty() && at.is_none();
            if !inside.is_empty() || anywhere {
                less.push(Written { trails: inside, label: under, ..written.clone() });
            }
            if !outside.is_empty() || (written.trails.is_empty() && !anywhere) {
                less.push(Written { trails: outside, ..written.clone() });
            }
        }
        let less = folded(&less, true);
        for server in ["x", "y"].map(|name| name.parse().unwrap()) {
            prop_assert_eq!(lowered.of(&server, &asked), less.of(&server, &asked));
            prop_assert_eq!(lowered.all_of(&server), less.all_of(&server));
        }
    }

    #[test]
    fn nothing_is_lowered_below_what_calls_under_way_write(
        before in proptest::collection::vec(written(), 0..4),
        under_way in written(),
        at in proptest::option::of(trails()),
        to in ceilings(),
    ) {
        let mut stored = folded(&before, true);
        stored.apply(1000, Change::Writes(&under_way));
        let at = at.and_then(|trails| trails.first().map(Trail::at));
        let server = under_way.server.clone();
        stored.apply(1001, Change::Lowered(&Lowered { at, server, to }));
        stored.apply(1002, Change::Settled(1000));
        prop_assert!(under_way.label.flows_to(&stored.of(&under_way.server, &under_way.trails)));
        prop_assert!(!stored.is_under_way(1000));
    }

    #[test]
    fn a_trail_survives_the_log(trails in trails()) {
        let text = serde_json::to_string(&trails).unwrap();
        prop_assert_eq!(serde_json::from_str::<BTreeSet<Trail>>(&text).unwrap(), trails);
    }
}

#[test]
fn a_place_that_carries_nothing_any_more_takes_no_room() {
    let server: ServerName = "notes".parse().unwrap();
    let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
    let trails = BTreeSet::from([Trail::of(&["a", "b"])]);
    let mut stored = Stored::default();
    stored.apply(0, Change::Writes(&Written { server: server.clone(), trails, label }));
    stored.apply(1, Change::Settled(0));
    assert_eq!(stored.shelves[&server].places.len(), 3);
    let at = Some(Trail::of(&["a"]).at());
    let to = Ceiling { sensitivity: None, trusted: true };
    stored.apply(2, Change::Lowered(&Lowered { server: server.clone(), at, to }));
    assert!(stored.shelves[&server].places.is_empty() && stored.marks().next().is_none());
}

#[test]
fn beyond_the_bound_everything_in_the_server_carries_the_label() {
    let mut stored = Stored::default();
    let server: ServerName = "notes".parse().unwrap();
    let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
    let name = |n: usize| BTreeSet::from([Trail::of(&[&n.to_string()])]);
    for n in 0..MAX_STORED {
        assert!(stored.of(&server, &name(usize::MAX)).is_bottom(), "{n}");
        let written = Written { server: server.clone(), trails: name(n), label: label.clone() };
        stored.apply(n as u64, Change::Writes(&written));
    }
    assert_eq!(stored.of(&server, &name(usize::MAX)), label);
    assert_eq!(stored.shelves[&server].places.len(), MAX_STORED);
}
