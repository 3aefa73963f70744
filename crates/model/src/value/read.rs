//! From text that is known to be JSON to a value, in one pass.
//!
//! `serde_json` has checked the text, so all that is left is to find where things begin and end. Its
//! own `Value` would round numbers and let the last of two equal names win.

use std::collections::BTreeMap;

use memchr::memchr2;

use super::{MAX_DEPTH, Value, ValueError};

/// Reads the one value in `text`, which `serde_json` accepted.
///
/// Errors: a duplicate name, a string that is not Unicode, or deeper than [`MAX_DEPTH`].
pub(super) fn value(text: &str) -> Result<Value, ValueError> {
    Reader { text, at: 0 }.value(0)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, ValueError> {
        if depth > MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        match self.token() {
            Some(b'{') => self.record(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            _ => Ok(match self.word() {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number => Value::Number(number.to_owned()),
            }),
        }
    }

    fn record(&mut self, depth: usize) -> Result<Value, ValueError> {
        let mut members = BTreeMap::new();
        self.at += 1;
        while self.token() == Some(b'"') {
            let name = self.string()?;
            self.skip(b':');
            let value = self.value(depth + 1)?;
            if members.contains_key(&name) {
                return Err(ValueError::Syntax(format!("the name `{name}` stands twice")));
            }
            members.insert(name, value);
            self.skip(b',');
        }
        self.skip(b'}');
        Ok(Value::Record(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, ValueError> {
        let mut items = Vec::new();
        self.at += 1;
        while !matches!(self.token(), Some(b']') | None) {
            items.push(self.value(depth + 1)?);
            self.skip(b',');
        }
        self.skip(b']');
        Ok(Value::List(items))
    }

    /// The string that begins here, unescaped.
    fn string(&mut self) -> Result<String, ValueError> {
        let rest = self.rest();
        let (mut end, mut escaped) = (1, false);
        loop {
            let left = rest.as_bytes().get(end..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', left) else {
                end = rest.len();
                break;
            };
            end += found + 1;
            if left.get(found) == Some(&b'"') {
                break;
            }
            // Whatever it escapes.
            escaped = true;
            end = rest.len().min(end + 1);
        }
        self.at += end;
        let literal = rest.get(..end).unwrap_or_default();
        if escaped {
            return serde_json::from_str(literal).map_err(|e| ValueError::Syntax(e.to_string()));
        }
        let inner = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        Ok(inner.unwrap_or_default().to_owned())
    }

    /// The number or name that begins here.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| matches!(c, ',' | ']' | '}' | ' ' | '\t' | '\n' | '\r');
        let word = rest.split(ends).next().unwrap_or_default();
        self.at += word.len();
        word
    }

    /// The first byte of the next token.
    fn token(&mut self) -> Option<u8> {
        let rest = self.rest();
        let found = rest.bytes().position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.at += found;
        self.rest().bytes().next()
    }

    /// Goes past `token` if it comes next.
    fn skip(&mut self, token: u8) {
        if self.token() == Some(token) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}
