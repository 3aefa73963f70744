//! Where values came from: an index of what a task has seen, asked for every argument of its calls.
//!
//! Each call of a hijacked agent is individually allowed; the harm is in the flow. So what people said
//! and what tools returned is kept, value by value, with who could have written it, and every leaf of
//! a later call's arguments is matched against that: *given*, *referenced*, *assigned*, *identified*,
//! *derived* or *tainted* ([`Provenance`]).
//!
//! *Absences:* no I/O, no clock, no randomness, no policy: what follows from an answer is decided
//! elsewhere.

use remit_model::{ArgumentPath, Label, LeafFlow, Provenance, Role, ToolId, Value};

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
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its structured content, where the server structures what it returns.
    pub structured: Option<&'a Value>,
    /// Its texts.
    pub texts: &'a [&'a str],
}

/// What one task has seen.
#[derive(Clone, Debug, Default)]
pub struct Index {
    seen: bool,
}

impl Index {
    /// An index of a task of which nobody knows any more what it has seen: whatever is not given
    /// from now on counts as tainted.
    pub fn forgotten() -> Self {
        Self { seen: true }
    }

    /// Takes in what a person said: `source` is `purpose`, `prompt`, `approval` or the like.
    pub fn give(&mut self, _source: &str, _text: &str) {}

    /// Takes in what a tool returned.
    pub fn see(&mut self, _source: &Source, _seen: Seen<'_>) {
        self.seen = true;
    }

    /// Where each leaf of `input` came from, in the order of [`Value::leaves`]; `role` says what the leaf
    /// at a path is for.
    pub fn trace(&self, role: &dyn Fn(&ArgumentPath) -> Role, input: &Value) -> Vec<LeafFlow> {
        let mut found = Vec::new();
        input.leaves(&mut |path, _| {
            let path = ArgumentPath::from(path);
            found.push(LeafFlow {
                role: role(&path),
                path,
                provenance: if self.seen { Provenance::Tainted } else { Provenance::Derived },
                label: Label::default(),
                evidence: None,
                foreseen: None,
            });
        });
        found
    }
}
