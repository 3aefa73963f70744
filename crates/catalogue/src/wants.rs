//! What a purpose calls for: whether a person's words speak of what a tool does.
//!
//! A person who writes `pay the bill` has asked for a payment, and not for an e-mail. Where an
//! outsider's text chooses what a call reaches, that is the difference between asking the person and
//! refusing. So this reads English requests by fixed rules, and knows nothing else; words that it does
//! not understand call for nothing.
//!
//! | part | by |
//! |---|---|
//! | what is asked for | verbs that stand where a request stands, not denied (`asked`) |
//! | of which things | the nouns after the verb; where there are none or only `it`, those before (`request`) |
//! | what a tool does | the verb and the nouns of its name (`about`) |
//! | both are the same | the verbs ask for the same kind of act, and one thing is the same |
//! | the choice is left to a document | `follow the instructions`, `do what it says` (`delegated`) |
//!
//! Reads are always called for. What destroys or executes is called for by name only: whoever leaves
//! the choice to a document has not asked for that.

mod about;
mod asked;
mod delegated;
mod lexicon;
mod request;
mod speech;

use std::collections::BTreeSet;

use remit_model::{Effect, Profile, ToolId, Wanted};

use about::About;
use lexicon::{Act, is_in};
use request::Request;

/// How many requests are kept (R13); what is asked for after so many calls for nothing.
const MAX_REQUESTS: usize = 256;

/// What people's words call for.
#[derive(Clone, Debug, Default)]
pub struct Wants {
    requests: Vec<Request>,
    open: bool,
}

impl Wants {
    /// What `said` calls for. Total; what it does not understand calls for nothing.
    pub fn of(said: &str) -> Self {
        let sentences = speech::sentences(said);
        Self {
            requests: request::requests(&sentences, MAX_REQUESTS),
            open: delegated::is_open(&sentences),
        }
    }

    /// Whether it calls for `tool`.
    pub fn calls_for(&self, tool: &ToolId, profile: &Profile) -> Wanted {
        let effect = profile.effect.value;
        if effect == Effect::Read {
            return Wanted::Named;
        }
        let about = About::of(tool, profile);
        let mut fitting = self.requests.iter().filter(|request| fits(request, &about)).peekable();
        let spoken_of = fitting.peek().is_some();
        if fitting.any(|request| !request.forbidden) {
            return Wanted::Named;
        }
        let open = self.open && !spoken_of && matches!(effect, Effect::Write | Effect::Send);
        if open { Wanted::Open } else { Wanted::No }
    }
}

/// Whether a request and a tool are about the same.
fn fits(request: &Request, about: &About) -> bool {
    // Who sends a message has not sent money.
    let same = request.verb == about.verb && !about.acts.contains(&Act::Pay);
    let mut alike = request.acts.intersection(&about.acts).filter(|act| {
        // Who asks to assign an issue has not asked to close it.
        **act != Act::Change || changes_alike(&request.verb, &about.verb)
    });
    let alike = same || alike.next().is_some();
    (alike && shares(&request.things, &about.things))
        || (same && about.things.is_empty())
        || says(request, about)
}

/// Verbs that change one thing of another each, with those that change the same.
const CHANGES: &[&str] = &[
    "reschedule move postpone shift",
    "close resolve complete mark reopen archive unarchive",
    "append extend add insert fill complete",
    "assign",
    "label tag add",
    "rename",
    "star pin",
    "merge",
    "enable disable toggle switch",
    "rotate reset",
    "restore",
];

/// Whether what one verb changes the other can: both are in one row of [`CHANGES`], or one is in none.
fn changes_alike(asked: &str, done: &str) -> bool {
    let special = |word| CHANGES.iter().any(|row| is_in(row, word));
    let both = || CHANGES.iter().any(|row| is_in(row, asked) && is_in(row, done));
    !special(asked) || !special(done) || both()
}

/// Whether two speak of the same thing. That both speak of somebody is enough only where one speaks of
/// nothing else.
fn shares(asked: &BTreeSet<String>, done: &BTreeSet<String>) -> bool {
    let person = |thing: &&String| matches!(thing.as_str(), "people" | "profile");
    let other = |things: &BTreeSet<String>| {
        things.iter().any(|thing| lexicon::is_known(thing) && !person(&thing))
    };
    let mut shared = asked.intersection(done).peekable();
    let some = shared.peek().is_some();
    shared.any(|thing| !person(&thing)) || (some && !(other(asked) && other(done)))
}

/// The ways to tell somebody something that a request may name.
const MEDIA: [&str; 3] = ["email", "channel", "dm"];

/// Verbs that leave open by what way somebody is told.
const TELLING: &str = "send forward tell inform notify remind contact getback respond reply answer writeto ask thank \
    congratulate greet welcome";

/// Whether somebody is to be told something, and the tool tells, by a way that was not excluded.
fn says(request: &Request, about: &About) -> bool {
    let by = |things: &BTreeSet<String>| MEDIA.map(|medium| things.contains(medium));
    let (asked, way) = (by(&request.things), by(&about.things));
    let any = |media: [bool; 3]| media.contains(&true);
    let same = asked.iter().zip(way).any(|(asked, way)| *asked && way);
    is_in(TELLING, &request.verb)
        && !request.acts.contains(&Act::Pay)
        && about.tells()
        && (!any(asked) || !any(way) || same)
}
