//! What every request of a client has: parameters, and what makes it believed.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Request};
use remit_engine::client::{Client, Credential, Signed};
use remit_engine::elsewhere::Behalf;
use remit_engine::{Engine, Peer};
use remit_spiffe::Authority;
use remit_token::Proof;

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

    /// The id of a client that has nothing to prove it with (RFC 6749 section 2.1: a public one), and
    /// the key that it holds, if it shows one. What it brings besides must say enough.
    ///
    /// Errors: it names none, brings a secret, or its proof is not believed, which is counted.
    pub(crate) fn public(&self, desk: &Desk, path: &str) -> Result<(&str, Option<Proof>), Failure> {
        let keyless = ["client_secret", "client_assertion"].map(|name| self.form.get(name));
        if self.headers.contains_key(AUTHORIZATION) || keyless.iter().any(Option::is_some) {
            let why = "expected a public client, which sends its `client_id` and no credential";
            return Err(Failure::new("invalid_client", why).status(http::StatusCode::UNAUTHORIZED));
        }
        let id = self.form.need("client_id")?;
        let holder = holder(desk, path, &self.headers).inspect_err(|why| count(desk, why))?;
        Ok((id, holder))
    }

    /// Believes the client that sent it to `path` below the issuer.
    ///
    /// Errors: the client is not believed, which is counted.
    pub(crate) async fn client(&self, desk: &Desk, path: &str) -> Result<Client, Failure> {
        let authority = Arc::clone(&desk.authority.borrow());
        let believed = match self.credential(desk, &authority) {
            Ok(credential) => self.believed(desk, path, credential).await,
            Err(why) => Err(why),
        };
        believed.inspect_err(|why| count(desk, why))
    }

    /// Believes the workload that `assertion` is about, at `path` below the issuer.
    ///
    /// Errors: it is not believed, which is counted.
    pub(crate) async fn workload(
        &self,
        desk: &Desk,
        path: &str,
        assertion: &str,
    ) -> Result<Client, Failure> {
        let authority = Arc::clone(&desk.authority.borrow());
        let credential = Credential::Workload(assertion, &authority);
        let believed = self.believed(desk, path, credential).await;
        // What was to be the grant was not good (RFC 7523 section 3.1).
        let believed = believed.map_err(Failure::about_the_grant);
        believed.inspect_err(|why| count(desk, why))
    }

    /// Believes `assertion` about the person on whose behalf `client` acts.
    ///
    /// Errors: it is not believed, which is counted.
    pub(crate) async fn person(
        &self,
        desk: &Desk,
        client: &Client,
        assertion: &str,
    ) -> Result<Behalf, Failure> {
        let believed = desk.engine.on_behalf(client, assertion).await;
        let believed = believed.map_err(|why| Failure::from(why).about_the_grant());
        believed.inspect_err(|why| count(desk, why))
    }

    /// Whether it says in any way which client it is from.
    pub(crate) fn names_a_client(&self) -> bool {
        let named = ["client_assertion", "client_assertion_type", "client_secret"];
        self.headers.contains_key(AUTHORIZATION)
            || named.iter().any(|name| self.form.get(name).is_some())
    }

    /// The same request for `resource` and for `details`, where somebody else has said what it is for.
    ///
    /// Errors: it says itself, too, what it is for.
    pub(crate) fn narrowed(
        &self,
        resource: Option<String>,
        details: Option<String>,
    ) -> Result<Self, Failure> {
        let mut form = self.form.clone();
        if let Some(resource) = resource {
            form.set("resource", resource);
        }
        if let Some(details) = details {
            if form.get("authorization_details").is_some_and(|own| own != details) {
                return Err(Failure::new(
                    "invalid_authorization_details",
                    "the ID-JAG says itself what it is for: leave `authorization_details` out",
                ));
            }
            form.set("authorization_details", details);
        }
        Ok(Self { form, headers: self.headers.clone(), peer: self.peer.clone() })
    }

    fn credential<'a>(
        &'a self,
        desk: &Desk,
        authority: &'a Authority,
    ) -> Result<Credential<'a>, Failure> {
        let unknown =
            |why: &str| Failure::new("invalid_client", why).status(http::StatusCode::UNAUTHORIZED);
        if self.headers.contains_key(AUTHORIZATION) || self.form.get("client_secret").is_some() {
            return Err(unknown(
                "expected a client assertion (private_key_jwt, spiffe_jwt) or certificate (spiffe_x509), \
                 got a secret",
            ));
        }
        let assertion = self.form.get("client_assertion");
        let assertion =
            || assertion.ok_or_else(|| unknown("the parameter `client_assertion` is missing"));
        match self.form.get("client_assertion_type") {
            Some(ASSERTION) => Ok(Credential::Assertion(assertion()?)),
            Some(SVID) => Ok(Credential::Svid(assertion()?, authority)),
            // RFC 8705 section 2: who is known by its certificate says who it is.
            None if desk.certificates
                && assertion().is_err()
                && self.form.get("client_id").is_some() =>
            {
                Ok(Credential::Certificate)
            }
            _ => Err(unknown(
                "expected `client_assertion_type` jwt-bearer or jwt-spiffe: sign an assertion with \
                 the agent's registered key (private_key_jwt), show its JWT-SVID (spiffe_jwt), or connect \
                 with its X.509-SVID and name it as `client_id` (spiffe_x509)",
            )),
        }
    }

    async fn believed(
        &self,
        desk: &Desk,
        path: &str,
        credential: Credential<'_>,
    ) -> Result<Client, Failure> {
        let proof = proof(&self.headers)?;
        let url = format!("{}{path}", desk.engine.realm().issuer());
        let certificate = desk.engine.certificate(self.peer.as_deref());
        let certificate = certificate.as_ref().map_err(|why| *why);
        let client_id = self.form.get("client_id");
        let signed = Signed { client_id, credential, proof, certificate, url: &url };
        Ok(desk.engine.client(&signed).await?)
    }
}

fn holder(desk: &Desk, path: &str, headers: &HeaderMap) -> Result<Option<Proof>, Failure> {
    let Some(proof) = proof(headers)? else { return Ok(None) };
    let url = format!("{}{path}", desk.engine.realm().issuer());
    Ok(Some(desk.engine.prove(proof, &url)?))
}

fn count(desk: &Desk, why: &Failure) {
    if why.is_about_the_client() {
        desk.engine.counters.unauthenticated.add();
    }
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
