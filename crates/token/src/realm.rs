//! Who issues, for whom, and under which trust domain.

use remit_model::{AgentName, TaskId};

use crate::TokenError;

/// The names that stand in every token of one Remit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    issuer: String,
    audience: String,
    trust_domain: String,
}

impl Realm {
    /// Checks the names: `issuer` (RFC 8414: an `http` or `https` URL without query and fragment),
    /// `audience` (the resource that accepts the tokens, an absolute URI), `trust_domain` (SPIFFE
    /// ID section 2.1: lower-case letters, digits, `.`, `-`, `_`).
    ///
    /// Errors: [`TokenError::Realm`] names the one that is wrong.
    pub fn new(issuer: &str, audience: &str, trust_domain: &str) -> Result<Self, TokenError> {
        let web = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
        let plain = |text: &str| text.len() <= 512 && text.bytes().all(|b| b.is_ascii_graphic());
        if !plain(issuer) || issuer.contains(['?', '#']) || web.is_none_or(str::is_empty) {
            return Err(TokenError::Realm(format!(
                "expected an issuer like `https://host/path` without `?` or `#`, got `{issuer}`"
            )));
        }
        if !plain(audience) || audience.split_once(':').is_none_or(|(scheme, _)| scheme.is_empty())
        {
            return Err(TokenError::Realm(format!(
                "expected an absolute URI as audience, got `{audience}`"
            )));
        }
        let domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if !(1..=255).contains(&trust_domain.len()) || !trust_domain.bytes().all(domain) {
            return Err(TokenError::Realm(format!(
                "expected a trust domain of lower-case letters, digits, `.`, `-` and `_`, got \
                 `{trust_domain}`"
            )));
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            trust_domain: trust_domain.to_owned(),
        })
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The resource that accepts the tokens.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The identity of one run: one agent in one task.
    pub fn subject(&self, agent: &AgentName, task: &TaskId) -> String {
        format!("spiffe://{}/agent/{agent}/task/{task}", self.trust_domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_could_be_read_two_ways() {
        let good = ("http://127.0.0.1:7300", "http://127.0.0.1:7300/mcp", "remit.local");
        assert!(Realm::new(good.0, good.1, good.2).is_ok());
        for issuer in ["", "127.0.0.1", "https://", "https://a?b", "https://a#b", "https://a b"] {
            let error = Realm::new(issuer, good.1, good.2).unwrap_err().to_string();
            assert!(error.contains("issuer") && error.contains(issuer), "{error}");
        }
        for audience in ["", "mcp", ":x", "https://a b"] {
            assert!(Realm::new(good.0, audience, good.2).is_err(), "{audience}");
        }
        for domain in ["", "A", "a/b", "a b", "ü", &"x".repeat(256)] {
            assert!(Realm::new(good.0, good.1, domain).is_err(), "{domain}");
        }
    }
}
