//! Bytes that are cut into pieces as they come.

/// What came and is not used yet.
///
/// What was used stays until more comes and is then dropped at once: dropping it piece by piece
/// would move the rest for each, which many short pieces make expensive.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// How many of them were used.
    used: usize,
    /// How many of them hold no end of a piece.
    scanned: usize,
}

impl Buffer {
    /// Takes in bytes as they come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.scanned -= self.used;
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not used yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// Where in the rest the first byte stands that `ends` a piece; no byte before it is looked at
    /// again.
    pub(crate) fn find(&mut self, ends: impl Fn(u8) -> bool) -> Option<usize> {
        let fresh = self.bytes.get(self.scanned..).unwrap_or_default();
        let found = fresh.iter().position(|byte| ends(*byte));
        self.scanned += found.unwrap_or(fresh.len());
        found.map(|_| self.scanned - self.used)
    }

    /// Uses so many bytes of the rest.
    pub(crate) fn take(&mut self, length: usize) -> &[u8] {
        let from = self.used;
        self.used = from.saturating_add(length).min(self.bytes.len());
        self.scanned = self.scanned.max(self.used);
        self.bytes.get(from..self.used).unwrap_or_default()
    }

    /// Forgets everything and gives its memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_goes_when_more_comes_and_not_before() {
        let mut buffer = Buffer::default();
        buffer.feed(b"a;bc;d");
        assert_eq!(buffer.find(|byte| byte == b';'), Some(1));
        assert_eq!(buffer.take(2), b"a;");
        assert_eq!((buffer.find(|byte| byte == b';'), buffer.rest()), (Some(2), &b"bc;d"[..]));
        assert_eq!(buffer.take(3), b"bc;");
        assert_eq!(buffer.bytes.len(), 6, "nothing moved");
        assert_eq!(buffer.find(|byte| byte == b';'), None);
        buffer.feed(b"e;");
        assert_eq!((buffer.rest(), buffer.bytes.len()), (&b"de;"[..], 3));
        assert_eq!(buffer.find(|byte| byte == b';'), Some(2));
        assert_eq!(buffer.take(9), b"de;");
        assert_eq!(buffer.rest(), b"");
    }
}
