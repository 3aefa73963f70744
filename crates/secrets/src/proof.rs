//! What a secret says of itself: checksums, and headers that can be read.

use serde::Deserialize;

/// How a kind of secret can be told from what only looks like one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proof {
    /// Not at all.
    #[default]
    None,
    /// The last six characters are the CRC-32 of those behind the prefix, in base 62 (GitHub, npm).
    Crc32,
    /// A JSON object stands in its first part, and names an algorithm (RFC 7515).
    Jwt,
}

/// What a proof says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is one.
    Proven,
    /// Nothing.
    Open,
    /// It is none.
    Refuted,
}

impl Proof {
    pub(crate) fn of(self, secret: &[u8]) -> Verdict {
        match self {
            Self::Crc32 if has_crc32(secret) => Verdict::Proven,
            Self::Jwt if !has_header(secret) => Verdict::Refuted,
            // A checksum that is wrong says nothing: not every issuer of such tokens has always made one.
            Self::None | Self::Crc32 | Self::Jwt => Verdict::Open,
        }
    }
}

/// Digits of GitHub's base 62.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM: usize = 6;

fn has_crc32(secret: &[u8]) -> bool {
    let Some(at) = secret.iter().rposition(|byte| *byte == b'_') else { return false };
    let Some((_, token)) = secret.split_at_checked(at + 1) else { return false };
    let Some(random) = token.len().checked_sub(CHECKSUM) else { return false };
    let Some((random, checksum)) = token.split_at_checked(random) else { return false };
    let value = checksum.iter().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(value * 62 + u64::try_from(digit).ok()?)
    });
    !random.is_empty() && value == Some(u64::from(crc32fast::hash(random)))
}

fn has_header(token: &[u8]) -> bool {
    let header = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let Ok(json) = data_encoding::BASE64URL_NOPAD.decode(header) else { return false };
    let Ok(header) = serde_json::from_slice::<serde_json::Value>(&json) else { return false };
    header.get("alg").is_some_and(serde_json::Value::is_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_proves_and_never_refutes() {
        // `ghp_` and thirty characters, with the checksum that belongs to them.
        let random = "q7Zt3VbK9xWm2RdLp8YcJ5hNf4GsTa";
        let mut left = u64::from(crc32fast::hash(random.as_bytes()));
        let mut checksum = [b'0'; 6];
        for digit in checksum.iter_mut().rev() {
            *digit = DIGITS[usize::try_from(left % 62).unwrap()];
            left /= 62;
        }
        let token = format!("ghp_{random}{}", std::str::from_utf8(&checksum).unwrap());
        assert_eq!(Proof::Crc32.of(token.as_bytes()), Verdict::Proven);
        let other = token.replace("q7Z", "q7z");
        assert_eq!(Proof::Crc32.of(other.as_bytes()), Verdict::Open);
        assert_eq!(Proof::Crc32.of(b"ghp_"), Verdict::Open);
        assert_eq!(Proof::Crc32.of(b""), Verdict::Open);
    }

    #[test]
    fn a_token_has_a_header_that_can_be_read() {
        let token = |header: &str| {
            format!(
                "{}.eyJzdWIiOiJ4In0.c2ln",
                data_encoding::BASE64URL_NOPAD.encode(header.as_bytes())
            )
        };
        assert_eq!(Proof::Jwt.of(token(r#"{"alg":"ES256"}"#).as_bytes()), Verdict::Open);
        for header in [r#"{"typ":"JWT"}"#, r#"{"alg":1}"#, "{", "", "[1]"] {
            assert_eq!(Proof::Jwt.of(token(header).as_bytes()), Verdict::Refuted, "{header}");
        }
    }
}
