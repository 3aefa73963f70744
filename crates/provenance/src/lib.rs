//! Where values came from: an index of what a task has seen, asked for every argument of its calls.
//!
//! Each call of a hijacked agent is individually allowed; the harm is in the flow. So what people said
//! and what tools returned is kept, value by value, with who could have written it, and every leaf of
//! a later call's arguments is matched against that: *given*, *referenced*, *assigned*, *identified*,
//! *derived* or *tainted* ([`Provenance`]).
//!
//! An answer never gets safer when outsiders' text arrives. It can get safer only when a record arrives
//! that people named by its title (its id is *referenced* from then on), when a store shows an id of
//! its own that no text mentions (*assigned* after *derived*), or when people say more.
//!
//! *Absences:* no I/O, no clock, no randomness but in the hash that things are looked up by, no policy:
//! what follows from an answer is decided elsewhere.

mod atom;
mod chunk;
mod column;
mod decode;
mod figure;
mod fold;
mod given;
mod key;
mod letters;
mod origin;
mod outside;
mod read;
mod records;
mod shape;
mod trace;

use std::collections::BTreeMap;

use remit_model::{ArgumentPath, Label, LeafFlow, Provenance, Role, ToolId, Value};

use crate::chunk::{Signs, chunks};
use crate::column::{Column, is_field};
use crate::fold::strict;
use crate::given::{Given, Text};
use crate::origin::Origin;
use crate::read::{Kept, Reading, joined};
use crate::shape::is_link;
use crate::trace::{Answer, Leaf, List};

pub use given::MAX_GIVEN;
pub use origin::MAX_BYTES;
pub use outside::MAX_VALUES;
pub use records::MAX_RECORDS;

/// A result's origin.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which tool returned it.
    pub tool: ToolId,
    /// The index of the decision on its call.
    pub decision: u64,
    /// Whether all that was looked for or read in that call was given.
    pub pointed: bool,
    /// What it can carry.
    pub label: Label,
}

/// What a tool returned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// Its structured content, where the server structures what it returns.
    pub structured: Option<&'a Value>,
    /// Its texts.
    pub texts: &'a [&'a str],
    /// Those of its texts that are documents of somebody's: what looks like records in them is what their
    /// writers made look like that.
    pub documents: &'a [&'a str],
}

/// What one task has seen.
#[derive(Clone, Debug, Default)]
pub struct Index {
    given: Given,
    kept: Kept,
    forgotten: bool,
}

impl Index {
    /// An index of a task of which nobody knows any more what it has seen: whatever is not given
    /// from now on counts as tainted.
    pub fn forgotten() -> Self {
        Self { forgotten: true, ..Self::default() }
    }

    /// Takes in what a person said: `source` is `purpose`, `prompt` or the like.
    pub fn give(&mut self, source: &str, text: &str) {
        self.given.add(Text::said(source, text));
        self.kept.records.name(&self.given);
    }

    /// Takes in what a tool returned. What a trusted tool returned is given.
    pub fn see(&mut self, source: &Source, seen: Seen<'_>) {
        if !source.label.integrity.is_untrusted() {
            self.trust(source, seen);
            return;
        }
        let origin = self.kept.origins.result(source);
        if self.reads(source) {
            self.read(source, origin, seen);
        }
        self.kept.origins.end(origin);
    }

    /// Whether the words of what `source` returned count. Where no more of them is kept an outsider's do not: all
    /// that people did not say just so is tainted already, and carries whatever has come in.
    pub fn reads(&self, source: &Source) -> bool {
        let full = self.kept.origins.is_full() || self.kept.outside.is_full();
        !(full && source.label.integrity.is_untrusted())
    }

    fn read(&mut self, source: &Source, origin: Origin, seen: Seen<'_>) {
        let mut reading = Reading::new(&mut self.kept, &self.given, origin, &source.tool.name);
        let parsed: Vec<_> = seen.texts.iter().map(|text| structure(text)).collect();
        let also = parsed.iter().flatten().filter(|value| Some(*value) != seen.structured);
        let structures: Vec<&Value> = seen.structured.into_iter().chain(also).collect();
        let texts = seen.texts.iter().zip(&parsed).filter(|(_, value)| value.is_none());
        let texts: Vec<&str> = texts.map(|(text, _)| *text).collect();
        reading.result(&structures, &texts);
        for document in seen.documents {
            reading.document(document, structure(document).as_ref());
        }
    }

    fn trust(&mut self, source: &Source, seen: Seen<'_>) {
        let tool = source.tool.to_string();
        let texts = seen.texts.iter().chain(seen.documents);
        let mut texts: Vec<String> = texts.map(|text| (*text).to_owned()).collect();
        if let Some(structured) = seen.structured {
            structured.leaves(&mut |path, leaf| match leaf {
                Value::Text(text) | Value::Number(text) => texts.push(format!("{path}: {text}")),
                _ => {}
            });
        }
        for text in texts {
            let label = source.label.clone();
            self.given.add(Text::returned(&tool, source.decision, label, &text));
        }
    }

    /// Where each leaf of `input` came from, in the order of [`Value::leaves`]; `role` says what the leaf
    /// at a path is for. What something is filed under (`{"ann@acme.example": "rw"}`) is a value like
    /// any other: each such name follows, under its own path.
    ///
    /// Links in content follow it, as one answer for the riskiest of them.
    ///
    /// The label of an answer is that of all that the leaf shares something with; what is *derived* and
    /// has no evidence can be made of everything that has entered the task, which the caller knows.
    pub fn trace(&self, role: &dyn Fn(&ArgumentPath) -> Role, input: &Value) -> Vec<LeafFlow> {
        let mut lists: BTreeMap<String, List> = BTreeMap::new();
        input.leaves(&mut |path, leaf| {
            if let Value::Text(text) | Value::Number(text) = leaf
                && path.ends_with("[]")
            {
                lists.entry(path.to_owned()).or_default().values.insert(strict(text).into());
            }
        });
        let mut found = Vec::new();
        let none = List::default();
        input.leaves(&mut |path, value| {
            let list = lists.get(path).unwrap_or(&none);
            let path = ArgumentPath::from(path);
            let role = role(&path);
            let answer = match value {
                Value::Text(text) | Value::Number(text) => {
                    let argument = Column::of(argument(&path.0));
                    self.answer(Leaf { role, text, argument: &argument, list })
                }
                Value::Bool(_) => Answer::default(),
                _ => Answer { provenance: Provenance::Given, ..Answer::default() },
            };
            let link = match value {
                Value::Text(text) if role == Role::Content => self.links(&path, text),
                _ => None,
            };
            let Answer { provenance, label, evidence } = answer;
            found.push(LeafFlow { path, role, provenance, label, evidence, foreseen: None });
            found.extend(link);
        });
        let mut names = Vec::new();
        filed(input, "", &mut names);
        found.extend(names.into_iter().map(|(path, name)| self.filed_under(role, path, name)));
        found
    }

    /// The riskiest of the links in `text`, which is content.
    fn links(&self, path: &ArgumentPath, text: &str) -> Option<LeafFlow> {
        let (argument, list, role) = (Column::default(), List::default(), Role::Link);
        let pieces = chunks(text);
        let marked = pieces.iter().filter(|piece| piece.signs.has(Signs::MARK));
        let links = marked.map(|piece| piece.text).filter(|piece| is_link(piece));
        let answers =
            links.map(|text| self.answer(Leaf { role, text, argument: &argument, list: &list }));
        let Answer { provenance, label, evidence } = answers.reduce(Answer::worse)?;
        Some(LeafFlow { path: path.clone(), role, provenance, label, evidence, foreseen: None })
    }

    fn filed_under(
        &self,
        role: &dyn Fn(&ArgumentPath) -> Role,
        path: ArgumentPath,
        name: &str,
    ) -> LeafFlow {
        let role = role(&path);
        let (argument, list) = (Column::default(), List::default());
        let answer = self.answer(Leaf { role, text: name, argument: &argument, list: &list });
        let Answer { provenance, label, evidence } = answer;
        LeafFlow { path, role, provenance, label, evidence, foreseen: None }
    }

    /// Whether more was seen than is kept: whatever is not given counts as tainted from then on.
    pub fn is_full(&self) -> bool {
        self.kept.origins.is_full() || self.kept.outside.is_full() || self.kept.records.is_full()
    }

    /// How many things that stand in outside text are told apart.
    pub fn values(&self) -> usize {
        self.kept.outside.len()
    }

    fn is_blind(&self) -> bool {
        self.forgotten || self.is_full()
    }
}

/// The name of the argument that a path leads to.
fn argument(path: &str) -> &str {
    path.trim_end_matches("[]").rsplit(['.', ']']).next().unwrap_or(path)
}

/// The names in `value` that something is filed under, with their paths.
fn filed<'v>(value: &'v Value, path: &str, found: &mut Vec<(ArgumentPath, &'v str)>) {
    match value {
        Value::Record(members) => {
            for (name, member) in members {
                let path = joined(path, name);
                if !is_field(name) {
                    found.push((ArgumentPath::from(path.as_str()), name));
                }
                filed(member, &path, found);
            }
        }
        Value::List(items) => {
            let path = format!("{path}[]");
            for item in items {
                filed(item, &path, found);
            }
        }
        _ => {}
    }
}

/// A text that is a structure as a whole.
fn structure(text: &str) -> Option<Value> {
    let text = text.trim();
    let opens = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
    opens.then(|| Value::parse(text).ok()).flatten()
}
