//! Normal forms of files, repositories, accounts, and what a URL names.

use remit_model::{Resource, ResourceKind};

use super::{address, host};

/// One resource per name.
pub(super) fn all(kind: ResourceKind, ids: impl IntoIterator<Item = String>) -> Vec<Resource> {
    ids.into_iter().map(|id| Resource { kind, id }).collect()
}

/// What a URL touches: its host, for `file:` the path, for `mailto:` the addresses. A text that is
/// no URL counts as a host.
pub(super) fn from_url(text: &str) -> Vec<Resource> {
    let text = host::stripped(text);
    match host::scheme(&text) {
        Some((scheme, rest)) if scheme == "file" => files_of_uri(rest),
        Some((scheme, _)) if scheme == "mailto" => {
            all(ResourceKind::Mailbox, address::addresses(&text))
        }
        _ => all(ResourceKind::Host, host::hosts(&text)),
    }
}

fn files_of_uri(rest: &str) -> Vec<Resource> {
    let rest = rest.replace('\\', "/");
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest.as_str()),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut found = files(&host::percent_decoded(path));
    if !matches!(authority, "" | "localhost") {
        found.extend(all(ResourceKind::Host, host::hosts(authority)));
    }
    found
}

/// A path as given; and where it takes detours (`..`, `.`, `//`), also the path without them.
/// A `file:` URI is reduced to its path.
pub(super) fn files(text: &str) -> Vec<Resource> {
    if let Some((scheme, rest)) = host::scheme(text)
        && scheme == "file"
    {
        return files_of_uri(rest);
    }
    let direct = without_detours(text);
    let mut ids = vec![text.to_owned()];
    if direct != text {
        ids.push(direct);
    }
    all(ResourceKind::File, ids)
}

fn without_detours(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if absolute => {}
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    let slash = if path.ends_with('/') && !joined.is_empty() { "/" } else { "" };
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}{slash}"),
        (false, true) => ".".to_owned(),
        (false, false) => format!("{joined}{slash}"),
    }
}

/// `owner/name` in lower case, with the host before it where a URL names one; a local path as
/// given. A repository given without owner takes the one beside it.
pub(super) fn repositories(text: &str, owner: Option<&str>) -> Vec<Resource> {
    let text = text.trim();
    let bare = |name: &str| {
        let name = name.trim_matches('/');
        name.strip_suffix(".git").unwrap_or(name).to_lowercase()
    };
    if text.starts_with(['/', '.', '~']) || host::scheme(text).is_some_and(|(s, _)| s == "file") {
        let paths = files(text);
        return paths
            .into_iter()
            .map(|r| Resource { kind: ResourceKind::Repository, ..r })
            .collect();
    }
    if let Some((host_name, path)) = host::split_remote(text) {
        let mut found = all(ResourceKind::Host, [host_name.clone()]);
        let id = format!("{host_name}/{}", bare(&path));
        found.push(Resource { kind: ResourceKind::Repository, id });
        return found;
    }
    let id = match owner {
        Some(owner) if !text.contains('/') && !text.is_empty() => {
            format!("{}/{}", owner.to_lowercase(), bare(text))
        }
        _ => bare(text),
    };
    all(ResourceKind::Repository, [id])
}

/// An IBAN in capitals without blanks, an address in lower case, anything else as given.
pub(super) fn account(text: &str) -> String {
    let text = text.trim();
    let dense: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if is_iban(&dense) {
        dense.to_ascii_uppercase()
    } else if text.contains('@') && !text.starts_with('@') {
        text.to_lowercase()
    } else {
        text.to_owned()
    }
}

/// The form of ISO 13616: country, two check digits, 11 to 30 letters or digits.
fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    (15..=34).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes.iter().take(2).all(u8::is_ascii_alphabetic)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(found: Vec<Resource>) -> Vec<String> {
        found.into_iter().map(|r| format!("{} {}", r.kind, r.id)).collect()
    }

    #[test]
    fn paths_lose_their_detours() {
        for (path, expected) in [
            ("/work/a", &["File /work/a"][..]),
            ("/work/../etc/passwd", &["File /work/../etc/passwd", "File /etc/passwd"]),
            ("/work//a/./b/", &["File /work//a/./b/", "File /work/a/b/"]),
            ("../../x", &["File ../../x"]),
            ("a/../../x", &["File a/../../x", "File ../x"]),
            ("a/..", &["File a/..", "File ."]),
            ("/../..", &["File /../..", "File /"]),
            ("file:///etc/passwd?x", &["File /etc/passwd"]),
            ("FILE:/etc/%2e%2e/x", &["File /etc/../x", "File /x"]),
            ("file://evil.example/share", &["File /share", "Host evil.example"]),
            ("file:\\\\evil.example\\share", &["File /share", "Host evil.example"]),
        ] {
            assert_eq!(ids(files(path)), expected, "{path}");
        }
    }

    #[test]
    fn repositories_have_one_name() {
        for (text, owner, expected) in [
            ("Acme/Web", None, &["Repository acme/web"][..]),
            ("web", Some("Acme"), &["Repository acme/web"]),
            ("Acme/Web.git", Some("other"), &["Repository acme/web"]),
            ("/home/Me/repo", Some("x"), &["Repository /home/Me/repo"]),
            (
                "https://user@GitHub.example:443/Acme/Web.git",
                None,
                &["Host github.example", "Repository github.example/acme/web"],
            ),
            (
                "git@github.example:Acme/Web.git",
                None,
                &["Host github.example", "Repository github.example/acme/web"],
            ),
        ] {
            assert_eq!(ids(repositories(text, owner)), expected, "{text}");
        }
    }

    #[test]
    fn accounts_have_one_name() {
        for (text, expected) in [
            ("de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
            ("Ann@X.example", "ann@x.example"),
            ("@ann", "@ann"),
            (" U024BE7LH ", "U024BE7LH"),
        ] {
            assert_eq!(account(text), expected);
        }
    }
}
