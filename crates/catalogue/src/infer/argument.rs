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
//! | named like a time zone or a type of content | flag | – |
//! | beside what is written or sent, and named like an attachment | content | file |
//! | of a format or named like a thing we know | place | that thing |
//! | with nothing but listed values | flag | – |
//! | named like a search, a filter or a page | selector | – |
//! | named like content, a date, a reason | content; for a read, a date selects | – |
//! | named like what is noted of somebody or something: a location, a first name, a label | content; for a read, it selects | – |
//! | called `name`, where the tool does nothing but create | content | – |
//! | whose description starts by naming a URL, an address, an account | place | that thing |
//! | none of these | place | – |
//!
//! *Place* is target for an effect and selector for a read.
//!
//! What is attached is content by reference: the id of a file in an e-mail says what leaves, not
//! whom it reaches. It stays a resource, so that policies see which file it is. The file that is
//! shared is a target all the same: sharing changes who may read that very file.

use std::collections::BTreeMap;

use remit_model::tool::{ArgumentProfile, Known, Origin};
use remit_model::{ArgumentPath, Effect, ResourceKind, Role};

use super::nouns as n;
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
        let points = name.last().is_some_and(|word| n::POINTERS.contains(&word.as_str()));
        let names = points || has(n::IDS) || kind_by_name(&name).is_some();
        if number && (has(n::AMOUNTS) || !names) {
            return of(Role::Amount, inferred("a number"));
        }
        if self.is_code(&name.join("_")) {
            return of(Role::Target, named());
        }
        if pairs(&name, n::OPTION_PAIRS) {
            return of(Role::Flag, named());
        }
        let kind = self.kind(path, &name, leaf);
        let place = kind.as_ref().is_some_and(|(kind, _)| *kind != ResourceKind::File);
        if leaf.free && !place && self.is_attached(path) {
            let kind = (kind.is_some() || has(n::IDS)).then_some(ResourceKind::File);
            let origin = inferred("what is attached is content by reference");
            return known(ArgumentProfile { role: Role::Content, kind }, origin);
        }
        if let Some((kind, origin)) = kind {
            return known(ArgumentProfile { role: self.place, kind: Some(kind) }, origin);
        }
        if !leaf.free {
            return of(Role::Flag, inferred("only listed values"));
        }
        if has(n::SELECTORS) && !has(n::IDS) {
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
        if has(n::IDS) {
            return of(self.place, named());
        }
        if matches!(leaf.format.as_str(), "date" | "date-time" | "time" | "duration")
            || has(n::DATES)
        {
            // The old date of an event says which event.
            let which = self.place == Role::Selector || has(n::FORMER);
            return of(if which { self.place } else { Role::Content }, named());
        }
        if has(n::CONTENTS) || (has(&["new", "old"]) && has(&["text", "string", "value"])) {
            return of(Role::Content, named());
        }
        if has(n::OPTIONS) {
            return of(Role::Flag, named());
        }
        if self.is_particular(name) {
            return of(Role::Content, named());
        }
        of(self.place, Origin::Assumed)
    }

    /// Whether it is what is said of a thing, not which thing it is.
    fn is_particular(&self, name: &[String]) -> bool {
        if !matches!(self.effect, Effect::Write | Effect::Send) {
            return false;
        }
        let is = |list: &[&str], word: &String| list.contains(&word.as_str());
        match name {
            [.., before, last] if last == "name" && is(n::NAMES, before) => true,
            [only] if only == "name" => self.only_creates(),
            _ => name.iter().any(|word| {
                is(n::PARTICULARS, word)
                    || (is(n::SORTS, word) && !self.evidence.name.contains(word))
            }),
        }
    }

    /// Whether the tool makes something new, and so touches nothing that is called so already.
    fn only_creates(&self) -> bool {
        let name = &self.evidence.name;
        self.effect == Effect::Write
            && name.first().is_some_and(|verb| verb == "create")
            && !name.iter().any(|word| matches!(word.as_str(), "or" | "update" | "replace"))
            && self.evidence.named(n::FILES).is_none()
    }

    /// Whether it goes out beside something else; a tool that is about attachments is not meant.
    fn is_attached(&self, path: &str) -> bool {
        let is = |word: &String| n::ATTACHED.contains(&word.as_str());
        matches!(self.effect, Effect::Write | Effect::Send)
            && !self.evidence.name.iter().any(is)
            && words(path).iter().any(is)
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
            [.., end] if n::FILE_ENDS.contains(&end.as_str()) => {
                let files = self.evidence.named(n::FILES).is_some() || beside(n::FILES);
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

/// Whether a value of this name is a secret.
pub(super) fn is_secret(name: &[String], leaf: &Leaf) -> bool {
    let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
    let key = name.windows(2).any(|pair| match pair {
        [a, b] => n::SECRET_KEYS.contains(&a.as_str()) && matches!(b.as_str(), "key" | "keys"),
        _ => false,
    });
    let reference = name.last().is_some_and(|word| n::REFERENCES.contains(&word.as_str()));
    let counts = leaf.only(&["number", "integer"]) && has(&["token", "tokens"]);
    let spared = has(n::NOT_SECRET) || reference || counts || leaf.only(&["boolean"]);
    leaf.format == "password" || ((has(n::SECRETS) || key) && !spared)
}

/// Whether two of its words stand together in a list.
fn pairs(name: &[String], list: &[(&str, &str)]) -> bool {
    name.windows(2).any(|pair| match pair {
        [a, b] => list.iter().any(|(x, y)| a == x && b == y),
        _ => false,
    })
}

fn kind_by_name(name: &[String]) -> Option<ResourceKind> {
    let has = |list: &[&str]| name.iter().any(|word| list.contains(&word.as_str()));
    let id = has(&["id", "ids"]);
    if (has(n::SECRETS) || has(&["vault"])) && has(n::REFERENCES) && !has(n::NOT_SECRET) {
        return Some(ResourceKind::Secret);
    }
    [
        (ResourceKind::Repository, n::REPOSITORIES),
        (ResourceKind::Host, n::HOSTS),
        (ResourceKind::Mailbox, n::MAILBOXES),
        (ResourceKind::Account, n::ACCOUNTS),
        (ResourceKind::File, n::FILES),
        (ResourceKind::Table, n::TABLES),
        (ResourceKind::Channel, n::CHANNELS),
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
                "attachments[].filePath: Content File",
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
    fn what_is_noted_of_a_thing_is_content_and_which_thing_it_is_a_target() {
        let particulars = strings(&[
            "first_name",
            "city",
            "location",
            "label",
            "name",
            "user_name",
            "country_id",
        ]);
        assert_eq!(
            roles("update_contact", &particulars),
            [
                "city: Content",
                "country_id: Target",
                "first_name: Content",
                "label: Content",
                "location: Content",
                "name: Target",
                "user_name: Target Account"
            ]
        );
        assert_eq!(roles("create_project", &strings(&["name"])), ["name: Content"]);
        assert_eq!(roles("create_file", &strings(&["name"])), ["name: Target"]);
        assert_eq!(roles("create_or_update_project", &strings(&["name"])), ["name: Target"]);
        assert_eq!(roles("update_label", &strings(&["label"])), ["label: Target"]);
        assert_eq!(roles("delete_contact", &strings(&["city"])), ["city: Target"]);
        assert_eq!(roles("list_contacts", &strings(&["city"])), ["city: Selector"]);
    }

    #[test]
    fn what_is_attached_is_content_but_for_links_and_where_it_is_all_there_is() {
        assert_eq!(
            roles(
                "send_mail",
                r#""attachments":{"type":"array","items":{"type":"object","properties":{
                "file_id":{"type":"string"},"note":{"type":"string"},"url":{"type":"string"},
                "kind":{"type":"string","enum":["a"]}}}},"attach":{"type":"string"}"#
            ),
            [
                "attach: Content",
                "attachments[].file_id: Content File",
                "attachments[].kind: Flag",
                "attachments[].note: Content",
                "attachments[].url: Target Host"
            ]
        );
        let list = r#""attachments":{"type":"array","items":{"type":"object"}}"#;
        assert_eq!(roles("send_mail", list), ["attachments[]: Content File"]);
        assert_eq!(roles("delete_message", &strings(&["attachment"])), ["attachment: Target File"]);
        assert_eq!(
            roles("save_attachment", &strings(&["attachment_id"])),
            ["attachment_id: Target File"]
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
    fn the_id_of_a_thing_is_a_target_whatever_the_thing() {
        let ids = ["page_id", "order_id", "search_id", "comment_id", "date_id", "data_key"];
        for line in roles("update_thing", &strings(&ids)) {
            assert!(line.ends_with(": Target"), "{line}");
        }
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
