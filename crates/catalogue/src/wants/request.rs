//! What is asked for: the verbs of requests, with the things that they are asked of.
//!
//! The things are the nouns after the verb, up to the next; those before it, where there are none that we
//! know or where `it` stands for them; and what the sentence says that it is about.

use std::collections::BTreeSet;

use super::asked;
use super::lexicon::{self, Act, is_in};
use super::speech::{NAME, PAUSE};

/// How many things are kept that later words may mean with `it` (R13).
const MAX_EARLIER: usize = 128;

/// Something that people asked for, or asked not to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The verb.
    pub(super) verb: String,
    /// What it asks for.
    pub(super) acts: BTreeSet<Act>,
    /// What is spoken of with it.
    pub(super) things: BTreeSet<String>,
    /// Whether it must not be done.
    pub(super) forbidden: bool,
}

/// The person is told, in the answer.
const TOLD: &str = "me us";

/// Verbs that need no tool if the person is to be told.
const ANSWERS: &str =
    "tell give inform remind answer notify write make generate draft prepare ask share";

/// Verbs of letting somebody see something.
const SHARES: &str = "share give grant allow";

/// Verbs of putting something where the place is what changes.
const PLACING: &str = "append insert save put enter store record log note copy import export download \
    move merge push commit";

/// Where the thing ends that is made, changed or taken away.
const ASIDE: &str = "to in from with by into as based according containing per";

/// Where the things that are added end, and what they are added to begins.
const PLACES: &str = "to into from in on onto under";

/// The requests of `sentences`, in order, at most `limit`.
pub(super) fn requests(sentences: &[Vec<String>], limit: usize) -> Vec<Request> {
    let mut earlier = BTreeSet::new();
    let mut spoken: Option<String> = None;
    let mut found = Vec::new();
    for words in sentences {
        if found.len() >= limit {
            break;
        }
        let asked: Vec<usize> =
            (0..words.len()).filter(|at| asked::verb(words, *at).is_some()).collect();
        for (nth, at) in asked.iter().enumerate() {
            let Some(verb) = asked::verb(words, *at) else { continue };
            let object = object(words, *at, asked.get(nth + 1..).unwrap_or_default());
            let before = words.get(..*at).unwrap_or_default();
            let topic = topic(before).filter(|_| nth == 0).into_iter().flat_map(things).collect();
            let earlier = earlier.iter().cloned().chain(things(before)).collect();
            let last = things(before).filter(|thing| is_thing(thing)).last();
            let context = Context { earlier, last: last.or_else(|| spoken.clone()), topic };
            let denied = asked::is_denied(words, *at);
            found.extend(added(&verb, object, denied));
            found.extend(commented(object, denied));
            found.extend(request(verb, object, &context, denied));
        }
        spoken = things(words).filter(|thing| is_thing(thing)).last().or(spoken);
        earlier.extend(things(words).take(MAX_EARLIER.saturating_sub(earlier.len())));
    }
    found.truncate(limit);
    found
}

/// What a request stands in.
struct Context {
    /// What was spoken of before it.
    earlier: BTreeSet<String>,
    /// What was spoken of last.
    last: Option<String>,
    /// What its sentence says that it is about.
    topic: BTreeSet<String>,
}

/// The words up to the comma of `For the meeting on Friday, …`.
fn topic(before: &[String]) -> Option<&[String]> {
    const STARTS: &str = "for in on about regarding concerning with from";
    let starts = before.first().is_some_and(|word| is_in(STARTS, word));
    before
        .iter()
        .position(|word| word == PAUSE)
        .filter(|_| starts)
        .and_then(|end| before.get(..end))
}

/// What is made when something is added: it itself, and not what it is added to.
fn added(verb: &str, object: &[String], forbidden: bool) -> Option<Request> {
    let end = object.iter().position(|word| is_in(PLACES, word));
    let (object, place) = object.split_at_checked(end.unwrap_or(object.len()))?;
    let acts = BTreeSet::from([Act::Create]);
    // What is added to the contacts is a contact, and to the calendar an event.
    let several =
        |word: &&String| word.ends_with('s') && !word.ends_with("ss") || *word == "calendar";
    let kind = place.iter().filter(several).flat_map(|word| lexicon::things(word));
    let things: BTreeSet<String> = things(object).chain(kind.map(str::to_owned)).collect();
    let adds = matches!(verb, "add" | "put" | "enter") && !things.is_empty();
    adds.then(|| Request { verb: "create".to_owned(), acts, things, forbidden })
}

/// Whether it is a thing that we know, and nobody.
fn is_thing(thing: &str) -> bool {
    thing != "people" && lexicon::is_known(thing)
}

/// What is said beside: `close it with a comment`.
fn commented(object: &[String], forbidden: bool) -> Option<Request> {
    let said = object.windows(3).find_map(|words| match words {
        [with, a, verb] if with == "with" && a == "a" => lexicon::verb(verb),
        _ => None,
    });
    let verb = said.filter(|verb| verb.acts.contains(&Act::Tell))?;
    let things = verb.implied(false).into_iter().map(str::to_owned).collect();
    let acts = verb.acts.iter().copied().collect();
    Some(Request { verb: verb.word.to_owned(), acts, things, forbidden })
}

fn things(words: &[String]) -> impl Iterator<Item = String> {
    let named = words.iter().filter(|word| *word != NAME && *word != PAUSE);
    named.flat_map(|word| lexicon::things(word)).map(str::to_owned)
}

/// The words that a verb at `at` is about: up to the next verb, or beyond it if there is nothing
/// between the two (`create or update the file`).
fn object<'w>(words: &'w [String], at: usize, next: &[usize]) -> &'w [String] {
    let mut ends = next.iter().copied().chain([words.len()]);
    let joins = |word: &String| matches!(word.as_str(), "and" | "or" | "then" | PAUSE);
    loop {
        let end = ends.next().unwrap_or(words.len());
        let object = words.get(at + 1..end).unwrap_or_default();
        if end >= words.len() || !object.iter().all(joins) {
            return object;
        }
    }
}

fn request(verb: String, object: &[String], context: &Context, forbidden: bool) -> Option<Request> {
    let has = |word: &str| object.iter().any(|other| other == word);
    // What is put into the calendar changes nothing there.
    let noted = matches!(verb.as_str(), "add" | "put" | "enter") && has("calendar");
    if noted || is_answer(&verb, object) {
        return None;
    }
    let spoken: Vec<String> = things(direct(&verb, object)).collect();
    let first = spoken.iter().find(|thing| is_thing(thing)).cloned();
    let mut things: BTreeSet<String> = spoken.into_iter().collect();
    let known = things.iter().any(|thing| is_thing(thing));
    let mut acts = BTreeSet::new();
    if let Some(row) = lexicon::verb(&verb) {
        acts.extend(row.acts.iter().copied());
        things.extend(row.implied(known).map(str::to_owned));
    }
    let meant = context.last.as_ref().filter(|_| has("it") || has("them"));
    turn(&verb, first.as_ref().or(meant).map(String::as_str), &mut acts, &things);
    if has("invite") || has("invitation") {
        acts.extend([Act::Share, Act::Create]);
    } else if verb == "put" && has("online") {
        acts.insert(Act::Publish);
    }
    if object.first().is_some_and(|word| is_in("it them", word)) {
        things.extend(meant.cloned());
    }
    if !known {
        things.extend(context.earlier.iter().cloned());
    }
    things.extend(context.topic.iter().cloned());
    // Who is told, paid or shown something is not what that is done to.
    let spoken_to = acts.iter().any(|act| matches!(act, Act::Tell | Act::Pay));
    if (spoken_to && !acts.contains(&Act::Share)) || is_in(SHARES, &verb) {
        things.remove("people");
    }
    Some(Request { verb, acts, things, forbidden })
}

/// The part of what is spoken of that is made, changed or taken away: `the payment` of `the payment to
/// the amount in the letter`. All of it, if that part is nothing that we know.
fn direct<'w>(verb: &str, object: &'w [String]) -> &'w [String] {
    let whole = lexicon::verb(verb).is_none_or(|row| {
        let own = |act| matches!(act, &Act::Create | &Act::Change | &Act::Delete);
        row.acts.is_empty() || !row.acts.iter().all(own) || is_in(PLACING, verb)
    });
    let whole = whole || object.iter().any(|word| word == "calendar");
    let end = object.iter().position(|word| is_in(ASIDE, word)).unwrap_or(object.len());
    let part = object.get(..end).unwrap_or(object);
    let known = things(part).any(|thing| is_thing(&thing));
    if whole || !known { object } else { part }
}

/// Whether what is asked for is an answer to the person: `tell me`, `send me a list`, but not `send me
/// an email`.
fn is_answer(verb: &str, object: &[String]) -> bool {
    let told = object.first().is_some_and(|word| is_in(TOLD, word));
    let mail = object.windows(2).any(|pair| match pair {
        [article, thing] => is_in("a an", article) && is_in("email message", thing),
        _ => false,
    });
    let carried = mail || object.iter().any(|word| is_in("via by", word));
    told && (is_in(ANSWERS, verb) || (verb == "send" && !carried))
}

/// What the thing makes of the verb: money that is sent is paid, a reservation that is made is booked.
fn turn(verb: &str, first: Option<&str>, acts: &mut BTreeSet<Act>, things: &BTreeSet<String>) {
    match (verb, first) {
        ("send" | "forward" | "give" | "make" | "handle", Some("payment")) => {
            acts.insert(Act::Pay);
        }
        ("update" | "edit", Some("page")) => {
            acts.insert(Act::Publish);
        }
        // What is written anew changes nothing that is there.
        ("write", _) if things.contains("a") => {
            acts.remove(&Act::Change);
        }
        ("send" | "forward", Some("file")) => acts.extend([Act::Share]),
        ("report", _) if things.contains("issue") => acts.extend([Act::Create]),
        ("make" | "arrange", Some("reservation")) => acts.extend([Act::Book]),
        ("get", Some("reservation" | "hotel" | "restaurant" | "car" | "flight" | "train"))
            if things.contains("a") =>
        {
            acts.extend([Act::Book]);
        }
        ("writeto", Some("file")) => acts.extend([Act::Create, Act::Change]),
        ("transfer" | "wire" | "deposit", Some(thing)) if thing != "payment" => {
            acts.remove(&Act::Pay);
        }
        ("drop", Some("email" | "message")) => {
            acts.remove(&Act::Delete);
        }
        ("drop", _) => {
            acts.remove(&Act::Tell);
        }
        ("add", _) => {
            let people = things.contains("people");
            acts.remove(if people { &Act::Change } else { &Act::Share });
        }
        _ => {}
    }
}
