//! Base64 with one spelling for each byte string.
//!
//! The library's decoder also takes several padded pieces one after the other, so that a root hash,
//! a key or a signature had more than one text; Go's, which other verifiers are made of, does not.

use data_encoding::BASE64;

/// The bytes of a text; `None` unless it is exactly what [`encode`] makes of them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok().filter(|bytes| encode(bytes) == text)
}

/// The text of bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_text() {
        assert_eq!(decode("YWI=").unwrap(), b"ab");
        for other in ["YW==Yg==", "YWI", "YWJ=", "YWI=\n", "YW-_"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }
}
