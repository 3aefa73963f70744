//! Grants that are bound to a key of their holder, and the token endpoint that gives them out.

mod bound;
mod certified;
mod exchange;
mod holder;
mod lapsed;
mod line;
mod rotated;
mod spire;
mod stolen;
mod svids;
mod tokens;

use serde_json::json;

pub(crate) use self::bound::stand;
use self::holder::hash;
pub(crate) use self::holder::{Holder, now};
pub(crate) use self::tokens::fits_the_schema;
use crate::wire::{Answer, Request, exchange, get};

/// The assertion is signed with a registered key.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Sends a form to `path`, as a client with an assertion of a kind, with a proof if there is one.
pub(crate) async fn post(
    (address, path): (&str, &str),
    (kind, assertion): (&str, &str),
    proof: Option<&str>,
    more: &[(&str, &str)],
) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_assertion_type", kind), ("client_assertion", assertion)])
        .extend_pairs(more)
        .finish();
    let proof = proof.map(|proof| format!("DPoP: {proof}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{proof}\
         Content-Type: application/x-www-form-urlencoded\r\n"
    );
    exchange(address, &head, &form).await
}

/// Reads a note at `endpoint`, with a grant that is bound to `holder`'s key.
pub(crate) async fn call(address: &str, holder: &Holder, token: &str, endpoint: &str) -> Answer {
    let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
    let nonce = json!(get(address, "/mcp").await.header("dpop-nonce"));
    let proof = holder.proof(endpoint, &json!({ "ath": hash(token), "nonce": nonce }));
    Request::new(address, token, "tools/call", params)
        .with("Authorization", Some(&format!("DPoP {token}")))
        .with("DPoP", Some(&proof))
        .send(address)
        .await
}
