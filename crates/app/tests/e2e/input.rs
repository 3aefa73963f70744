//! Bad input: tables of what nobody should send, and the exact answer to each.
//!
//! The rows stand in `tests/input/*.toml`, so that they can be read, and run against another
//! implementation. After each row the same door answers a good request, and the server behind it
//! has seen that one and nothing else: nothing panics, no session breaks, nothing is lost (R1, R11).
//!
//! A row that is answered otherwise fails its test, which then prints what came in the form of a
//! row: whoever changed an answer on purpose reads it and takes it over.

mod answer;
mod endpoint;
mod files;
mod fill;
mod lines;
mod token;
mod tools;

use serde::de::DeserializeOwned;

/// A file of rows.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<T> {
    row: Vec<T>,
}

fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let table: Table<T> = toml::from_str(text).unwrap_or_else(|why| panic!("{why}"));
    table.row
}

/// What went otherwise than its row says; all of it, so that one run shows everything.
#[derive(Default)]
struct Surprises(Vec<String>);

impl Surprises {
    fn check(&mut self, about: &str, what: &str, came: &str, expected: &str) {
        if came != expected {
            self.0.push(format!("# {about}\n# expected {expected}\n{what} = '''{came}'''"));
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(self) {
        assert!(self.0.is_empty(), "{} surprises:\n\n{}\n", self.0.len(), self.0.join("\n\n"));
    }
}
