//! What a person is about to allow, in plain words.

use std::time::Duration;

use remit_model::tool::Origin;
use remit_model::{Effect, Limit, Remit, Timestamp};

use crate::offer::Offer;

/// What tools of one effect do, and how to say that there is none.
const EFFECTS: [(Effect, &str, &str); 5] = [
    (Effect::Read, "Read", "Read nothing"),
    (Effect::Write, "Change what can be changed back", "Change nothing"),
    (Effect::Send, "Send to others", "Send nothing"),
    (Effect::Execute, "Run code", "Run no code"),
    (Effect::Destroy, "Remove for good", "Remove nothing"),
];

/// One kind of thing that the agent can do, or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// In words.
    pub(crate) words: &'static str,
    /// With which tools; none: it cannot.
    pub(crate) tools: Vec<String>,
}

/// What `remit` lets be done with what is offered.
pub(crate) fn deeds(remit: &Remit, offers: &[Offer]) -> Vec<Deed> {
    let deed = |(effect, can, cannot): (Effect, &'static str, &'static str)| {
        let of_effect = offers.iter().filter(|offer| offer.effect.value == effect);
        let covered = of_effect.filter(|offer| remit.tools.could_cover(&offer.name));
        let tools: Vec<String> = covered.map(called).collect();
        Deed { words: if tools.is_empty() { cannot } else { can }, tools }
    };
    EFFECTS.into_iter().map(deed).collect()
}

fn called(offer: &Offer) -> String {
    let unknown = if is_unknown(offer) { ", for all that is known of it" } else { "" };
    let name = format!("{} · {}{unknown}", offer.server, offer.label);
    if offer.only.is_empty() { name } else { format!("{name}, if {}", offer.only.join(", or if ")) }
}

/// Whether nobody knows what calling it does, so that the worst is assumed.
fn is_unknown(offer: &Offer) -> bool {
    offer.effect.origin == Origin::Assumed
}

/// What calling it does, as a mark.
pub(crate) fn mark(offer: &Offer) -> &'static str {
    if is_unknown(offer) { "unknown, may run code" } else { effect(offer.effect.value) }
}

/// An effect in one word.
pub(crate) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "reads",
        Effect::Write => "writes",
        Effect::Send => "sends",
        Effect::Execute => "runs code",
        Effect::Destroy => "destroys",
    }
}

/// How much, in one sentence.
pub(crate) fn budget(remit: &Remit) -> String {
    let calls = match remit.budget.calls.get() {
        None => "Any number of calls".to_owned(),
        Some(1) => "At most one call".to_owned(),
        Some(calls) => format!("At most {calls} calls"),
    };
    let effects = match (remit.budget.effects, remit.budget.calls) {
        (Limit::UNLIMITED, _) => ", each of which may have an effect".to_owned(),
        (effects, calls) if effects >= calls => ", each of which may have an effect".to_owned(),
        (effects, _) => match effects.get().unwrap_or_default() {
            0 => ", none of which may have an effect".to_owned(),
            1 => ", one of which may have an effect".to_owned(),
            effects => format!(", {effects} of which may have an effect"),
        },
    };
    calls + &effects
}

/// How sensitive, in one sentence.
pub(crate) fn ceiling(remit: &Remit) -> String {
    format!("Data up to the level “{}”", remit.ceiling.name())
}

/// Until when, in one sentence.
pub(crate) fn until(remit: &Remit, now: Timestamp) -> String {
    format!("For {}, until {}", span(remit.deadline.since(now)), clock(remit.deadline, now))
}

/// A time of the day, with the day if it is not today's.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_string(), now.to_string());
    let part = |text: &str, from, to| text.get(from..to).unwrap_or_default().to_owned();
    let time = part(&at, 11, 16);
    let day = part(&at, 0, 10);
    if day == part(&now, 0, 10) { format!("{time} UTC") } else { format!("{time} UTC on {day}") }
}

fn span(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    let unit = |count: u64, name: &str| match count {
        1 => format!("1 {name}"),
        _ => format!("{count} {name}s"),
    };
    match (minutes / 60, minutes % 60) {
        (0, minutes) => unit(minutes, "minute"),
        (hours, 0) => unit(hours, "hour"),
        (hours, minutes) => format!("{} and {}", unit(hours, "hour"), unit(minutes, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use remit_model::Budget;

    use super::*;

    #[test]
    fn budgets_and_times_are_said_as_people_say_them() {
        let remit = |calls: Option<u64>, effects: Option<u64>| Remit {
            budget: Budget { calls: calls.into(), effects: effects.into(), ..Budget::default() },
            deadline: Timestamp::from_secs(2 * 3600),
            ..Remit::default()
        };
        for (calls, effects, words) in [
            (None, None, "Any number of calls, each of which may have an effect"),
            (Some(40), Some(0), "At most 40 calls, none of which may have an effect"),
            (Some(40), Some(5), "At most 40 calls, 5 of which may have an effect"),
            (Some(1), Some(9), "At most one call, each of which may have an effect"),
        ] {
            assert_eq!(budget(&remit(calls, effects)), words);
        }
        let words = until(&remit(None, None), Timestamp::from_secs(1800));
        assert_eq!(words, "For 1 hour and 30 minutes, until 02:00 UTC");
        let yesterday = Timestamp::from_secs(0);
        let later = Remit { deadline: Timestamp::from_secs(90_000), ..Remit::default() };
        assert_eq!(until(&later, yesterday), "For 25 hours, until 01:00 UTC on 1970-01-02");
    }
}
