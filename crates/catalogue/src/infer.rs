//! From a definition to a profile, deterministically, every part with its origin.
//!
//! # Who may say what
//!
//! | source | may lower a risk | may raise it |
//! |---|---|---|
//! | a person's configuration | yes, and has the last word | yes |
//! | the tool's name | yes: it is what a person saw when the server was configured, and what policies and remits speak about | yes |
//! | argument names, types and formats | no | yes |
//! | description, schema of the result | no | yes |
//! | annotations | only with `trust_annotations` | yes |
//!
//! So leaving out a description or an annotation never makes a tool look safer than admitting what
//! it does, and lying in either gains nothing.
//!
//! # Where nothing is known
//!
//! | part | assumed | why |
//! |---|---|---|
//! | effect | execute | an unknown verb may do anything its caller says; *write* would let it pass wherever writes pass, *destroy* would claim knowledge |
//! | reach | external | the widest |
//! | sensitivity | internal | neither to be published nor above what every task may see; only words that say more raise it |
//! | returns | untrusted | see below |
//! | idempotent | reads yes, effects no | a doubtful repetition of an effect is asked about |
//! | role of an argument | target for an effect, selector for a read | a target must be *given* |
//!
//! # Who could have written what comes back
//!
//! Reads of mail, web, issues, files, calendars and everything unknown are *untrusted*: a file may
//! have been downloaded, an event may be somebody's invitation. Only a read whose name speaks of
//! nothing but the system's own state (`get_balance`, `get_current_time`) is trusted. What an effect
//! answers is untrusted, too, since it often quotes what it touched. The price is that most tasks are
//! sealed by their first read; whoever knows that no outsider writes to a folder says so once in the
//! configuration: `tools."*" = { returns = "trusted" }`.

mod argument;
mod effect;
mod nouns;
mod places;
mod reach;
mod schema;
mod vocabulary;

use std::collections::BTreeMap;

use remit_model::tool::{Known, Origin, Trust};
use remit_model::{Confidentiality, Effect, Profile, Reach};

use crate::definition::Definition;
use crate::overrides::Overrides;
use crate::words::words;

/// What is known of a tool of `server`. Total and deterministic.
pub fn infer(definition: &Definition, server: &str, overrides: &Overrides) -> Profile {
    let evidence = Evidence::gather(definition, server);
    let mut effect = effect::infer(&evidence);
    let mut reach = reach::infer(&evidence);
    let mut returns = reach::returns(&evidence, effect.value);
    let sensitivity = reach::sensitivity(&evidence, effect::by_name(&evidence).value);
    let worded = effect.value;
    annotate(definition, &mut effect, &mut reach, &mut returns);
    let mut idempotent = idempotent(definition, effect.value);
    if overrides.trust_annotations {
        trust(definition, &mut effect, &mut reach, &mut idempotent);
    }
    let mut profile = Profile {
        effect,
        reach,
        sensitivity,
        returns,
        idempotent,
        arguments: BTreeMap::new(),
        undo: None,
    };
    configure(&mut profile, definition.name(), overrides);
    let said = std::mem::take(&mut profile.arguments);
    profile.arguments = argument::infer(&evidence, for_arguments(&profile.effect, worded));
    profile.arguments.extend(said);
    profile
}

/// The effect by which arguments have their roles. That an update overwrites, as an annotation says,
/// makes it graver, and what it writes no less content.
fn for_arguments(effect: &Known<Effect>, worded: Effect) -> Effect {
    let overwrites =
        effect.value == Effect::Destroy && matches!(effect.origin, Origin::Annotated(_));
    let writes = matches!(worded, Effect::Write | Effect::Send);
    if overwrites && writes { worded } else { effect.value }
}

/// What the rules look at.
struct Evidence {
    /// The words of the tool's name, without the server's own.
    name: Vec<String>,
    /// The words of the server's name.
    server: Vec<String>,
    /// The description, as a list of lower-case words between single blanks, with one at each end.
    description: String,
    /// The leaves of the input schema by path.
    leaves: BTreeMap<String, schema::Leaf>,
    /// The leaves of the output schema by path.
    returned: BTreeMap<String, schema::Leaf>,
}

impl Evidence {
    fn gather(definition: &Definition, server: &str) -> Self {
        let server = words(server);
        let mut name = words(definition.name());
        if name.len() > server.len() && name.starts_with(&server) {
            name.drain(..server.len());
        }
        let description = plain(definition.description());
        let leaves = schema::leaves(definition.input_schema());
        let returned = schema::leaves(definition.output_schema());
        Self { name, server, description, leaves, returned }
    }

    fn named(&self, vocabulary: &[&str]) -> Option<&str> {
        self.name.iter().map(String::as_str).find(|word| vocabulary.contains(word))
    }

    /// The first of `phrases` that the description holds as whole words and does not deny.
    fn described<'p>(&self, phrases: &[&'p str]) -> Option<&'p str> {
        phrases.iter().copied().find(|phrase| {
            self.description.match_indices(&format!(" {phrase} ")).any(|(at, _)| {
                let before = self.description.get(..at).unwrap_or_default();
                !before.split(' ').rev().take(3).any(|word| vocabulary::DENIALS.contains(&word))
            })
        })
    }

    /// The last segments of the paths of all arguments, as words, with the leaf.
    fn arguments(&self) -> impl Iterator<Item = (String, &schema::Leaf)> {
        self.leaves.iter().map(|(path, leaf)| (argument::last(path).join("_"), leaf))
    }

    fn has_argument(&self, vocabulary: &[&str]) -> bool {
        self.arguments().any(|(name, _)| vocabulary.contains(&name.as_str()))
    }
}

/// Lower case, single blanks, no punctuation; `don't` is one word, `dont`, and so is the name of
/// another tool, `send_email`.
fn plain(text: &str) -> String {
    let mut out = String::from(" ");
    for c in text.chars().filter(|c| crate::invisible::kind(*c).is_none()) {
        match c {
            '\'' | '\u{2019}' => {}
            c if c.is_alphanumeric() || c == '_' => out.extend(c.to_lowercase()),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// Raises what is known to `value` if that is more.
fn raise<T: Ord>(known: &mut Known<T>, value: T, origin: impl FnOnce() -> Origin) {
    if value > known.value {
        *known = Known { value, origin: origin() };
    }
}

fn known<T>(value: T, origin: Origin) -> Known<T> {
    Known { value, origin }
}

fn inferred(rule: impl Into<String>) -> Origin {
    Origin::Inferred(rule.into())
}

fn annotated(hint: &str, flag: bool) -> Origin {
    Origin::Annotated(format!("{hint} = {flag}"))
}

/// What annotations may raise. A hint that is absent says nothing, whatever its default in the
/// protocol: most servers never set any.
fn annotate(
    definition: &Definition,
    effect: &mut Known<Effect>,
    reach: &mut Known<Reach>,
    returns: &mut Known<Trust>,
) {
    if definition.hint("readOnlyHint") == Some(false) {
        raise(effect, Effect::Write, || annotated("readOnlyHint", false));
    }
    // What is sent cannot be brought back anyway; calling it *destroy* would only take it out of the
    // rules about recipients and amounts.
    if definition.hint("destructiveHint") == Some(true) && effect.value != Effect::Send {
        raise(effect, Effect::Destroy, || annotated("destructiveHint", true));
    }
    if definition.hint("openWorldHint") == Some(true) {
        raise(reach, Reach::External, || annotated("openWorldHint", true));
        raise(returns, Trust::Untrusted, || annotated("openWorldHint", true));
    }
}

fn idempotent(definition: &Definition, effect: Effect) -> Known<bool> {
    match (definition.hint("idempotentHint"), effect) {
        (Some(false), Effect::Read) => known(false, annotated("idempotentHint", false)),
        (_, Effect::Read) => known(true, inferred("a read changes nothing")),
        _ => known(false, Origin::Assumed),
    }
}

/// What annotations may lower, once a person said that this server's are to be trusted.
fn trust(
    definition: &Definition,
    effect: &mut Known<Effect>,
    reach: &mut Known<Reach>,
    idempotent: &mut Known<bool>,
) {
    let (reads, destroys) = (definition.hint("readOnlyHint"), definition.hint("destructiveHint"));
    if reads == Some(true) && destroys != Some(true) {
        if effect.value != Effect::Read {
            *effect = known(Effect::Read, annotated("readOnlyHint", true));
        }
    } else if destroys == Some(false)
        && (effect.value == Effect::Destroy || effect.origin == Origin::Assumed)
    {
        *effect = known(Effect::Write, annotated("destructiveHint", false));
    }
    if definition.hint("openWorldHint") == Some(false) && reach.value == Reach::External {
        *reach = known(Reach::Internal, annotated("openWorldHint", false));
    }
    match definition.hint("idempotentHint") {
        Some(flag) => *idempotent = known(flag, annotated("idempotentHint", flag)),
        None if effect.value == Effect::Read => {
            *idempotent = known(true, inferred("a read changes nothing"));
        }
        None => {}
    }
}

/// A person's word is the last.
fn configure(profile: &mut Profile, name: &str, overrides: &Overrides) {
    fn set<T: Copy>(known: &mut Known<T>, said: Option<T>) {
        if let Some(value) = said {
            *known = Known { value, origin: Origin::Configured };
        }
    }
    for said in overrides.of(name) {
        set::<Effect>(&mut profile.effect, said.effect);
        set::<Reach>(&mut profile.reach, said.reach);
        set::<Confidentiality>(&mut profile.sensitivity, said.sensitivity);
        set::<Trust>(&mut profile.returns, said.returns);
        set::<bool>(&mut profile.idempotent, said.idempotent);
        if said.undo.is_some() {
            profile.undo.clone_from(&said.undo);
        }
        for (path, argument) in &said.arguments {
            profile.arguments.insert(path.clone(), known(argument.clone(), Origin::Configured));
        }
    }
}
