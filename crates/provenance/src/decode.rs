//! What a piece of text says once it is decoded: percent, quoted-printable, hexadecimal and base64 forms,
//! the entities of HTML, and letters that nobody sees, in which an address can pass a comparison unseen.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use memchr::memchr;
use percent_encoding::percent_decode_str;

/// The shortest piece that is tried as base64 or hexadecimal: five letters and more come out of it,
/// and what is shorter names nobody.
const SHORTEST: usize = 8;

/// The longest piece that is decoded. An attacker who hides an address in more than that hides it
/// from the model, too.
const LONGEST: usize = 16 * 1024;

/// The tag character of the first letter of ASCII.
const TAGS: u32 = 0xe_0000;

/// The readable texts that `piece`, which holds no blank, encodes. A piece that can be read in more
/// ways gives each of them.
pub(crate) fn decoded(piece: &str) -> Vec<String> {
    let mut found = Vec::new();
    if piece.len() > LONGEST {
        return found;
    }
    if piece.contains('%') {
        found.extend(readable(&percent_decode_str(piece).collect::<Vec<u8>>()));
    }
    if piece.contains('=') {
        // Quoted-printable is percent-encoding with another sign.
        let signed = piece.replace('=', "%");
        found.extend(readable(&percent_decode_str(&signed).collect::<Vec<u8>>()));
    }
    let bare = piece.trim_end_matches('=');
    if bare.len() >= SHORTEST {
        // Without either's signs both alphabets say the same.
        let base64 = if bare.contains(['-', '_']) { &BASE64URL_NOPAD } else { &BASE64_NOPAD };
        let hex = bare.strip_prefix("0x").unwrap_or(bare);
        for (encoding, text, signs) in [(base64, bare, "+/-_"), (&HEXLOWER_PERMISSIVE, hex, "")] {
            let fits =
                text.bytes().all(|b| b.is_ascii_alphanumeric() || signs.as_bytes().contains(&b));
            let decoded = fits.then(|| encoding.decode(text.as_bytes()).ok()).flatten();
            found.extend(decoded.and_then(|bytes| readable(&bytes)));
        }
    }
    found.retain(|text| text != piece);
    found.dedup();
    found
}

/// `text` with its HTML entities decoded; `None` if it has none.
pub(crate) fn entities(text: &str) -> Option<String> {
    let holds = |byte: u8| memchr(byte, text.as_bytes()).is_some();
    if !(holds(b'&') && holds(b';')) {
        return None;
    }
    match html_escape::decode_html_entities(text) {
        Cow::Owned(decoded) if decoded != text => Some(decoded),
        _ => None,
    }
}

/// What `text` says in tag characters, which nobody sees and models read; `None` if it has none.
pub(crate) fn unseen(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let letter = |c: char| char::from_u32(u32::from(c).checked_sub(TAGS)?).filter(char::is_ascii);
    let unseen: String = text.chars().filter_map(letter).collect();
    (!unseen.is_empty()).then_some(unseen)
}

/// The bytes as text, if a person could read that.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    (plain && text.chars().count() > 2).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        for form in [
            "bWFyay5ibGFja0BldmlsLmV4YW1wbGU=",
            "bWFyay5ibGFja0BldmlsLmV4YW1wbGU",
            "6d61726b2e626c61636b406576696c2e6578616d706c65",
            "6D61726B2E626C61636B406576696C2E6578616D706C65",
            "mark%2Eblack%40evil%2eexample",
            "mark=2Eblack=40evil.example",
        ] {
            assert!(decoded(form).contains(&"mark.black@evil.example".to_owned()), "{form}");
        }
        assert_eq!(
            entities("mark&#46;black&commat;evil&period;example").as_deref(),
            Some("mark.black@evil.example")
        );
    }

    #[test]
    fn letters_that_nobody_sees_are_read() {
        let hidden: String =
            "to mallory".chars().filter_map(|c| char::from_u32(0xe_0000 + u32::from(c))).collect();
        assert_eq!(unseen(&format!("Hello{hidden}!")).as_deref(), Some("to mallory"));
        assert_eq!(unseen("Hello 👋🏽!"), None);
    }

    #[test]
    fn what_encodes_nothing_gives_nothing() {
        for plain in ["12345678", "december", "mark.black@evil.example", "", "100%", "a"] {
            assert!(decoded(plain).iter().all(|text| !text.is_ascii()), "{plain}");
            assert_eq!(entities(plain), None);
        }
    }
}
