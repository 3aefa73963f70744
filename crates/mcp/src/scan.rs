//! A scanner over text that is already known to be JSON.
//!
//! It finds where members stand without building values, so that everything that is not looked at
//! keeps its bytes. It assumes valid input ([`crate::Raw::parse`] checks) and on anything else
//! merely stops early; it never reads outside the text.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

/// Where one member of an object stands.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The quoted name.
    pub(crate) key: Range<usize>,
    /// The value without the blanks around it.
    pub(crate) value: Range<usize>,
}

/// Room for the members of an object as messages have them.
const USUAL_MEMBERS: usize = 8;

/// The spans of the members of the object in `text`; `None` if it is not an object.
pub(crate) fn members(text: &str) -> Option<Vec<Span>> {
    let bytes = text.as_bytes();
    let mut at = skip_blanks(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = Vec::with_capacity(USUAL_MEMBERS);
    at = skip_blanks(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let key_end = string_end(bytes, at);
        let value_at = skip_blanks(bytes, skip_blanks(bytes, key_end) + 1);
        let value_end = value_end(bytes, value_at);
        found.push(Span { key: at..key_end, value: value_at..value_end });
        at = skip_blanks(bytes, value_end);
        if bytes.get(at) != Some(&b',') {
            break;
        }
        at = skip_blanks(bytes, at + 1);
    }
    Some(found)
}

/// The spans of the elements of the array in `text`; `None` if it is not an array.
pub(crate) fn elements(text: &str) -> Option<Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut at = skip_blanks(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let mut found = Vec::new();
    at = skip_blanks(bytes, at + 1);
    while bytes.get(at).is_some_and(|byte| *byte != b']') {
        let end = value_end(bytes, at);
        found.push(at..end);
        at = skip_blanks(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(bytes, at + 1);
        } else {
            break;
        }
    }
    Some(found)
}

/// How deep containers nest in `text`.
pub(crate) fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut now, mut most) = (0, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' => string_end(bytes, at),
            b'{' | b'[' => {
                now += 1;
                most = most.max(now);
                at + 1
            }
            b'}' | b']' => {
                now = now.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
    }
    most
}

/// A name that stands twice in one object anywhere in `text`, as it was written the second time.
///
/// Names are compared unescaped, so `"a"` and `"\u0061"` are the same; a name that is not a
/// Unicode string is reported as found twice, because two readers could decode it differently.
pub(crate) fn duplicate(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    // The names of every object that is open, and where those of each begin; `None` for arrays.
    let mut names: Vec<Name<'_>> = Vec::with_capacity(2 * USUAL_MEMBERS);
    let mut open: Vec<Option<usize>> = Vec::with_capacity(USUAL_MEMBERS);
    let (mut at, mut at_name) = (0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => {
                open.push(Some(names.len()));
                at_name = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => {
                if let Some(Some(first)) = open.pop() {
                    if let Some(twice) = repeated(names.get_mut(first..).unwrap_or_default()) {
                        return Some(twice);
                    }
                    names.truncate(first);
                }
                at_name = false;
            }
            b',' => at_name = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let end = string_end(bytes, at);
                if at_name {
                    let literal = text.get(at..end).unwrap_or_default();
                    match name(literal) {
                        Some(name) => names.push((name, literal)),
                        None => return Some(literal),
                    }
                }
                at_name = false;
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// A member's name unescaped, and as it is written.
pub(crate) type Name<'a> = (Cow<'a, str>, &'a str);

/// The second of two names in one object that are the same, as it is written; sorts them.
pub(crate) fn repeated<'a>(names: &mut [Name<'a>]) -> Option<&'a str> {
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut pairs = names.windows(2);
    pairs.find_map(|pair| match pair {
        [(one, _), (other, literal)] if one == other => Some(*literal),
        _ => None,
    })
}

/// The text of a quoted string; `None` if an escape is not a Unicode character.
pub(crate) fn name(literal: &str) -> Option<Cow<'_, str>> {
    if literal.contains('\\') {
        return serde_json::from_str(literal).ok().map(Cow::Owned);
    }
    literal.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The position after the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(&str, &str)> {
        let spans = members(text).unwrap();
        spans.into_iter().map(|s| (text.get(s.key).unwrap(), text.get(s.value).unwrap())).collect()
    }

    #[test]
    fn finds_members() {
        assert_eq!(
            split(" { \"a\" : [1, {\"b\":\"]}\"}] ,\n\"c\":\"\\\"}\",\"d\":-1.5e3 , \"e\":{} }"),
            [
                ("\"a\"", "[1, {\"b\":\"]}\"}]"),
                ("\"c\"", "\"\\\"}\""),
                ("\"d\"", "-1.5e3"),
                ("\"e\"", "{}"),
            ]
        );
        assert!(split("{}").is_empty());
        assert!(members("[1]").is_none());
    }

    #[test]
    fn finds_elements() {
        let text = "[ {\"a\":[1]} , 2,\"x,y\" ,[ ] ]";
        let found: Vec<_> =
            elements(text).unwrap().into_iter().map(|s| text.get(s).unwrap()).collect();
        assert_eq!(found, ["{\"a\":[1]}", "2", "\"x,y\"", "[ ]"]);
        assert!(elements("[ ]").unwrap().is_empty());
    }

    #[test]
    fn measures_depth_outside_strings() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"{"a":["[[[["]}"#), 2);
    }

    #[test]
    fn finds_duplicates_however_they_are_spelt() {
        assert_eq!(duplicate(r#"{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}"#), None);
        assert_eq!(duplicate(r#"{"a":1,"\u0061":2}"#), Some(r#""\u0061""#));
        assert_eq!(duplicate(r#"{"b":[{"x":1,"x":2}]}"#), Some(r#""x""#));
        assert_eq!(duplicate(r#"{"z":{"y":1},"x":2,"z":0}"#), Some(r#""z""#));
        assert_eq!(duplicate(r#"{"\ud800":1}"#), Some(r#""\ud800""#));
        assert_eq!(duplicate(r#"{"a":["a","a"],"b":"a"}"#), None);
    }
}
