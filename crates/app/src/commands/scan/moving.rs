//! Moving what was found into sealed storage, and putting files back as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use remit_model::{Digest, SecretName};
use remit_operator::wire::{Done, FileKept, FileNamed, NamedSecret, Value};
use remit_scan::{Found, replaced};
use serde::Serialize;

use super::files::{self, Replaced, Scanned};
use super::{Context, NOTHING};
use crate::cli;
use crate::client::Client;
use crate::commands::lent::{Lent, lend};
use crate::fail::Fail;
use crate::out::{Lines, Out, one_line};

/// What was moved out of one file.
#[derive(Debug, Serialize)]
struct Moved {
    file: String,
    secrets: Vec<SecretName>,
    /// What the configuration says then, as TOML.
    configuration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// Moves everything that was found.
///
/// Errors: something of it failed, or is not to be moved; what was done to which files stands, and was said.
pub(super) async fn import(
    context: &Context,
    files: &[Scanned],
    out: &mut Out,
) -> Result<(), Fail> {
    if files.is_empty() {
        return out.say(&Vec::<Moved>::new(), |_| NOTHING.to_owned());
    }
    let client = context.operator().await?;
    let there: Vec<NamedSecret> = client.get("/v1/secrets").await?;
    let mut taken: BTreeSet<SecretName> = there.into_iter().map(|secret| secret.name).collect();
    let (mut moved, mut left) = (Vec::new(), Vec::new());
    for file in files {
        let (movable, stays): (Vec<_>, Vec<_>) = file.found.iter().partition(|it| it.movable);
        let place = |it: &&Found| format!("`{}` at {}:{}", it.name, file.path.display(), it.line);
        left.extend(stays.iter().map(place));
        if movable.is_empty() {
            continue;
        }
        let named = named(movable, &mut taken)?;
        let after = replaced(&file.text, &named);
        let done = match move_out(&client, file, &named, &after).await {
            Ok(done) => done,
            Err(why) => {
                out.say(&moved, |moved: &Vec<Moved>| words(moved))?;
                let file = file.path.display();
                return Err(Fail::new(format!("{file}: nothing was moved: {why}")));
            }
        };
        moved.push(Moved {
            file: file.path.display().to_string(),
            secrets: named.iter().map(|(_, name)| name.clone()).collect(),
            configuration: configuration(&named),
            warning: done.warning(&file.path),
        });
    }
    out.say(&moved, |moved| words(moved))?;
    if left.is_empty() {
        return Ok(());
    }
    Err(Fail::new(format!(
        "not moved, because it is not certain what their reader makes of how they are written: {}; take \
         them out by hand",
        left.join(", ")
    )))
}

/// A name for each, of those that are not `taken`.
pub(crate) fn named<'a>(
    found: impl IntoIterator<Item = &'a Found>,
    taken: &mut BTreeSet<SecretName>,
) -> Result<Vec<(&'a Found, SecretName)>, Fail> {
    let name = |found: &'a Found| {
        let suggested = found.suggested_name();
        let further = (2..).map(|n: u32| format!("{suggested}-{n}"));
        for name in std::iter::once(suggested.clone()).chain(further) {
            let name: SecretName = name.parse()?;
            if taken.insert(name.clone()) {
                return Ok((found, name));
            }
        }
        Err(Fail::new("there is no name left"))
    };
    found.into_iter().map(name).collect()
}

/// The original first, then the secrets, then the file: whatever ends this in between, nothing is lost. Once
/// the file is replaced nothing is taken back.
async fn move_out(
    client: &Client,
    file: &Scanned,
    named: &[(&Found, SecretName)],
    after: &str,
) -> Result<Replaced, Fail> {
    let path = file.path.to_str().ok_or_else(|| Fail::new("expected a path in UTF-8"))?;
    let kept = FileKept {
        path: path.to_owned(),
        content: file.text.clone(),
        now: Digest::of(after.as_bytes()),
    };
    let _: Done = client.post("/v1/kept-files/keep", &kept).await?;
    let mut added = Vec::new();
    let moving = async {
        for (found, name) in named {
            let value = Value { value: found.secret.reveal().to_owned() };
            let _: Done = client.post(&format!("/v1/secrets/{name}/add"), &value).await?;
            added.push(name);
        }
        files::replace(&file.path, (Some(&file.text), after))
    };
    let moved = moving.await;
    if moved.is_err() {
        // Best effort: what is left is listed by `remit secret list`.
        for name in added {
            drop(client.post::<_, Done>(&format!("/v1/secrets/{name}/remove"), &()).await);
        }
        let named = FileNamed { path: path.to_owned() };
        drop(client.post::<_, Done>("/v1/kept-files/forget", &named).await);
    }
    moved
}

fn configuration(named: &[(&Found, SecretName)]) -> String {
    let mut servers: BTreeMap<&str, (Vec<Lent>, Vec<String>)> = BTreeMap::new();
    for (found, name) in named {
        let Some(server) = &found.server else { continue };
        let (lent, notes) = servers.entry(server).or_default();
        match lend(&found.place, &found.name, name, (&found.before, &found.behind)) {
            Ok(one) => lent.push(one),
            Err(why) => notes.push(why),
        }
    }
    let of_server = |(server, (lent, notes)): (&str, (Vec<Lent>, Vec<String>))| {
        let mut lines: Vec<String> = lent.iter().map(Lent::credential).collect();
        lines.push(format!("# in the [[server]] that is `{}` there:\n", one_line(server)));
        lines.extend(notes.iter().map(|note| format!("# {}\n", one_line(note))));
        if !lent.is_empty() {
            let all: Vec<String> = lent.iter().map(Lent::inline).collect();
            lines.push(format!("lend = [{}]\n", all.join(", ")));
        }
        lines.concat()
    };
    servers.into_iter().map(of_server).collect::<Vec<_>>().join("\n")
}

fn words(moved: &[Moved]) -> Vec<String> {
    if moved.is_empty() {
        return vec!["nothing was moved".to_owned()];
    }
    let mut lines = Vec::new();
    for Moved { file, secrets, configuration, warning } in moved {
        let names: Vec<&str> = secrets.iter().map(SecretName::as_str).collect();
        lines.push(format!("{file}: moved into sealed storage: {}", names.join(", ")));
        if !configuration.is_empty() {
            lines.push(String::new());
            lines.extend(Lines::of_ours(configuration));
            lines.push(String::new());
        }
        lines.extend(warning.clone());
    }
    lines.push(
        "What reads these files finds references there now; servers behind Remit are lent the secrets. \
         What was on this disk may be in backups and histories: replace it at its provider, then \
         `remit secret rotate NAME`. `remit scan --undo FILE` puts a file back."
            .to_owned(),
    );
    lines
}

/// Puts files back as they were.
///
/// Errors: one was never imported, or was changed since and nobody forces it, or is back but not for good.
pub(super) async fn undo(context: &Context, args: &cli::Scan, out: &mut Out) -> Result<(), Fail> {
    let client = context.operator().await?;
    let mut back = Vec::new();
    for path in &args.paths {
        let path = real(path)?;
        put_back(&client, &path, args.back.force).await?;
        back.push(path.display().to_string());
    }
    out.say(&back, |back| {
        let mut lines: Vec<_> = back.iter().map(|path| format!("{path}: as it was")).collect();
        lines.push(
            "The secrets stay in sealed storage, too: `remit secret remove NAME` those that nobody is \
             lent"
                .to_owned(),
        );
        lines
    })
}

async fn put_back(client: &Client, path: &Path, force: bool) -> Result<(), Fail> {
    let named = path.to_str().ok_or_else(|| Fail::new("expected a path in UTF-8"))?;
    let named = FileNamed { path: named.to_owned() };
    let kept: FileKept = client.post("/v1/kept-files/give-back", &named).await?;
    let now = if path.exists() { Some(files::read(path)?) } else { None };
    let restored = now.as_ref().is_some_and(|now| *now == kept.content);
    if !restored {
        if !force && now.as_ref().is_none_or(|now| Digest::of(now.as_bytes()) != kept.now) {
            return Err(Fail::new(format!(
                "{} was changed since its secrets were moved: `--force` puts it back as it was before \
                 and loses what was changed",
                path.display()
            )));
        }
        let replaced = files::replace(path, (now.as_deref(), &kept.content))?;
        if let Some(warning) = replaced.warning(path) {
            return Err(Fail::new(format!("{warning}, and then this again")));
        }
    }
    let _: Done = client.post("/v1/kept-files/forget", &named).await?;
    Ok(())
}

/// Where a file is or was, without links.
fn real(path: &Path) -> Result<PathBuf, Fail> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let unknown = || Fail::new(format!("there is no folder for {}", path.display()));
    let absolute = std::path::absolute(path)?;
    let (folder, name) = (absolute.parent(), absolute.file_name());
    let (folder, name) = folder.zip(name).ok_or_else(unknown)?;
    Ok(folder.canonicalize().map_err(|_| unknown())?.join(name))
}
