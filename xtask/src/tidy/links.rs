//! Markdown that points at files: what it names must exist, so that no page outlives a rename.

use super::{Finding, Text};

/// Folders and files whose paths in backticks are checked as well.
const ROOTS: [&str; 6] = ["crates/", "docs/", "e2e/", "policies/", "xtask/", ".ci/"];

/// Checks one page; `exists` is asked with paths from the root.
pub(super) fn check(file: &Text, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    if !file.has_extension("md") {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let linked = targets(line).map(|target| join(folder, target));
        let quoted = quoted(line).map(|path| Some(path.to_owned()));
        for path in linked.chain(quoted) {
            match path {
                Some(path) if exists(&path) => {}
                Some(path) => findings.push(format!(
                    "{}:{number}: `{path}` does not exist: mend the link",
                    file.path
                )),
                None => findings.push(format!("{}:{number}: a link leaves the tree", file.path)),
            }
        }
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

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        let file = Text { path: path.to_owned(), text: text.to_owned() };
        check(&file, &|path| ["README.md", "docs/a.md", "crates/model/src"].contains(&path))
    }

    #[test]
    fn what_exists_passes() {
        let text = "[a](docs/a.md#top) [web](https://example.org/x) [here](#here)\n\
                    `crates/model/src` and `crates/*/tests` and `crates/NAME/src`\n";
        assert_eq!(findings("README.md", text), Vec::<Finding>::new());
        assert!(findings("docs/b.md", "[up](../README.md) [side](a.md)").is_empty());
        assert!(findings("a.rs", "[x](gone.md)").is_empty());
    }

    #[test]
    fn what_does_not_exist_is_found() {
        assert!(findings("README.md", "\n[a](docs/gone.md)")[0].starts_with("README.md:2:"));
        assert!(findings("docs/b.md", "[a](docs/a.md)")[0].contains("docs/docs/a.md"));
        assert!(findings("README.md", "in `crates/gone/src`")[0].contains("crates/gone/src"));
        assert!(findings("docs/b.md", "[a](../../etc)")[0].contains("leaves the tree"));
    }
}
