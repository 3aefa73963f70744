//! The thumbprint of a certificate (RFC 7515 section 4.1.8): how a token names the one that it is
//! bound to (RFC 8705 section 3.1).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;
use remit_model::Digest;

/// The SHA-256 of a certificate in DER. Its text form is base64url, as in `cnf.x5t#S256`. Two are
/// compared in the same time whatever they are.
#[derive(Clone, Copy)]
pub struct CertificateThumbprint([u8; 32]);

impl CertificateThumbprint {
    /// That of the certificate `der`.
    pub fn of(der: &[u8]) -> Self {
        Self(Digest::of(der).0)
    }

    /// Reads its text form; `None` if `text` is none. The decoder refuses padding and stray bits.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl PartialEq for CertificateThumbprint {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for CertificateThumbprint {}

impl fmt::Display for CertificateThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for CertificateThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateThumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_has_one_text() {
        let (one, other) = (CertificateThumbprint::of(b"one"), CertificateThumbprint::of(b"other"));
        let text = one.to_string();
        assert_eq!(CertificateThumbprint::read(&text), Some(one));
        assert_ne!(one, other);
        let mut cut = text.clone();
        cut.pop();
        for bad in ["", "x", &cut, &format!("{text}="), &format!("{cut}B"), &format!("{cut}/")] {
            assert_eq!(CertificateThumbprint::read(bad), None, "{bad}");
        }
    }
}
