//! The words that say where a thing lies, who could have written it and who may see it; under the
//! same rule as the verbs: in a list that lowers (local, internal, own state) stands only what can
//! mean nothing worse.

/// Names of what lies on this machine.
pub(super) const LOCAL: &[&str] = &[
    "file",
    "files",
    "filesystem",
    "directory",
    "directories",
    "folder",
    "folders",
    "fs",
    "memory",
    "git",
    "local",
    "clipboard",
];

/// Names of what lies within the organisation.
pub(super) const INTERNAL: &[&str] = &["database", "db", "sql", "intranet", "ldap"];

/// Names of what lies beyond it, and what moves between.
pub(super) const OUTSIDE: &[&str] = &[
    "web", "http", "https", "url", "urls", "internet", "browser", "website", "email", "emails",
    "mail", "mails", "inbox", "message", "messages", "tweet", "sms", "cloud", "drive", "remote",
    "online", "push", "pull", "clone", "public", "share", "webhook", "feed", "api", "site", "page",
    "download", "upload",
];

/// In a description.
pub(super) const SAYS_OUTSIDE: &[&str] = &[
    "internet",
    "web page",
    "web pages",
    "website",
    "websites",
    "the web",
    "url",
    "urls",
    "http",
    "https",
    "email",
    "emails",
    "cloud",
    "online",
    "remote server",
    "remote repository",
    "external",
    "web address",
    "api",
];

/// What only the system itself can have written; all words of a read's object must be here.
pub(super) const OWN_STATE: &[&str] = &[
    "balance", "time", "date", "day", "clock", "timezone", "weekday", "version", "quota", "uptime",
    "iban", "sum", "ping", "whoami", "health", "limits",
];

/// Words in between that say nothing about an author.
pub(super) const FILLERS: &[&str] = &[
    "current", "my", "own", "the", "account", "bank", "today", "now", "system", "server", "utc",
    "local", "is", "of",
];

/// Names of what only named readers see.
pub(super) const RESTRICTED: &[&str] = &[
    "secret",
    "secrets",
    "credential",
    "credentials",
    "password",
    "passwords",
    "passphrase",
    "keychain",
    "vault",
    "ssn",
    "env",
    "environ",
    "apikey",
    "token",
    "tokens",
];

/// Pairs of words in a name with the same meaning.
pub(super) const RESTRICTED_PAIRS: &[(&str, &str)] = &[
    ("api", "key"),
    ("api", "keys"),
    ("private", "key"),
    ("private", "keys"),
    ("ssh", "key"),
    ("access", "key"),
    ("access", "keys"),
    ("environment", "variables"),
    ("social", "security"),
];

/// In a description.
pub(super) const SAYS_RESTRICTED: &[&str] = &[
    "environment variables",
    "credentials",
    "passwords",
    "private keys",
    "api keys",
    "social security",
];

/// Names of what only those see who need it.
pub(super) const CONFIDENTIAL: &[&str] = &[
    "payroll",
    "salary",
    "salaries",
    "compensation",
    "medical",
    "patient",
    "patients",
    "diagnosis",
    "passport",
    "personnel",
    "confidential",
    "tax",
    "taxes",
    "payslip",
    "payslips",
];

/// Verbs whose answer may hold the secret they make.
pub(super) const MINTING: &[&str] =
    &["create", "generate", "rotate", "issue", "mint", "add", "make", "new", "register", "reset"];
