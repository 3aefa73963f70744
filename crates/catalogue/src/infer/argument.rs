//! What each argument is for, and what kind of thing it names.
//!
//! The first rule that applies:
//!
//! | an argument | role | kind |
//! |---|---|---|
//! | named like a secret, or of format `password` | secret | – |
//! | that is only `true` or `false` | flag | – |
//! | that is only a number, and no identifier | amount | – |
//! | that holds code, where the tool executes or worse | target | – |
//! | of a format or named like a thing we know | place | that thing |
//! | with nothing but listed values | flag | – |
//! | named like a search, a filter or a page | selector | – |
//! | named like content, a date, a reason | content; for a read, a date selects | – |
//! | whose description starts by naming a URL, an address, an account | place | that thing |
//! | none of these | place | – |
//!
//! *Place* is target for an effect and selector for a read.

use std::collections::BTreeMap;

use remit_model::tool::{ArgumentProfile, Known, Origin};
use remit_model::{ArgumentPath, Effect, ResourceKind, Role};

use super::schema::Leaf;
use super::{Evidence, inferred, known, vocabulary};
use crate::words::words;

/// The arguments of a tool with this effect.
pub(super) fn infer(
    evidence: &Evidence,
    effect: Effect,
) -> BTreeMap<ArgumentPath, Known<ArgumentProfile>> {
    let place = if effect == Effect::Read { Role::Selector } else { Role::Target };
    let context = Context { evidence, effect, place };
    evidence
        .leaves
        .iter()
        .map(|(path, leaf)| (ArgumentPath(path.clone()), context.one(path, leaf)))
        .collect()
}

/// The words of the last named segment of a path: `attachments[].filePath` → `file`, `path`.
pub(super) fn last(path: &str) -> Vec<String> {
    words(path.rsplit('.').next().unwrap_or(path))
}

const SECRETS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "otp",
    "pin",
    "cvv",
    "cvc",
];
const SECRET_KEYS: &[&str] =
    &["api", "private", "access", "secret", "ssh", "encryption", "signing"];
const NOT_SECRET: &[&str] =
    &["page", "next", "continuation", "sync", "max", "min", "limit", "count", "start", "cursor"];
/// After a secret's word these make it the secret's name, not its value.
const REFERENCES: &[&str] = &["name", "id", "ids", "path", "ref", "version"];

const FILES: &[&str] = &[
    "file",
    "files",
    "filename",
    "filenames",
    "filepath",
    "path",
    "paths",
    "dir",
    "directory",
    "directories",
    "folder",
    "cwd",
    "attachment",
    "attachments",
];
const FILE_ENDS: &[&str] = &["source", "destination", "src", "dst", "dest", "root"];
const REPOSITORIES: &[&str] = &["repo", "repos", "repository", "repositories"];
const HOSTS: &[&str] = &[
    "url", "urls", "uri", "uris", "href", "link", "links", "host", "hosts", "hostname", "domain",
    "domains", "endpoint", "webhook", "website", "ip", "callback",
];
const MAILBOXES: &[&str] = &[
    "email",
    "emails",
    "mail",
    "mailbox",
    "recipient",
    "recipients",
    "cc",
    "bcc",
    "attendee",
    "attendees",
    "participant",
    "participants",
    "invitee",
    "invitees",
    "sender",
];
const ACCOUNTS: &[&str] = &[
    "account",
    "accounts",
    "iban",
    "payee",
    "beneficiary",
    "wallet",
    "card",
    "user",
    "users",
    "username",
    "assignee",
    "assignees",
    "member",
    "members",
    "customer",
    "owner",
    "org",
    "organization",
    "organisation",
    "login",
    "bic",
];
const TABLES: &[&str] = &["table", "tables", "collection", "dataset", "database", "db"];
const CHANNELS: &[&str] = &["channel", "channels", "room", "chat", "conversation"];
const IDS: &[&str] = &["id", "ids", "uuid", "key", "number", "port", "pid", "no"];
const AMOUNTS: &[&str] = &["amount", "price", "sum", "total", "cost", "fee", "payment"];

const SELECTORS: &[&str] = &[
    "query", "q", "search", "pattern", "patterns", "filter", "filters", "keyword", "keywords",
    "term", "terms", "regex", "glob", "sort", "order", "cursor", "page", "since", "until", "where",
    "revision", "limit", "offset",
];
const CONTENTS: &[&str] = &[
    "body",
    "content",
    "contents",
    "text",
    "message",
    "subject",
    "title",
    "description",
    "comment",
    "note",
    "notes",
    "caption",
    "summary",
    "markdown",
    "html",
    "data",
    "payload",
    "value",
    "values",
    "observation",
    "observations",
    "reason",
    "reference",
    "memo",
    "fields",
    "prompt",
    "question",
    "answer",
    "headline",
    "json",
    "csv",
    "xml",
    "image",
];
const DATES: &[&str] = &[
    "date",
    "time",
    "day",
    "start",
    "end",
    "timestamp",
    "deadline",
    "due",
    "duration",
    "month",
    "year",
    "hour",
    "when",
];
const OPTIONS: &[&str] =
    &["format", "mode", "encoding", "language", "locale", "timezone", "unit", "units"];

struct Context<'a> {
    evidence: &'a Evidence,
    effect: Effect,
    place: Role,
}

impl Context<'_> {
    fn one(&self, path: &str, leaf: &Leaf) -> Known<ArgumentProfile> {
        let name = last(path);
        let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
        let named = || inferred(format!("the name `{}`", name.join("_")));
        let of = |role, origin| known(ArgumentProfile { role, kind: None }, origin);
        if is_secret(&name, leaf) {
            return of(Role::Secret, named());
        }
        if leaf.only(&["boolean"]) {
            return of(Role::Flag, inferred("the type `boolean`"));
        }
        let number = leaf.only(&["number", "integer"]);
        if number && (has(AMOUNTS) || !(has(IDS) || kind_by_name(&name).is_some())) {
            return of(Role::Amount, inferred("a number"));
        }
        if self.is_code(&name.join("_")) {
            return of(Role::Target, named());
        }
        if let Some((kind, origin)) = self.kind(path, &name, leaf) {
            return known(ArgumentProfile { role: self.place, kind: Some(kind) }, origin);
        }
        if !leaf.free {
            return of(Role::Flag, inferred("only listed values"));
        }
        if has(SELECTORS) {
            return of(Role::Selector, named());
        }
        if let Some(kind) = kind_by_description(&leaf.description) {
            let origin = inferred(format!("its description names a {}", kind.entity_type()));
            return known(ArgumentProfile { role: self.place, kind: Some(kind) }, origin);
        }
        self.remaining(&name, leaf)
    }

    fn remaining(&self, name: &[String], leaf: &Leaf) -> Known<ArgumentProfile> {
        let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
        let named = || inferred(format!("the name `{}`", name.join("_")));
        let of = |role, origin| known(ArgumentProfile { role, kind: None }, origin);
        if has(IDS) {
            return of(self.place, named());
        }
        if matches!(leaf.format.as_str(), "date" | "date-time" | "time" | "duration") || has(DATES)
        {
            let role = if self.place == Role::Selector { Role::Selector } else { Role::Content };
            return of(role, named());
        }
        if has(CONTENTS) || (has(&["new", "old"]) && has(&["text", "string", "value"])) {
            return of(Role::Content, named());
        }
        if has(OPTIONS) {
            return of(Role::Flag, named());
        }
        of(self.place, Origin::Assumed)
    }

    fn is_code(&self, name: &str) -> bool {
        self.effect >= Effect::Execute
            && (vocabulary::CODE.contains(&name)
                || vocabulary::MAYBE_CODE.iter().any(|(names, _)| names.contains(&name)))
    }

    fn kind(&self, path: &str, name: &[String], leaf: &Leaf) -> Option<(ResourceKind, Origin)> {
        let by_format = match leaf.format.as_str() {
            "uri" | "url" | "iri" | "uri-reference" | "hostname" | "idn-hostname" | "ipv4"
            | "ipv6" => Some(ResourceKind::Host),
            "email" | "idn-email" => Some(ResourceKind::Mailbox),
            _ => None,
        };
        if let Some(kind) = by_format {
            return Some((kind, inferred(format!("the format `{}`", leaf.format))));
        }
        let kind = kind_by_name(name).or_else(|| self.kind_by_company(path, name))?;
        let payment = kind == ResourceKind::Mailbox && self.pays(name, leaf);
        let kind = if payment { ResourceKind::Account } else { kind };
        Some((kind, inferred(format!("the name `{}`", name.join("_")))))
    }

    /// Words that mean something only beside others: `to` beside a text, `source` beside a file.
    fn kind_by_company(&self, path: &str, name: &[String]) -> Option<ResourceKind> {
        let beside = |words: &[&str]| self.evidence.has_argument(words);
        let object = path.rsplit_once('.').map_or("", |(object, _)| object);
        let sibling = |name: &str| {
            let dot = if object.is_empty() { "" } else { "." };
            self.evidence.leaves.contains_key(&format!("{object}{dot}{name}"))
        };
        let written = beside(&["subject", "body", "text", "message", "content", "amount"]);
        match name {
            [to] if to == "to" && (written || !sibling("from")) => Some(ResourceKind::Mailbox),
            [from] if from == "from" && written && sibling("to") => Some(ResourceKind::Mailbox),
            [.., end] if FILE_ENDS.contains(&end.as_str()) => {
                let files = self.evidence.named(FILES).is_some() || beside(FILES);
                files.then_some(ResourceKind::File)
            }
            _ => None,
        }
    }

    /// Whether a recipient is paid rather than written to.
    fn pays(&self, name: &[String], leaf: &Leaf) -> bool {
        let mail = name.iter().any(|word| word.contains("mail"));
        let said = kind_by_description(&leaf.description) == Some(ResourceKind::Account);
        !mail && (said || self.evidence.has_argument(&["amount"]))
    }
}

fn is_secret(name: &[String], leaf: &Leaf) -> bool {
    let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
    let key = name.windows(2).any(|pair| match pair {
        [a, b] => SECRET_KEYS.contains(&a.as_str()) && matches!(b.as_str(), "key" | "keys"),
        _ => false,
    });
    let reference = name.last().is_some_and(|word| REFERENCES.contains(&word.as_str()));
    let counts = leaf.only(&["number", "integer"]) && has(&["token", "tokens"]);
    let spared = has(NOT_SECRET) || reference || counts || leaf.only(&["boolean"]);
    leaf.format == "password" || ((has(SECRETS) || key) && !spared)
}

fn kind_by_name(name: &[String]) -> Option<ResourceKind> {
    let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
    let id = has(&["id", "ids"]);
    if (has(SECRETS) || has(&["vault"])) && has(REFERENCES) && !has(NOT_SECRET) {
        return Some(ResourceKind::Secret);
    }
    [
        (ResourceKind::Repository, REPOSITORIES),
        (ResourceKind::Host, HOSTS),
        (ResourceKind::Mailbox, MAILBOXES),
        (ResourceKind::Account, ACCOUNTS),
        (ResourceKind::File, FILES),
        (ResourceKind::Table, TABLES),
        (ResourceKind::Channel, CHANNELS),
    ]
    .into_iter()
    // The id of a mail or a link is no address and no host.
    .filter(|(kind, _)| !(id && matches!(kind, ResourceKind::Mailbox | ResourceKind::Host)))
    .find(|(_, words)| has(words))
    .map(|(kind, _)| kind)
}

/// What the first words of a description name.
fn kind_by_description(description: &str) -> Option<ResourceKind> {
    let start: Vec<&str> = description.split_whitespace().take(6).collect();
    let start = format!(" {} ", start.join(" "));
    let any = |phrases: &[&str]| phrases.iter().any(|p| start.contains(&format!(" {p} ")));
    if any(&["url", "urls", "uri", "web address", "hostname"]) {
        Some(ResourceKind::Host)
    } else if any(&["iban", "account number", "bank account"]) {
        Some(ResourceKind::Account)
    } else if any(&["email address", "email addresses", "e mail address", "mail address"]) {
        Some(ResourceKind::Mailbox)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::Definition;
    use crate::overrides::Overrides;

    fn roles(tool: &str, properties: &str) -> Vec<String> {
        let text = format!(
            r#"{{"name":"{tool}","inputSchema":{{"type":"object","properties":{{{properties}}}}}}}"#
        );
        let definition = Definition::parse(&text).unwrap();
        crate::infer::infer(&definition, "srv", &Overrides::default())
            .arguments
            .into_iter()
            .map(|(path, known)| {
                let kind = known.value.kind.map_or(String::new(), |kind| format!(" {kind}"));
                format!("{path}: {:?}{kind}", known.value.role)
            })
            .collect()
    }

    fn strings(names: &[&str]) -> String {
        let members: Vec<_> =
            names.iter().map(|name| format!(r#""{name}":{{"type":"string"}}"#)).collect();
        members.join(",")
    }

    #[test]
    fn an_effect_has_targets_and_content() {
        assert_eq!(
            roles("send_mail", &strings(&["to", "cc", "subject", "body", "apiKey", "mystery"])),
            [
                "apiKey: Secret",
                "body: Content",
                "cc: Target Mailbox",
                "mystery: Target",
                "subject: Content",
                "to: Target Mailbox"
            ]
        );
        assert_eq!(
            roles(
                "transfer",
                r#""recipient":{"type":"string"},"amount":{"type":"number"},
                "accountNumber":{"type":"integer"},"date":{"type":"string"},"urgent":{"type":"boolean"}"#
            ),
            [
                "accountNumber: Target Account",
                "amount: Amount",
                "date: Content",
                "recipient: Target Account",
                "urgent: Flag"
            ]
        );
    }

    #[test]
    fn a_read_has_selectors() {
        assert_eq!(
            roles("search_files", &strings(&["path", "query", "since", "page_token", "thing"])),
            [
                "page_token: Selector",
                "path: Selector File",
                "query: Selector",
                "since: Selector",
                "thing: Selector"
            ]
        );
    }

    #[test]
    fn kinds_come_from_names_formats_and_descriptions() {
        assert_eq!(
            roles(
                "write",
                r#""x":{"type":"string","format":"uri"},
                "y":{"type":"string","description":"The e-mail address to write to"},
                "z":{"type":"string","description":"IBAN of the payee"},
                "channel_id":{"type":"string"},"repo_path":{"type":"string"},
                "secret_name":{"type":"string"},"message_id":{"type":"string"},
                "email_id":{"type":"string"},"table":{"type":"string"},
                "attachments":{"type":"array","items":{"type":"object",
                    "properties":{"filePath":{"type":"string"}}}}"#
            ),
            [
                "attachments[].filePath: Target File",
                "channel_id: Target Channel",
                "email_id: Target",
                "message_id: Target",
                "repo_path: Target Repository",
                "secret_name: Target Secret",
                "table: Target Table",
                "x: Target Host",
                "y: Target Mailbox",
                "z: Target Account"
            ]
        );
    }

    #[test]
    fn what_is_executed_is_a_target() {
        assert_eq!(
            roles("run", &strings(&["command", "query"])),
            ["command: Target", "query: Target"]
        );
    }

    #[test]
    fn company_decides_what_to_and_source_mean() {
        assert_eq!(
            roles("create_relations", &strings(&["from", "to"])),
            ["from: Target", "to: Target"]
        );
        assert_eq!(
            roles("move_file", &strings(&["source", "destination"])),
            ["destination: Target File", "source: Target File"]
        );
        assert_eq!(
            roles("convert", &strings(&["source", "destination"])),
            ["destination: Target", "source: Target"]
        );
    }

    #[test]
    fn listed_values_are_flags_unless_they_name_something() {
        let listed = |name: &str| format!(r#""{name}":{{"type":"string","enum":["a","b"]}}"#);
        assert_eq!(roles("write", &listed("sort_by")), ["sort_by: Flag"]);
        assert_eq!(roles("write", &listed("channel")), ["channel: Target Channel"]);
    }
}
