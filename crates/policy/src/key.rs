//! What a question is known by: a text that is made of parts and tells them apart.
//!
//! Whatever has a length stands behind it and whatever has a kind behind that, so no two sequences of
//! parts have one text.

/// How long a text may be whose answer is kept, in bytes (R13). A question of the pack `contained` has
/// some 700; what is longer holds arguments of its own that hardly come again.
pub(crate) const MAX_KEY: usize = 4 * 1024;

/// How much is set aside for a text at first, in bytes.
const USUAL: usize = 1024;

/// A text that grows by parts, up to [`MAX_KEY`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    bytes: Vec<u8>,
    /// Whether some part is missing, so that the text says nothing.
    unfit: bool,
}

impl Key {
    /// One of usual length.
    pub(crate) fn usual() -> Self {
        Self { bytes: Vec::with_capacity(USUAL), unfit: false }
    }

    /// One that nothing is known by.
    pub(crate) fn unfit() -> Self {
        Self { bytes: Vec::new(), unfit: true }
    }

    /// The text; `None` if it would be too long.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        (!self.unfit).then_some(&*self.bytes)
    }

    /// A byte that tells what follows from everything else that could.
    pub(crate) fn kind(&mut self, kind: u8) {
        self.add(&[kind]);
    }

    /// A number.
    pub(crate) fn number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    /// How many of something follow: seven bits a byte, the last of them below 128.
    pub(crate) fn length(&mut self, length: usize) {
        let mut left = length;
        while left > 0x7f {
            let [low, ..] = left.to_le_bytes();
            self.kind(low | 0x80);
            left >>= 7;
        }
        let [low, ..] = left.to_le_bytes();
        self.kind(low);
    }

    /// A text, behind its length.
    pub(crate) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.add(text.as_bytes());
    }

    /// All parts of another.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.unfit |= other.unfit;
        self.add(&other.bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.unfit || bytes.len() > MAX_KEY.saturating_sub(self.bytes.len()) {
            self.unfit = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_length_begins_another() {
        let lengths = (0..3000).chain([usize::MAX - 1, usize::MAX]);
        let texts: BTreeSet<Vec<u8>> = lengths
            .map(|length| {
                let mut key = Key::default();
                key.length(length);
                key.bytes().unwrap().to_vec()
            })
            .collect();
        assert_eq!(texts.len(), 3002);
        let next = texts.iter().zip(texts.iter().skip(1));
        assert!(next.into_iter().all(|(one, next)| !next.starts_with(one)));
    }

    #[test]
    fn what_is_too_long_is_no_text_whatever_follows() {
        let mut key = Key::default();
        key.text(&"x".repeat(MAX_KEY - 2));
        assert_eq!(key.bytes().map(<[u8]>::len), Some(MAX_KEY));
        let mut longer = Key::usual();
        longer.text(&"x".repeat(MAX_KEY - 1));
        longer.kind(1);
        assert_eq!(longer.bytes(), None);
        assert!(longer.bytes.len() <= MAX_KEY);
        let mut of_it = Key::default();
        of_it.extend(&longer);
        assert!(of_it.bytes().is_none() && Key::unfit().bytes().is_none());
    }
}
