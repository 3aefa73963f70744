//! Newline framing: how the bytes arrive does not matter, no line is over its bound, and what comes
//! out is what stands between the line breaks.

use remit_mcp::line::{Lines, TooLong};

use crate::input::{cut, pieces};

type Line = Result<Vec<u8>, TooLong>;

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>, max: usize) -> Vec<Line> {
    let mut lines = Lines::new(max);
    let mut found = Vec::new();
    for part in parts {
        lines.feed(part);
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    found
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (head, data) = cut(data);
    let max = usize::from(head.first().copied().unwrap_or(40));
    let whole = read([data].into_iter(), max);
    assert_eq!(read(pieces(data, head), max), whole);
    let good: Vec<&Vec<u8>> = whole.iter().flatten().collect();
    assert!(good.iter().all(|line| line.len() <= max && !line.contains(&b'\n')));
    let end = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let expected = data[..end].split(|byte| *byte == b'\n');
    let expected: Vec<&[u8]> = expected
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| line.len() <= max && !line.iter().all(u8::is_ascii_whitespace))
        .collect();
    assert_eq!(good, expected);
}
