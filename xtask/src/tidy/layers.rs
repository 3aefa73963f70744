//! Dependencies between our crates, and who may use what from outside, against `layers.toml`.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{Finding, Text};
use crate::Failure;

/// What `layers.toml` says.
pub(super) struct Rules {
    /// In reading order.
    crates: Vec<Layer>,
    /// Package from outside → the crates that may use it.
    only: BTreeMap<String, BTreeSet<String>>,
    /// Path prefixes of files that may call an `assertion` constructor.
    assertion_callers: Vec<String>,
}

/// One crate of ours, and which others it may depend on.
struct Layer {
    name: String,
    /// Always.
    needs: BTreeSet<String>,
    /// In its tests, too.
    tests: BTreeSet<String>,
}

impl Rules {
    /// Reads `layers.toml`.
    ///
    /// Errors: it is not TOML, lacks a part, or an arrow in it points down.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let table: Table = text.parse().map_err(|error| format!("xtask/layers.toml: {error}"))?;
        let mut crates: Vec<Layer> = Vec::new();
        for entry in table.get("crate").and_then(Value::as_array).into_iter().flatten() {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let needs: BTreeSet<String> = strings(entry.get("needs")).collect();
            let tests: BTreeSet<String> = strings(entry.get("tests")).collect();
            let mut all = needs.iter().chain(&tests);
            if let Some(down) = all.find(|need| !crates.iter().any(|c| c.name == **need)) {
                return Err(format!(
                    "xtask/layers.toml: `{name}` needs `{down}`, which does not stand above it"
                ));
            }
            crates.push(Layer { name, needs, tests });
        }
        let only = table.get("only").and_then(Value::as_table).into_iter().flatten();
        let only = only.map(|(package, users)| (package.clone(), strings(Some(users)).collect()));
        let callers = table.get("assertion").and_then(|part| part.get("callers"));
        Ok(Self { crates, only: only.collect(), assertion_callers: strings(callers).collect() })
    }

    /// Path prefixes of files that may call an `assertion` constructor.
    pub(super) fn assertion_callers(&self) -> &[String] {
        &self.assertion_callers
    }

    fn layer(&self, name: &str) -> Option<&Layer> {
        self.crates.iter().find(|layer| layer.name == name)
    }
}

/// Compares every manifest of the workspace with the rules.
///
/// Errors: a manifest is not TOML.
pub(super) fn check(rules: &Rules, texts: &[Text]) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for text in texts {
        let Some(name) = crate_of(&text.path) else { continue };
        let manifest: Table =
            text.text.parse().map_err(|error| format!("{}: {error}", text.path))?;
        findings
            .extend(check_manifest(rules, name, &manifest).map(|f| format!("{}: {f}", text.path)));
    }
    Ok(findings)
}

/// `model` for `crates/model/Cargo.toml`, `xtask` for `xtask/Cargo.toml`.
fn crate_of(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    Some(folder.strip_prefix("crates/").unwrap_or(folder))
}

fn check_manifest<'a>(
    rules: &'a Rules,
    name: &'a str,
    manifest: &'a Table,
) -> impl Iterator<Item = Finding> + 'a {
    let unlisted = rules.layer(name).is_none();
    let unlisted = unlisted
        .then(|| format!("the crate `{name}` has no place yet: give it one in xtask/layers.toml"));
    let normal = section(manifest, "dependencies").chain(section(manifest, "build-dependencies"));
    let normal = normal.filter_map(move |package| {
        arrow(rules, name, package, false).or_else(|| user(rules, name, package))
    });
    // Tests may use any package from outside.
    let dev = section(manifest, "dev-dependencies");
    let dev = dev.filter_map(move |package| arrow(rules, name, package, true));
    unlisted.into_iter().chain(normal).chain(dev)
}

/// Why `name` may not depend on `package`, if that is one of ours and it may not.
fn arrow(rules: &Rules, name: &str, package: &str, in_tests: bool) -> Option<Finding> {
    let needed = package.strip_prefix("remit-")?;
    let allowed = rules.layer(name).is_none_or(|layer| {
        let fake = in_tests && needed == "testkit";
        fake || layer.needs.contains(needed) || in_tests && layer.tests.contains(needed)
    });
    (!allowed).then(|| {
        format!("`{name}` may not depend on `{needed}`: an arrow that xtask/layers.toml lacks")
    })
}

/// Why `name` may not use `package` from outside, if it may not.
fn user(rules: &Rules, name: &str, package: &str) -> Option<Finding> {
    let users = rules.only.get(package)?;
    (!users.contains(name)).then(|| {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        format!("`{name}` may not use `{package}`: only {} may", users.join(", "))
    })
}

fn section<'a>(manifest: &'a Table, name: &str) -> impl Iterator<Item = &'a str> {
    let table = manifest.get(name).and_then(Value::as_table);
    table.into_iter().flat_map(|table| table.keys().map(String::as_str))
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
        [[crate]]
        name = 'model'
        needs = []
        [[crate]]
        name = 'engine'
        needs = ['model']
        [[crate]]
        name = 'gateway'
        needs = ['engine']
        tests = ['model']
        [only]
        redb = ['engine']
        [assertion]
        callers = ['crates/engine/']
    ";

    fn findings(path: &str, manifest: &str) -> Vec<Finding> {
        let text = Text { path: path.to_owned(), text: manifest.to_owned() };
        check(&Rules::parse(RULES).unwrap(), &[text]).unwrap()
    }

    #[test]
    fn an_arrow_that_is_listed_passes() {
        let manifest = "[dependencies]\nremit-model.workspace = true\nredb.workspace = true\n\
                        [dev-dependencies]\nremit-testkit.workspace = true\n";
        assert_eq!(findings("crates/engine/Cargo.toml", manifest), Vec::<Finding>::new());
    }

    #[test]
    fn an_arrow_that_is_not_listed_is_found_in_every_section() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let manifest = format!("[{section}]\nremit-engine.workspace = true\n");
            let found = findings("crates/model/Cargo.toml", &manifest);
            assert_eq!(found.len(), 1, "{section}");
            assert!(found[0].contains("`model` may not depend on `engine`"), "{}", found[0]);
        }
    }

    #[test]
    fn an_arrow_for_tests_is_for_tests() {
        let manifest = |section| format!("[{section}]\nremit-model.workspace = true\n");
        assert!(findings("crates/gateway/Cargo.toml", &manifest("dev-dependencies")).is_empty());
        assert_eq!(findings("crates/gateway/Cargo.toml", &manifest("dependencies")).len(), 1);
    }

    #[test]
    fn fakes_are_for_tests_only() {
        let manifest = "[dependencies]\nremit-testkit.workspace = true\n";
        assert!(findings("crates/engine/Cargo.toml", manifest)[0].contains("`testkit`"));
    }

    #[test]
    fn a_package_behind_one_crate_stays_there() {
        let manifest = "[dependencies]\nredb.workspace = true\n";
        assert!(findings("crates/model/Cargo.toml", manifest)[0].contains("only engine may"));
    }

    #[test]
    fn a_new_crate_must_be_given_a_place() {
        assert!(findings("crates/new/Cargo.toml", "")[0].contains("has no place yet"));
        assert!(findings("crates/model/src/lib.rs", "").is_empty());
    }

    #[test]
    fn the_rules_themselves_may_not_point_down() {
        let text = "[[crate]]\nname = 'a'\nneeds = ['b']\n[[crate]]\nname = 'b'\nneeds = []\n";
        assert!(Rules::parse(text).err().unwrap().contains("does not stand above it"));
        assert!(Rules::parse("[").is_err());
    }
}
