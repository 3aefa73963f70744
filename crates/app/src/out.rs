//! What a command prints: words for a person, or one JSON document for a program.
//!
//! Agents, servers and peers wrote parts of what a person reads, also where that person approves
//! (promise R8). Whatever is said goes through [`Lines`], so that none of them draws on the screen
//! or adds a line of their own.

use std::fmt;
use std::io::{IsTerminal, Write};

use remit_catalogue::visible;
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
    pub(crate) fn say<T: Serialize, L: Into<Lines>>(
        &mut self,
        value: &T,
        words: impl FnOnce(&T) -> L,
    ) -> Result<(), Fail> {
        let text = if self.json {
            serde_json::to_string(value)?
        } else {
            Into::<Lines>::into(words(value)).to_string()
        };
        self.line(&text)
    }

    /// Text as it is, whatever the form: what is ours, or for programs, like keys and proofs.
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
            drop(writeln!(std::io::stderr(), "{}", one_line(text)));
        }
    }

    /// That the command failed. What is wrong in a file is shown on lines of its own.
    pub(crate) fn fail(&mut self, fail: &Fail) {
        let text = if self.json {
            serde_json::json!({ "error": fail.to_string() }).to_string()
        } else {
            visible(&format!("remit: {fail}"))
        };
        drop(writeln!(std::io::stderr(), "{text}"));
    }
}

/// What a person reads, line by line. Each is one line, whoever wrote a part of it: what cannot be
/// seen, moves the cursor or ends a line is written out (`<U+000A>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines(Vec<String>);

impl Lines {
    /// Of a text whose line ends are all ours.
    pub(crate) fn of_ours(text: &str) -> Self {
        Self(text.trim_end_matches('\n').split('\n').map(str::to_owned).collect())
    }
}

impl From<String> for Lines {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

impl From<Vec<String>> for Lines {
    fn from(lines: Vec<String>) -> Self {
        Self(lines)
    }
}

impl IntoIterator for Lines {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|line| one_line(line)).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// `text` as one line that shows all there is in it.
pub(crate) fn one_line(text: &str) -> String {
    visible(text).replace('\n', "<U+000A>")
}

/// Columns side by side, as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Lines {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    // Before they are measured.
    let shown = |row: &Vec<String>| row.iter().map(|cell| one_line(cell)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(shown)).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    Lines(rows.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stranger writes to draw a screen of their own: an end of line, ESC, CSI as one C1
    /// character, DEL, text that runs the other way, and what has no width.
    const DRAWN: &str =
        "a\n\r\u{1b}[2J\u{9b}1A\u{7f}\u{85}\u{2028}\u{202e}\u{2066}\u{200b}\u{feff}z";

    #[test]
    fn a_line_is_one_line_and_shows_all_there_is_in_it() {
        let shown = Lines::from(vec![format!("task {DRAWN}"), "next".to_owned()]).to_string();
        assert_eq!(
            shown,
            "task a<U+000A><U+000D><U+001B>[2J<U+009B>1A<U+007F><U+0085><U+2028><U+202E><U+2066>\
             <U+200B><U+FEFF>z\nnext"
        );
    }

    #[test]
    fn columns_are_measured_as_they_are_shown() {
        let rows = [vec!["a\nb".to_owned(), "x".to_owned()], vec!["c".to_owned(), "y".to_owned()]];
        assert_eq!(
            table(&["ONE", "TWO"], &rows).to_string(),
            "ONE         TWO\na<U+000A>b  x\nc           y"
        );
    }

    #[test]
    fn our_own_text_keeps_its_lines() {
        assert_eq!(Lines::of_ours("a\n\nb\u{1b}\n").to_string(), "a\n\nb<U+001B>");
    }
}
