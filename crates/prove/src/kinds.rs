//! The kinds of thing that policies tell apart: one of the others is asked in the place of all.
//!
//! Policies see of a thing its type, its parents and its attributes. Two types that no policy names, of
//! which none looks at an attribute that only one of them has, and that have the same parents, are decided
//! alike.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::SchemaFragment;
use serde_json::Value;

use crate::look::Looks;

/// What policies see of each type in the schema `text`, by its name without namespace: two of which they
/// see the same are alike.
///
/// Errors: the schema cannot be read; none in practice, since policies were validated with it.
pub(crate) fn seen(text: &str, looks: &Looks) -> Result<BTreeMap<String, String>, String> {
    let (fragment, _) =
        SchemaFragment::from_cedarschema_str(text).map_err(|why| why.to_string())?;
    let document = fragment.to_json_value().map_err(|why| why.to_string())?;
    let namespaces = document.as_object().into_iter().flat_map(|document| document.values());
    let types = namespaces.filter_map(|namespace| namespace.get("entityTypes")?.as_object());
    Ok(types.flatten().map(|(name, shape)| (name.clone(), of_type(name, shape, looks))).collect())
}

fn of_type(name: &str, shape: &Value, looks: &Looks) -> String {
    let attributes = shape.pointer("/shape/attributes").and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten();
    let looked_at: BTreeSet<String> = attributes
        .filter(|(attribute, _)| looks.attributes.contains(*attribute))
        .map(|(attribute, of_type)| format!("{attribute}: {of_type}"))
        .collect();
    let named = looks.types.iter().find(|named| named.rsplit("::").next() == Some(name));
    format!("{named:?} {looked_at:?} {:?}", shape.get("memberOfTypes"))
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    const SCHEMA: &str = "namespace Remit {
        entity Server = { name: String };
        entity Host in [Server] = { value: String, name: String };
        entity Mailbox in [Server] = { value: String, domain: String };
        entity Table in [Server] = { value: String };
        entity Channel in [Server] = { value: String };
    }";

    fn like_a_table(policy: &str) -> Vec<String> {
        let policy = Policy::parse(None, policy).unwrap();
        let seen = seen(SCHEMA, &Looks::of([&policy]).unwrap()).unwrap();
        let table = seen["Table"].clone();
        seen.into_iter().filter(|(_, seen)| *seen == table).map(|(name, _)| name).collect()
    }

    #[test]
    fn types_are_alike_until_a_policy_tells_them_apart() {
        let of = like_a_table;
        let all = of("forbid (principal, action, resource);");
        assert_eq!(all, ["Channel", "Host", "Mailbox", "Table"]);
        let named = of("forbid (principal, action, resource is Remit::Channel);");
        assert_eq!(named, ["Host", "Mailbox", "Table"]);
        let looked = "forbid (principal, action, resource) when { resource has domain };";
        assert_eq!(of(looked), ["Channel", "Host", "Table"]);
        let one = r#"forbid (principal, action, resource == Remit::Table::"t");"#;
        assert_eq!(of(one), ["Table"]);
        let within = r"forbid (principal, action, resource) when {
            (if context.x then resource else context.y) is Remit::Host || resource has value };";
        assert_eq!(of(within), ["Channel", "Mailbox", "Table"]);
        assert_eq!(seen(SCHEMA, &Looks::default()).unwrap().len(), 5);
    }
}
