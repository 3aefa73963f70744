//! Rewriting single members of an object while all other bytes stay.

use crate::object::Object;
use crate::raw::{Raw, push_string};

/// Changes to an object, applied by [`Edit::finish`].
///
/// Members that are not named keep their bytes, their order and the blanks around them; replaced
/// members keep their place and the spelling of their name; new members go to the end.
#[derive(Debug)]
pub struct Edit<'a> {
    object: &'a Object,
    changes: Vec<(&'a str, Option<Raw>)>,
}

impl<'a> Edit<'a> {
    /// Starts from `object`, unchanged.
    pub fn of(object: &'a Object) -> Self {
        Self { object, changes: Vec::with_capacity(4) }
    }

    /// Sets the member `name`.
    #[must_use]
    pub fn set(self, name: &'a str, value: Raw) -> Self {
        self.change(name, Some(value))
    }

    /// Sets the member `name` if there is a value, else removes it.
    #[must_use]
    pub fn put(self, name: &'a str, value: Option<Raw>) -> Self {
        self.change(name, value)
    }

    /// Sets the member `name` unless the object has it already.
    #[must_use]
    pub fn default(self, name: &'a str, value: Raw) -> Self {
        if self.object.has(name) { self } else { self.set(name, value) }
    }

    /// Removes the member `name` if there is one.
    #[must_use]
    pub fn remove(self, name: &'a str) -> Self {
        self.change(name, None)
    }

    fn change(mut self, name: &'a str, value: Option<Raw>) -> Self {
        self.changes.retain(|(changed, _)| *changed != name);
        self.changes.push((name, value));
        self
    }

    /// The edited object.
    pub fn finish(self) -> Raw {
        let text = self.object.raw().as_str();
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let put = |(name, value): &(&str, Option<Raw>)| {
            value.as_ref().map_or(0, |value| name.len() + value.as_str().len() + ",\"\":".len())
        };
        let room = self.changes.iter().map(put).sum::<usize>();
        let mut out = String::with_capacity(text.len() + room);
        let first = self.object.spans().next();
        let first = first.map_or(text.len().saturating_sub(1), |(_, span)| span.key.start);
        out.push_str(part(0, first));
        let (mut end, mut empty) = (first, true);
        for (name, span) in self.object.spans() {
            let change = self.changes.iter().find(|(changed, _)| *changed == name);
            if !matches!(change, Some((_, None))) {
                if !empty {
                    out.push_str(part(end, span.key.start));
                }
                match change {
                    Some((_, Some(value))) => {
                        out.push_str(part(span.key.start, span.value.start));
                        out.push_str(value.as_str());
                    }
                    _ => out.push_str(part(span.key.start, span.value.end)),
                }
                empty = false;
            }
            end = span.value.end;
        }
        for (name, value) in &self.changes {
            if let (Some(value), false) = (value, self.object.has(name)) {
                if !empty {
                    out.push(',');
                }
                push_string(&mut out, name);
                out.push(':');
                out.push_str(value.as_str());
                empty = false;
            }
        }
        out.push_str(part(end, text.len()));
        Raw::trusted(&out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(&Raw::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn nothing_else_moves() {
        let before = object("{ \"a\" :1.0,\n\t\"n\\u0061me\": \"x\" , \"z\":[ ] }");
        let edit = Edit::of(&before);
        assert_eq!(
            edit.set("name", Raw::string("y")).set("new", Raw::from(7)).finish().as_str(),
            "{ \"a\" :1.0,\n\t\"n\\u0061me\": \"y\" , \"z\":[ ],\"new\":7 }"
        );
        let edit = Edit::of(&before).remove("a").remove("z").remove("absent");
        assert_eq!(edit.finish().as_str(), "{ \"n\\u0061me\": \"x\" }");
    }

    #[test]
    fn empty_and_emptied() {
        assert_eq!(Edit::of(&object("{ }")).set("a", Raw::from(1)).finish().as_str(), "{ \"a\":1}");
        let all = object(r#"{"a":1,"b":2}"#);
        assert_eq!(Edit::of(&all).remove("a").remove("b").finish().as_str(), "{}");
        let swapped = Edit::of(&all).remove("a").remove("b").set("c", Raw::from(3));
        assert_eq!(swapped.finish().as_str(), r#"{"c":3}"#);
        assert_eq!(
            Edit::of(&all).set("a", Raw::from(9)).remove("a").finish().as_str(),
            "{\"b\":2}"
        );
        assert_eq!(Edit::of(&all).default("a", Raw::from(9)).finish().as_str(), all.raw().as_str());
    }

    fn blank() -> impl Strategy<Value = String> {
        "[ \t\n]{0,2}"
    }

    fn member() -> impl Strategy<Value = (String, String)> {
        let value = prop_oneof![
            "[a-z]{0,5}".prop_map(|s| format!("\"{s}\\n}}\"")),
            any::<i64>().prop_map(|n| n.to_string()),
            Just("[1, {\"x\" : [ ]}]".to_owned()),
            Just("{ \"a\":null }".to_owned()),
        ];
        ("[a-f]", value)
    }

    prop_compose! {
        fn source()(members in prop::collection::vec(member(), 0..6),
                    blanks in prop::collection::vec(blank(), 32)) -> String {
            let mut seen = std::collections::BTreeSet::new();
            let mut blanks = blanks.into_iter();
            let mut next = || blanks.next().unwrap_or_default();
            let parts: Vec<String> = members.into_iter()
                .filter(|(name, _)| seen.insert(name.clone()))
                .map(|(name, value)| format!("{}\"{name}\"{}:{}{value}{}", next(), next(), next(), next()))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
    }

    proptest! {
        #[test]
        fn no_change_is_identity(text in source()) {
            let before = object(&text);
            let after = Edit::of(&before).finish();
            prop_assert_eq!(after.as_str(), text.as_str());
        }

        #[test]
        fn an_edit_changes_what_it_names_and_nothing_else(
            text in source(), set in "[a-h]", gone in "[a-h]",
        ) {
            let before = object(&text);
            let after = Edit::of(&before).remove(&gone).set(&set, Raw::from(42)).finish();
            let after = object(Raw::parse(after.as_str()).unwrap().as_str());
            for (name, value) in before.members() {
                if name != set && name != gone {
                    prop_assert_eq!(after.get(name), Some(value));
                }
            }
            prop_assert_eq!(after.get(&set), Some(Raw::from(42)));
            prop_assert!(gone == set || !after.has(&gone));
        }
    }
}
