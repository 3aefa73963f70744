//! The policy of a session: what of the remit AWS understands.

use std::collections::BTreeSet;

use remit_model::Timestamp;
use remit_ports::{Holder, IssuerError};
use serde::Deserialize;
use serde_json::json;

/// What whoever may use certain tools may do at AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// Actions such as `s3:PutObject`, with `*` as AWS takes it, but not for all services.
    pub actions: BTreeSet<Action>,
    /// What they are done to; `{task}` and `{agent}` stand for those that it is lent to.
    pub resources: BTreeSet<Resource>,
}

/// Something that cannot stand in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// Not an action.
    #[error("expected an action such as `s3:PutObject`, got `{0}`")]
    Action(String),
    /// Not a resource.
    #[error(
        "expected a resource such as `arn:aws:s3:::bucket/{{task}}/*`, in which only `{{task}}` and \
         `{{agent}}` are replaced, got `{0}`"
    )]
    Resource(String),
}

/// The longest policy that a session may have, in characters.
const MAX_POLICY: usize = 2048;

/// One action, or several by a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Action(String);

/// One resource, or several by a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource(String);

impl TryFrom<String> for Action {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        let service = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let good = text.split_once(':').is_some_and(|(of, what)| {
            !of.is_empty()
                && of.chars().all(service)
                && !what.is_empty()
                && what.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '?'))
        });
        if good { Ok(Self(text)) } else { Err(PermissionError::Action(text)) }
    }
}

impl TryFrom<String> for Resource {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        let filled = fill(&text, "", "");
        let good =
            text == "*" || text.starts_with("arn:") && text.chars().all(|c| c.is_ascii_graphic());
        // What AWS itself replaces begins with a dollar sign.
        if good && !filled.replace("${", "").contains('{') {
            Ok(Self(text))
        } else {
            Err(PermissionError::Resource(text))
        }
    }
}

fn fill(resource: &str, task: &str, agent: &str) -> String {
    resource.replace("{task}", task).replace("{agent}", agent)
}

impl Permission {
    /// Whether it allows nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_empty() || self.resources.is_empty()
    }

    fn filled(&self, holder: &Holder) -> (Vec<&str>, Vec<String>) {
        let task = holder.task.as_ref().map_or("", |task| task.as_str());
        let agent = holder.agent.as_ref().map_or("", |agent| agent.as_str());
        let actions = self.actions.iter().map(|action| action.0.as_str()).collect();
        let resources = self.resources.iter().map(|it| fill(&it.0, task, agent)).collect();
        (actions, resources)
    }
}

/// In whole seconds, as the documentation writes moments.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// In canonical words what `permissions` allow `holder`.
pub(super) fn words(permissions: &[&Permission], holder: &Holder) -> String {
    let words = permissions.iter().map(|permission| {
        let (actions, resources) = permission.filled(holder);
        format!("{} on {}", actions.join(","), resources.join(","))
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The policy that allows `holder` that until `until`; without permissions, nothing.
///
/// Errors: it is longer than AWS takes.
pub(super) fn document(
    permissions: &[&Permission],
    holder: &Holder,
    until: Timestamp,
) -> Result<String, IssuerError> {
    let mut statements: Vec<_> = permissions
        .iter()
        .map(|permission| {
            let (actions, resources) = permission.filled(holder);
            json!({
                "Effect": "Allow",
                "Action": actions,
                "Resource": resources,
                "Condition": { "DateLessThan": { "aws:CurrentTime": moment(until) } },
            })
        })
        .collect();
    if statements.is_empty() {
        statements.push(json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    if policy.chars().count() > MAX_POLICY {
        return Err(IssuerError::Refused(format!(
            "what the remit's tools come with makes a policy of more than {MAX_POLICY} characters, which \
             AWS does not take: expected fewer `actions` and `resources`, with `*` for several"
        )));
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(actions: &[&str], resources: &[&str]) -> Permission {
        Permission {
            actions: actions.iter().map(|&it| Action::try_from(it.to_owned()).unwrap()).collect(),
            resources: resources
                .iter()
                .map(|&it| Resource::try_from(it.to_owned()).unwrap())
                .collect(),
        }
    }

    fn holder() -> Holder {
        let task = "tsk_00000000000000000000000001".parse().unwrap();
        Holder { agent: Some("bot".parse().unwrap()), task: Some(task), ..Holder::default() }
    }

    #[test]
    fn a_policy_says_what_on_what_until_when() {
        let permission =
            permission(&["s3:PutObject"], &["arn:aws:s3:::out/{agent}/{task}/${aws:userid}/*"]);
        let until = Timestamp(1_795_474_800_000);
        let read = |permissions: &[&Permission], holder: &Holder| {
            let policy = document(permissions, holder, until).unwrap();
            serde_json::from_str::<serde_json::Value>(&policy).unwrap()
        };
        let resource = "arn:aws:s3:::out/bot/tsk_00000000000000000000000001/${aws:userid}/*";
        let statement = json!({
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": [resource],
            "Condition": { "DateLessThan": { "aws:CurrentTime": "2026-11-23T23:00:00Z" } },
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        assert_eq!(read(&[&permission], &holder()), policy);
        let nothing = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
        let policy = json!({ "Version": "2012-10-17", "Statement": [nothing] });
        assert_eq!(read(&[], &Holder::default()), policy);
    }

    #[test]
    fn a_policy_that_is_too_long_is_not_sent() {
        let many: Vec<_> =
            (0..60).map(|n| format!("arn:aws:s3:::bucket-number-{n}/{{task}}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let why = document(&[&permission(&["s3:*"], &many)], &holder(), Timestamp(0)).unwrap_err();
        assert!(why.to_string().contains("2048"), "{why}");
    }

    #[test]
    fn what_cannot_stand_in_a_policy_is_refused() {
        for bad in ["", "*", "s3", "s3:", ":x", "s3:Put Object", "s3:a\",\"*", "*:*"] {
            assert!(Action::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in
            ["", "bucket", "arn:aws:s3:::{tool}/*", "arn:aws:s3:::a b", "arn:aws:s3:::{", "**"]
        {
            assert!(Resource::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
