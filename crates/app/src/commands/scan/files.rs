//! The files of a scan: which are looked at, and how one is replaced.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
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
        for entry in read {
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(Fail::new(format!(
                    "there are more than {MAX_ENTRIES} files: name folders further down"
                )));
            }
            let unread = |why: io::Error| looked.unreadable.push((folder.clone(), why.to_string()));
            let Ok(entry) = entry.map_err(unread) else { continue };
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

/// That a file was replaced.
#[derive(Debug)]
#[must_use]
pub(crate) enum Replaced {
    /// Whatever becomes of the power.
    ForGood,
    /// For all who read it now; its folder could not be synced, for this reason.
    ForNow(io::Error),
}

impl Replaced {
    /// What there is to say of it, for a person.
    pub(crate) fn warning(&self, path: &Path) -> Option<String> {
        let Self::ForNow(why) = self else { return None };
        Some(format!(
            "{}: replaced, but its folder could not be synced: {why}; until you have run `sync`, a power \
             failure can bring back what was there before",
            path.display()
        ))
    }
}

/// Puts `new` in the place of `old` in `path`, which is no link, in one step; owner and mode stay. Where
/// there is to be no such file, `old` is `None`, and one is made that nobody else reads.
///
/// Errors, after which `path` is what it was: it holds something else than `old`, the folder cannot be
/// opened or written, or the owner not be kept.
pub(crate) fn replace(path: &Path, (old, new): (Option<&str>, &str)) -> Result<Replaced, Fail> {
    let draft = path.with_added_extension("remit-new");
    let put = || {
        // First, so that nothing but its sync can fail once the file is in its place.
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
        write(&draft, path, new)?;
        // Last, so that what an editor saved meanwhile is not lost.
        if !holds(path, old)? {
            return Err(io::Error::other("it was changed meanwhile; try again"));
        }
        fs::rename(&draft, path)?;
        Ok(settle(&folder))
    };
    put().map_err(|why| {
        // Best effort: it may never have been made.
        drop(fs::remove_file(&draft));
        Fail::new(format!("cannot replace {}: {why}", path.display()))
    })
}

/// Writes `text` into a new file `draft`, durably, with the owner and mode of `path`.
fn write(draft: &Path, path: &Path, text: &str) -> io::Result<()> {
    let old = path.metadata().ok();
    let mode = old.as_ref().map_or(0o600, |old| old.permissions().mode() & 0o7777);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    if let Some(old) = &old {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether `path` holds `text`, or is not there if there is none.
fn holds(path: &Path, text: Option<&str>) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(text.is_none()),
        file => file?,
    };
    let Some(text) = text else { return Ok(false) };
    let mut there = Vec::new();
    let most = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut there)?;
    Ok(there == text.as_bytes())
}

fn settle(folder: &File) -> Replaced {
    folder.sync_all().map_or_else(Replaced::ForNow, |()| Replaced::ForGood)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        for old in [Some("A=1\n"), Some("A=2\nB"), None] {
            fs::write(&file, "A=2\n").unwrap();
            let why = replace(&file, (old, "A=3\n")).unwrap_err();
            assert!(why.to_string().contains("changed meanwhile"), "{why}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "A=2\n");
        }
        fs::remove_file(&file).unwrap();
        replace(&file, (Some("A=2\n"), "A=3\n")).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no draft either");
        assert!(matches!(replace(&file, (None, "A=3\n")), Ok(Replaced::ForGood)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "A=3\n");
    }

    #[test]
    fn a_folder_that_cannot_be_read_leaves_the_file_unless_its_replacement_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        fs::write(&file, "A=1\n").unwrap();
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode));
        mode(0o300).unwrap();
        // The superuser reads it all the same.
        let replaced = replace(&file, (Some("A=1\n"), "A=2\n")).is_ok();
        mode(0o700).unwrap();
        let expected = if replaced { "A=2\n" } else { "A=1\n" };
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    }

    #[test]
    fn a_folder_that_cannot_be_synced_undoes_nothing() {
        // No device for which that means anything.
        let null = File::open("/dev/null").unwrap();
        let warning = settle(&null).warning(Path::new("/a/.env")).unwrap();
        assert!(warning.starts_with("/a/.env: replaced, but"), "{warning}");
    }
}
