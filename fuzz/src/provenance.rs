//! What a task sees, and the calls that it makes: whatever was returned, every leaf of a call has an answer,
//! and an answer never gets safer when an outsider's text arrives.
//!
//! Input: lines of which the first is what a person said, the last a call, and each between them a result:
//! a text, or a structure that is pointed at if the line begins with `*`.

use remit_model::{ArgumentPath, Integrity, Label, Role, ToolId, Value};
use remit_provenance::{Index, Seen, Source};

const ROLES: [Role; 6] =
    [Role::Target, Role::Content, Role::Selector, Role::Amount, Role::Secret, Role::Flag];

/// One input.
pub(crate) fn hold(input: &str) {
    let mut lines: Vec<&str> = input.lines().collect();
    let Some(call) = lines.pop() else { return };
    let call = Value::parse(call).unwrap_or_else(|_| Value::Text(call.to_owned()));
    let mut index = Index::default();
    let mut results = lines.into_iter();
    index.give("purpose", results.next().unwrap_or_default());
    let mut leaves = 0;
    call.leaves(&mut |_, _| leaves += 1);
    for line in results {
        let pointed = line.strip_prefix('*');
        let text = pointed.unwrap_or(line);
        let structured = Value::parse(text).ok();
        let source = Source {
            tool: ToolId::new(&"store".parse().expect("a name"), "list_files"),
            decision: 1,
            pointed: pointed.is_some(),
            label: Label { integrity: Integrity::untrusted("store"), ..Label::default() },
        };
        let seen = match &structured {
            Some(value) if pointed.is_some() => Seen { structured: Some(value), ..Seen::default() },
            _ => Seen { texts: &[text], ..Seen::default() },
        };
        for role in ROLES {
            let role = |_: &ArgumentPath| role;
            let before = index.trace(&role, &call);
            let mut then = index.clone();
            then.see(&source, seen);
            let after = then.trace(&role, &call);
            // Links in content have an answer of their own.
            assert!(before.len() == after.len() && before.len() >= leaves);
            for (before, after) in before.iter().zip(&after) {
                let text = structured.is_none();
                assert!(!text || after.provenance >= before.provenance, "{before:?} {after:?}");
                let excerpt = after.evidence.iter().map(|evidence| &evidence.excerpt);
                assert!(excerpt.clone().all(|text| text.chars().count() <= 120));
                assert!(excerpt.clone().all(|text| !text.contains(char::is_control)));
            }
        }
        index.see(&source, seen);
    }
}
