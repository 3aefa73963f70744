#![cfg(test)]
//! Properties of inference over definitions nobody wrote by hand: it is total, the server's own
//! word never lowers a risk, and a person's always has the last word.

use proptest::prelude::*;
use remit_catalogue::{Definition, Overrides, infer, resources, returned_label};
use remit_model::tool::{Known, Origin, Trust};
use remit_model::{Confidentiality, Effect, Profile, Reach, Role, Value};
use serde_json::json;

fn word() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("get"),
        Just("list"),
        Just("create"),
        Just("update"),
        Just("send"),
        Just("post"),
        Just("run"),
        Just("delete"),
        Just("frob"),
        Just("email"),
        Just("file"),
        Just("balance"),
        Just("secret"),
        Just("status"),
        Just("query"),
        Just("to"),
        Just("url"),
        Just("body"),
        Just("amount"),
        Just("path"),
        Just("id"),
        Just("token"),
        Just("account"),
        Just("date"),
    ]
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(word(), 1..4).prop_map(|words| words.join("_"))
}

fn sentence() -> impl Strategy<Value = String> {
    let phrase = prop_oneof![
        Just("sends an email"),
        Just("permanently deletes"),
        Just("executes arbitrary code"),
        Just("from the internet"),
        Just("reads a file"),
        Just("never"),
        Just("does not"),
        Just("environment variables"),
        Just("read-only and harmless"),
        Just("notifies everyone"),
        Just("returns the balance"),
        Just("safe"),
        Just("a SQL query"),
        Just("local"),
    ];
    proptest::collection::vec(phrase, 0..5).prop_map(|phrases| phrases.join(" "))
}

fn annotations() -> impl Strategy<Value = serde_json::Value> {
    let hint = || proptest::option::of(any::<bool>());
    (hint(), hint(), hint(), hint()).prop_map(|(read, destroy, idempotent, open)| {
        let mut object = serde_json::Map::new();
        for (name, flag) in [
            ("readOnlyHint", read),
            ("destructiveHint", destroy),
            ("idempotentHint", idempotent),
            ("openWorldHint", open),
        ] {
            object.extend(flag.map(|flag| (name.to_owned(), json!(flag))));
        }
        serde_json::Value::Object(object)
    })
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let key = || {
        prop_oneof![
            Just("type".to_owned()),
            Just("properties".to_owned()),
            Just("items".to_owned()),
            Just("anyOf".to_owned()),
            Just("$ref".to_owned()),
            Just("enum".to_owned()),
            Just("format".to_owned()),
            Just("description".to_owned()),
            "\\PC{0,6}",
            name(),
        ]
    };
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        Just(json!("string")),
        Just(json!("#/properties")),
        Just(json!("#")),
        "\\PC{0,12}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| json!(v)),
            proptest::collection::btree_map(key(), inner, 0..5)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

fn definition(
    name: &str,
    description: Option<&str>,
    arguments: &[String],
    annotations: Option<&serde_json::Value>,
) -> Definition {
    let properties: serde_json::Map<String, serde_json::Value> =
        arguments.iter().map(|name| (name.clone(), json!({"type": "string"}))).collect();
    let mut value =
        json!({"name": name, "inputSchema": {"type": "object", "properties": properties}});
    if let Some(text) = description {
        value["description"] = json!(text);
    }
    if let Some(annotations) = annotations {
        value["annotations"] = annotations.clone();
    }
    Definition::parse(&value.to_string()).unwrap()
}

/// Whether `more` assumes at least the risk of `less` in every part.
fn at_least(more: &Profile, less: &Profile) -> bool {
    more.effect.value >= less.effect.value
        && more.reach.value >= less.reach.value
        && more.sensitivity.value >= less.sensitivity.value
        && more.returns.value >= less.returns.value
        && (less.idempotent.value || !more.idempotent.value)
        && less.arguments.iter().all(|(path, known)| {
            known.value.role != Role::Target || more.arguments[path].value.role == Role::Target
        })
}

proptest! {
    #[test]
    fn annotations_never_lower_a_risk(
        name in name(), text in sentence(), arguments in proptest::collection::vec(name(), 0..4),
        annotations in annotations(),
    ) {
        let overrides = Overrides::default();
        let plain = infer(&definition(&name, Some(&text), &arguments, None), "srv", &overrides);
        let with = definition(&name, Some(&text), &arguments, Some(&annotations));
        let with = infer(&with, "srv", &overrides);
        prop_assert!(at_least(&with, &plain), "{plain:?}\n{with:?}");
    }

    #[test]
    fn a_description_never_lowers_a_risk(
        name in name(), text in sentence(), arguments in proptest::collection::vec(name(), 0..4),
    ) {
        let overrides = Overrides::default();
        let plain = infer(&definition(&name, None, &arguments, None), "srv", &overrides);
        let with = infer(&definition(&name, Some(&text), &arguments, None), "srv", &overrides);
        prop_assert!(at_least(&with, &plain), "{plain:?}\n{with:?}");
    }

    #[test]
    fn more_arguments_never_lower_a_risk(
        name in name(), arguments in proptest::collection::vec(name(), 1..4),
    ) {
        let overrides = Overrides::default();
        let less = infer(&definition(&name, None, &arguments[1..], None), "srv", &overrides);
        let more = infer(&definition(&name, None, &arguments, None), "srv", &overrides);
        prop_assert!(more.effect.value >= less.effect.value);
        prop_assert!(more.reach.value >= less.reach.value);
        prop_assert!(more.returns.value >= less.returns.value);
    }

    #[test]
    fn a_person_has_the_last_word(name in name(), text in sentence(), annotations in annotations()) {
        let overrides: Overrides = serde_json::from_value(json!({"tools": {"*": {
            "effect": "read", "reach": "local", "sensitivity": "public", "returns": "trusted",
            "idempotent": true, "undo": "other", "arguments": {"x": {"role": "flag"}}
        }}})).unwrap();
        let profile =
            infer(&definition(&name, Some(&text), &[], Some(&annotations)), "srv", &overrides);
        let said = Origin::Configured;
        prop_assert_eq!(profile.effect, Known { value: Effect::Read, origin: said.clone() });
        prop_assert_eq!(profile.reach, Known { value: Reach::Local, origin: said.clone() });
        prop_assert_eq!(profile.sensitivity.value, Confidentiality::Public);
        prop_assert_eq!(profile.returns, Known { value: Trust::Trusted, origin: said.clone() });
        prop_assert_eq!(profile.idempotent, Known { value: true, origin: said });
        prop_assert_eq!(profile.undo.as_deref(), Some("other"));
        prop_assert_eq!(profile.arguments[&"x".into()].value.role, Role::Flag);
    }

    #[test]
    fn everything_is_total_on_arbitrary_schemas(
        properties in any_json(), defs in any_json(), input in any_json(), tool in "[A-Za-z0-9_.-]{1,20}",
    ) {
        let value = json!({
            "name": tool, "description": defs, "annotations": input,
            "inputSchema": {"type": "object", "properties": properties, "$defs": defs, "anyOf": input},
        });
        // Definitions that break a rule are refused, not profiled.
        if let Ok(definition) = Definition::parse(&value.to_string()) {
            let profile = infer(&definition, "srv", &Overrides::default());
            prop_assert!(profile.arguments.len() <= 256);
            let again = infer(&definition, "srv", &Overrides::default());
            prop_assert_eq!(&profile, &again);
            remit_catalogue::flags(&definition);
            let server = "srv".parse().unwrap();
            let _ = returned_label(&profile, &server);
            if let Ok(input) = Value::parse(&input.to_string()) {
                let touched = resources(&profile, &input, &server);
                prop_assert!((1..=65).contains(&touched.len()));
                input.leaves(&mut |path, _| { let _ = profile.argument(path); });
            }
        }
    }

    #[test]
    fn reading_a_definition_is_total(text in any::<String>()) {
        let _ = Definition::parse(&text);
    }
}

#[test]
fn trusted_annotations_lower_what_a_person_let_them() {
    let trusting = Overrides { trust_annotations: true, ..Overrides::default() };
    let hints = json!({"readOnlyHint": true, "openWorldHint": false, "idempotentHint": true});
    let tool = definition("frobnicate", None, &[], Some(&hints));
    let doubted = infer(&tool, "srv", &Overrides::default());
    assert_eq!((doubted.effect.value, doubted.reach.value), (Effect::Execute, Reach::External));
    let trusted = infer(&tool, "srv", &trusting);
    assert_eq!((trusted.effect.value, trusted.reach.value), (Effect::Read, Reach::Internal));
    assert_eq!(trusted.effect.origin, Origin::Annotated("readOnlyHint = true".to_owned()));
    assert!(trusted.idempotent.value);
    // What it says about the author of its results is not its to say.
    assert_eq!(trusted.returns.value, Trust::Untrusted);

    let hints = json!({"readOnlyHint": false, "destructiveHint": false});
    let tool = definition("delete_draft", None, &[], Some(&hints));
    assert_eq!(infer(&tool, "srv", &trusting).effect.value, Effect::Write);
    let hints = json!({"readOnlyHint": true, "destructiveHint": true});
    let tool = definition("get_x", None, &[], Some(&hints));
    assert_eq!(infer(&tool, "srv", &trusting).effect.value, Effect::Destroy);
}
