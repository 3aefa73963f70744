//! Splicing: an edit changes the members that it names, every other one keeps its bytes and its
//! place, and the result is JSON.
//!
//! Input: a line of changes (`+name` sets, `-name` removes, blanks between), then the object.

use remit_mcp::{Edit, Object, Raw};

use crate::input::cut_text;

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let Some((changes, text)) = cut_text(data) else { return };
    let Ok(before) = Raw::parse(text) else { return };
    let Ok(before) = Object::parse(&before) else { return };
    assert_eq!(Edit::of(&before).finish().as_str(), before.raw().as_str(), "no change, no change");
    let mut edit = Edit::of(&before);
    let mut wanted: Vec<(&str, bool)> = Vec::new();
    for word in changes.split(' ') {
        let Some((sign, name)) = word.split_at_checked(1) else { continue };
        let set = sign == "+";
        edit = if set { edit.set(name, Raw::from(42)) } else { edit.remove(name) };
        wanted.retain(|(other, _)| *other != name);
        wanted.push((name, set));
    }
    let after = edit.finish();
    let after = Raw::parse(after.as_str()).expect("an edited object is JSON");
    let after = Object::parse(&after).expect("an edited object is an object without duplicates");
    let named = |name: &str| wanted.iter().any(|(other, _)| *other == name);
    for (name, set) in &wanted {
        assert_eq!(after.get(name), set.then(|| Raw::from(42)), "{name}");
    }
    let kept = |object: &Object| -> Vec<(String, Raw)> {
        let members = object.members().filter(|(name, _)| !named(name));
        members.map(|(name, value)| (name.to_owned(), value)).collect()
    };
    assert_eq!(kept(&before), kept(&after));
}
