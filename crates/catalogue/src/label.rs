//! A profile applied: what a result carries, and what an argument is for.

use remit_model::tool::{ArgumentProfile, Trust};
use remit_model::{Integrity, Label, Profile, Role, ServerName};

/// The label of what a tool returns, by its profile alone. The caller joins the labels of the
/// arguments: an echo launders nothing.
pub fn returned_label(profile: &Profile, server: &ServerName) -> Label {
    let integrity = match profile.returns.value {
        Trust::Trusted => Integrity::Trusted,
        Trust::Untrusted => Integrity::untrusted(server.as_str()),
    };
    Label { confidentiality: profile.sensitivity.value, integrity, ..Label::default() }
}

/// What the leaf at `path` of a call's arguments is for.
///
/// The profile names the leaves of the *schema*; a call may hold others: a list where the schema
/// says string, members of a free-form object, arguments nobody declared. So: the path itself, else
/// the nearest profile above it, else the same path without list marks, else a target of no known
/// kind, which is the safe side.
pub fn argument(profile: &Profile, path: &str) -> ArgumentProfile {
    let exact = |path: &str| profile.arguments.get(&path.into()).map(|known| known.value.clone());
    let mut above = Some(path);
    while let Some(path) = above {
        if let Some(found) = exact(path) {
            return found;
        }
        above = parent(path);
    }
    let bare = path.replace("[]", "");
    profile
        .arguments
        .iter()
        .find(|(known, _)| known.0.replace("[]", "") == bare)
        .map_or(ArgumentProfile { role: Role::Target, kind: None }, |(_, known)| {
            known.value.clone()
        })
}

fn parent(path: &str) -> Option<&str> {
    match path.strip_suffix("[]") {
        Some(list) => Some(list),
        None => path.rsplit_once('.').map(|(above, _)| above),
    }
    .filter(|above| !above.is_empty())
}

#[cfg(test)]
mod tests {
    use remit_model::ResourceKind;

    use super::*;
    use crate::definition::Definition;
    use crate::infer::infer;
    use crate::overrides::Overrides;

    fn profile() -> Profile {
        let text = r#"{"name":"send_mail","inputSchema":{"type":"object","properties":{
            "to":{"type":"array","items":{"type":"string"}},"body":{"type":"string"},
            "payload":{"type":"object"}}}}"#;
        infer(&Definition::parse(text).unwrap(), "mail", &Overrides::default())
    }

    #[test]
    fn leaves_the_schema_does_not_name_take_the_nearest_profile() {
        let profile = profile();
        let target = ArgumentProfile { role: Role::Target, kind: Some(ResourceKind::Mailbox) };
        for (path, expected) in [
            ("to[]", target.clone()),
            ("to", target.clone()),
            ("to[][]", target),
            ("body", ArgumentProfile { role: Role::Content, kind: None }),
            ("body[].text", ArgumentProfile { role: Role::Content, kind: None }),
            ("payload.a.b", ArgumentProfile { role: Role::Content, kind: None }),
            ("undeclared", ArgumentProfile { role: Role::Target, kind: None }),
        ] {
            assert_eq!(argument(&profile, path), expected, "{path}");
        }
    }

    #[test]
    fn an_untrusted_result_names_its_server() {
        let server: ServerName = "mail".parse().unwrap();
        let label = returned_label(&profile(), &server);
        assert_eq!(label.integrity, Integrity::untrusted("mail"));
        let mut trusted = profile();
        trusted.returns.value = Trust::Trusted;
        assert_eq!(returned_label(&trusted, &server).integrity, Integrity::Trusted);
    }
}
