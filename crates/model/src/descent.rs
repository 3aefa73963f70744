//! Which process somebody is, and which it descends from.

use serde::{Deserialize, Serialize};

use crate::{Digest, Value};

/// How far up it is looked, the process itself included (R13); what is above is a supervisor, or the
/// machine's first process.
pub const MAX_DESCENT: usize = 32;

/// A process and those that it descends from, upwards, each by a name that no other will ever have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descent {
    /// Itself, and as far up as processes run as the same user: any of those may have started it to ask for
    /// something in its place.
    pub kin: Vec<Digest>,
    /// Those above them.
    pub above: Vec<Digest>,
}

impl Descent {
    /// Itself and all that it descends from.
    pub fn all(&self) -> impl Iterator<Item = &Digest> {
        self.kin.iter().chain(&self.above)
    }

    /// Reads what was written as JSON; `None` if it is anything else, or names no process.
    pub fn read(value: &Value) -> Option<Self> {
        let names = |member| match value.member(member)? {
            Value::List(list) if list.len() <= MAX_DESCENT => {
                list.iter().map(|name| Digest::parse(name.as_text()?)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        let read = Self { kin: names("kin")?, above: names("above")? };
        (!read.kin.is_empty()).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let [one, two] = ["1", "2"].map(|name| Digest::of(name.as_bytes()));
        let descent = Descent { kin: vec![one], above: vec![two] };
        let read = |text: &str| Descent::read(&Value::parse(text).unwrap());
        assert_eq!(read(&serde_json::to_string(&descent).unwrap()), Some(descent));
        let long = vec![format!("\"{one}\""); MAX_DESCENT + 1].join(",");
        for bad in [
            "[]",
            r#"{"kin":[],"above":[]}"#,
            &format!(r#"{{"kin":["{one}"]}}"#),
            r#"{"kin":["x"],"above":[]}"#,
            &format!(r#"{{"kin":[{long}],"above":[]}}"#),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
