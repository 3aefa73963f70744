//! Markdown that points at files: what it names must exist, so that no page outlives a rename.
//!
//! Checked are relative links, paths in backticks, and constants in backticks on a line that names
//! one file: the file must define them.

use std::path::Path;

use super::{Finding, Text};

/// What the checks ask about the tree.
pub(super) trait Tree {
    /// Whether there is such a file or folder.
    fn exists(&self, path: &str) -> bool;
    /// Whether the file at `path` defines the constant `name`.
    fn defines(&self, path: &str, name: &str) -> bool;
}

/// The files under a folder.
pub(super) struct Checkout<'a>(pub(super) &'a Path);

impl Tree for Checkout<'_> {
    fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    fn defines(&self, path: &str, name: &str) -> bool {
        let definition = format!("const {name}:");
        std::fs::read_to_string(self.0.join(path)).is_ok_and(|text| text.contains(&definition))
    }
}

/// Folders and files whose paths in backticks are checked as well.
const ROOTS: [&str; 6] = ["crates/", "docs/", "e2e/", "policies/", "xtask/", ".ci/"];

/// Checks one page; `tree` is asked with paths from the root.
pub(super) fn check(file: &Text, tree: &dyn Tree) -> Vec<Finding> {
    if !file.has_extension("md") {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let linked = targets(line).map(|target| (target, join(folder, target)));
        let quoted: Vec<&str> = quoted(line).collect();
        let named = quoted.iter().map(|path| (*path, Some((*path).to_owned())));
        let missing = linked
            .chain(named)
            .filter(|(_, path)| path.as_deref().is_none_or(|path| !tree.exists(path)));
        let missing = missing.map(|(name, _)| format!("`{name}` does not exist: mend the link"));
        let undefined = match quoted.as_slice() {
            [path] if Path::new(path).extension().is_some_and(|e| e == "rs") => constants(line)
                .filter(|name| !tree.defines(path, name))
                .map(|name| format!("`{path}` defines no constant `{name}`"))
                .collect(),
            _ => Vec::new(),
        };
        let all = missing.chain(undefined);
        findings.extend(all.map(|finding| format!("{}:{number}: {finding}", file.path)));
    }
    findings
}

/// The relative targets of `[text](target)` in a line, without their fragments.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = links.map(|(target, _)| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:"))
}

/// Paths in backticks that start at one of [`ROOTS`]; patterns and placeholders are skipped.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        let placeholder = |c: char| c.is_whitespace() || "*<>{}()…$:".contains(c);
        let upper =
            span.split('/').any(|part| part.len() > 1 && !part.contains(char::is_lowercase));
        ROOTS.iter().any(|root| span.starts_with(root)) && !span.contains(placeholder) && !upper
    })
}

/// Names in backticks that look like constants.
fn constants(line: &str) -> impl Iterator<Item = &str> {
    let constant = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(move |span| span.len() > 2 && span.chars().all(constant))
}

/// `target` as seen from `folder`; `None` if it leaves the tree.
fn join(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Small;

    impl Tree for Small {
        fn exists(&self, path: &str) -> bool {
            ["README.md", "docs/a.md", "crates/model/src", "crates/model/src/a.rs"].contains(&path)
        }

        fn defines(&self, path: &str, name: &str) -> bool {
            path == "crates/model/src/a.rs" && name == "MAX_DEPTH"
        }
    }

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Text { path: path.to_owned(), text: text.to_owned() }, &Small)
    }

    #[test]
    fn what_exists_passes() {
        let text = "[a](docs/a.md#top) [web](https://example.org/x) [here](#here)\n\
                    `crates/model/src` and `crates/*/tests` and `crates/NAME/src`\n\
                    | `crates/model/src/a.rs` | `MAX_DEPTH` |\n";
        assert_eq!(findings("README.md", text), Vec::<Finding>::new());
        assert!(findings("docs/b.md", "[up](../README.md) [side](a.md)").is_empty());
        assert!(findings("a.rs", "[x](gone.md)").is_empty());
    }

    #[test]
    fn what_does_not_exist_is_found() {
        assert!(findings("README.md", "\n[a](docs/gone.md)")[0].starts_with("README.md:2:"));
        assert!(findings("docs/b.md", "[a](docs/a.md)")[0].contains("`docs/a.md` does not"));
        assert!(findings("README.md", "in `crates/gone/src`")[0].contains("crates/gone/src"));
        assert!(findings("docs/b.md", "[a](../../etc)")[0].contains("does not exist"));
    }

    #[test]
    fn a_renamed_constant_is_found() {
        let row = "| `crates/model/src/a.rs` | `MAX_WIDTH` |";
        assert!(findings("README.md", row)[0].contains("defines no constant `MAX_WIDTH`"));
    }

    #[test]
    fn the_tree_itself_answers() {
        let root = crate::workspace_root();
        let here = "xtask/src/tidy/source.rs";
        let tree = Checkout(&root);
        assert!(tree.exists(here) && tree.defines(here, "MAX_LINES"));
        assert!(!tree.exists("gone") && !tree.defines(here, "MAX"));
    }
}
