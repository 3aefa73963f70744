//! Policy files: what does not load says where and why, and what loads is in force as it was
//! written, each policy under an id of its own.

use std::sync::LazyLock;

use remit_catalogue::{Catalogue, Overrides, observe};
use remit_model::{Timestamp, Tool};
use remit_policy::{Snapshot, Source};

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let definition = r#"{"name":"send","description":"Sends a mail.","inputSchema":{"type":"object",
        "properties":{"to":{"type":"string"},"amount":{"type":"number"},"n":{"type":"integer"}}}}"#;
    let overrides = Overrides { owner: "finance".to_owned(), ..Overrides::default() };
    let (mut catalogue, server) = (Catalogue::default(), "mail".parse().unwrap());
    for change in observe(&catalogue, &server, &[definition.to_owned()], &overrides, Timestamp(1)) {
        catalogue.apply(&change);
    }
    catalogue.tools().cloned().collect()
});

/// One input.
pub(crate) fn hold(text: &str) {
    let source = Source { path: "fuzz.cedar".to_owned(), text: text.to_owned() };
    match Snapshot::compile(&[source], &TOOLS, &["finance".to_owned()]) {
        Ok(snapshot) => {
            for policy in snapshot.policies() {
                assert!(text.contains(&policy.text), "{}", policy.id);
                assert!(!policy.id.starts_with("remit:"), "{}", policy.id);
                assert!((1..=text.split('\n').count()).contains(&policy.line));
            }
        }
        Err(error) => {
            assert!(!error.issues.is_empty());
            let lines = text.split('\n').count();
            for issue in &error.issues {
                assert!((1..=lines).contains(&issue.line) && issue.column >= 1, "{issue:?}");
                assert!(!issue.message.is_empty());
            }
        }
    }
}
