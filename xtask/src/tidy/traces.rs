//! What has no business in a tracked file: marks of unfinished work, paths of the machine it was
//! written on, and the addresses of package registries (builds use whatever the machine is set to).

use std::path::Path;

use super::{Finding, Text};

/// Marks of unfinished work; an issue is the place for them.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Parts of addresses that only a package client should know.
const REGISTRIES: [&str; 7] = [
    concat!("registry.npm", "js.org"),
    concat!("python", "hosted.org"),
    concat!("pypi.org", "/simple"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("--index", "-url"),
    concat!("proxy.golang", ".org"),
];

/// Checks one file of a checkout at `root`.
pub(super) fn check(file: &Text, root: &Path) -> Vec<Finding> {
    let places = machine_places(root);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let mark = MARKS.iter().find(|mark| has_word(line, mark));
        let mark = mark.map(|mark| format!("`{mark}`: finish it, or open an issue"));
        let place = places.iter().find(|place| line.contains(place.as_str()));
        let place = place.map(|place| format!("`{place}` is a place on one machine only"));
        let registry = REGISTRIES.iter().find(|part| line.contains(**part));
        let registry = registry.map(|part| format!("`{part}` belongs to the machine's set-up"));
        let all = mark.into_iter().chain(place).chain(registry);
        findings.extend(all.map(|finding| format!("{}:{number}: {finding}", file.path)));
    }
    findings
}

/// The administrator's home folder, and the checkout itself where its path is telling.
fn machine_places(root: &Path) -> Vec<String> {
    let mut places = vec![concat!("/ro", "ot/").to_owned()];
    if root.components().count() > 2 {
        places.push(root.display().to_string());
    }
    places
}

/// Whether `word` stands in `line` with nothing alphanumeric beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = line.split_at_checked(at).unwrap_or_default();
        let after = after.strip_prefix(word).unwrap_or_default();
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<Finding> {
        let file = Text { path: "a.md".to_owned(), text: text.to_owned() };
        check(&file, Path::new("/srv/build/remit"))
    }

    #[test]
    fn plain_words_pass() {
        let text = "Todos os dias.\nA path like /home/ann/notes.txt.\ncrates.io and npm.\n";
        assert!(findings(text).is_empty());
    }

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        for mark in MARKS {
            let found = findings(&format!("fine\n// {mark}: later\n"));
            assert!(found[0].starts_with("a.md:2: "), "{found:?}");
            assert!(findings(&format!("A{mark}B")).is_empty());
        }
    }

    #[test]
    fn places_of_one_machine_are_found() {
        assert!(findings("see /srv/build/remit/x")[0].contains("/srv/build/remit"));
        assert!(findings(concat!("in /ro", "ot/.cargo"))[0].contains("one machine"));
    }

    #[test]
    fn a_checkout_near_the_root_forbids_nothing() {
        let file = Text { path: "a".to_owned(), text: "/src/lib.rs".to_owned() };
        assert!(check(&file, Path::new("/src")).is_empty());
    }

    #[test]
    fn registries_are_found() {
        for part in REGISTRIES {
            assert!(findings(&format!("x {part} y"))[0].contains("set-up"), "{part}");
        }
    }
}
