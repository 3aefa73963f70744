//! Small letters of ASCII, up to eight at once: most of what people write.

use crate::fold::alike;

/// The small letters that eight bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letters {
    /// How many there are.
    pub(crate) count: u32,
    /// What they pass for, the last one last, if they are fewer than eight.
    pub(crate) alike: u64,
    /// Whether one of them passes for two others.
    pub(crate) two: bool,
}

/// A one in each byte.
const EACH: u64 = u64::from_le_bytes([1; 8]);
/// The highest bit of each byte, which no character of ASCII has.
const HIGH: u64 = EACH << 7;

impl Letters {
    /// The letters that `text` begins with.
    #[inline]
    pub(crate) fn of(text: [u8; 8]) -> Self {
        let text = u64::from_le_bytes(text);
        let low = text & !HIGH;
        let from = low + EACH * u64::from(0x80 - b'a');
        let beyond = low + EACH * u64::from(0x7f - b'z');
        let other = (!from | beyond | text) & HIGH;
        let count = other.trailing_zeros() / 8;
        // The first of them in the highest byte, and nothing behind the last.
        let letters = text.swap_bytes().unbounded_shr(64 - 8 * count);
        let is = |letter: u8| !((letters ^ (EACH * u64::from(letter))) + (HIGH - EACH)) & HIGH;
        let changed = (is(b'i') >> 7) * u64::from(b'i' ^ alike(b'i'));
        Self { count, alike: letters ^ changed, two: is(b'm') != 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn eight_at_once_are_as_one_by_one(letters in "[a-zA-Z0-9 .@é]{0,9}[a-z]{0,8}", at in 0_usize..9) {
            let mut text = [0xc3; 8];
            let from = letters.as_bytes().get(at..).unwrap_or_default();
            text.iter_mut().zip(from).for_each(|(byte, letter)| *byte = *letter);
            let small = text.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            let spelt = text[..small].iter().fold(0, |spelt, byte| spelt << 8 | u64::from(alike(*byte)));
            let two = text[..small].contains(&b'm');
            let count = u32::try_from(small).unwrap();
            prop_assert_eq!(Letters::of(text), Letters { count, alike: spelt, two });
        }
    }
}
