//! The files of a scan: which are looked at, and how one is replaced.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use remit_scan::{Found, MAX_FILE, find, form};

use crate::fail::Fail;

/// The most files and folders that are looked through (R13).
const MAX_ENTRIES: usize = 200_000;
/// How deep folders are looked through (R13).
const DEEPEST: usize = 24;

/// Folders of other people's files, and of many.
const PASSED_OVER: [&str; 6] =
    [".git", "node_modules", "target", ".venv", "site-packages", ".cache"];

/// A file in which something was found.
pub(super) struct Scanned {
    /// Where it is, absolute and without links.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) text: String,
    /// What was found.
    pub(super) found: Vec<Found>,
}

/// What came of looking.
#[derive(Default)]
pub(super) struct Looked {
    /// Files with secrets.
    pub(super) files: Vec<Scanned>,
    /// Files that could not be looked at, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// Looks at files and through folders.
///
/// Errors: one of `paths` is not there, or is a file in which nothing is looked for.
pub(super) fn look(paths: &[PathBuf]) -> Result<Looked, Fail> {
    let (mut looked, mut seen) = (Looked::default(), BTreeSet::new());
    for path in paths {
        let real = path
            .canonicalize()
            .map_err(|why| Fail::new(format!("cannot look at {}: {why}", path.display())))?;
        if real.is_dir() {
            walk(&real, (&mut looked, &mut seen))?;
        } else if form_of(&real).is_none() || !real.is_file() {
            return Err(Fail::new(format!(
                "expected an MCP client's JSON, a dotenv file, a shell's profile, a unit file or a \
                 folder; got {}",
                path.display()
            )));
        } else if seen.insert(real.clone()) {
            one(real, &mut looked);
        }
    }
    Ok(looked)
}

fn form_of(path: &Path) -> Option<remit_scan::Form> {
    form(path.to_str()?)
}

fn walk(folder: &Path, (looked, seen): (&mut Looked, &mut BTreeSet<PathBuf>)) -> Result<(), Fail> {
    let (mut folders, mut entries) = (vec![(folder.to_owned(), 0)], 0);
    while let Some((folder, depth)) = folders.pop() {
        let read = match fs::read_dir(&folder) {
            Ok(read) => read,
            Err(why) => {
                looked.unreadable.push((folder, why.to_string()));
                continue;
            }
        };
        for entry in read.flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(Fail::new(format!(
                    "there are more than {MAX_ENTRIES} files: name folders further down"
                )));
            }
            let (path, kind) = (entry.path(), entry.file_type());
            let passed_over = PASSED_OVER.iter().any(|name| entry.file_name() == *name);
            match kind {
                Ok(kind) if kind.is_dir() && !passed_over && depth < DEEPEST => {
                    folders.push((path, depth + 1));
                }
                // No links: what they lead to is looked at where it is.
                Ok(kind) if kind.is_file() && form_of(&path).is_some() && !seen.contains(&path) => {
                    seen.insert(path.clone());
                    one(path, looked);
                }
                _ => {}
            }
        }
    }
    looked.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(())
}

fn one(path: PathBuf, looked: &mut Looked) {
    let found = read(&path).and_then(|text| {
        let form = form_of(&path).ok_or_else(|| Fail::new("it is of no known form"))?;
        let found = find(&text, form)?;
        Ok((text, found))
    });
    match found {
        Ok((text, found)) if !found.is_empty() => looked.files.push(Scanned { path, text, found }),
        Ok(_) => {}
        Err(why) => looked.unreadable.push((path, why.to_string())),
    }
}

/// What is in `path`.
///
/// Errors: it cannot be read, is no text, or is larger than configurations are.
pub(super) fn read(path: &Path) -> Result<String, Fail> {
    let mut text = String::new();
    let most = u64::try_from(MAX_FILE + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(most).read_to_string(&mut text)?;
    if text.len() > MAX_FILE {
        return Err(Fail::new(format!("expected at most {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Puts `text` in the place of what is in `path`, in one step and durably; owner and mode stay. Where
/// there is no such file, one is made that nobody else reads.
///
/// Errors: the folder cannot be written, or the owner not be kept.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Fail> {
    let failed =
        |why: std::io::Error| Fail::new(format!("cannot replace {}: {why}", path.display()));
    let draft = path.with_added_extension("remit-new");
    let write = || {
        let old = path.metadata().ok();
        let mode = old.as_ref().map_or(0o600, |old| old.permissions().mode() & 0o7777);
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
        if let Some(old) = &old {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|why| {
        // Best effort: it may never have been made.
        drop(fs::remove_file(&draft));
        failed(why)
    })
}
