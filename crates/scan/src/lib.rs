//! Secrets that stand in the clear where agents and their tool servers are configured: configurations
//! of MCP clients, dotenv files, shell profiles, unit files.
//!
//! Precision comes first: what is found is to be moved, and moving what is none breaks something. A
//! value counts if it has the form that a provider gives its secrets, or if its name says what it is and
//! it does not look like anything else. What stands for a value (`${TOKEN}`, `<your key>`, a path) is none.
//!
//! *Absences:* no I/O; nothing that is found can be printed but by whoever reveals it on purpose.

mod json;
mod judge;
mod lines;
mod units;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use remit_model::{Secret, SecretName};

pub use crate::judge::is_secret;

/// What begins a reference to a secret in sealed storage; its name follows.
pub const REFERENCE: &str = "remit:secret/";

/// The largest file that is looked at (R13): configurations have less.
pub const MAX_FILE: usize = 512 * 1024;

/// The most findings of one file (R13): a file with more is something else.
pub const MAX_FOUND: usize = 256;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, with comments perhaps, in which an MCP client keeps its servers.
    Client,
    /// A variable a line, as `NAME=value`.
    Dotenv,
    /// The same, read by a shell: `.envrc`.
    Direnv,
    /// A shell's own file: `export NAME=value`.
    Profile,
    /// A unit of a service manager: `Environment=`.
    Unit,
}

/// Where a finding stands, as far as that says how a tool server gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A variable of a server's environment, or of whoever reads the file.
    Variable,
    /// A header.
    Header,
    /// A parameter of a server's address.
    Query,
    /// In a server's address otherwise.
    Address,
    /// An argument on a server's command line, which everybody on the machine can read.
    Argument,
}

/// A secret that stands in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// On which line it begins, from 1.
    pub line: usize,
    /// The server that gets it, in a client's configuration.
    pub server: Option<String>,
    /// How it gets there.
    pub place: Place,
    /// What it is called there.
    pub name: String,
    /// What is known of it: the rule by whose form it was found, such as `github-pat`, or where it stands.
    pub kind: Arc<str>,
    /// The secret.
    pub secret: Secret,
    /// What stands before it in the value, such as `Bearer `; where that is another secret, too, no more
    /// than a [`REFERENCE`].
    pub before: String,
    /// The same of what stands behind it.
    pub behind: String,
    /// Whether it is certain what its reader makes of it as it is written. Otherwise nobody knows what to
    /// keep: it has to be taken out by hand.
    pub movable: bool,
    /// Where it stands, in bytes.
    span: Range<usize>,
}

/// A file that is not of the form that its name promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct Unreadable {
    /// Where it ceases to be.
    pub line: usize,
    /// What was expected there.
    pub expected: String,
}

/// What shells call the files that they read at their start.
const PROFILES: [&str; 9] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".kshrc",
];

/// How a file of this name is read; `None` if nothing is looked for in it. `path` has `/` between its
/// parts.
pub fn form(path: &str) -> Option<Form> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let ends = |end: &str| name.len() > end.len() && name.ends_with(end);
    match name {
        ".env" => Some(Form::Dotenv),
        ".envrc" => Some(Form::Direnv),
        _ if name.starts_with(".env.") || ends(".env") => Some(Form::Dotenv),
        _ if PROFILES.contains(&name) || folder.ends_with("/profile.d") => Some(Form::Profile),
        _ if ends(".service") || (ends(".conf") && folder.ends_with(".service.d")) => {
            Some(Form::Unit)
        }
        _ if ends(".json") || ends(".jsonc") => Some(Form::Client),
        _ => None,
    }
}

/// The secrets in `text`, in the order in which they stand there; at most [`MAX_FOUND`].
///
/// Errors: it is not of that form.
pub fn find(text: &str, form: Form) -> Result<Vec<Found>, Unreadable> {
    // Editors put it there to say what encoding follows; it belongs to no name and no value.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values = match form {
        Form::Client => json::values(body)?,
        Form::Dotenv | Form::Direnv | Form::Profile => lines::variables(body, form),
        Form::Unit => units::variables(body),
    };
    values.sort_by_key(|value| value.span.start);
    let before = text.len() - body.len();
    let found = values.into_iter().flat_map(|mut value| {
        value.span = value.span.start + before..value.span.end + before;
        judge::found(text, &value)
    });
    Ok(found.take(MAX_FOUND).collect())
}

/// Where references to secrets in sealed storage stand in `text`, in bytes.
pub fn references(text: &str) -> impl Iterator<Item = Range<usize>> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    text.match_indices(REFERENCE).map(move |(at, begins)| {
        let name = text.get(at + begins.len()..).unwrap_or_default();
        at..at + begins.len() + name.find(|c| !part(c)).unwrap_or(name.len())
    })
}

/// `text` with a reference in the place of each of `found`, under the name beside it. Every other byte
/// stays.
pub fn replaced(text: &str, found: &[(&Found, SecretName)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (found, name) in found {
        out.push_str(text.get(end..found.span.start).unwrap_or_default());
        out.push_str(REFERENCE);
        out.push_str(name.as_str());
        end = found.span.end;
    }
    out.push_str(text.get(end..).unwrap_or_default());
    out
}

/// A value with a name, which may be secret.
pub(crate) struct Value {
    pub(crate) server: Option<String>,
    pub(crate) place: Place,
    pub(crate) name: String,
    /// What it says, where it can be written in more than one way.
    pub(crate) says: String,
    /// Where it is written, without what encloses it.
    pub(crate) span: Range<usize>,
    /// Whether it is certain that it says that.
    pub(crate) certain: bool,
}

impl Found {
    /// The name that it can have in sealed storage.
    pub fn suggested_name(&self) -> String {
        let parts = self.server.iter().map(String::as_str).chain([self.name.as_str()]);
        let mut name = String::new();
        for c in parts.flat_map(|part| part.chars().chain(['-'])) {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                _ if name.ends_with('-') || name.is_empty() => {}
                _ => name.push('-'),
            }
        }
        name.truncate(MAX_NAME);
        let name = name.trim_end_matches('-');
        if name.is_empty() { "secret".to_owned() } else { name.to_owned() }
    }
}

/// Leaves room for a number behind a name; a name has 64 bytes at most.
const MAX_NAME: usize = 60;

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither what stands around it: that is somebody's value, too.
        write!(f, "Found({}, {} `{}`)", self.line, self.kind, self.name)
    }
}
