//! Records of the log: the canonical form of a record is that record again, and nothing else.

use remit_model::Value;
use remit_ports::Entry;

/// One input.
pub(crate) fn hold(text: &str) {
    let Ok(entry) = serde_json::from_str::<Entry>(text) else { return };
    let printed = serde_json::to_string(&entry).unwrap();
    let value = Value::parse(&printed).expect("a record is JSON without duplicate names");
    let canonical = value.canonical();
    assert_eq!(Value::parse(&canonical).unwrap().canonical(), canonical);
    assert_eq!(serde_json::from_str::<Entry>(&canonical).expect("a record reads back"), entry);
}
