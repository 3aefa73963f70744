//! Files in which secrets are looked for: whatever is found is replaced by a reference, alone and in its
//! place, and the file is as readable as before.
//!
//! Input: the file's name on the first line, then the file.

use remit_model::{Secret, SecretName};
use remit_scan::{MAX_FOUND, REFERENCE, find, form, replaced};

/// One input.
pub(crate) fn hold(input: &str) {
    let (name, text) = input.split_once('\n').unwrap_or((input, ""));
    let Some(form) = form(name) else { return };
    let Ok(found) = find(text, form) else { return };
    assert!(found.len() <= MAX_FOUND);
    assert_eq!(replaced(text, &[]), text);
    let lines = text.matches('\n').count() + 1;
    let mut named = Vec::new();
    for found in &found {
        assert!((1..=lines).contains(&found.line));
        assert!(!found.secret.reveal().is_empty());
        let mut other = found.clone();
        other.secret = Secret::new("another".to_owned());
        assert_eq!(format!("{found:?}"), format!("{other:?}"), "what is shown tells nothing of it");
        named.push((found, found.suggested_name().parse::<SecretName>().expect("a name")));
    }
    let after = replaced(text, &named);
    if !text.contains(REFERENCE) {
        assert_eq!(after.matches(REFERENCE).count(), found.len());
    }
    find(&after, form).expect("it can be read as before");
}
