//! The documents by which clients find the token service and learn what it does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use remit_engine::Engine;
use remit_model::ServerName;
use remit_token::elsewhere::{Issuer, Speaks};
use serde_json::json;

use crate::details::TYPE;
use crate::failure::{Failure, document};
use crate::{AUTHORIZE, Desk, INTROSPECT, JWKS, REVOKE, TOKEN, grants};

/// The algorithms of assertions and proofs.
const ALGORITHMS: [&str; 2] = ["ES256", "EdDSA"];

/// `GET /.well-known/oauth-authorization-server` (RFC 8414). No endpoint registers clients: a person
/// does, or their own document introduces them.
///
/// Endpoints have no aliases for mutual TLS (RFC 8705 section 5): a certificate is asked for and need not
/// be shown, so that one address serves all.
pub(crate) async fn issuer(State(desk): State<Desk>) -> Response {
    let issuer = desk.engine.realm().issuer();
    let at = |path: &str| format!("{issuer}{path}");
    let mut methods = vec!["private_key_jwt", "spiffe_jwt"];
    if desk.certificates {
        methods.extend(["spiffe_x509", "tls_client_auth"]);
    }
    // Public clients of the browser, and those for whom others vouch, prove nothing themselves.
    let at_token = [&["none"][..], &methods].concat();
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
            "authorization_grant_profiles_supported": profiles(&desk.engine),
            "token_endpoint_auth_methods_supported": at_token,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "tls_client_certificate_bound_access_tokens": desk.certificates,
            "authorization_details_types_supported": [TYPE],
        }),
    )
}

/// What is taken as a grant besides, where somebody is trusted to give that out.
fn profiles(engine: &Engine) -> Vec<&'static str> {
    let settings = engine.settings();
    let people = |issuer: &Issuer| issuer.vouches_for.contains(&Speaks::People);
    settings.elsewhere.issuers.iter().any(people).then_some(grants::ID_JAG).into_iter().collect()
}

/// `GET /.well-known/oauth-protected-resource[/mcp]` (RFC 9728).
pub(crate) async fn resource(State(desk): State<Desk>) -> Response {
    about(&desk, None)
}

/// `GET /.well-known/oauth-protected-resource/mcp/{server}`: the same about one server's endpoint.
pub(crate) async fn server(State(desk): State<Desk>, Path(server): Path<String>) -> Response {
    let server = server.parse::<ServerName>().ok();
    let known = |server: &ServerName| desk.engine.settings().servers.contains_key(server);
    server.filter(known).map_or_else(
        || {
            let why = "no server of this name is configured";
            Failure::request(why).status(StatusCode::NOT_FOUND).into_response()
        },
        |server| about(&desk, Some(&server)),
    )
}

fn about(desk: &Desk, server: Option<&ServerName>) -> Response {
    let realm = desk.engine.realm();
    let only_dpop = !desk.engine.settings().bearer && !desk.certificates;
    document(
        StatusCode::OK,
        &json!({
            "resource": realm.resource(server),
            "authorization_servers": [realm.issuer()],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "dpop_bound_access_tokens_required": only_dpop,
            "tls_client_certificate_bound_access_tokens": desk.certificates,
            "authorization_details_types_supported": [TYPE],
            "resource_name": "Remit",
        }),
    )
}

/// `GET /oauth/jwks`: the public keys of grants (RFC 7517).
pub(crate) async fn keys(State(engine): State<Arc<Engine>>) -> Response {
    document(StatusCode::OK, &engine.jwks())
}
