//! What a field of a record holds, by its name and by the form of what stands there.
//!
//! A server that structures what it returns says by a field's name whether it holds the store's own
//! id, somebody's name or address, a figure, or what somebody wrote. The name alone is not believed:
//! what does not have the form of an id, a name or a figure is text, whatever its field is called.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chunk::{chunks, words};
use crate::figure::{Figure, figure};
use crate::shape::{host, is_account, is_distinct, is_mail, is_name};

/// What a value in a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// An id, of the record itself or of another one.
    Id,
    /// Who or what somebody is: name, address, account.
    Identity,
    /// A figure, or a word out of few.
    Scalar,
    /// What somebody wrote.
    Free,
}

/// The words of a field's name, in lower case and in the singular.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Column(Arc<[String]>);

/// What the name of a member says, whatever stands there.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its words.
    pub(crate) column: Column,
    /// What kind of name it is.
    pub(crate) sort: Sort,
}

/// What kind of name a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A value that something is filed under.
    Value,
    /// Of a field that only holds others together.
    Container,
    /// Of a field that holds the title that people know a record by.
    Title,
    /// Of a field that holds a document of somebody's.
    Body,
    /// Of any other field.
    Other,
}

impl Field {
    /// What `name` says.
    pub(crate) fn of(name: &str) -> Self {
        let column = Column::of(name);
        let sort = match name {
            _ if !is_field(name) => Sort::Value,
            _ if column.is_container() => Sort::Container,
            _ if is_title(name) => Sort::Title,
            _ if column.is_body() => Sort::Body,
            _ => Sort::Other,
        };
        Self { column, sort }
    }
}

/// Fields of an id.
const IDS: [&str; 9] = ["id", "ids", "uuid", "guid", "uid", "sha", "oid", "number", "no"];

/// Fields that say who somebody is. An id of one of them is another name for them.
const PARTIES: [&str; 48] = [
    "sender",
    "from",
    "to",
    "cc",
    "bcc",
    "recipient",
    "participant",
    "attendee",
    "invitee",
    "guest",
    "organizer",
    "organiser",
    "email",
    "mail",
    "address",
    "owner",
    "author",
    "user",
    "username",
    "login",
    "account",
    "iban",
    "member",
    "assignee",
    "reviewer",
    "contact",
    "customer",
    "client",
    "vendor",
    "supplier",
    "payee",
    "payer",
    "creditor",
    "debtor",
    "beneficiary",
    "person",
    "people",
    "channel",
    "group",
    "team",
    "host",
    "creator",
    "reporter",
    "phone",
    "shared",
    "handle",
    "chat",
    "conversation",
];

/// Fields of a message, where they are ids, and of who gets it else.
const MESSAGES: [&str; 3] = ["email", "mail", "message"];

/// Fields that hold the name of a thing: it identifies the thing, and may be anybody's choice.
const NAMES: [&str; 9] =
    ["name", "filename", "file", "path", "repository", "repo", "branch", "folder", "directory"];

/// Fields in which people write.
const FREE: [&str; 26] = [
    "body",
    "description",
    "content",
    "text",
    "message",
    "comment",
    "note",
    "subject",
    "title",
    "summary",
    "detail",
    "reason",
    "caption",
    "snippet",
    "query",
    "memo",
    "remark",
    "review",
    "bio",
    "about",
    "url",
    "link",
    "website",
    "href",
    "html",
    "markdown",
];

/// Words behind which a name says which of the things are meant.
const WHICH: [&str; 10] = ["by", "in", "of", "from", "for", "with", "to", "on", "at", "as"];

/// Fields that only hold others together.
const CONTAINERS: [&str; 14] = [
    "result", "item", "data", "record", "entry", "list", "value", "node", "edge", "response",
    "page", "object", "row", "hit",
];

/// What tools do that bring what is at an address.
const FETCHING: [&str; 9] =
    ["fetch", "browse", "scrape", "crawl", "curl", "wget", "visit", "navigate", "http"];

/// What that is then called.
const FETCHED: [&str; 8] = ["json", "html", "xml", "txt", "markdown", "request", "content", "web"];

/// What tools do that bring a document as it is.
const READING: [&str; 7] = ["read", "open", "load", "fetch", "download", "cat", "view"];

/// What such a document is called.
const DOCUMENTS: [&str; 8] =
    ["file", "document", "doc", "resource", "attachment", "text", "content", "pdf"];

/// What is such a document also where it is only got.
const PAGES: [&str; 5] = ["webpage", "page", "website", "url", "site"];

/// What tools do that show what they are asked for, be it a record or a document.
const GETTING: [&str; 5] = ["get", "show", "print", "display", "dump"];

/// What is a document then: what is in something, and not the thing itself.
const CONTENTS: [&str; 8] =
    ["content", "text", "body", "raw", "source", "markdown", "html", "prompt"];

/// Fields that hold such a document, whatever is in it.
const BODIES: [&str; 4] = ["body", "html", "payload", "raw"];

/// Fields that hold the title that people know a record by.
const TITLES: [&str; 10] = [
    "title",
    "name",
    "filename",
    "file_name",
    "subject",
    "summary",
    "display_name",
    "label",
    "heading",
    "topic",
];

/// The longest id.
const MAX_ID: usize = 128;

/// The longest word that is one out of few.
const MAX_WORD: usize = 32;

impl Column {
    /// The words of `name`, in the singular and without digits: `user_1_names` and `userName` are one. Not
    /// the rule by which `remit_catalogue` takes apart names of tools.
    pub(crate) fn of(name: &str) -> Self {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut lower = false;
        for c in name.chars() {
            if !c.is_alphabetic() || (lower && c.is_uppercase()) {
                parts.push(std::mem::take(&mut part));
            }
            part.extend(c.is_alphabetic().then_some(c).into_iter().flat_map(char::to_lowercase));
            lower = c.is_lowercase();
        }
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        Self(parts.into_iter().map(singular).collect())
    }

    /// The words of both.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let new = || other.0.iter().filter(|word| !self.0.contains(word));
        if new().next().is_none() {
            return self.clone();
        }
        Self(self.0.iter().chain(new()).cloned().collect())
    }

    /// The words that say what it is an id of; all of them if it is no id.
    pub(crate) fn nouns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|word| !IDS.contains(word))
    }

    /// The one word that says what it is: the last one before a word that says which of them.
    pub(crate) fn head(&self) -> Self {
        let which = |word: &&&str| !WHICH.contains(*word);
        let nouns: Vec<&str> = self.nouns().collect();
        let head = nouns.iter().take_while(which).last().or(nouns.first());
        Self(head.map(|word| (*word).to_owned()).into_iter().collect())
    }

    /// Whether a tool of this name returns a document as somebody wrote it: what looks like the fields of
    /// records in it is the writer's, not the server's.
    pub(crate) fn is_document(&self) -> bool {
        let does = |list: &[&str]| self.0.iter().any(|word| list.contains(&word.as_str()));
        let head = self.head();
        let about = |list: &[&str]| head.0.iter().all(|word| list.contains(&word.as_str()));
        let fetched = does(&FETCHING) && (about(&FETCHING) || about(&FETCHED));
        let read = does(&READING)
            && (about(&DOCUMENTS) || about(&PAGES) || (about(&READING) && does(&DOCUMENTS)));
        let shown = does(&GETTING)
            && (about(&PAGES) || about(&CONTENTS) || (about(&GETTING) && does(&CONTENTS)));
        fetched || read || shown
    }

    /// Whether a field of this name only holds others together.
    fn is_container(&self) -> bool {
        matches!(&*self.0, [word] if CONTAINERS.contains(&word.as_str()))
    }

    /// Whether a field of this name holds a document of somebody's.
    fn is_body(&self) -> bool {
        self.0.last().is_some_and(|word| BODIES.contains(&word.as_str()))
    }

    /// Whether one of its words is `word`.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|own| own == word)
    }

    /// Whether it names a party: what stands there says who gets or has something.
    pub(crate) fn is_party(&self) -> bool {
        let id = self.is_id();
        let message = |word: &str| id && MESSAGES.contains(&word);
        self.0.iter().any(|word| PARTIES.contains(&word.as_str()) && !message(word))
    }

    /// Whether it holds ids by its name.
    pub(crate) fn is_id(&self) -> bool {
        self.0.last().is_some_and(|word| IDS.contains(&word.as_str()))
    }

    /// What `text` is in this field; `own` says whether that is the id of the record that it is in.
    pub(crate) fn class(&self, text: &str, own: bool) -> Class {
        let any = |list: &[&str]| self.0.iter().any(|word| list.contains(&word.as_str()));
        let single = !text.is_empty() && !text.contains(char::is_whitespace);
        let id = single && text.len() <= MAX_ID && !text.contains("://");
        if id && (own || self.is_id()) {
            // Whoever opens an account may choose a name that is an address elsewhere.
            let chosen = self.is_party() || host(text).is_some() || is_account(text);
            return if own && !chosen { Class::Id } else { Class::Identity };
        }
        if any(&FREE) || text.contains("://") {
            return Class::Free;
        }
        let figure = figure(text);
        if figure.is_some() && !(self.is_party() && matches!(figure, Some(Figure::Number { .. }))) {
            return Class::Scalar;
        }
        let party = any(&PARTIES);
        if party || any(&NAMES) {
            let named = is_name(text) && (party || !is_mail(text));
            let addressed = party && mailbox(text).is_some();
            return if named || addressed { Class::Identity } else { Class::Free };
        }
        let word = single && text.len() <= MAX_WORD && !is_distinct(text);
        if word { Class::Scalar } else { Class::Free }
    }
}

/// The name and the address of `Name <address>`.
pub(crate) fn mailbox(text: &str) -> Option<(&str, &str)> {
    let (name, address) = text.trim().strip_suffix('>')?.split_once('<')?;
    let name = name.trim().trim_matches('"');
    ((name.is_empty() || is_name(name)) && is_mail(address)).then_some((name, address))
}

/// Whether a member's name is the name of a field, and not a value that something is filed under.
pub(crate) fn is_field(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@' || c == '$')
        && name.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Whether a field of this name holds a record's title.
fn is_title(name: &str) -> bool {
    let bare = name.trim_matches('_').to_ascii_lowercase();
    TITLES.contains(&bare.as_str()) || TITLES.iter().any(|title| title.replace('_', "") == bare)
}

/// Which of the fields of a record hold ids of its own: those that are called just that, else the only
/// one that is an id, else the one that is named after what the record is. Other ids are of other records,
/// and may be anybody's choice.
pub(crate) fn own_ids<'a, 'f>(
    fields: impl Iterator<Item = (&'a str, &'f Column)>,
    kind: &Column,
) -> BTreeSet<&'a str> {
    let ids: Vec<_> = fields.filter(|(name, column)| *name == "key" || column.is_id()).collect();
    let those = |which: &dyn Fn(&str) -> bool| -> BTreeSet<&'a str> {
        let all = ids.iter().filter(|(_, column)| column.nouns().all(which));
        all.map(|(name, _)| *name).collect()
    };
    let own = those(&|word| word == "key");
    if !own.is_empty() {
        return own;
    }
    if let [(only, _)] = ids.as_slice() {
        return BTreeSet::from([*only]);
    }
    let named = those(&|word| kind.has(word));
    if named.len() == 1 { named } else { BTreeSet::new() }
}

/// Whether a title is one that stands in a text only if the record is meant: a file's name, or more
/// than one word that says something.
pub(crate) fn is_telling_title(title: &str) -> bool {
    let pieces = chunks(title);
    match pieces.as_slice() {
        [only] => is_distinct(only.text),
        _ => words(title).filter(|word| word.chars().count() > 3).count() >= 2,
    }
}

/// A word without the ending of the plural.
pub(crate) fn singular(word: String) -> String {
    if word.len() <= 3 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word;
    }
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').map(str::to_owned).unwrap_or(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_its_name_and_its_value_say() {
        for (name, text, class) in [
            ("user_id", "U26", Class::Identity),
            ("thread_id", "26", Class::Identity),
            ("account_number", "4711", Class::Identity),
            ("account", "4711", Class::Identity),
            ("sender", "a@b.example", Class::Identity),
            ("sender", "Ann Lee <a@b.example>", Class::Identity),
            ("participants", "Ann O'Neill", Class::Identity),
            ("sender", "please pay me: now, at once", Class::Free),
            ("from", "https://b.example/x", Class::Free),
            ("from", "2024-05-11", Class::Scalar),
            ("address", "Main Street 5, at the corner, second floor to the left", Class::Free),
            ("filename", "report.txt", Class::Identity),
            ("body", "26", Class::Free),
            ("subject", "Rent", Class::Free),
            ("start_time", "2024-05-11T10:00:00", Class::Scalar),
            ("amount", "12.50", Class::Scalar),
            ("status", "confirmed", Class::Scalar),
            ("status", "see a@b.example", Class::Free),
            ("status", "a@b.example", Class::Free),
            ("weather", "It rains.", Class::Free),
        ] {
            assert_eq!(Column::of(name).class(text, false), class, "{name}: {text}");
        }
        assert_eq!(Column::of("id_").class("26", true), Class::Id);
        for (name, text) in
            [("user_id", "U26"), ("id", "a@b.example"), ("id", "DE89370400440532013000")]
        {
            assert_eq!(Column::of(name).class(text, true), Class::Identity, "{name}: {text}");
        }
        assert_eq!(Column::of("id").class("mail mallory@evil.example", true), Class::Free);
    }

    #[test]
    fn a_record_has_ids_of_its_own() {
        let own = |fields: &[&'static str], tool| {
            let columns: Vec<_> = fields.iter().map(|name| (*name, Column::of(name))).collect();
            let fields = columns.iter().map(|(name, column)| (*name, column));
            own_ids(fields, &Column::of(tool)).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(own(&["calendar_id", "id_", "title"], "x"), ["id_"]);
        assert_eq!(own(&["event_id", "title"], "x"), ["event_id"]);
        assert_eq!(own(&["channel_id", "message_id"], "list_messages"), ["message_id"]);
        assert_eq!(own(&["channel_id", "message_id"], "search"), [""; 0]);
        assert_eq!(own(&["issue_key", "key"], "search"), ["key"]);
        assert_eq!(own(&["title"], "search"), [""; 0]);
        assert_eq!(own(&["id", "number", "milestone_id"], "list_issues"), ["id", "number"]);
    }

    #[test]
    fn a_name_says_what_it_is_about() {
        for (name, head) in [
            ("get_channel_messages", "message"),
            ("search_contacts_by_name", "contact"),
            ("getUsersInChannel", "user"),
            ("file", "file"),
        ] {
            assert_eq!(Column::of(name).head().0[..], [head], "{name}");
        }
        assert_eq!(Column::of("id").head().0[..], [""; 0]);
        for (name, sort) in [
            ("results", Sort::Container),
            ("data", Sort::Container),
            ("issues", Sort::Other),
            ("displayName", Sort::Title),
            ("_file_name", Sort::Title),
            ("response_body", Sort::Body),
            ("Grand Hotel", Sort::Value),
        ] {
            assert_eq!(Field::of(name).sort, sort, "{name}");
        }
    }

    #[test]
    fn some_tools_bring_a_document_as_it_is() {
        for (name, document) in [
            ("fetch", true),
            ("http_request", true),
            ("get_webpage", true),
            ("read_text_file", true),
            ("resources/read", true),
            ("openDocument", true),
            ("read_channel_messages", false),
            ("get_file_by_id", false),
            ("search_files", false),
            ("list_pages_of_space", false),
            ("fetch_emails", false),
            ("get_pull_request", false),
            ("fetch_json", true),
            ("get_file_contents", true),
            ("get_email_body", true),
            ("show_raw", true),
            ("prompts/get", true),
            ("get_message", false),
        ] {
            assert_eq!(Column::of(name).is_document(), document, "{name}");
        }
    }

    #[test]
    fn names_are_read_in_words() {
        assert_eq!(Column::of("sharedWith").0[..], ["shared", "with"]);
        assert_eq!(Column::of("FILE_IDs").0[..], ["file", "ids"]);
        assert_eq!(Column::of("categories").0[..], ["category"]);
        assert_eq!(Column::of("email_id").nouns().collect::<Vec<_>>(), ["email"]);
        assert!(is_field("start_time") && !is_field("a@b.example") && !is_field("Grand Hotel"));
    }
}
