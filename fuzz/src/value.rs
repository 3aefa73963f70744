//! JSON values: the canonical form is a fixed point, another parser reads the same from it, and the
//! frame parser's idea of a duplicate name is the same as this one's.

use remit_mcp::{Frame, Limits};
use remit_model::Value;

/// One input.
pub(crate) fn hold(text: &str) {
    let parsed = Value::parse(text);
    let frame = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{{\"a\":{text}}}}}");
    let frame = Frame::parse(frame.as_bytes(), Limits::default());
    let Ok(value) = parsed else {
        if remit_mcp::Raw::parse(text).is_err() {
            return;
        }
        // All that a frame lets through and a value does not are escapes that are no characters.
        assert!(frame.is_err() || text.contains("\\u"), "{}", parsed.unwrap_err());
        return;
    };
    let canonical = value.canonical();
    let again = Value::parse(&canonical).expect("the canonical form is JSON");
    assert_eq!(again, value);
    assert_eq!(again.canonical(), canonical);
    assert_eq!(serde_json::to_string(&value).unwrap(), canonical);
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
    if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(text) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical).unwrap(), theirs);
    }
    value.leaves(&mut |_, leaf| assert!(!matches!(leaf, Value::List(_) | Value::Record(_))));
}
