//! Members in alphabetical order, where a type does not have them so by itself.
//!
//! What says of itself in a member which of several things it is has that member first, and what stands
//! in questions keeps the order that it has there. Two events come with every call and are written in
//! order by hand; the others are rare, and are sorted.

use std::collections::BTreeSet;

use remit_model::task::{Event, Permitted};
use remit_model::{Digest, Label, Spent, Written};
use serde::{Serialize, Serializer};

/// [`Event::Permitted`].
#[derive(Serialize)]
struct PermittedRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Digest>,
    cost: Cost,
    destroys: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    foreseen: &'a BTreeSet<usize>,
    label: &'a Label,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes: Option<&'a Written>,
}

/// [`Spent`].
#[derive(Serialize)]
struct Cost {
    bytes: u64,
    calls: u64,
    effects: u64,
}

/// [`Event::Settled`].
#[derive(Serialize)]
struct SettledRow<'a> {
    bytes: u64,
    #[serde(skip_serializing_if = "Label::is_bottom")]
    label: &'a Label,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<Digest>,
}

/// An event, or none, with its members in order.
#[expect(clippy::ref_option, reason = "serde gives it so")]
pub(super) fn event<S: Serializer>(event: &Option<Event>, out: S) -> Result<S::Ok, S::Error> {
    match event {
        Some(Event::Permitted(permitted)) => {
            let Permitted { cost, label, approval, destroys, foreseen, writes } = permitted;
            let Spent { calls, effects, bytes } = *cost;
            let row = PermittedRow {
                approval: *approval,
                cost: Cost { bytes, calls, effects },
                destroys: *destroys,
                foreseen,
                label,
                r#type: "permitted",
                writes: writes.as_ref(),
            };
            row.serialize(out)
        }
        Some(Event::Settled { bytes, unknown, label }) => {
            SettledRow { bytes: *bytes, label, r#type: "settled", unknown: *unknown }.serialize(out)
        }
        other => sorted(other, out),
    }
}

fn sorted<T: Serialize, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(value).map_err(serde::ser::Error::custom)?;
    value.sort_all_objects();
    value.serialize(out)
}
