//! The documents by which clients find the token service and learn what it does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use remit_engine::Engine;
use remit_model::ServerName;
use serde_json::json;

use crate::details::TYPE;
use crate::failure::{Failure, document};
use crate::{AUTHORIZE, INTROSPECT, JWKS, REVOKE, TOKEN, grants};

/// The algorithms of assertions and proofs.
const ALGORITHMS: [&str; 2] = ["ES256", "EdDSA"];

/// `GET /.well-known/oauth-authorization-server` (RFC 8414). No endpoint registers clients: a person
/// does, or their own document introduces them.
pub(crate) async fn issuer(State(engine): State<Arc<Engine>>) -> Response {
    let issuer = engine.minter().realm().issuer();
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["private_key_jwt", "spiffe_jwt"];
    let with_public = [&["none"][..], &methods].concat();
    document(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": at(AUTHORIZE),
            "token_endpoint": at(TOKEN),
            "introspection_endpoint": at(INTROSPECT),
            "revocation_endpoint": at(REVOKE),
            "jwks_uri": at(JWKS),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
            "grant_types_supported": grants::TYPES,
            "token_endpoint_auth_methods_supported": with_public,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "authorization_details_types_supported": [TYPE],
        }),
    )
}

/// `GET /.well-known/oauth-protected-resource[/mcp]` (RFC 9728).
pub(crate) async fn resource(State(engine): State<Arc<Engine>>) -> Response {
    about(&engine, None)
}

/// `GET /.well-known/oauth-protected-resource/mcp/{server}`: the same about one server's endpoint.
pub(crate) async fn server(
    State(engine): State<Arc<Engine>>,
    Path(server): Path<String>,
) -> Response {
    let server = server.parse::<ServerName>().ok();
    let known = |server: &ServerName| engine.settings().servers.contains_key(server);
    server.filter(known).map_or_else(
        || {
            let why = "no server of this name is configured";
            Failure::request(why).status(StatusCode::NOT_FOUND).into_response()
        },
        |server| about(&engine, Some(&server)),
    )
}

fn about(engine: &Engine, server: Option<&ServerName>) -> Response {
    let realm = engine.minter().realm();
    document(
        StatusCode::OK,
        &json!({
            "resource": realm.resource(server),
            "authorization_servers": [realm.issuer()],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "dpop_bound_access_tokens_required": !engine.settings().bearer,
            "authorization_details_types_supported": [TYPE],
            "resource_name": "Remit",
        }),
    )
}

/// `GET /oauth/jwks`: the public keys of grants (RFC 7517).
pub(crate) async fn keys(State(engine): State<Arc<Engine>>) -> Response {
    let keys = serde_json::from_str(&engine.minter().jwks()).unwrap_or_default();
    document(StatusCode::OK, &keys)
}
