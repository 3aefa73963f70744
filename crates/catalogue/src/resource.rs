//! Everything a call touches, named so that a policy can compare it.
//!
//! The values of arguments that are targets or selectors of a known kind, each in one normal form;
//! the files that are attached; and whatever in the other targets and selectors plainly *is* a URL or an address, because an
//! argument nobody described must not be the way round a rule. Where two common parsers would read
//! two different things from one text (`https://a\@b`), both are named: all must be permitted.
//!
//! Secrets are never named: arguments of role secret are not looked at, nor is content, but for the
//! files that are content by reference; and of a URL only the host remains.

mod address;
mod host;
mod named;

use std::collections::{BTreeMap, BTreeSet};

use remit_model::{Profile, Resource, ResourceKind, Role, ServerName, Value};

/// How many resources a call may touch. [`resources`] returns one more where there are more: such
/// a call is to be refused, not cut short.
pub const MAX_RESOURCES: usize = 64;

/// How long the name of a resource may be; longer ones stand for themselves by their digest.
const MAX_ID: usize = 1024;

/// Everything that a call with these arguments touches, sorted, without repetitions; the server
/// itself if the call names nothing. At most [`MAX_RESOURCES`] + 1.
pub fn resources(profile: &Profile, input: &Value, server: &ServerName) -> Vec<Resource> {
    let mut found = BTreeSet::new();
    let owners = Owners::of(profile, input);
    visit(input, &mut |path, text| {
        let known = profile.argument(path);
        let named = match known.role {
            Role::Target | Role::Selector => true,
            Role::Content => known.kind == Some(ResourceKind::File),
            Role::Amount | Role::Secret | Role::Link | Role::Flag => false,
        };
        let touches = named && !owners.stand_at(path);
        if found.len() <= MAX_RESOURCES && touches {
            match known.kind {
                Some(ResourceKind::Repository) => {
                    found.extend(named::repositories(text, owners.beside(path)));
                }
                Some(kind) => found.extend(of_kind(kind, text)),
                None => found.extend(by_form(text)),
            }
        }
    });
    or_server(found, server)
}

/// What reading the resource `uri` of a server touches: a file, a host, else the server itself.
pub fn of_uri(uri: &str, server: &ServerName) -> Vec<Resource> {
    or_server(by_form(uri).into_iter().collect(), server)
}

fn or_server(mut found: BTreeSet<Resource>, server: &ServerName) -> Vec<Resource> {
    found.retain(|resource| !resource.id.is_empty());
    if found.is_empty() {
        found.insert(Resource { kind: ResourceKind::Server, id: server.as_str().to_owned() });
    }
    found.into_iter().take(MAX_RESOURCES + 1).map(bounded).collect()
}

fn bounded(resource: Resource) -> Resource {
    if resource.id.len() <= MAX_ID {
        return resource;
    }
    let id = format!("sha256:{}", remit_model::Digest::of(resource.id.as_bytes()));
    Resource { id, ..resource }
}

/// Calls `visit` for every text and number: an account may be either.
fn visit(input: &Value, visit: &mut impl FnMut(&str, &str)) {
    input.leaves(&mut |path, value| match value {
        Value::Text(text) | Value::Number(text) => visit(path, text),
        _ => {}
    });
}

fn of_kind(kind: ResourceKind, text: &str) -> Vec<Resource> {
    match kind {
        ResourceKind::Mailbox => named::all(kind, address::addresses(text)),
        ResourceKind::Host => named::from_url(text),
        ResourceKind::File if host::is_url(text) => named::from_url(text),
        ResourceKind::File => named::files(text),
        ResourceKind::Repository => named::repositories(text, None),
        ResourceKind::Account => named::all(kind, [named::account(text)]),
        ResourceKind::Channel => named::all(kind, [text.trim().trim_start_matches('#').to_owned()]),
        ResourceKind::Table => {
            named::all(kind, [text.trim().trim_matches(['"', '`', '\'']).to_owned()])
        }
        ResourceKind::Secret => named::all(kind, [text.trim().to_owned()]),
        ResourceKind::Server => Vec::new(),
    }
}

/// A text whose whole form says what it is: a URL or a mail address.
fn by_form(text: &str) -> Vec<Resource> {
    let text = text.trim();
    if host::is_url(text) {
        return named::from_url(text);
    }
    if address::is_address(text) {
        return named::all(ResourceKind::Mailbox, address::addresses(text));
    }
    Vec::new()
}

const OWNERS: &[&str] = &["owner", "org", "organization", "organisation", "namespace", "workspace"];

/// Owners that stand in the same object as a repository given without one: part of its name.
struct Owners(BTreeMap<String, (String, String)>);

impl Owners {
    fn of(profile: &Profile, input: &Value) -> Self {
        let mut repositories = BTreeSet::new();
        let mut owners = BTreeMap::new();
        visit(input, &mut |path, text| {
            let (object, name) = split(path);
            // In a list of objects nobody could tell whose owner is whose.
            if text.contains(['/', ':']) || path.contains("[]") {
                return;
            }
            if profile.argument(path).kind == Some(ResourceKind::Repository) {
                repositories.insert(object.to_owned());
            } else if OWNERS.contains(&name) {
                let owner = (path.to_owned(), text.trim().to_owned());
                owners.entry(object.to_owned()).or_insert(owner);
            }
        });
        owners.retain(|object, _| repositories.contains(object));
        Self(owners)
    }

    fn stand_at(&self, path: &str) -> bool {
        self.0.get(split(path).0).is_some_and(|(at, _)| at == path)
    }

    fn beside(&self, path: &str) -> Option<&str> {
        self.0.get(split(path).0).map(|(_, owner)| owner.as_str())
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use remit_model::tool::{ArgumentProfile, Known, Origin};

    use super::*;
    use crate::definition::Definition;
    use crate::infer::infer;
    use crate::overrides::Overrides;

    fn server() -> ServerName {
        "srv".parse().unwrap()
    }

    fn touched(arguments: &[(&str, Role, Option<ResourceKind>)], input: &str) -> Vec<String> {
        let text = r#"{"name":"write","inputSchema":{"type":"object"}}"#;
        let definition = Definition::parse(text).unwrap();
        let mut profile = infer(&definition, "srv", &Overrides::default());
        for (path, role, kind) in arguments {
            let value = ArgumentProfile { role: *role, kind: *kind };
            profile.arguments.insert((*path).into(), Known { value, origin: Origin::Configured });
        }
        resources(&profile, &Value::parse(input).unwrap(), &server())
            .into_iter()
            .map(|resource| format!("{} {}", resource.kind, resource.id))
            .collect()
    }

    #[test]
    fn targets_and_selectors_are_named_and_nothing_else() {
        let arguments = [
            ("to[]", Role::Target, Some(ResourceKind::Mailbox)),
            ("body", Role::Content, Some(ResourceKind::Mailbox)),
            ("attachments[]", Role::Content, Some(ResourceKind::File)),
            ("password", Role::Secret, Some(ResourceKind::Secret)),
            ("path", Role::Selector, Some(ResourceKind::File)),
            ("account", Role::Target, Some(ResourceKind::Account)),
        ];
        let input = r#"{"to":["Ann <A@X.example>, b@x.example","b@x.example"],"body":"c@x.example",
            "attachments":["/b"],"password":"hunter2","path":"/a","account":4711}"#;
        assert_eq!(
            touched(&arguments, input),
            ["File /a", "File /b", "Account 4711", "Mailbox a@x.example", "Mailbox b@x.example"]
        );
    }

    #[test]
    fn a_call_that_names_nothing_touches_its_server() {
        assert_eq!(touched(&[], "{}"), ["Server srv"]);
        assert_eq!(touched(&[], r#"{"a":"words only","b":true}"#), ["Server srv"]);
        let blank = [("to", Role::Target, Some(ResourceKind::Mailbox))];
        assert_eq!(touched(&blank, r#"{"to":" "}"#), ["Server srv"]);
    }

    #[test]
    fn an_argument_nobody_described_is_read_by_its_form() {
        let input = r#"{"x":"https://Evil.example:8443/a","y":{"z":["mallory@evil.example"]}}"#;
        assert_eq!(touched(&[], input), ["Mailbox mallory@evil.example", "Host evil.example"]);
    }

    #[test]
    fn a_repository_is_named_with_its_owner() {
        let arguments = [
            ("repo", Role::Target, Some(ResourceKind::Repository)),
            ("owner", Role::Target, Some(ResourceKind::Account)),
        ];
        let input = r#"{"owner":"Acme","repo":"Web"}"#;
        assert_eq!(touched(&arguments, input), ["Repository acme/web"]);
        assert_eq!(touched(&arguments, r#"{"owner":"Acme"}"#), ["Account Acme"]);
        let listed = [
            ("a[].repo", Role::Target, Some(ResourceKind::Repository)),
            ("a[].owner", Role::Target, Some(ResourceKind::Account)),
        ];
        let input = r#"{"a":[{"owner":"Acme","repo":"Web"},{"owner":"Evil","repo":"Web"}]}"#;
        assert_eq!(touched(&listed, input), ["Repository web", "Account Acme", "Account Evil"]);
        // A full name beside another owner: both stand.
        let input = r#"{"owner":"Evil","repo":"Acme/Web"}"#;
        assert_eq!(touched(&arguments, input), ["Repository acme/web", "Account Evil"]);
    }

    #[test]
    fn too_many_are_one_more_than_allowed() {
        let list: Vec<String> = (0..200).map(|n| format!("\"u{n}@x.example\"")).collect();
        let input = format!("{{\"to\":[{}]}}", list.join(","));
        let arguments = [("to[]", Role::Target, Some(ResourceKind::Mailbox))];
        assert_eq!(touched(&arguments, &input).len(), MAX_RESOURCES + 1);
    }

    #[test]
    fn long_names_stand_for_themselves_by_digest() {
        let arguments = [("path", Role::Target, Some(ResourceKind::File))];
        let ids = touched(&arguments, &format!("{{\"path\":\"/{}\"}}", "a".repeat(5000)));
        assert!(ids[0].starts_with("File sha256:"), "{ids:?}");
    }

    #[test]
    fn a_uri_is_a_file_a_host_or_the_server() {
        let read = |uri: &str| of_uri(uri, &server()).remove(0);
        assert_eq!(read("file:///a%20b").id, "/a b");
        assert_eq!(read("https://X.example/a").id, "x.example");
        assert_eq!(read("demo://resource/static").kind, ResourceKind::Host);
        assert_eq!(read("note").kind, ResourceKind::Server);
    }
}
