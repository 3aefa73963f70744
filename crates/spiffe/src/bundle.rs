//! The trust bundle as a document (SPIFFE Trust Domain and Bundle section 4).

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use remit_model::Timestamp;
use serde_json::{Value, json};

use crate::{Authority, Generation};

/// The longest time that the bundle asks its readers to wait (section 4.1.3 advises minutes): a
/// bundle that changed by surprise is known to everybody after it.
const SLOWEST_REFRESH: Duration = Duration::from_mins(5);

/// All keys, with their use.
pub(crate) fn document(authority: &Authority, now: Timestamp) -> String {
    let keys = authority.alive(now).flat_map(|generation| [jwt_key(generation), x509(generation)]);
    let refresh = authority.refresh(now).unwrap_or_default();
    json!({
        "keys": keys.collect::<Vec<_>>(),
        "spiffe_sequence": authority.sequence(now),
        "spiffe_refresh_hint": refresh.clamp(Duration::from_secs(1), SLOWEST_REFRESH).as_secs(),
    })
    .to_string()
}

/// The keys of JWT-SVIDs.
pub(crate) fn jwt_keys(authority: &Authority, now: Timestamp) -> String {
    let keys = authority.alive(now).map(|generation| jwt_key(generation));
    json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
}

fn jwt_key(generation: &Generation) -> Value {
    generation.jwt.jwk("jwt-svid")
}

fn x509(generation: &Generation) -> Value {
    let point = generation.signer.point();
    let coordinate = |at| BASE64URL_NOPAD.encode(point.get(at..at + 32).unwrap_or_default());
    json!({
        "use": "x509-svid", "kty": "EC", "crv": "P-256",
        "x": coordinate(1), "y": coordinate(33),
        "x5c": [BASE64.encode(&generation.certificate)],
    })
}
