//! A policy file as single statements with their positions.
//!
//! Cedar ends every policy with `;`, which stands nowhere else but in strings and comments, so a
//! file can be cut without parsing it: one broken policy does not hide the errors of the next, and
//! each keeps its own line.

/// One statement: where it starts in the file (in bytes, and the line from 1), and its text up to
/// and with the `;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) start: usize,
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

impl Statement<'_> {
    /// How deep its brackets nest, those in strings and comments aside.
    pub(crate) fn nesting(&self) -> usize {
        let bytes = self.text.as_bytes();
        let (mut at, mut now, mut most) = (0, 0_usize, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'/' if bytes.get(at + 1) == Some(&b'/') => at = after_line(bytes, at),
                b'"' => at = after_string(bytes, at),
                b'(' | b'[' | b'{' => {
                    now += 1;
                    most = most.max(now);
                    at += 1;
                }
                b')' | b']' | b'}' => {
                    now = now.saturating_sub(1);
                    at += 1;
                }
                _ => at += 1,
            }
        }
        most
    }
}

/// Cuts `file`. What follows the last `;` is a statement if it is more than blanks and comments.
pub(crate) fn statements(file: &str) -> Vec<Statement<'_>> {
    let mut found = cut(file);
    let (mut line, mut at) = (1, 0);
    for statement in &mut found {
        line += file.get(at..statement.start).map_or(0, |gap| gap.matches('\n').count());
        (statement.line, at) = (line, statement.start);
    }
    found
}

fn cut(file: &str) -> Vec<Statement<'_>> {
    let bytes = file.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut start) = (0, None);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = after_line(bytes, at);
                continue;
            }
            b if b.is_ascii_whitespace() => {}
            b'"' => {
                start.get_or_insert(at);
                at = after_string(bytes, at);
                continue;
            }
            b';' => {
                let from = start.take().unwrap_or(at);
                found.extend(statement(file, from, at + 1));
            }
            _ => {
                start.get_or_insert(at);
            }
        }
        at += 1;
    }
    if let Some(from) = start {
        found.extend(statement(file, from, file.len()));
    }
    found
}

/// The line and column (from 1, in characters) of a byte offset.
pub(crate) fn position(file: &str, offset: usize) -> (usize, usize) {
    let before = file.get(..offset).unwrap_or(file);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn statement(file: &str, from: usize, to: usize) -> Option<Statement<'_>> {
    Some(Statement { start: from, line: 1, text: file.get(from..to)?.trim_end() })
}

fn after_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| from + n)
}

fn after_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_semicolons_that_end_a_policy() {
        let file = "// a; b\n@id(\"x;\\\";\") // ;\npermit (principal, action, resource);\n\n  forbid(\n// end";
        let found = statements(file);
        assert_eq!(found.len(), 2);
        assert!(found[0].text.starts_with("@id") && found[0].text.ends_with(");"));
        assert!(found[1].text.starts_with("forbid("));
        assert_eq!(position(file, found[0].start), (2, 1));
        assert_eq!(position(file, found[1].start), (5, 3));
        assert_eq!([found[0].line, found[1].line], [2, 5]);
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let file = "permit (a) when { [{x:(1)}] == \"((((((\" // ((((((\n };";
        assert_eq!(statements(file)[0].nesting(), 4);
    }

    #[test]
    fn nothing_is_lost_and_nothing_panics() {
        for file in ["", "//", "\"", "\"\\", ";", "ä;ö", "permit \"\u{1F600};"] {
            let found = statements(file);
            assert!(found.iter().all(|s| file.get(s.start..).unwrap().starts_with(s.text)));
        }
        assert_eq!(statements(";").len(), 1);
        assert!(statements(" // only a comment").is_empty());
    }
}
