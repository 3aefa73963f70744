//! What a call leaves in a server and brings out of it, and the labels that go with it (promise R6).
//!
//! A server that holds things (memory, notes, files, tables, a mailbox) hands on what one task wrote to
//! whoever reads it, in whichever session. So what a call writes is known to carry the labels of its
//! arguments: under its name, where the call names files or repositories and nothing else, else everywhere
//! in that server. Whoever reads takes those labels on, before a byte is released: as the call is permitted,
//! and again as its result comes back, since somebody else may have written meanwhile.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use remit_model::tool::{Origin, Trust};
use remit_model::{
    Digest, Effect, Label, LeafFlow, Profile, Provenance, Question, ResourceKind, Role, ServerName,
    Stored, Written,
};

/// How many names of one call are told apart (R13), so that they fit its record; one with more writes
/// anywhere and reads everything.
const MAX_NAMES: usize = 256;

/// The labels of what servers hold.
#[derive(Debug, Default)]
pub(crate) struct Shelves(RwLock<Stored>);

impl Shelves {
    /// As they were saved, or folded from the log.
    pub(crate) fn new(stored: Stored) -> Self {
        Self(RwLock::new(stored))
    }

    /// What a call with this question can bring out of its server now.
    pub(crate) fn brought(&self, question: &Question) -> Label {
        brought(&self.0.read().unwrap_or_else(PoisonError::into_inner), question)
    }

    /// What anybody could bring out of `server`.
    pub(crate) fn all_of(&self, server: &ServerName) -> Label {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all_of(server)
    }

    /// Records that something is written. Nobody reads the labels between the record and the raise, so
    /// that whoever saves them has those of every record before.
    ///
    /// Errors: those of `record`; then nothing is raised.
    pub(crate) fn write<T, E>(
        &self,
        written: Option<&Written>,
        record: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(written) = written else { return record() };
        let mut stored = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let recorded = record()?;
        stored.write(written);
        Ok(recorded)
    }

    /// As they are.
    pub(crate) fn all(&self) -> Stored {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a call leaves in its server, where that carries anything; `brought` is what it brings out of there,
/// since it may do no more than move it.
pub(crate) fn written(question: &Question, brought: &Label) -> Option<Written> {
    let call = question.call()?;
    let tool = question.tool.as_ref()?;
    let effect = tool.profile.effect.value;
    if effect == Effect::Read {
        return None;
    }
    let label =
        question.flow.iter().fold(brought.clone(), |label, leaf| label.join(leaf.label.clone()));
    let label =
        if is_own_words(question) { label.join(question.task.label.clone()) } else { label };
    if label.is_bottom() {
        return None;
    }
    let paths = paths(question, &tool.profile).filter(|_| effect != Effect::Execute);
    let names: BTreeSet<Digest> = paths.iter().flatten().flat_map(Path::writes).collect();
    let names = if names.len() > MAX_NAMES { BTreeSet::new() } else { names };
    Some(Written { server: call.server.clone(), names, label })
}

/// Whether any of what is written was not said by a person: then the agent wrote it, even if parts of it
/// stand in what it has read, and it can be made of all that has entered the task.
fn is_own_words(question: &Question) -> bool {
    let own = |leaf: &LeafFlow| {
        leaf.provenance > Provenance::Referenced
            && matches!(leaf.role, Role::Content | Role::Secret)
    };
    question.flow.iter().any(own)
}

fn brought(stored: &Stored, question: &Question) -> Label {
    let Some(call) = question.call() else { return Label::default() };
    let all = stored.all_of(&call.server);
    let Some(tool) = question.tool.as_ref().filter(|_| !all.is_bottom()) else { return all };
    let profile = &tool.profile;
    if tells_of_itself(profile) {
        return Label::default();
    }
    let paths = paths(question, profile).filter(|_| profile.effect.value != Effect::Execute);
    let names = paths.map(|paths| paths.iter().flat_map(Path::reads).collect::<BTreeSet<_>>());
    match names.filter(|names| names.len() <= MAX_NAMES) {
        Some(names) => stored.of(&call.server, &names),
        None => all,
    }
}

/// Whether a tool only says how its server is (its version, a balance, the time), which nobody wrote. Of one
/// that a person called trusted that is not known.
fn tells_of_itself(profile: &Profile) -> bool {
    profile.effect.value == Effect::Read
        && profile.returns.value == Trust::Trusted
        && matches!(profile.returns.origin, Origin::Inferred(_))
}

/// A name that says where in its server something is, from the root on.
struct Path(Vec<String>);

impl Path {
    /// `None`: it does not say so by itself, or goes back.
    fn of(name: &str) -> Option<Self> {
        let from_root = name.strip_prefix('/')?;
        let steps = from_root.split('/').filter(|step| !matches!(*step, "" | "."));
        let steps: Vec<String> = steps.map(ToOwned::to_owned).collect();
        (!steps.iter().any(|step| step == "..")).then_some(Self(steps))
    }

    /// The names under which what is written here is found: itself, and within each folder above.
    fn writes(&self) -> Vec<Digest> {
        let above = (0..self.0.len()).map(|depth| self.name("within", depth));
        above.chain([self.name("at", self.0.len())]).collect()
    }

    /// The names under which what is read here was written: itself or a folder above, or within.
    fn reads(&self) -> Vec<Digest> {
        let at = (0..=self.0.len()).map(|depth| self.name("at", depth));
        at.chain([self.name("within", self.0.len())]).collect()
    }

    fn name(&self, how: &str, depth: usize) -> Digest {
        let steps = self.0.iter().take(depth).map(String::as_bytes);
        let parts: Vec<&[u8]> = [how.as_bytes()].into_iter().chain(steps).collect();
        Digest::of_parts(&parts)
    }
}

/// Where a call looks and changes something, if it says so for all that it looks at and changes. Only the
/// names of files and repositories do: an account, a channel or a page can have several.
fn paths(question: &Question, profile: &Profile) -> Option<Vec<Path>> {
    let of = |leaf: &LeafFlow| profile.argument(&leaf.path.0).kind;
    let is_path = |kind: Option<ResourceKind>| {
        matches!(kind, Some(ResourceKind::File | ResourceKind::Repository))
    };
    let all_named = question.flow.iter().all(|leaf| match leaf.role {
        Role::Target | Role::Selector => is_path(of(leaf)),
        // What is attached is looked at, and stands among no resources.
        Role::Content => of(leaf).is_none(),
        Role::Amount | Role::Secret | Role::Link | Role::Flag => true,
    });
    if !all_named || question.resources.iter().any(|thing| !is_path(Some(thing.kind))) {
        return None;
    }
    question.resources.iter().map(|thing| Path::of(&thing.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(written: &str, read: &str) -> bool {
        let (written, read) = (Path::of(written).unwrap(), Path::of(read).unwrap());
        let written = written.writes();
        read.reads().iter().any(|name| written.contains(name))
    }

    #[test]
    fn what_is_written_is_read_there_above_and_below() {
        for read in ["/a/b/c", "/a/b/c/", "/a//b/./c", "/a/b", "/a", "/", "/a/b/c/d"] {
            assert!(meets("/a/b/c", read), "{read}");
        }
        for read in ["/a/b/d", "/a/c", "/b", "/a/b/cc", "/a b/c"] {
            assert!(!meets("/a/b/c", read), "{read}");
        }
        assert!(meets("/", "/a") && meets("/a", "/"));
    }

    #[test]
    fn what_goes_back_or_starts_nowhere_is_no_path() {
        for name in ["a/b", "", "./a", "~/a", "/a/../b", "C:\\a", "acme/web"] {
            assert!(Path::of(name).is_none(), "{name}");
        }
    }
}
