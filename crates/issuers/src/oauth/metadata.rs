//! What an authorization server and a resource say of themselves. Pure.

use remit_fetch::Address;
use remit_model::Value;

/// An authorization server, as far as it is needed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// What it calls itself.
    pub(super) issuer: String,
    /// Where tokens are.
    pub(crate) token: Address,
    /// Where people sign in.
    pub(crate) authorization: Option<Address>,
    /// Where tokens are taken back.
    pub(crate) revocation: Option<Address>,
    /// Whether its answers to a browser name it (RFC 9207).
    pub(super) names_itself: bool,
    /// Whether it looks at code challenges (RFC 7636).
    pub(super) challenges: bool,
}

impl Metadata {
    /// Reads the metadata of `issuer` (RFC 8414 section 3.2).
    ///
    /// Errors: in words, why it is not, or names an address that may not be asked.
    pub(crate) fn read(text: &str, issuer: &Address) -> Result<Self, String> {
        let metadata = parsed(text)?;
        // Character by character (RFC 8414 section 3.3): whoever differs is somebody else.
        if member(&metadata, "issuer") != Some(issuer.as_str()) {
            return Err("its metadata names another `issuer`: it is somebody else's".to_owned());
        }
        let address = |name: &str| {
            let text = member(&metadata, name);
            let address = text.map(|text| inside(text, issuer)).transpose();
            address.map_err(|why| format!("its `{name}`: {why}"))
        };
        let token = address("token_endpoint")?.ok_or("its metadata names no `token_endpoint`")?;
        let flag = |name: &str| metadata.member(name) == Some(&Value::Bool(true));
        let methods = texts(&metadata, "code_challenge_methods_supported");
        Ok(Self {
            issuer: issuer.as_str().to_owned(),
            token,
            authorization: address("authorization_endpoint")?,
            revocation: address("revocation_endpoint")?,
            names_itself: flag("authorization_response_iss_parameter_supported"),
            challenges: methods.contains(&"S256"),
        })
    }
}

/// Who issues tokens for `resource`, by what that says of itself (RFC 9728 section 3.3).
///
/// Errors: in words, why it does not say that.
pub(crate) fn issuer_of(text: &str, resource: &Address) -> Result<Address, String> {
    let metadata = parsed(text)?;
    if member(&metadata, "resource") != Some(resource.as_str()) {
        return Err("its metadata names another `resource`: it is somebody else's".to_owned());
    }
    match texts(&metadata, "authorization_servers").as_slice() {
        [one] => inside(one, resource).map_err(|why| format!("its authorization server: {why}")),
        [] => Err("its metadata names no authorization server: say which one it is with `issuer`"
            .to_owned()),
        _ => Err("its metadata names several authorization servers: say which one it is with \
                  `issuer`"
            .to_owned()),
    }
}

/// An address that `from` names: no less safe on its way.
fn inside(text: &str, from: &Address) -> Result<Address, String> {
    let address: Address =
        text.parse().map_err(|why: remit_fetch::AddressError| why.to_string())?;
    if from.is_tls() && !address.is_tls() {
        return Err(format!("`{address}` is not https, as {from} is"));
    }
    Ok(address)
}

fn parsed(text: &str) -> Result<Value, String> {
    Value::parse(text).map_err(|why| format!("its metadata cannot be read: {why}"))
}

fn member<'a>(metadata: &'a Value, name: &str) -> Option<&'a str> {
    metadata.member(name).and_then(Value::as_text)
}

fn texts<'a>(metadata: &'a Value, name: &str) -> Vec<&'a str> {
    match metadata.member(name) {
        Some(Value::List(items)) => items.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"issuer":"https://as.example/t","token_endpoint":"https://as.example/token",
        "authorization_endpoint":"https://as.example/authorize","code_challenge_methods_supported":["S256"],
        "authorization_response_iss_parameter_supported":true,"x":1}"#;

    #[test]
    fn metadata_is_believed_of_the_very_issuer_and_within_tls() {
        let issuer: Address = "https://as.example/t".parse().unwrap();
        let read = Metadata::read(GOOD, &issuer).unwrap();
        assert_eq!(read.token.as_str(), "https://as.example/token");
        assert!(read.names_itself && read.challenges && read.revocation.is_none());
        for (from, to, why) in [
            ("as.example/t\"", "as.example/t/\"", "another `issuer`"),
            ("as.example/t\"", "evil.example/t\"", "another `issuer`"),
            ("https://as.example/token", "http://127.0.0.1/token", "is not https"),
            ("https://as.example/token", "http://169.254.169.254/", "expected an address"),
            ("https://as.example/authorize", "file:///etc/passwd", "expected an address"),
            ("\"token_endpoint\"", "\"token\"", "no `token_endpoint`"),
            ("\"x\":1", "\"issuer\":\"https://as.example/t\"", "cannot be read"),
        ] {
            let error = Metadata::read(&GOOD.replacen(from, to, 1), &issuer).unwrap_err();
            assert!(error.contains(why), "{to}: {error}");
        }
        let mute = GOOD.replace("true", "\"true\"").replace("S256", "plain");
        let read = Metadata::read(&mute, &issuer).unwrap();
        assert!(!read.names_itself && !read.challenges);
    }

    #[test]
    fn a_resource_names_the_one_who_issues_for_it() {
        let resource: Address = "https://api.example/mcp".parse().unwrap();
        let good = r#"{"resource":"https://api.example/mcp","authorization_servers":["https://as.example"]}"#;
        assert_eq!(issuer_of(good, &resource).unwrap().as_str(), "https://as.example");
        for (from, to, why) in [
            ("/mcp\"", "/mcp/\"", "another `resource`"),
            ("[\"https://as.example\"]", "[]", "no authorization server"),
            ("\"https://as.example\"", "\"https://a\",\"https://b\"", "several"),
            ("https://as", "http://as", "expected an address"),
            ("https://as.example", "http://127.0.0.1", "is not https"),
        ] {
            let error = issuer_of(&good.replacen(from, to, 1), &resource).unwrap_err();
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
