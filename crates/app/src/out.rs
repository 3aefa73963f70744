//! What a command prints: words for a person, or one JSON document for a program.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::fail::Fail;

/// Where a command's result goes.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    /// Words, or JSON if `json`.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal() -> bool {
        std::io::stdout().is_terminal()
    }

    /// The result: `value` as JSON, or `words`.
    pub(crate) fn say<T: Serialize>(
        &mut self,
        value: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), Fail> {
        let text = if self.json { serde_json::to_string(value)? } else { words(value) };
        self.line(&text)
    }

    /// One line, whatever the form.
    #[expect(clippy::unused_self, reason = "what is printed goes through the one who prints")]
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Fail> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end_matches('\n'))?;
        stdout.flush()?;
        Ok(())
    }

    /// A remark beside the result, for a person only.
    pub(crate) fn remark(&mut self, text: &str) {
        if !self.json {
            // A closed standard error is no reason to fail.
            drop(writeln!(std::io::stderr(), "{text}"));
        }
    }

    /// That the command failed.
    pub(crate) fn fail(&mut self, fail: &Fail) {
        let text = if self.json {
            serde_json::json!({ "error": fail.to_string() }).to_string()
        } else {
            format!("remit: {fail}")
        };
        drop(writeln!(std::io::stderr(), "{text}"));
    }
}

/// Columns side by side, as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let mut widths: Vec<usize> = head.iter().map(String::len).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}
