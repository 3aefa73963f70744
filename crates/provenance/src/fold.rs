//! The same word however it is spelt: two foldings, one for each side of a comparison.
//!
//! What makes an answer *safer* (it was given) must be the very value, so [`strict`] folds only what
//! no tool server tells apart: composition and case. What makes it *riskier* (it stands in outside
//! text) must not be escaped by spelling, so [`loose`] folds everything that looks alike to a reader:
//! compatibility forms, invisible characters, case, and the confusables of UTS 39.

use std::borrow::Cow;

use memchr::memchr2;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use unicode_security::confusable_detection::skeleton;

/// `text` without what nobody sees, in compatibility form (NFKC), with one kind of blank: what
/// identifiers and words are looked for in. Idempotent.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_plain(text) {
        return spaced(text);
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(wide) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let behind = rest.bytes().skip(wide).position(|byte| byte.is_ascii());
        let end = behind.map_or(rest.len(), |behind| wide + behind);
        // A mark is composed with the character before it, and nothing with one of ASCII behind it.
        let (before, run) = rest.split_at_checked(wide.saturating_sub(1)).unwrap_or_default();
        let (run, behind) = run.split_at_checked(end - before.len()).unwrap_or_default();
        plain.push_str(&spaced(before));
        plain.extend(compose(run));
        rest = behind;
    }
    plain.push_str(&spaced(rest));
    Cow::Owned(plain)
}

/// `text` with one kind of blank among what is ASCII.
fn spaced(text: &str) -> Cow<'_, str> {
    const ODD: [char; 2] = ['\u{b}', '\u{c}'];
    if memchr2(0xb, 0xc, text.as_bytes()).is_some() {
        Cow::Owned(text.replace(ODD, " "))
    } else {
        Cow::Borrowed(text)
    }
}

fn compose(text: &str) -> impl Iterator<Item = char> {
    let seen = text.chars().filter(|c| !invisible(*c)).nfkc().filter(|c| !invisible(*c));
    seen.map(|c| if blank(c) { ' ' } else { c })
}

/// Whether nothing of it would change.
fn is_plain(text: &str) -> bool {
    let seen = |c: char| c.is_ascii() || !(invisible(c) || blank(c));
    text.chars().all(seen) && is_nfkc_quick(text.chars()) == IsNormalized::Yes
}

/// `text` as it is compared with what people said.
pub(crate) fn strict(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// Calls `read` with each byte of [`loose`] text: the same without a place of its own for each word.
pub(crate) fn loosely(text: &str, read: &mut impl FnMut(u8)) {
    if text.is_ascii() {
        for byte in text.bytes() {
            fold(byte, read);
        }
    } else {
        loose(text).bytes().for_each(read);
    }
}

/// How often a text is folded until nothing changes: a character can look like some that look like
/// others again.
const MAX_ROUNDS: usize = 4;

/// `text` as it is compared with what outsiders wrote: what looks alike is alike. Idempotent.
pub(crate) fn loose(text: &str) -> String {
    let mut folded = once(text);
    for _ in 1..MAX_ROUNDS {
        if folded.is_ascii() {
            break;
        }
        let again = once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

fn once(text: &str) -> String {
    // Room for the letters that pass for two.
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    if text.is_ascii() {
        text.chars().for_each(|c| push(c, &mut out));
        return out;
    }
    // Some capitals have another compatibility form than their small letters.
    let small: String = text.chars().flat_map(char::to_lowercase).collect();
    for c in plain(&small).chars().flat_map(char::to_lowercase) {
        if c.is_ascii() {
            push(c, &mut out);
        } else {
            let mut buffer = [0; 4];
            let alike = skeleton(c.encode_utf8(&mut buffer)).nfkc().flat_map(char::to_lowercase);
            alike.for_each(|c| push(c, &mut out));
        }
    }
    out
}

fn push(c: char, out: &mut String) {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => fold(byte, &mut |byte| out.push(char::from(byte))),
        _ => out.push(c),
    }
}

/// Calls `read` with what an ASCII character passes for.
#[inline]
fn fold(byte: u8, read: &mut impl FnMut(u8)) {
    if passes_for_two(byte) {
        read(b'r');
        read(b'n');
    } else {
        read(alike(byte));
    }
}

/// Whether an ASCII character passes for two others.
pub(crate) const fn passes_for_two(byte: u8) -> bool {
    matches!(byte, b'm' | b'M')
}

/// What an ASCII character passes for, if that is one other.
#[inline]
pub(crate) fn alike(byte: u8) -> u8 {
    ALIKE.get(usize::from(byte)).copied().unwrap_or(byte)
}

/// The ASCII characters by which one they pass for, as UTS 39 has them, and case.
static ALIKE: [u8; 256] = {
    let (mut alike, mut byte) = ([0; 256], 0_u8);
    let mut rest: &mut [u8] = &mut alike;
    while let Some((first, behind)) = rest.split_first_mut() {
        *first = match byte.to_ascii_lowercase() {
            b'1' | b'i' | b'|' => b'l',
            b'0' => b'o',
            b'`' => b'\'',
            other => other,
        };
        rest = behind;
        byte = byte.wrapping_add(1);
    }
    alike
};

/// Whether nobody sees the character, but a model reads it or a comparison stumbles over it.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn blank(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn look_alikes_are_alike_only_where_that_is_the_risk() {
        for (one, other) in [
            ("mark@acme.example", "mark@acrne.example"),
            ("paypal.example", "paypaI.example"),
            ("paypal.example", "раураl.example"),
            ("mark@acme.example", "ｍａｒｋ＠ａｃｍｅ．ｅｘａｍｐｌｅ"),
            ("mark@acme.example", "ma\u{200b}rk@\u{202e}acme.example"),
        ] {
            assert_eq!(loose(one), loose(other), "{other}");
            assert_ne!(strict(one), strict(other), "{other}");
        }
        assert_eq!(strict("Cafe\u{301} Noir"), strict("café NOIR"));
    }

    #[test]
    fn ascii_is_folded_as_the_tables_say() {
        for byte in 0..=127_u8 {
            let c = char::from(byte).to_ascii_lowercase();
            let mut ours = String::new();
            push(char::from(byte), &mut ours);
            let theirs: String = skeleton(&c.to_string()).collect();
            // The tables tell `i` from `l`, but not `I`, and case is gone by then.
            let theirs = if c == 'i' { "l".to_owned() } else { theirs.to_lowercase() };
            // Quotation marks end an identifier and are never compared, and nobody takes `%` for its parts.
            assert!(ours == theirs || c == '"' || c == '%', "{c:?}: {ours:?} {theirs:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn folding_twice_is_folding_once(text in "(\\PC|[\u{b}\u{c}]){0,40}") {
            let once = plain(&text);
            prop_assert_eq!(plain(&once), once.as_ref());
            prop_assert_eq!(strict(&strict(&text)), strict(&text));
            prop_assert_eq!(loose(&loose(&text)), loose(&text));
        }

        #[test]
        fn a_text_is_composed_in_parts_as_in_one(
            text in "([a-e. \u{b}\u{c}]{0,2}[\u{301}\u{327}\u{200b}\u{a0}ａ…éㄱ가\u{11a8}\u{345}]{0,3}){0,8}",
        ) {
            prop_assert_eq!(plain(&text).into_owned(), compose(&text).collect::<String>());
        }

        #[test]
        fn words_are_folded_alike_wherever_they_are_kept(text in "([ -~]{0,70}|\\PC{0,40})") {
            let mut bytes = Vec::new();
            loosely(&text, &mut |byte| bytes.push(byte));
            prop_assert_eq!(bytes, loose(&text).into_bytes());
        }

        #[test]
        fn what_is_strictly_the_same_is_loosely_the_same(text in "\\PC{0,40}") {
            prop_assert_eq!(loose(&strict(&text)), loose(&text));
        }
    }
}
