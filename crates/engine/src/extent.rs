//! How much the arguments of a call may hold. Each value is traced, and recorded with the path that leads to
//! it, so a message within its limit could cost a thousand times its size (promise R13).

use remit_model::{Class, Refusal, Value};

/// The most values and names of one call: some two thousand rows of eight columns, more than the record of
/// a call has room for by then.
pub(crate) const MAX_PARTS: usize = 16 * 1024;

/// The most bytes of the paths to all of them.
pub(crate) const MAX_PATHS: usize = 1 << 20;

/// What is left of both.
struct Left {
    parts: usize,
    paths: usize,
}

/// Gives `input` back if it is within the bounds.
///
/// Errors: it is not; nothing of it was looked at.
pub(crate) fn bounded(input: Value) -> Result<Value, Refusal> {
    let mut left = Left { parts: MAX_PARTS, paths: MAX_PATHS };
    match left.take_all(&input, 0) {
        Some(()) => Ok(input),
        None => Err(Refusal::one(
            Class::Structural,
            "unwieldy",
            format!(
                "expected arguments of at most {MAX_PARTS} values, and of paths to them of {MAX_PATHS} bytes \
                 together, got more"
            ),
            "send it in several calls, or with shorter names",
        )),
    }
}

impl Left {
    /// Takes all that is in `value`, to which a path of `path` bytes leads; `None` if too little is left.
    fn take_all(&mut self, value: &Value, path: usize) -> Option<()> {
        match value {
            Value::Record(members) => members.iter().try_for_each(|(name, member)| {
                self.take(member, path.saturating_add(name.len()).saturating_add(".".len()))
            }),
            Value::List(items) => {
                let path = path.saturating_add("[]".len());
                items.iter().try_for_each(|item| self.take(item, path))
            }
            _ => Some(()),
        }
    }

    fn take(&mut self, value: &Value, path: usize) -> Option<()> {
        self.parts = self.parts.checked_sub(1)?;
        self.paths = self.paths.checked_sub(path)?;
        self.take_all(value, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> bool {
        bounded(Value::parse(json).unwrap()).is_err()
    }

    #[test]
    fn what_is_long_may_be_sent_and_what_is_many_times_as_long_once_it_is_read_may_not() {
        assert!(!refused(&format!("{{\"text\":{:?}}}", "x".repeat(4_000_000))));
        let row = "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8}";
        assert!(!refused(&format!("{{\"rows\":[{}]}}", vec![row; 1800].join(","))));
        assert!(refused(&format!("{{\"n\":[{}]}}", vec!["1"; MAX_PARTS].join(","))));
        let items = vec!["1"; 1000].join(",");
        assert!(refused(&format!("{{\"{}\":[{items}]}}", "x".repeat(2_000))));
        let names: Vec<_> = (0..=MAX_PARTS).map(|n| format!("\"{n}\":{{}}")).collect();
        assert!(refused(&format!("{{{}}}", names.join(","))));
    }
}
