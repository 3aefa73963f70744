//! What every request of a client has: parameters, and what makes it believed.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Request};
use remit_engine::client::{Client, Credential, Signed};
use remit_engine::{Engine, Peer};

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
    /// Who is at the other end of the connection, if it showed a certificate.
    peer: Option<Arc<Peer>>,
}

impl Asked {
    /// Reads a request.
    ///
    /// Errors: as [`Form::read`].
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Failure> {
        let headers = request.headers().clone();
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        Ok(Self { form: Form::read(request).await?, headers, peer })
    }

    /// Believes the client that sent it to `path` below the issuer.
    ///
    /// Errors: the client is not believed, which is counted.
    pub(crate) fn client(&self, desk: &Desk, path: &str) -> Result<Client, Failure> {
        client(desk, path, self).inspect_err(|why| {
            if why.is_about_the_client() {
                desk.engine.counters.unauthenticated.add();
            }
        })
    }
}

fn client(desk: &Desk, path: &str, asked: &Asked) -> Result<Client, Failure> {
    let (headers, form) = (&asked.headers, &asked.form);
    let unknown =
        |why: &str| Failure::new("invalid_client", why).status(http::StatusCode::UNAUTHORIZED);
    if headers.contains_key(AUTHORIZATION) || form.get("client_secret").is_some() {
        return Err(unknown(
            "expected a client assertion (private_key_jwt, spiffe_jwt) or certificate (spiffe_x509), \
             got a secret",
        ));
    }
    let assertion = form.get("client_assertion");
    let assertion =
        || assertion.ok_or_else(|| unknown("the parameter `client_assertion` is missing"));
    let authority = Arc::clone(&desk.authority.borrow());
    let credential = match form.get("client_assertion_type") {
        Some(ASSERTION) => Credential::Assertion(assertion()?),
        Some(SVID) => Credential::Svid(assertion()?, &authority),
        // RFC 8705 section 2: who is known by its certificate says who it is.
        None if desk.certificates && assertion().is_err() && form.get("client_id").is_some() => {
            Credential::Certificate
        }
        _ => {
            return Err(unknown(
                "expected `client_assertion_type` jwt-bearer or jwt-spiffe: sign an assertion with \
                 the agent's registered key (private_key_jwt), show its JWT-SVID (spiffe_jwt), or connect \
                 with its X.509-SVID and name it as `client_id` (spiffe_x509)",
            ));
        }
    };
    let mut proofs = headers.get_all(PROOF).iter();
    let proof = match (proofs.next(), proofs.next()) {
        (None, _) => None,
        (Some(proof), None) => Some(proof.to_str().unwrap_or_default()),
        _ => {
            return Err(Failure::new("invalid_dpop_proof", "expected one header `DPoP`, got more"));
        }
    };
    let url = format!("{}{path}", desk.engine.minter().realm().issuer());
    let certificate = desk.engine.certificate(asked.peer.as_deref());
    let client_id = form.get("client_id");
    let signed = Signed { client_id, credential, proof, certificate, url: &url };
    Ok(desk.engine.client(&signed)?)
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
