//! What a policy looks at: so that of a question that proves something wrong only that is shown, and a
//! tool that policies know by name is proven by itself.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// What some policies look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Attributes, from their variable on: `context`, `flow`, `target`, `integrity`.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Actions and their groups, by id.
    pub(crate) actions: BTreeSet<String>,
    /// Types of entities, by name.
    pub(crate) types: BTreeSet<String>,
    /// Attributes of whatever, by name.
    pub(crate) attributes: BTreeSet<String>,
}

impl Looks {
    /// What `policies` look at.
    ///
    /// Errors: a policy that Cedar cannot print; none in practice.
    pub(crate) fn of<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Result<Self, String> {
        let mut looks = Self::default();
        for policy in policies {
            looks.walk(&policy.to_json().map_err(|why| why.to_string())?);
        }
        Ok(looks)
    }

    /// Whether any looks at the arguments of calls.
    pub(crate) fn at_input(&self) -> bool {
        self.paths
            .iter()
            .any(|path| path.iter().map(String::as_str).take(2).eq(["context", "input"]))
    }

    /// Whether any tells one reach from another by its group.
    pub(crate) fn at_reaches(&self) -> bool {
        self.actions.iter().any(|action| action.starts_with("reach:"))
    }

    fn walk(&mut self, value: &Value) {
        if let Some(path) = path(value).filter(|path| path.len() > 1) {
            self.paths.insert(path);
        }
        self.walk_into(value);
    }

    /// What stands within, but for the shorter paths that a path is made of.
    fn walk_into(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str);
                if let (Some("Remit::Action"), Some(id)) = (text("type"), text("id")) {
                    self.actions.insert(id.to_owned());
                }
                let of_type = text("type").or_else(|| text("entity_type"));
                self.types.extend(of_type.map(ToOwned::to_owned));
                self.attributes.extend(text("attr").map(ToOwned::to_owned));
                let longer = members.get("attr").is_some();
                for value in members.values() {
                    if longer && path(value).is_some() {
                        self.walk_into(value);
                    } else {
                        self.walk(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }
}

/// The attribute that an expression in Cedar's JSON form reads or asks for, if it does just that.
fn path(expression: &Value) -> Option<Vec<String>> {
    if let Some(variable) = expression.get("Var").and_then(Value::as_str) {
        return Some(vec![variable.to_owned()]);
    }
    let access = expression.get(".").or_else(|| expression.get("has"))?;
    let mut found = path(access.get("left")?)?;
    found.push(access.get("attr")?.as_str()?.to_owned());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_actions_are_found_wherever_they_stand() {
        let policy = Policy::parse(
            None,
            r#"forbid (principal, action in [Remit::Action::"mail/send", Remit::Action::"server:bank"], resource)
               when { context.flow.target.integrity == "untrusted" && resource has domain && resource is Remit::File }
               unless { context has approval && principal.name like "a*" ||
                        action == Remit::Action::"x/y" || context.input has to };"#,
        )
        .unwrap();
        let looks = Looks::of([&policy]).unwrap();
        let paths: Vec<String> = looks.paths.iter().map(|path| path.join(".")).collect();
        assert_eq!(
            paths,
            [
                "context.approval",
                "context.flow.target.integrity",
                "context.input.to",
                "principal.name",
                "resource.domain"
            ]
        );
        assert!(looks.at_input());
        let types: Vec<&str> = looks.types.iter().map(String::as_str).collect();
        assert_eq!(types, ["Remit::Action", "Remit::File"]);
        assert!(looks.attributes.contains("integrity") && looks.attributes.contains("domain"));
        assert!(looks.actions.iter().eq(["mail/send", "server:bank", "x/y"]));
    }
}
