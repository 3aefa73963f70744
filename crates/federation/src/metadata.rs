//! The metadata of an issuer (OpenID Connect Discovery section 4.3, RFC 8414 section 3.3).

use remit_model::Value;

use crate::Address;

/// Where the keys of `issuer` are, by its metadata.
///
/// Errors: in words, why this is not its metadata, or names no address that may be asked.
pub fn key_address(metadata: &str, issuer: &Address) -> Result<Address, String> {
    let metadata =
        Value::parse(metadata).map_err(|why| format!("its metadata cannot be read: {why}"))?;
    let text = |name| metadata.member(name).and_then(Value::as_text);
    // Character by character: whoever differs is somebody else.
    if text("issuer") != Some(issuer.as_str()) {
        return Err("its metadata names another `issuer`: it is somebody else's".to_owned());
    }
    let keys = text("jwks_uri").ok_or("its metadata names no `jwks_uri`")?;
    let keys: Address = keys.parse().map_err(|why| format!("its `jwks_uri`: {why}"))?;
    if issuer.is_tls() && !keys.is_tls() {
        return Err("its `jwks_uri` is not https, as it is itself".to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_believed_of_the_very_issuer_alone() {
        let issuer: Address = "https://a.example/t".parse().unwrap();
        let good = r#"{"issuer":"https://a.example/t","jwks_uri":"https://keys.example/k","x":1}"#;
        assert_eq!(key_address(good, &issuer).unwrap().as_str(), "https://keys.example/k");
        for (from, to, why) in [
            ("a.example/t", "a.example/t/", "another `issuer`"),
            ("a.example/t", "A.example/t", "another `issuer`"),
            ("a.example/t", "b.example/t", "another `issuer`"),
            (r#""issuer""#, r#""iss""#, "another `issuer`"),
            (r#""jwks_uri""#, r#""jwks""#, "no `jwks_uri`"),
            ("https://keys", "http://keys", "expected an address"),
            ("https://keys.example", "http://127.0.0.1", "is not https"),
            ("https://keys.example/k", "http://169.254.169.254/", "expected an address"),
            (r#""x":1"#, r#""issuer":"https://a.example/t""#, "cannot be read"),
            ("{", "[", "cannot be read"),
        ] {
            let error = key_address(&good.replacen(from, to, 1), &issuer).unwrap_err();
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
