//! Who issues, for whom, and under which trust domain.

use std::borrow::Cow;

use remit_model::{AgentName, ServerName, TaskId};

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

    /// The part of the resource that is `server`'s own endpoint, or all of it.
    pub fn resource(&self, server: Option<&ServerName>) -> Cow<'_, str> {
        match server {
            None => Cow::Borrowed(&self.audience),
            Some(server) => Cow::Owned(format!("{}/{server}", self.audience)),
        }
    }

    /// The inverse of [`Self::resource`]; `None` if `resource` is neither of that form.
    pub fn part(&self, resource: &str) -> Option<Option<ServerName>> {
        match resource.strip_prefix(&self.audience)? {
            "" => Some(None),
            rest => rest.strip_prefix('/')?.parse().ok().map(Some),
        }
    }

    /// Whether a token for `server` (or for all of them) is for the resource at `url`.
    pub(crate) fn is_for(&self, server: Option<&ServerName>, url: &str) -> bool {
        match server {
            Some(_) => url == self.resource(server),
            None => url
                .strip_prefix(&self.audience)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
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
    fn a_resource_is_all_of_it_or_the_endpoint_of_one_server() {
        let realm = Realm::new("https://h", "https://h/mcp", "remit.local").unwrap();
        let mail: ServerName = "mail".parse().unwrap();
        for part in [None, Some(mail.clone())] {
            assert_eq!(realm.part(&realm.resource(part.as_ref())), Some(part));
        }
        for other in ["https://h", "https://h/mcp/", "https://h/mcpx", "https://h/mcp/a/b", ""] {
            assert_eq!(realm.part(other), None, "{other}");
        }
        assert!(realm.is_for(None, "https://h/mcp") && realm.is_for(None, "https://h/mcp/mail"));
        assert!(realm.is_for(Some(&mail), "https://h/mcp/mail"));
        for other in ["https://h/mcp", "https://h/mcp/git", "https://evil/mcp/mail"] {
            assert!(!realm.is_for(Some(&mail), other), "{other}");
        }
        assert!(!realm.is_for(None, "https://h/mcpx") && !realm.is_for(None, "https://evil/mcp"));
    }

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
