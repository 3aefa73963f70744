//! From files to policies with ids, and from Cedar's errors to places in those files.

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId};

use crate::index::Conditions;
use crate::load::{Issue, Source};
use crate::origin::Looks;
use crate::split::{Statement, position, statements};

/// How many policies a set may have (R13).
const MAX_POLICIES: usize = 100_000;

/// How long one policy may be, in bytes, and how deep its brackets may nest. Cedar reads, checks and
/// drops an expression by recursion, so these bound its stack; see `snapshot`. A policy of
/// the pack `contained` has 1 KiB and 4 levels.
const MAX_POLICY: usize = 8 * 1024;
/// See [`MAX_POLICY`].
const MAX_NESTING: usize = 64;

/// What a policy does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyEffect {
    /// It permits.
    Permit,
    /// It forbids, whatever permits.
    Forbid,
}

impl fmt::Display for PolicyEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        })
    }
}

/// A policy as people see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PolicyInfo {
    /// Its id: `@id`, else the file's name and the policy's number in it.
    pub id: String,
    /// What it does.
    pub effect: PolicyEffect,
    /// The file it stands in.
    pub file: String,
    /// The line it starts on.
    pub line: usize,
    /// Its Cedar text.
    pub text: String,
    /// `@reason`: why, in words for a model and a person.
    pub reason: Option<String>,
    /// `@remedy`: what to do instead.
    pub remedy: Option<String>,
    /// `@controls`: the control ids it serves, e.g. `ASI02`.
    pub controls: Vec<String>,
    /// What it looks at in `context.flow`.
    #[serde(skip)]
    pub(crate) looks: Looks,
}

/// A parsed policy with where it came from.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) policy: Policy,
    pub(crate) conditions: Conditions,
    pub(crate) info: PolicyInfo,
    source: usize,
    start: usize,
}

impl Parsed {
    /// The place in its file that an error of this policy speaks of.
    pub(crate) fn issue(&self, sources: &[Source], error: &DetailedError) -> Issue {
        let file = sources.get(self.source).map_or("", |source| source.text.as_str());
        issue(&self.info.file, file, self.start, error)
    }
}

/// Every policy of every file, sorted by id.
///
/// Errors: all that do not parse, have an id that another has or that is reserved, or are
/// templates.
pub(crate) fn parse(sources: &[Source]) -> Result<Vec<Parsed>, Vec<Issue>> {
    let mut found: BTreeMap<String, Parsed> = BTreeMap::new();
    let mut issues = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        for (ordinal, statement) in statements(&source.text).into_iter().enumerate() {
            if let Some(issue) = too_large(source, &statement) {
                issues.push(issue);
                continue;
            }
            let default = format!("{}-{}", stem(&source.path), ordinal + 1);
            let temporary = PolicyId::new(&default);
            let policy = match Policy::parse(Some(temporary), statement.text) {
                Ok(policy) => policy,
                Err(errors) => {
                    let error = DetailedError::from(&errors);
                    issues.push(issue(&source.path, &source.text, statement.start, &error));
                    continue;
                }
            };
            let id = policy.annotation("id").map_or(default, str::to_owned);
            let problem = id_problem(&id, found.get(&id));
            if let Some((message, hint)) = problem {
                let place = position(&source.text, statement.start);
                issues.push(Issue {
                    file: source.path.clone(),
                    line: place.0,
                    column: place.1,
                    message,
                    hint: Some(hint),
                });
                continue;
            }
            let info = describe(&policy, &id, source, &statement);
            let policy = policy.new_id(PolicyId::new(&id));
            match Conditions::of(&id, statement.text) {
                Ok(conditions) => {
                    let (source, start) = (number, statement.start);
                    found.insert(id, Parsed { policy, conditions, info, source, start });
                }
                Err(why) => issues.push(whole(format!("policy `{id}` cannot be read: {why}"))),
            }
        }
    }
    if found.len() > MAX_POLICIES {
        issues
            .push(whole(format!("expected at most {MAX_POLICIES} policies, got {}", found.len())));
    }
    if issues.is_empty() { Ok(found.into_values().collect()) } else { Err(issues) }
}

/// An issue of no one file.
pub(crate) fn whole(message: String) -> Issue {
    Issue { file: "catalogue".to_owned(), line: 1, column: 1, message, hint: None }
}

/// What is said of a policy that is too large to be read.
fn too_large(source: &Source, statement: &Statement<'_>) -> Option<Issue> {
    let (length, nesting) = (statement.text.len(), statement.nesting());
    let message = if length > MAX_POLICY {
        format!("expected a policy of at most {MAX_POLICY} bytes, got {length}")
    } else if nesting > MAX_NESTING {
        format!("expected at most {MAX_NESTING} brackets within each other, got {nesting}")
    } else {
        return None;
    };
    let (line, column) = position(&source.text, statement.start);
    let hint = Some("split it into several policies".to_owned());
    Some(Issue { file: source.path.clone(), line, column, message, hint })
}

fn id_problem(id: &str, taken: Option<&Parsed>) -> Option<(String, String)> {
    if let Some(first) = taken {
        let message =
            format!("the id `{id}` stands twice, first at {}:{}", first.info.file, first.info.line);
        return Some((message, "give each policy an `@id` of its own".to_owned()));
    }
    let good = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    (!good || id.starts_with("remit:")).then(|| {
        let message = format!("expected an id of 1 to 128 visible ASCII characters, got `{id}`");
        (message, "ids that start with `remit:` are Remit's own checks".to_owned())
    })
}

fn describe(policy: &Policy, id: &str, source: &Source, statement: &Statement<'_>) -> PolicyInfo {
    let note = |key: &str| {
        let text = policy.annotation(key).map(str::trim).filter(|text| !text.is_empty());
        text.map(str::to_owned)
    };
    let controls = note("controls").unwrap_or_default();
    let controls = controls.split(',').map(str::trim).filter(|control| !control.is_empty());
    PolicyInfo {
        id: id.to_owned(),
        effect: match policy.effect() {
            Effect::Permit => PolicyEffect::Permit,
            Effect::Forbid => PolicyEffect::Forbid,
        },
        file: source.path.clone(),
        line: statement.line,
        text: statement.text.to_owned(),
        reason: note("reason"),
        remedy: note("remedy"),
        controls: controls.map(str::to_owned).collect(),
        looks: Looks::of(statement.text),
    }
}

/// The place and words of a Cedar error in the statement that starts at byte `start` of `text`.
fn issue(file: &str, text: &str, start: usize, error: &DetailedError) -> Issue {
    let label = error.source_locations.first();
    let offset = label.map_or(0, |label| label.loc.start);
    let (line, column) = position(text, start.saturating_add(offset).min(text.len()));
    let detail = label.and_then(|label| label.label.as_deref());
    let message = match detail {
        Some(detail) if !error.message.contains(detail) => format!("{}: {detail}", error.message),
        _ => error.message.clone(),
    };
    Issue { file: file.to_owned(), line, column, message, hint: error.help.clone() }
}

fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.strip_suffix(".cedar").unwrap_or(name)
}
