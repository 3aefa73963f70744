//! The names that a tool's definition gives its arguments, and who is taken for one of them.
//!
//! Arguments reach the server as they were sent, and one that does not tell capitals from small letters
//! acts on `Path` where its tool declares `path`, which is what was decided by. So no argument may differ
//! from a declared one only in that. `$ref` is not followed, as it is not for what policies see.

use std::collections::BTreeMap;

use remit_model::{Value, folded};

use crate::shape::Attributes;

/// How many names one tool declares in all. A definition of 64 KiB that also says what its arguments are
/// for has fewer, and a server that makes up more gains nothing: what is called of it is its own already.
const MAX_NAMES: usize = 1024;

/// Where a schema has those of what else a value may be, and of the items of a list.
const WITHIN: [&str; 5] = ["items", "prefixItems", "anyOf", "oneOf", "allOf"];

/// What a tool's definition says of its arguments.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// What policies see of them.
    pub(crate) attributes: Attributes,
    /// What they are called, whether or not policies see them.
    pub(crate) names: Names,
}

impl Declared {
    /// That of the tool with this definition (one JSON object).
    pub(crate) fn of_definition(definition: &str) -> Self {
        let value = Value::parse(definition).unwrap_or_default();
        let Some(schema) = value.member("inputSchema") else { return Self::default() };
        let mut names = Names::default();
        names.add(schema, &mut { MAX_NAMES });
        Self { attributes: Attributes::of_schema(schema), names }
    }
}

/// The members that an object may have by its definition.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By name, those of its value, or of the items of that.
    own: BTreeMap<String, Names>,
    /// The same names by what they fold to.
    folded: BTreeMap<String, String>,
}

/// An argument whose name is that of a declared one but for the case of its letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misspelt {
    /// Where it stands.
    pub(crate) path: String,
    /// Which one is declared.
    pub(crate) declared: String,
}

impl Names {
    fn add(&mut self, schema: &Value, left: &mut usize) {
        if let Some(Value::Record(properties)) = schema.member("properties") {
            for (name, property) in properties {
                let Some(fewer) = left.checked_sub(1) else { return };
                *left = fewer;
                self.folded.insert(folded(name), name.clone());
                self.own.entry(name.clone()).or_default().add(property, left);
            }
        }
        for within in WITHIN.iter().filter_map(|keyword| schema.member(keyword)) {
            match within {
                Value::List(schemas) => schemas.iter().for_each(|schema| self.add(schema, left)),
                schema => self.add(schema, left),
            }
        }
    }

    /// Compares the names in `value` with these. Those that are declared cost a look each; nobody folds
    /// them.
    ///
    /// Errors: the first that is not declared and could be read as one that is.
    pub(crate) fn compare(&self, value: &Value) -> Result<(), Misspelt> {
        if self.own.is_empty() {
            return Ok(());
        }
        match value {
            Value::Record(members) => {
                for (name, value) in members {
                    match self.own.get(name) {
                        Some(within) => within.compare(value).map_err(|it| it.within(name))?,
                        None => self.tell_apart(name)?,
                    }
                }
                Ok(())
            }
            Value::List(items) => {
                items.iter().try_for_each(|item| self.compare(item)).map_err(|it| it.within("[]"))
            }
            _ => Ok(()),
        }
    }

    fn tell_apart(&self, name: &str) -> Result<(), Misspelt> {
        match self.folded.get(&folded(name)) {
            None => Ok(()),
            Some(declared) => Err(Misspelt { path: name.to_owned(), declared: declared.clone() }),
        }
    }
}

impl Misspelt {
    /// The same of a member `name`, or of an item of a list.
    fn within(self, name: &str) -> Self {
        let between = if self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{name}{between}{}", self.path), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(properties: &str) -> Declared {
        let schema = format!(r#"{{"type":"object","properties":{properties}}}"#);
        Declared::of_definition(&format!(r#"{{"name":"t","inputSchema":{schema}}}"#))
    }

    fn compare(declared: &Declared, arguments: &str) -> Result<(), (String, String)> {
        let arguments = Value::parse(arguments).unwrap();
        declared.names.compare(&arguments).map_err(|Misspelt { path, declared }| (path, declared))
    }

    #[test]
    fn no_argument_may_differ_from_a_declared_one_only_in_case() {
        let tool = declared(
            r##"{"path":{"type":"string"},"isKept":{},"any":{"$ref":"#/$defs/x"},"both":{},"Both":{},
                "o":{"type":"object","properties":{"to":{},"deep":{"properties":{"key":{}}}}},
                "l":{"type":"array","items":{"properties":{"name":{}}}},
                "one":{"anyOf":[{"properties":{"a":{}}},{"properties":{"b":{}}},{"type":"null"}]}}"##,
        );
        for (arguments, path, name) in [
            (r#"{"Path":"/etc"}"#, "Path", "path"),
            (r#"{"path":"ok","PATH":"/etc"}"#, "PATH", "path"),
            (r#"{"iskept":1}"#, "iskept", "isKept"),
            (r#"{"iſKept":1}"#, "iſKept", "isKept"),
            (r#"{"aNy":{}}"#, "aNy", "any"),
            (r#"{"o":{"to":"a","To":"b"}}"#, "o.To", "to"),
            (r#"{"o":{"deep":{"KEY":1}}}"#, "o.deep.KEY", "key"),
            (r#"{"l":[{"name":1},{"Name":1}]}"#, "l[].Name", "name"),
            (r#"{"one":{"a":1,"B":2}}"#, "one.B", "b"),
        ] {
            let expected = Err((path.to_owned(), name.to_owned()));
            assert_eq!(compare(&tool, arguments), expected, "{arguments}");
        }
        for arguments in [
            r#"{"path":"a","isKept":true,"any":{"x":1,"X":2},"both":1,"Both":2}"#,
            r#"{"path":{"Path":1},"extra":1,"Extra":2,"o":[],"l":{"name":1},"one":null}"#,
            "[]",
        ] {
            assert_eq!(compare(&tool, arguments), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn names_that_policies_do_not_see_cannot_be_imitated_either() {
        let wide: Vec<_> = (0..500).map(|n| format!(r#""n{n}":{{"type":"string"}}"#)).collect();
        let tool = declared(&format!("{{{}}}", wide.join(",")));
        assert_eq!(compare(&tool, r#"{"N499":1}"#), Err(("N499".to_owned(), "n499".to_owned())));
    }

    #[test]
    fn a_hostile_definition_stays_small() {
        let wide: Vec<_> = (0..60).map(|n| format!(r#""n{n}":{{}}"#)).collect();
        let wide = format!("{{{}}}", wide.join(","));
        let deep: Vec<_> = (0..60).map(|n| format!(r#""n{n}":{{"properties":{wide}}}"#)).collect();
        let tool = declared(&format!("{{{}}}", deep.join(",")));
        let within = tool.names.own.values().map(|names| 1 + names.own.len());
        assert_eq!(within.sum::<usize>(), MAX_NAMES);
    }
}
