//! The words that the rules know. Lists of English words as they stand in tool names; no product,
//! server or tool is named.
//!
//! A word that is in no list raises what is assumed, so a missing word costs an approval and a wrong
//! one may cost more: only add a word to a list that lowers (reads, writes, own state, local, content)
//! when it can mean nothing worse.

use remit_model::Effect;

/// Verbs that are nothing but verbs, wherever they stand in a name.
pub(super) const VERBS: &[(Effect, &[&str])] = &[
    (
        Effect::Read,
        &[
            "get",
            "read",
            "fetch",
            "describe",
            "retrieve",
            "find",
            "lookup",
            "inspect",
            "explain",
            "summarize",
            "summarise",
            "analyze",
            "analyse",
            "calculate",
            "compute",
            "examine",
            "detect",
            "identify",
            "discover",
            "whoami",
            "peek",
            "scrape",
            "crawl",
            "parse",
            "decode",
            "encode",
            "multiply",
            "subtract",
            "divide",
            "wait",
            "suggest",
            "recommend",
            "predict",
            "geocode",
            "autocomplete",
            "enumerate",
            "introspect",
        ],
    ),
    (
        Effect::Write,
        &[
            "create",
            "add",
            "write",
            "edit",
            "modify",
            "rename",
            "append",
            "insert",
            "put",
            "save",
            "replace",
            "upsert",
            "make",
            "mkdir",
            "touch",
            "enable",
            "disable",
            "toggle",
            "assign",
            "unassign",
            "attach",
            "detach",
            "configure",
            "register",
            "reschedule",
            "archive",
            "unarchive",
            "restore",
            "unstage",
            "unpin",
            "close",
            "reopen",
            "subscribe",
            "unsubscribe",
            "unfollow",
            "increment",
            "decrement",
            "complete",
            "snooze",
            "generate",
            "compose",
            "take",
            "mute",
            "unmute",
            "init",
            "initialize",
            "initialise",
            "dismiss",
            "resolve",
            "unresolve",
            "watch",
            "unwatch",
            "unstar",
            "unfollow",
            "prioritize",
            "reprioritize",
            "reorder",
            "subscribe",
            "unsubscribe",
        ],
    ),
    (
        Effect::Send,
        &[
            "send",
            "reply",
            "publish",
            "pay",
            "invite",
            "upload",
            "broadcast",
            "notify",
            "forward",
            "submit",
            "dispatch",
            "announce",
            "donate",
            "buy",
            "purchase",
            "respond",
            "transmit",
            "remit",
            "refund",
            "reimburse",
            "repay",
            "rsvp",
            "accept",
            "decline",
            "repost",
            "retweet",
        ],
    ),
    (
        Effect::Execute,
        &["exec", "execute", "eval", "evaluate", "invoke", "spawn", "launch", "install", "deploy"],
    ),
    (
        Effect::Destroy,
        &[
            "delete",
            "remove",
            "destroy",
            "purge",
            "erase",
            "wipe",
            "truncate",
            "uninstall",
            "revoke",
            "terminate",
            "kill",
            "del",
            "rm",
            "unlink",
            "discard",
            "shred",
            "expunge",
            "prune",
            "flush",
            "evict",
            "ban",
            "clear",
            "unpublish",
            "deprovision",
            "decommission",
        ],
    ),
];

/// Words that are verbs at the front and nouns elsewhere: `post_comment`, but `get_post`.
pub(super) const NOUN_VERBS: &[(Effect, &[&str])] = &[
    (
        Effect::Read,
        &[
            "list",
            "search",
            "query",
            "view",
            "count",
            "check",
            "diff",
            "compare",
            "show",
            "preview",
            "browse",
            "validate",
            "verify",
            "translate",
            "estimate",
            "echo",
            "ping",
            "grep",
            "cat",
            "ls",
            "stat",
            "is",
            "has",
        ],
    ),
    (
        Effect::Write,
        &[
            "update",
            "set",
            "patch",
            "tag",
            "label",
            "stage",
            "commit",
            "schedule",
            "draft",
            "link",
            "star",
            "fork",
            "change",
            "bookmark",
            "pin",
            "import",
            "move",
            "copy",
            "store",
            "mark",
            "merge",
            "lock",
            "pull",
            "follow",
            "record",
            "capture",
            "download",
            "export",
            "clone",
            "duplicate",
        ],
    ),
    (
        Effect::Send,
        &[
            "post", "comment", "share", "transfer", "tweet", "push", "wire", "deposit", "withdraw",
            "book", "reserve", "rent", "trade", "swap", "exchange", "tip", "bid", "vote", "ship",
            "react", "grant", "request",
        ],
    ),
    (
        Effect::Execute,
        &["run", "shell", "bash", "command", "script", "terminal", "sql", "start", "trigger"],
    ),
    (Effect::Destroy, &["drop", "reset", "cancel", "trash"]),
];

/// Nouns that are verbs only where a name holds no other: `email_user`, but `email_search`.
pub(super) const LAST_RESORT: &[(Effect, &[&str])] =
    &[(Effect::Send, &["email", "mail", "message", "text", "sms", "fax", "order"])];

/// Reads that name the object of another verb as easily: `list_delete`.
pub(super) const OBJECTS: &[&str] = &["list", "query", "search", "view"];

/// What one looks at, as the last word of a name: `git_status`.
pub(super) const VIEWS: &[&str] = &[
    "status",
    "info",
    "log",
    "logs",
    "tree",
    "history",
    "version",
    "stats",
    "help",
    "details",
    "metadata",
    "reviews",
    "ratings",
    "prices",
    "forecast",
    "availability",
    "statistics",
    "overview",
    "members",
    "participants",
    "results",
];

/// Words a name may start with, also in the plural, before a word that could be a noun is believed to be
/// its verb.
pub(super) const DOMAINS: &[&str] = &[
    "git",
    "repo",
    "repository",
    "issue",
    "issues",
    "file",
    "files",
    "directory",
    "folder",
    "fs",
    "web",
    "page",
    "docs",
    "doc",
    "document",
    "documents",
    "code",
    "email",
    "mail",
    "calendar",
    "event",
    "events",
    "contact",
    "contacts",
    "user",
    "users",
    "team",
    "project",
    "channel",
    "db",
    "database",
    "table",
    "memory",
    "graph",
    "node",
    "nodes",
    "wiki",
    "knowledge",
    "branch",
    "task",
    "tasks",
    "log",
    "system",
    "server",
    "account",
    "chat",
    "message",
    "conversation",
    "hotel",
    "restaurant",
    "flight",
    "booking",
    "customer",
    "invoice",
    "product",
    "ticket",
    "card",
    "board",
    "group",
    "member",
    "room",
    "photo",
    "playlist",
    "company",
    "workspace",
    "crm",
];

/// Things that leave when they are made: `create_comment`, `schedule_transaction`.
pub(super) const LEAVING: &[&str] = &[
    "comment",
    "comments",
    "reply",
    "post",
    "message",
    "messages",
    "email",
    "mail",
    "sms",
    "invite",
    "invitation",
    "payment",
    "transfer",
    "transaction",
    "tweet",
    "notification",
    "announcement",
    "order",
    "purchase",
    "webhook",
    "refund",
    "payout",
    "reaction",
    "reactions",
    "review",
    "reviews",
];

/// The same, only when they are made: an e-mail that is there can be filed, and stays where it is.
pub(super) const LEAVING_ONCE: &[&str] = &["email", "mail"];

/// What makes something.
pub(super) const MAKING: &[&str] =
    &["create", "add", "make", "write", "compose", "generate", "put", "schedule", "new"];

/// Whoever is added to something sees it from then on: `add_user_to_channel`.
pub(super) const PEOPLE: &[&str] = &[
    "user",
    "users",
    "member",
    "members",
    "participant",
    "participants",
    "attendee",
    "attendees",
    "guest",
    "guests",
    "collaborator",
    "collaborators",
    "contributor",
    "contributors",
    "reviewer",
    "reviewers",
    "teammate",
    "teammates",
];

/// Whoever changes these says who may see something: `update_permissions`.
pub(super) const GRANTS: &[&str] =
    &["permission", "permissions", "access", "sharing", "visibility", "acl"];

/// Verbs that change a thing into another form of itself, and the things of which that is all.
pub(super) const CONVERTS: (&str, &[&str]) = (
    "convert",
    &["time", "timezone", "timestamp", "date", "unit", "units", "temperature", "length", "color"],
);

/// What keeps a thing from leaving.
pub(super) const KEPT: &[&str] = &["draft", "drafts", "template"];

/// Arguments that hold what is executed, alone.
pub(super) const CODE: &[&str] = &[
    "command",
    "commands",
    "cmd",
    "sql",
    "script",
    "shell",
    "bash",
    "javascript",
    "python_code",
    "source_code",
    "shell_command",
    "sql_query",
    "cypher",
    "program",
];

/// Arguments that hold what is executed if a description, theirs or the tool's, agrees.
pub(super) const MAYBE_CODE: &[(&[&str], &[&str])] = &[
    (&["query", "statement", "expression"], &["sql", "cypher", "graphql", "javascript"]),
    (
        &["code", "function", "expression"],
        &[
            "python",
            "javascript",
            "snippet",
            "code to run",
            "code to execute",
            "executes",
            "evaluates",
        ],
    ),
];

/// Words of arguments that name who receives something, whatever the tool says it does.
pub(super) const RECIPIENT: &[&str] = &[
    "recipient",
    "recipients",
    "cc",
    "bcc",
    "participants",
    "participant",
    "attendees",
    "attendee",
    "invitees",
    "invitee",
];

/// The same, as whole names.
pub(super) const RECIPIENTS: &[&str] = &[
    "to_email",
    "to_emails",
    "to_address",
    "forward",
    "forward_to",
    "redirect_to",
    "guests",
    "notify",
    "webhook",
    "webhook_url",
    "callback_url",
    "emails",
    "email_addresses",
];

/// Switches that let everybody see what is made.
pub(super) const PUBLISHES: &[&str] = &["public", "is_public", "publish", "make_public"];

/// Arguments that say where a request goes.
pub(super) const ADDRESSED: &[&str] = &["url", "uri", "endpoint"];

/// Arguments that hold what a request carries away.
pub(super) const BODIES: &[&str] = &["body", "payload", "data", "form", "method", "json"];

/// In a description of any tool.
pub(super) const SAYS_DESTROYS: &[&str] = &[
    "permanently delete",
    "permanently deletes",
    "permanently remove",
    "permanently removes",
    "permanently erases",
    "irreversibly",
    "irrevocably",
];

/// In a description of any tool.
pub(super) const SAYS_EXECUTES: &[&str] = &[
    "arbitrary code",
    "arbitrary command",
    "arbitrary commands",
    "arbitrary sql",
    "shell command",
    "shell commands",
    "executes code",
    "executes javascript",
    "executes sql",
    "executes a sql",
    "executes python",
];

/// In a description of any tool.
pub(super) const SAYS_SENDS: &[&str] = &[
    "sends an email",
    "sends email",
    "sends emails",
    "send an email to",
    "email will be sent",
    "emails will be sent",
    "message will be sent",
    "sends a message",
    "sends money",
    "will also email",
    "will be notified",
    "sends a notification",
    "sends an invitation",
    "sends invitations",
];

/// In a description of something that writes.
pub(super) const SAYS_WRITES_LEAVE: &[&str] = &[
    "sends",
    "send an email",
    "notifies",
    "notifying",
    "notify",
    "notified",
    "emailed",
    "invited",
    "be sent",
    "is sent",
    "are sent",
    "email all",
    "email the",
    "emails the",
    "emails all",
    "publishes",
    "invites",
    "posts",
    "pays",
    "transfers",
    "uploads",
    "publicly",
    "broadcasts",
];

/// In a description of something that writes.
pub(super) const SAYS_WRITES_DESTROY: &[&str] =
    &["cannot be undone", "can not be undone", "cant be undone", "irreversible", "deletes"];

/// Words that turn a phrase into its opposite, up to three words before it.
pub(super) const DENIALS: &[&str] =
    &["not", "never", "no", "without", "doesnt", "dont", "wont", "cannot", "nothing", "neither"];
