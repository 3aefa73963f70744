//! Other people's secrets on their way through (promise R12): seen in what a call carries, cut from what
//! comes back.

use std::sync::MutexGuard;

use remit_model::task::Event;
use remit_model::{Call, Label, LeafFlow, Role, Secret, SecretName, SecretSeen, Task, Value};
use remit_ports::{Done, Reply};
use remit_secrets::{CANARY, Cut, Finding, Lookout, MAX_FOUND};

use crate::cell::{CommitError, TaskCell};
use crate::{Engine, Settings, draft};

impl Engine {
    /// From now on `secret` is found whatever it looks like: it lies in sealed storage as `name`. No more
    /// than a digest of it is kept.
    pub fn look_out_for(&self, name: &SecretName, secret: &Secret) {
        self.lookout.rcu(|lookout| Lookout::clone(lookout).with(name, secret));
    }

    /// What lay in sealed storage as `name` does no more.
    pub fn look_out_no_more(&self, name: &SecretName) {
        self.lookout.rcu(|lookout| Lookout::clone(lookout).without(name));
    }

    /// From now on those of them are canaries that `settings` name.
    pub(crate) fn look_out_as(&self, settings: &Settings) {
        let canaries = &settings.canaries;
        self.lookout.rcu(|lookout| Lookout::clone(lookout).telling(canaries.clone()));
    }

    /// Says, once a task, that a canary was seen in it; `call` is what it was seen with.
    ///
    /// Errors: that is not on record, and the task does not know.
    pub(crate) fn alarm(
        &self,
        (cell, task): (&TaskCell, &mut MutexGuard<'_, Task>),
        call: Option<(&Call, Option<u64>)>,
    ) -> Result<(), CommitError> {
        self.counters.canaries_seen.add();
        if task.account().label.has_canary() {
            return Ok(());
        }
        let tool = call.map(|(call, _)| draft::clear_name(call));
        tracing::error!(task = %cell.id(), agent = %cell.agent(), tool, "a canary was seen");
        self.signal((cell, task), ("canary", Event::CanarySeen), call).map(drop)
    }

    /// JSON for an agent with a placeholder for each secret in it; `None` if there is none.
    pub(crate) fn cut(&self, json: &str) -> Option<Cut> {
        let cut = self.lookout.load().cut_json(json)?;
        self.counters.secrets_cut.plus(cut.found.len() as u64);
        Some(cut)
    }

    /// What came back, without the secrets in it, and what those are.
    pub(crate) fn without_secrets(&self, done: Done) -> (Done, Vec<Finding>) {
        match done.reply().and_then(|reply| self.cut(Reply::text(reply))) {
            Some(cut) => (done.cut(&cut.text), cut.found),
            None => (done, Vec::new()),
        }
    }
}

/// The secrets in the arguments of a call.
pub(crate) fn seen(lookout: &Lookout, input: &Value) -> Vec<SecretSeen> {
    let mut seen = Vec::new();
    input.leaves(&mut |path, leaf| {
        let Some(text) = leaf.as_text() else { return };
        let name = path.rsplit('.').next().unwrap_or_default().trim_end_matches("[]");
        let found = lookout.find_called(name, text);
        seen.extend(found.into_iter().map(|finding| SecretSeen {
            path: path.into(),
            rule: finding.rule.to_string(),
            fingerprint: finding.fingerprint.to_string(),
        }));
    });
    seen
}

/// Adds to what is `known` what was `found`: each secret once, and of all no more than are told apart in a text.
pub(crate) fn note(known: &mut Vec<Finding>, found: impl IntoIterator<Item = Finding>) {
    for finding in found {
        let same = |known: &Finding| known.fingerprint == finding.fingerprint;
        if known.len() < MAX_FOUND && !known.iter().any(same) {
            known.push(finding);
        }
    }
}

/// What a result brings that `secrets` were cut from.
pub(crate) fn brought(secrets: &[Finding]) -> Label {
    secrets.iter().fold(Label::default(), |label, secret| label.join(carried(&secret.rule)))
}

fn carried(rule: &str) -> Label {
    if rule == CANARY { Label::of_canary() } else { Label::of_secret() }
}

/// Labels what carries a secret. An argument that is there for one carries what it should.
pub(crate) fn label(flow: &mut [LeafFlow], seen: &[SecretSeen]) {
    for leaf in flow.iter_mut().filter(|leaf| leaf.role != Role::Secret) {
        for secret in seen.iter().filter(|secret| secret.path == leaf.path) {
            leaf.label.raise(&carried(&secret.rule));
        }
    }
}
