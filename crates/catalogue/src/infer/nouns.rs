//! The nouns in argument names, by what they make of an argument.

/// Values that are secret.
pub(super) const SECRETS: &[&str] = &[
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

/// Before `key`, what makes it one.
pub(super) const SECRET_KEYS: &[&str] =
    &["api", "private", "access", "secret", "ssh", "encryption", "signing"];

/// Beside such a word, what makes it harmless: `page_token`.
pub(super) const NOT_SECRET: &[&str] =
    &["page", "next", "continuation", "sync", "max", "min", "limit", "count", "start", "cursor"];

/// After a secret's word these make it the secret's name, not its value.
pub(super) const REFERENCES: &[&str] = &["name", "id", "ids", "path", "ref", "version"];

/// [`remit_model::ResourceKind::File`]
pub(super) const FILES: &[&str] = &[
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

/// The same, at the end of a name and in the company of files.
pub(super) const FILE_ENDS: &[&str] = &["source", "destination", "src", "dst", "dest", "root"];

/// [`remit_model::ResourceKind::Repository`]
pub(super) const REPOSITORIES: &[&str] = &["repo", "repos", "repository", "repositories"];

/// [`remit_model::ResourceKind::Host`]
pub(super) const HOSTS: &[&str] = &[
    "url", "urls", "uri", "uris", "href", "link", "links", "host", "hosts", "hostname", "domain",
    "domains", "endpoint", "webhook", "website", "ip", "callback",
];

/// [`remit_model::ResourceKind::Mailbox`]
pub(super) const MAILBOXES: &[&str] = &[
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
    "guest",
    "guests",
    "invitee",
    "invitees",
    "sender",
];

/// [`remit_model::ResourceKind::Account`]
pub(super) const ACCOUNTS: &[&str] = &[
    "account",
    "accounts",
    "iban",
    "payee",
    "beneficiary",
    "wallet",
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

/// [`remit_model::ResourceKind::Table`]
pub(super) const TABLES: &[&str] = &["table", "tables", "collection", "dataset", "database", "db"];

/// [`remit_model::ResourceKind::Channel`]
pub(super) const CHANNELS: &[&str] = &["channel", "channels", "room", "chat", "conversation"];

/// Identifiers of whatever else.
pub(super) const IDS: &[&str] = &["id", "ids", "uuid", "key", "number", "port", "pid", "no"];

/// At the end of a name, what makes a number one of those: `duplicate_of`.
pub(super) const POINTERS: &[&str] = &["of", "parent", "milestone", "epic", "sprint", "iteration"];

/// Money.
pub(super) const AMOUNTS: &[&str] = &["amount", "price", "sum", "total", "cost", "fee", "payment"];

/// What is looked for, also by an effect. Only what could not as well be a target: `page_id` can.
pub(super) const SELECTORS: &[&str] = &[
    "query", "q", "search", "pattern", "patterns", "filter", "filters", "keyword", "keywords",
    "regex", "glob", "cursor", "since", "until", "where",
];

/// What is written or sent.
pub(super) const CONTENTS: &[&str] = &[
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
    "desc",
    "reason",
    "rationale",
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

/// What an effect writes down of somebody or something, without reaching it: where it is, what it is
/// called, how it looks. A read would select by it.
pub(super) const PARTICULARS: &[&str] = &[
    "location",
    "venue",
    "street",
    "city",
    "town",
    "zip",
    "zipcode",
    "postcode",
    "postal",
    "state",
    "region",
    "country",
    "nationality",
    "surname",
    "firstname",
    "lastname",
    "fullname",
    "nickname",
    "bio",
    "gender",
    "birthday",
    "birthdate",
    "occupation",
    "priority",
    "severity",
    "status",
    "color",
    "colour",
    "icon",
    "emoji",
    "reaction",
];

/// The same, where the tool is about something else: `create_issue`, not `update_label`.
pub(super) const SORTS: &[&str] = &["label", "labels", "tags", "category", "categories", "topic"];

/// Before `name`, what makes it one of those.
pub(super) const NAMES: &[&str] =
    &["first", "last", "middle", "full", "given", "family", "display"];

/// What goes out beside a text: it is named, and its content leaves.
pub(super) const ATTACHED: &[&str] = &["attachment", "attachments", "attached", "attach"];

/// When.
pub(super) const DATES: &[&str] = &[
    "date",
    "time",
    "day",
    "start",
    "end",
    "deadline",
    "due",
    "duration",
    "month",
    "year",
    "hour",
    "when",
    "hours",
    "minutes",
    "days",
    "week",
    "weekday",
    "night",
    "nights",
    "arrival",
    "departure",
];

/// Before a date, what makes it that of something which is there already.
pub(super) const FORMER: &[&str] = &["original", "old", "previous", "current"];

/// Two words of a name that say how, without a value of its own.
pub(super) const OPTION_PAIRS: &[(&str, &str)] =
    &[("time", "zone"), ("mime", "type"), ("content", "type"), ("media", "type")];

/// How, without a value of its own.
pub(super) const OPTIONS: &[&str] = &[
    "format",
    "mode",
    "encoding",
    "language",
    "locale",
    "timezone",
    "mimetype",
    "unit",
    "units",
    "permission",
    "permissions",
    "recurring",
    "recurrence",
    "frequency",
    "repeat",
    "pos",
    "position",
];
