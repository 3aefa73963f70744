//! Newline-delimited messages, as the stdio transport has them, bounded.

use crate::buffer::Buffer;
use crate::raw::Raw;

/// Cuts a stream of bytes into lines.
///
/// A line over the bound is reported once and skipped to its end, so one oversized message costs
/// memory up to the bound and the next one is read as usual.
#[derive(Debug)]
pub struct Lines {
    buffer: Buffer,
    skipping: bool,
    max: usize,
}

/// A line that was longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a line of at most {max} bytes, got a longer one; it was skipped")]
pub struct TooLong {
    /// The bound.
    pub max: usize,
}

impl Lines {
    /// Lines of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { buffer: Buffer::default(), skipping: false, max }
    }

    /// Takes in bytes as they come, in any pieces. Call [`Lines::next_line`] until it is `None`
    /// before giving more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.feed(bytes);
    }

    /// The next complete line without its end (`\n` or `\r\n`); blank lines are left out.
    pub fn next_line(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        loop {
            let Some(end) = self.buffer.find(|byte| byte == b'\n') else {
                return self.overflow();
            };
            let line = self.buffer.take(end + 1);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > self.max {
                return Some(Err(TooLong { max: self.max }));
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Ok(line.to_vec()));
            }
        }
    }

    fn overflow(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        // One more for a carriage return that belongs to the line's end.
        if self.buffer.rest().len() <= self.max + 1 && !self.skipping {
            return None;
        }
        self.buffer.clear();
        let first = !std::mem::replace(&mut self.skipping, true);
        first.then_some(Err(TooLong { max: self.max }))
    }
}

/// The bytes of one message on a line of its own.
pub fn encode(message: &Raw) -> Vec<u8> {
    let mut line = message.to_line().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(lines: &mut Lines) -> Vec<Result<Vec<u8>, TooLong>> {
        std::iter::from_fn(|| lines.next_line()).collect()
    }

    #[test]
    fn cuts_lines_and_skips_blank_ones() {
        let mut lines = Lines::new(10);
        lines.feed(b"{}\r\n\n  \n[1]\nrest");
        assert_eq!(drain(&mut lines), [Ok(b"{}".to_vec()), Ok(b"[1]".to_vec())]);
        lines.feed(b"\n");
        assert_eq!(drain(&mut lines), [Ok(b"rest".to_vec())]);
    }

    #[test]
    fn an_oversized_line_is_reported_once_and_forgotten() {
        let mut lines = Lines::new(4);
        let mut got = Vec::new();
        for piece in [&b"1234567"[..], b"89", b"\n", b"ok\n", b"12345\n", b"1234\r\n"] {
            lines.feed(piece);
            got.extend(drain(&mut lines));
            assert!(lines.buffer.rest().len() <= 8);
        }
        let long = Err(TooLong { max: 4 });
        assert_eq!(got, [long.clone(), Ok(b"ok".to_vec()), long, Ok(b"1234".to_vec())]);
    }

    #[test]
    fn many_short_lines_in_one_piece_cost_no_more_each() {
        let count = 1 << 21;
        let mut lines = Lines::new(4);
        lines.feed("1\n".repeat(count).as_bytes());
        assert_eq!(std::iter::from_fn(|| lines.next_line()).count(), count);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(lines in prop::collection::vec("[a-z]{1,6}", 0..8), cut in 1_usize..7) {
            let text = lines.join("\n") + "\n";
            let mut reader = Lines::new(6);
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                reader.feed(piece);
                got.extend(drain(&mut reader).into_iter().map(Result::unwrap));
            }
            let want: Vec<_> = lines.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(got, want);
        }
    }
}
