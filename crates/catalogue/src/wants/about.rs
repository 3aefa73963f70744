//! What a tool is about, by its name: what its verb asks for, of which things.

use std::collections::BTreeSet;

use remit_model::{Effect, Profile, ResourceKind, Role, ToolId};

use super::lexicon::{self, Act, Verb, is_in};
use super::speech;
use crate::words::words;

/// What a tool is about.
#[derive(Debug)]
pub(super) struct About {
    /// Its verb.
    pub(super) verb: String,
    /// What that asks for.
    pub(super) acts: BTreeSet<Act>,
    /// What it is done to.
    pub(super) things: BTreeSet<String>,
}

/// Where one thing ends and what it is related to begins.
const PREPOSITIONS: &str = "to from in by with for of on and or into at as";

/// Words that do not say which thing.
const WEAK: &str = "info information detail details data setting settings status state scheduled new \
    title name description priority time date content contents direct multiple bulk \
    batch all current id profile single property properties field fields value values";

impl About {
    pub(super) fn of(tool: &ToolId, profile: &Profile) -> Self {
        let server = words(tool.server.as_str());
        let said = words(&tool.name);
        let said =
            said.strip_prefix(server.as_slice()).filter(|rest| !rest.is_empty()).unwrap_or(&said);
        let mut name = Vec::new();
        for word in said {
            speech::join(&mut name, word);
        }
        let verb = main_verb(&name);
        let spoken = verb
            .as_ref()
            .map_or_else(|| name.first().cloned().unwrap_or_default(), |verb| verb.word.to_owned());
        name.retain(|word| *word != spoken);
        let mut things: BTreeSet<String> = heads(&name).into_iter().collect();
        let acts = verb.into_iter().flat_map(|verb| verb.acts).copied().collect();
        things.extend(verb.and_then(|verb| verb.implied(!things.is_empty())).map(str::to_owned));
        // What goes to one person is posted nowhere, whatever the name begins with: `chat.direct`.
        if things.contains("dm") {
            things.remove("channel");
        }
        if things.is_empty() {
            let known = server.iter().flat_map(|word| lexicon::things(word));
            things.extend(known.filter(|thing| lexicon::is_known(thing)).map(str::to_owned));
        }
        let mut about = Self { verb: spoken, acts, things };
        about.turn(profile);
        about
    }

    /// What the things make of the verb: who is added is let in, what is added is made, and money that
    /// is sent is paid.
    fn turn(&mut self, profile: &Profile) {
        let to_somebody = self.is_to_somebody();
        let acts = &mut self.acts;
        // A page is posted to nobody.
        if acts.contains(&Act::Publish) && !to_somebody {
            acts.remove(&Act::Tell);
        }
        if self.verb == "add" {
            let added = if self.things.contains("people") { Act::Share } else { Act::Create };
            acts.retain(|act| *act == Act::Change && added == Act::Create);
            acts.insert(added);
        }
        // Whoever asks to invite somebody to lunch may mean an event; a tool that invites makes none.
        if self.verb == "invite" {
            acts.remove(&Act::Create);
        }
        // What is changed of a user is what is known of them.
        if acts.iter().eq(&[Act::Change]) && self.things.contains("profile") {
            self.things.remove("people");
        }
        let paid = self.things.contains("payment") || pays(profile);
        if paid && acts.iter().any(|act| matches!(act, Act::Tell | Act::Create | Act::Publish)) {
            acts.remove(&Act::Tell);
            acts.remove(&Act::Publish);
            // What is only set down for later, or asked for, is made as well as paid.
            acts.insert(Act::Pay);
            self.things.insert("payment".to_owned());
        }
    }

    /// Whether it says something to somebody.
    pub(super) fn tells(&self) -> bool {
        self.acts.contains(&Act::Tell) && self.is_to_somebody()
    }

    fn is_to_somebody(&self) -> bool {
        let said = ["email", "message", "channel", "people"];
        self.things.is_empty() || said.iter().any(|thing| self.things.contains(*thing))
    }
}

/// The verb of a name: the first, unless that is rather a thing and a plain one follows (`email_send`).
fn main_verb(name: &[String]) -> Option<&'static Verb> {
    let mut verbs = name.iter().filter_map(|word| lexicon::verb(word));
    let first = verbs.next()?;
    let thing = first.noun && lexicon::things(first.word).any(lexicon::is_known);
    let plain = verbs.find(|verb| thing && !verb.noun);
    Some(plain.unwrap_or(first))
}

/// What a name is about: of each of its parts the last noun, and all of them where that is somebody.
fn heads(name: &[String]) -> Vec<String> {
    let mut heads = Vec::new();
    for part in name.split(|word| is_in(PREPOSITIONS, word)) {
        let strong: Vec<&String> = part.iter().filter(|word| !is_in(WEAK, word)).collect();
        let Some(last) = strong.last() else { continue };
        let who = lexicon::things(last).any(|thing| matches!(thing, "people" | "message"));
        let meant = if who { strong.as_slice() } else { std::slice::from_ref(last) };
        heads.extend(meant.iter().flat_map(|word| lexicon::things(word)).map(str::to_owned));
    }
    heads
}

/// Whether money moves by it: somebody's account is reached, with an amount.
fn pays(profile: &Profile) -> bool {
    let arguments = || profile.arguments.values().map(|known| &known.value);
    profile.effect.value == Effect::Send
        && arguments().any(|argument| argument.role == Role::Amount)
        && arguments().any(|argument| {
            argument.role == Role::Target && argument.kind == Some(ResourceKind::Account)
        })
}
