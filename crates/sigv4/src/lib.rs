//! One request, signed as AWS and whoever speaks like it want it (Signature Version 4).
//!
//! *In scope:* which headers a request needs besides its own.
//! *Out of scope:* where the keys come from, what is sent where.
//!
//! *Absences:* nothing of ours, no I/O, no clock: time is an argument. No error text holds a key.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sha2::{Digest as _, Sha256};

/// Whose signature it is.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The id of the key.
    pub access_key: &'a str,
    /// The key.
    pub secret_key: &'a str,
    /// What belongs to a key that was lent.
    pub session_token: Option<&'a str>,
}

/// For which service a signature is good.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Its region, such as `eu-central-1`.
    pub region: &'a str,
    /// Its name in signatures, such as `s3`.
    pub service: &'a str,
}

/// What is signed: all that will be sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a Method,
    /// The whole address.
    pub uri: &'a Uri,
    /// The headers; `Host` follows from the address.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// A request that cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct SignError(&'static str);

/// The headers that make `unsigned` a request of `keys` at `now`, which is seconds since the Unix epoch;
/// what the request has of them goes.
///
/// Errors: the request has a header that is not text, or an address without a host.
pub fn sign(
    unsigned: Unsigned<'_>,
    keys: Keys<'_>,
    scope: Scope<'_>,
    now: u64,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    if unsigned.uri.authority().is_none() {
        return Err(SignError("its address has no host"));
    }
    let token = keys.session_token.map(ToOwned::to_owned);
    let keys = Credentials::new(keys.access_key, keys.secret_key, token, None, "remit").into();
    let params = v4::SigningParams::builder()
        .identity(&keys)
        .region(scope.region)
        .name(scope.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(now))
        .settings(settings(scope.service))
        .build();
    let params = SigningParams::from(params.map_err(|_| SignError("a parameter is missing"))?);
    let uri = unsigned.uri.to_string();
    let headers: Option<Vec<_>> = unsigned
        .headers
        .iter()
        .filter(|(name, _)| !is_ours(name))
        .map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let headers = headers.ok_or(SignError("a header is not text"))?;
    // Of a body the library is told its digest alone, since it can be made to log the rest.
    let body = SignableBody::Precomputed(HEXLOWER.encode(&Sha256::digest(unsigned.body)));
    let request = SignableRequest::new(unsigned.method.as_str(), uri, headers.into_iter(), body);
    let request = request.map_err(|_| SignError("its address is none"))?;
    let signed = sign_request(request, &params).map_err(|_| SignError("the library refuses it"))?;
    let (instructions, _) = signed.into_parts();
    let (headers, _) = instructions.into_parts();
    headers
        .into_iter()
        .map(|header| {
            let mut value = HeaderValue::from_str(header.value())
                .map_err(|_| SignError("a key is not text"))?;
            value.set_sensitive(header.sensitive());
            Ok((HeaderName::from_static(header.name()), value))
        })
        .collect()
}

/// Whether a signature brings this header itself.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "authorization" | "x-amz-date" | "x-amz-security-token" | "x-amz-content-sha256"
    )
}

/// S3 takes paths as they are and wants the digest of the body; all others want neither.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    let (encoding, normalization, checksum) = if service == "s3" {
        let disabled = UriPathNormalizationMode::Disabled;
        (PercentEncodingMode::Single, disabled, PayloadChecksumKind::XAmzSha256)
    } else {
        let enabled = UriPathNormalizationMode::Enabled;
        (PercentEncodingMode::Double, enabled, PayloadChecksumKind::NoHeader)
    };
    settings.percent_encoding_mode = encoding;
    settings.uri_path_normalization_mode = normalization;
    settings.payload_checksum_kind = checksum;
    settings
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(
        uri: &str,
        headers: &[(&'static str, &'static str)],
        keys: Keys<'_>,
        (service, now): (&str, u64),
    ) -> Result<HeaderMap, SignError> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let uri = uri.parse().unwrap();
        let unsigned = Unsigned { method: &Method::GET, uri: &uri, headers: &headers, body: b"" };
        let scope = Scope { region: "us-east-1", service };
        Ok(sign(unsigned, keys, scope, now)?.into_iter().collect())
    }

    /// `get-vanilla` of the signature's own test suite.
    #[test]
    fn a_request_is_signed_as_the_test_suite_shows() {
        let keys = Keys {
            access_key: "AKIDEXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session_token: None,
        };
        let at = ("service", 1_440_938_160);
        let stale = [("authorization", "AWS4-HMAC-SHA256 old"), ("x-amz-date", "20010101T000000Z")];
        for headers in [&[][..], &stale] {
            let signed = signed("https://example.amazonaws.com/", headers, keys, at).unwrap();
            assert_eq!(signed["x-amz-date"], "20150830T123600Z");
            assert_eq!(
                signed["authorization"],
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, \
                 Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            );
        }
    }

    /// "Example: GET object" of the S3 reference.
    #[test]
    fn s3_wants_the_digest_of_the_body() {
        let keys = Keys {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session_token: None,
        };
        let at = ("s3", 1_369_353_600);
        let range = [("range", "bytes=0-9")];
        let signed =
            signed("https://examplebucket.s3.amazonaws.com/test.txt", &range, keys, at).unwrap();
        assert_eq!(
            signed["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn a_lent_key_brings_its_token_and_nothing_shows_it() {
        let keys = Keys { access_key: "a", secret_key: "canary", session_token: Some("token") };
        let signed = signed("https://h/", &[], keys, ("s3", 0)).unwrap();
        assert_eq!(signed["x-amz-security-token"], "token");
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
        assert!(signed["authorization"].to_str().unwrap().contains(names));
        assert!(!format!("{keys:?} {signed:?}").contains("canary"));
        assert!(signed["x-amz-security-token"].is_sensitive());
    }

    #[test]
    fn what_cannot_be_signed_says_so() {
        let keys = Keys { access_key: "a", secret_key: "b", session_token: None };
        assert!(signed("/path", &[], keys, ("s3", 0)).is_err());
        let token = Keys { session_token: Some("a\nb"), ..keys };
        assert!(signed("https://h/", &[], token, ("s3", 0)).is_err());
    }
}
