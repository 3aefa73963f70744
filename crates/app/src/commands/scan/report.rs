//! What a scan says: where something stands and what it is, never the thing itself.

use std::sync::Arc;

use remit_model::{Digest, Entropy as _};
use serde::Serialize;

use super::NOTHING;
use super::files::Scanned;
use crate::environment::SystemEntropy;
use crate::out::{Lines, table};

/// How much of a fingerprint is shown.
const FINGERPRINT: usize = 8;

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    file: String,
    line: usize,
    kind: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    name: String,
    fingerprint: String,
}

/// The findings. Equal secrets have equal fingerprints; those of another run are others, so that none
/// can be tried against a list of passwords.
pub(super) fn rows(files: &[Scanned]) -> Vec<Row> {
    let mut salt = [0; 32];
    SystemEntropy.fill(&mut salt);
    let fingerprint = |secret: &str| {
        let mut text = Digest::of_parts(&[&salt, secret.as_bytes()]).to_string();
        text.truncate(FINGERPRINT);
        text
    };
    let each = |file: &Scanned| {
        let path = file.path.display().to_string();
        let row = |found: &remit_scan::Found| Row {
            file: path.clone(),
            line: found.line,
            kind: Arc::clone(&found.kind),
            server: found.server.clone(),
            name: found.name.clone(),
            fingerprint: fingerprint(found.secret.reveal()),
        };
        file.found.iter().map(row).collect::<Vec<_>>()
    };
    files.iter().flat_map(each).collect()
}

pub(super) fn words(rows: &[Row]) -> Lines {
    if rows.is_empty() {
        return NOTHING.to_owned().into();
    }
    let cells = |row: &Row| {
        let server = row.server.as_ref().map(|server| format!("{server}.")).unwrap_or_default();
        vec![
            format!("{}:{}", row.file, row.line),
            row.kind.to_string(),
            format!("{server}{}", row.name),
            row.fingerprint.clone(),
        ]
    };
    let all: Vec<_> = rows.iter().map(cells).collect();
    let found = rows.len();
    let moves = format!("{found} found; `remit scan --import PATH` moves them into sealed storage");
    let table = table(&["WHERE", "WHAT", "NAME", "FINGERPRINT"], &all);
    Lines::from(table.into_iter().chain([String::new(), moves]).collect::<Vec<_>>())
}
