//! Placeholders in rows: what differs from run to run, and what a text file cannot hold.
//!
//! `<<name>>` is a name that the test knows; `<<hex c3 28>>` is bytes; `<<x*1000>>` is a text many
//! times; `<<crlf>>` ends a line of HTTP.

use std::collections::BTreeMap;

/// The names that a test knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// With one more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no row may name `<<{name}>>` here"))
    }

    /// The bytes that a row's text stands for.
    pub(crate) fn fill(&self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("<<") {
            let (name, after) = after.split_once(">>").expect("a placeholder ends");
            out.extend_from_slice(before.as_bytes());
            out.extend(self.one(name));
            rest = after;
        }
        out.extend_from_slice(rest.as_bytes());
        out
    }

    /// The text that a row's text stands for.
    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8(self.fill(text)).expect("a text")
    }

    fn one(&self, name: &str) -> Vec<u8> {
        if name == "crlf" {
            return b"\r\n".to_vec();
        }
        if let Some(bytes) = name.strip_prefix("hex ") {
            return bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        }
        if let Some((piece, times)) = name.rsplit_once('*') {
            return self.fill(piece).repeat(times.parse().unwrap());
        }
        self.get(name).as_bytes().to_vec()
    }

    /// The other way round: what came, with the names in place of their values.
    pub(crate) fn blank(&self, text: &str) -> String {
        let mut longest_first: Vec<_> = self.0.iter().filter(|(_, v)| v.len() > 3).collect();
        longest_first.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        longest_first.into_iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(value, &format!("<<{name}>>"))
        })
    }
}
