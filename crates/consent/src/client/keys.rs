//! The keys by which a client that a document introduces proves to be it (RFC 7591 section 2).

use std::sync::Arc;

use remit_jose::{KeySet, MAX_KEYS};
use remit_model::Value;

use super::document::{json, split};

/// How a client proves at the token endpoint to be it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proves {
    /// Not at all: it is a public client.
    Nothing,
    /// By one of these keys, which stand in its document.
    By(Arc<KeySet>),
    /// By one of those at this address, on the document's own host.
    ByThoseAt(String),
}

impl Proves {
    /// Reads what `document`, which was found at `url`, says of it.
    ///
    /// Errors: it is nothing that is accepted here; in words.
    pub(super) fn read(url: &str, document: &Value) -> Result<Self, String> {
        let member = |name| document.member(name).and_then(Value::as_text);
        match member("token_endpoint_auth_method") {
            None | Some("none") => return Ok(Self::Nothing),
            Some("private_key_jwt") => {}
            Some(_) => {
                return Err(
                    "its `token_endpoint_auth_method` is neither `none` nor `private_key_jwt`, \
                    the only ones accepted of clients that a document introduces"
                        .to_owned(),
                );
            }
        }
        match (document.member("jwks"), document.member("jwks_uri").map(Value::as_text)) {
            (Some(set), None) => Ok(Self::By(keys(set)?)),
            // So nothing is fetched but from hosts that somebody named in the configuration.
            (None, Some(address)) => address
                .filter(|address| host(address).is_some() && host(address) == host(url))
                .map(|address| Self::ByThoseAt(address.to_owned()))
                .ok_or_else(|| "its `jwks_uri` is no https address on its own host".to_owned()),
            _ => {
                Err("it says `private_key_jwt` and has not one of `jwks` and `jwks_uri`".to_owned())
            }
        }
    }
}

/// The host of an address, and its port if it names one.
fn host(url: &str) -> Option<&str> {
    split(url).map(|(host, _)| host)
}

/// Reads the set that was found at a `jwks_uri`.
///
/// Errors: it holds no keys that could be used, or says too much; in words.
pub(super) fn fetched(bytes: &[u8]) -> Result<Arc<KeySet>, String> {
    keys(&json("its keys are", bytes)?)
}

fn keys(set: &Value) -> Result<Arc<KeySet>, String> {
    let set = KeySet::published(set, &["", "sig"]).map_err(|why| format!("of its keys, {why}"))?;
    let count = set.thumbprints().len();
    if !(1..=MAX_KEYS).contains(&count) {
        return Err(format!("it has {count} keys that could be used; 1 to {MAX_KEYS} are read"));
    }
    Ok(Arc::new(set))
}
