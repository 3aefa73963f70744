//! Rust files: a page at the top, a length one can read, no claim made by the wrong hand.

use super::{Finding, Text};

/// The longest file. A file that grows past it holds two subjects.
const MAX_LINES: usize = 600;

/// Checks one file; what is not Rust passes.
pub(super) fn check(file: &Text, assertion_callers: &[String]) -> Vec<Finding> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let lines = file.text.lines().count();
    let long = (lines > MAX_LINES)
        .then(|| format!("{lines} lines, at most {MAX_LINES}: split it by subject"));
    let page = (!has_page(&file.text))
        .then(|| "does not start with a `//!` page that says why it exists".to_owned());
    let allowed = assertion_callers.iter().any(|prefix| file.path.starts_with(prefix.as_str()));
    let claim = (!allowed && asserts(&file.text)).then(|| {
        "calls an `assertion` constructor: only the callers in xtask/layers.toml may".to_owned()
    });
    let findings = long.into_iter().chain(page).chain(claim);
    findings.map(|finding| format!("{}: {finding}", file.path)).collect()
}

/// Whether the first line, inner attributes aside, is a `//!` line with words.
fn has_page(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("#!["));
    let first = lines.next().and_then(|line| line.strip_prefix("//!"));
    first.is_some_and(|words| !words.trim().is_empty())
}

/// Whether the code names an associated function `assertion`, called or passed on.
fn asserts(text: &str) -> bool {
    let name = concat!("::", "assertion");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        let mut parts = line.split(name).skip(1);
        // A longer name, or a module of this one.
        let other = |rest: &str| {
            rest.starts_with("::") || rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        };
        parts.any(|rest| !other(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        let callers = ["crates/ledger/src/".to_owned()];
        check(&Text { path: path.to_owned(), text: text.to_owned() }, &callers)
    }

    #[test]
    fn a_page_may_follow_inner_attributes() {
        assert!(findings("a.rs", "//! Why.\n").is_empty());
        assert!(findings("a.rs", "#![cfg(test)]\n//! Why.\n").is_empty());
        assert!(findings("a.py", "print()").is_empty());
    }

    #[test]
    fn a_missing_or_empty_page_is_found() {
        for text in ["", "fn main() {}\n", "//!\nfn main() {}\n", "// Why.\n", "use a;\n//! Why.\n"]
        {
            assert!(findings("a.rs", text)[0].contains("`//!` page"), "{text}");
        }
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! Why.\n{}", "//\n".repeat(MAX_LINES - 1));
        assert!(findings("a.rs", &text).is_empty());
        assert!(findings("a.rs", &format!("{text}//\n"))[0].contains("601 lines"));
    }

    #[test]
    fn an_assertion_by_the_wrong_hand_is_found() {
        let call = concat!("//! Why.\nlet r = Receipt::", "assertion(1);\n");
        let pass = concat!("//! Why.\nlet r = x.map(Receipt::", "assertion);\n");
        for text in [call, pass] {
            assert!(findings("crates/gateway/src/a.rs", text)[0].contains("assertion"), "{text}");
            assert!(findings("crates/ledger/src/a.rs", text).is_empty());
        }
        let other = concat!("//! Why.\nlet r = Receipt::", "assertions();\n");
        let comment = concat!("//! Why.\n// see Receipt::", "assertion\n");
        assert!(findings("crates/gateway/src/a.rs", other).is_empty());
        assert!(findings("crates/gateway/src/a.rs", comment).is_empty());
        let module = concat!("//! Why.\nuse crate::", "assertion::MAX;\n");
        assert!(findings("crates/gateway/src/a.rs", module).is_empty());
    }
}
