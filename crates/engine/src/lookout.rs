//! Other people's secrets on their way through (promise R12): seen in what a call carries, cut from what
//! comes back.

use remit_model::{Label, LeafFlow, Role, Secret, SecretName, SecretSeen, Value};
use remit_ports::{Done, Reply};
use remit_secrets::{Cut, Finding, Lookout};

use crate::Engine;

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

/// What a result brings that `secrets` were cut from.
pub(crate) fn brought(secrets: &[Finding]) -> Label {
    if secrets.is_empty() { Label::default() } else { Label::of_secret() }
}

/// Labels what carries a secret. An argument that is there for one carries what it should.
pub(crate) fn label(flow: &mut [LeafFlow], seen: &[SecretSeen]) {
    let carries = |leaf: &LeafFlow| seen.iter().any(|secret| secret.path == leaf.path);
    for leaf in flow.iter_mut().filter(|leaf| leaf.role != Role::Secret && carries(leaf)) {
        leaf.label = leaf.label.clone().join(Label::of_secret());
    }
}
