//! What every request of a client has: parameters, and what makes it believed.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Request};
use remit_engine::Engine;
use remit_engine::client::{Client, Credential, Signed};
use remit_token::Spent;

use crate::Desk;
use crate::failure::{Failure, tell};
use crate::form::Form;

/// A client signed an assertion with its registered key (RFC 7523 section 2.2).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client shows its JWT-SVID (draft-ietf-oauth-spiffe-client-auth).
const SVID: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The header of proofs (RFC 9449 section 4.1).
const PROOF: HeaderName = HeaderName::from_static("dpop");

/// What came: parameters, and the headers beside them.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The parameters.
    pub(crate) form: Form,
    headers: HeaderMap,
}

impl Asked {
    /// Reads a request.
    ///
    /// Errors: as [`Form::read`].
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Failure> {
        let headers = request.headers().clone();
        Ok(Self { form: Form::read(request).await?, headers })
    }

    /// The id of a client that has nothing to prove it with (RFC 6749 section 2.1: a public one), and
    /// the key that it holds, if it shows one. What it brings besides must say enough.
    ///
    /// Errors: it names none, brings a secret, or its proof is not believed, which is counted.
    pub(crate) fn public(&self, desk: &Desk, path: &str) -> Result<(&str, Option<Spent>), Failure> {
        let keyless = ["client_secret", "client_assertion"].map(|name| self.form.get(name));
        if self.headers.contains_key(AUTHORIZATION) || keyless.iter().any(Option::is_some) {
            let why = "expected a public client, which sends its `client_id` and no credential";
            return Err(Failure::new("invalid_client", why).status(http::StatusCode::UNAUTHORIZED));
        }
        let id = self.form.need("client_id")?;
        let holder = holder(desk, path, &self.headers).inspect_err(|why| {
            if why.is_about_the_client() {
                desk.engine.counters.unauthenticated.add();
            }
        })?;
        Ok((id, holder))
    }

    /// Believes the client that sent it to `path` below the issuer.
    ///
    /// Errors: the client is not believed, which is counted.
    pub(crate) fn client(&self, desk: &Desk, path: &str) -> Result<Client, Failure> {
        client(desk, path, (&self.headers, &self.form)).inspect_err(|why| {
            if why.is_about_the_client() {
                desk.engine.counters.unauthenticated.add();
            }
        })
    }
}

fn holder(desk: &Desk, path: &str, headers: &HeaderMap) -> Result<Option<Spent>, Failure> {
    let Some(proof) = proof(headers)? else { return Ok(None) };
    let url = format!("{}{path}", desk.engine.minter().realm().issuer());
    Ok(Some(desk.engine.prove(proof, &url)?))
}

fn client(
    desk: &Desk,
    path: &str,
    (headers, form): (&HeaderMap, &Form),
) -> Result<Client, Failure> {
    let unknown =
        |why: &str| Failure::new("invalid_client", why).status(http::StatusCode::UNAUTHORIZED);
    if headers.contains_key(AUTHORIZATION) || form.get("client_secret").is_some() {
        return Err(unknown(
            "expected a client assertion (private_key_jwt, spiffe_jwt), got a secret",
        ));
    }
    let assertion = form.get("client_assertion");
    let assertion =
        || assertion.ok_or_else(|| unknown("the parameter `client_assertion` is missing"));
    let authority = Arc::clone(&desk.authority.borrow());
    let credential = match form.get("client_assertion_type") {
        Some(ASSERTION) => Credential::Assertion(assertion()?),
        Some(SVID) => Credential::Svid(assertion()?, &authority),
        _ => {
            return Err(unknown(
                "expected `client_assertion_type` jwt-bearer or jwt-spiffe: sign an assertion with \
                 the agent's registered key (private_key_jwt), or show its JWT-SVID (spiffe_jwt)",
            ));
        }
    };
    let proof = proof(headers)?;
    let url = format!("{}{path}", desk.engine.minter().realm().issuer());
    let signed = Signed { client_id: form.get("client_id"), credential, proof, url: &url };
    Ok(desk.engine.client(&signed)?)
}

/// The one proof that came.
fn proof(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut proofs = headers.get_all(PROOF).iter();
    match (proofs.next(), proofs.next()) {
        (None, _) => Ok(None),
        (Some(proof), None) => Ok(Some(proof.to_str().unwrap_or_default())),
        _ => Err(Failure::new("invalid_dpop_proof", "expected one header `DPoP`, got more")),
    }
}

/// The answer, with the nonce for the next proof beside it where the client may lack it.
pub(crate) fn answer(
    engine: &Engine,
    answered: Result<(Response, Option<String>), Failure>,
) -> Response {
    match answered {
        Ok((mut response, nonce)) => {
            if let Some(nonce) = nonce {
                tell(&mut response, &nonce);
            }
            response
        }
        Err(failure) => {
            let mut response = failure.into_response();
            tell(&mut response, &engine.proofs().nonce(engine.now()));
            response
        }
    }
}
