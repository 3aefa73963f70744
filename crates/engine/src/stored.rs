//! What a call leaves in a server and brings out of it, and the labels that go with it (promise R6).
//!
//! A server that holds things (memory, notes, files, tables, a mailbox) hands on what one task wrote to
//! whoever reads it, in whichever session. So what a call writes is known to carry the labels of its
//! arguments: under its path, where the call names files or repositories and nothing else, else everywhere
//! in that server. Whoever reads takes those labels on, before a byte is released: as the call is permitted,
//! and again as its result comes back, since somebody else may have written meanwhile. An operator who has
//! looked can [`lower`](crate::lower) them.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use remit_model::stored::Change;
use remit_model::tool::{Origin, Trust};
use remit_model::{
    Effect, Label, LeafFlow, Profile, Provenance, Question, ResourceKind, Role, ServerName, Stored,
    Trail, Written,
};
use remit_ports::Accepted;

/// How many paths of one call are told apart, those above them with them (R13), so that they fit its
/// record; one with more writes anywhere and reads everything.
const MAX_PATHS: usize = 256;

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

    /// Records a call that writes. Nobody reads the labels between the record and the raise, so that
    /// whoever saves them has those of every record before.
    ///
    /// Errors: those of `record`; then nothing is raised.
    pub(crate) fn write<E>(
        &self,
        written: Option<&Written>,
        record: impl FnOnce() -> Result<Accepted, E>,
    ) -> Result<Accepted, E> {
        match written {
            Some(written) => self.change(Change::Writes(written), record),
            None => record(),
        }
    }

    /// Records that the call of `decision` is over.
    ///
    /// Errors: those of `record`; then it still counts as under way.
    pub(crate) fn settle<E>(
        &self,
        decision: u64,
        record: impl FnOnce() -> Result<Accepted, E>,
    ) -> Result<Accepted, E> {
        let writes = self.0.read().unwrap_or_else(PoisonError::into_inner).is_under_way(decision);
        if writes { self.change(Change::Settled(decision), record) } else { record() }
    }

    /// Records what changes the labels, and changes them: one after another, as the log has it.
    ///
    /// Errors: those of `record`; then nothing is changed.
    pub(crate) fn change<E>(
        &self,
        change: Change<'_>,
        record: impl FnOnce() -> Result<Accepted, E>,
    ) -> Result<Accepted, E> {
        let mut stored = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let recorded = record()?;
        stored.apply(recorded.index(), change);
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
    let mut label = brought.clone().join(question.carried());
    if is_own_words(question) {
        label.raise(&question.task.label);
    }
    if label.is_bottom() {
        return None;
    }
    let trails = trails(question, &tool.profile).unwrap_or_default();
    Some(Written { server: call.server.clone(), trails, label })
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
    trails(question, profile).map_or(all, |trails| stored.of(&call.server, &trails))
}

/// Whether a tool only says how its server is (its version, a balance, the time), which nobody wrote. Of one
/// that a person called trusted that is not known.
fn tells_of_itself(profile: &Profile) -> bool {
    profile.effect.value == Effect::Read
        && profile.returns.value == Trust::Trusted
        && matches!(profile.returns.origin, Origin::Inferred(_))
}

/// The way to what `name` names, if that says by itself where it is, from the root on, and does not go back.
pub(crate) fn trail(name: &str) -> Option<Trail> {
    let from_root = name.strip_prefix('/')?;
    let steps = from_root.split('/').filter(|step| !matches!(*step, "" | "."));
    let steps: Vec<&str> = steps.collect();
    (!steps.contains(&"..")).then(|| Trail::of(&steps))
}

/// Where a call looks and changes something, if it says so and is not too much to tell apart.
fn trails(question: &Question, profile: &Profile) -> Option<BTreeSet<Trail>> {
    let trails: BTreeSet<Trail> =
        paths(question, profile)?.into_iter().map(|path| path.1).collect();
    (trails.iter().map(Trail::depth).sum::<usize>() <= MAX_PATHS).then_some(trails)
}

/// The paths of all that a call looks at and changes, if it says them. Only the names of files and
/// repositories do: an account, a channel or a page can have several. What is executed can reach anything.
pub(crate) fn paths<'a>(
    question: &'a Question,
    profile: &Profile,
) -> Option<Vec<(&'a str, Trail)>> {
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
    let only_paths = question.resources.iter().all(|thing| is_path(Some(thing.kind)));
    if profile.effect.value == Effect::Execute || !all_named || !only_paths {
        return None;
    }
    let ids = question.resources.iter().map(|thing| thing.id.as_str());
    ids.map(|id| Some((id, trail(id)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(written: &str, read: &str) -> bool {
        let server: ServerName = "notes".parse().unwrap();
        let label = Label::of_secret();
        let trails = BTreeSet::from([trail(written).unwrap()]);
        let mut stored = Stored::default();
        let written = Written { server: server.clone(), trails, label };
        stored.apply(0, Change::Writes(&written));
        !stored.of(&server, &BTreeSet::from([trail(read).unwrap()])).is_bottom()
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
            assert!(trail(name).is_none(), "{name}");
        }
    }
}
