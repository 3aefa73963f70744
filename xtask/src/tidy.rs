//! Rules that no compiler checks.
//!
//! Each check is a function from texts to findings, so that its tests can show it failing; this
//! file reads the tree and runs them all. A finding names the file, what is wrong and what to do.

mod layers;
mod links;
mod source;
mod traces;

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::step::{output, say};

/// One thing that is wrong, in one line.
type Finding = String;

/// A file of the tree: its path from the root, with `/`, and its text.
struct Text {
    path: String,
    text: String,
}

impl Text {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

/// Runs every check.
///
/// Errors: the findings, one a line.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let paths = tracked(root)?;
    let texts: Vec<Text> = paths.iter().filter_map(|path| read(root, path)).collect();
    let rules = layers::Rules::parse(&find(&texts, "xtask/layers.toml")?.text)?;
    let tree = links::Checkout(root);
    let mut findings = layers::check(&rules, &texts)?;
    for text in &texts {
        findings.extend(source::check(text, rules.assertion_callers()));
        findings.extend(traces::check(text, root));
        findings.extend(links::check(text, &tree));
    }
    if findings.is_empty() {
        say(&format!("tidy: {} files, nothing to say", texts.len()));
        return Ok(());
    }
    Err(format!("{}\ntidy: {} findings", findings.join("\n"), findings.len()))
}

/// The files git knows or would add, without what is ignored.
fn tracked(root: &Path) -> Result<Vec<String>, Failure> {
    let list =
        output(root, &["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}

/// The text of a file; `None` if it was deleted but not yet from the index, or is not text.
fn read(root: &Path, path: &str) -> Option<Text> {
    let text = std::fs::read_to_string(root.join(PathBuf::from(path))).ok()?;
    Some(Text { path: path.to_owned(), text })
}

fn find<'a>(texts: &'a [Text], path: &str) -> Result<&'a Text, Failure> {
    texts.iter().find(|text| text.path == path).ok_or_else(|| format!("expected a file `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_tree_is_seen() {
        let root = crate::workspace_root();
        let paths = tracked(&root).unwrap();
        assert!(paths.iter().any(|path| path == "xtask/src/tidy.rs"));
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
        assert!(read(&root, "no/such/file").is_none());
    }
}
