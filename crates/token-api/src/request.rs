//! What every request of a client has: parameters, and what makes it believed.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Request};
use remit_engine::client::{Client, ClientError, Credential, Owner, Signed};
use remit_engine::consent::Claimant;
use remit_engine::elsewhere::Behalf;
use remit_engine::{Engine, Peer};
use remit_spiffe::Authority;
use remit_token::{Assertion, Proof};

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

    /// The client that comes for what a person allowed it, and the key that it holds, if it shows one. That
    /// comes first: a client that lacks only the nonce asks again, and nothing must be used up by then.
    ///
    /// Errors: it is neither a public client that says who it is nor one that proves it, or its proof is not
    /// believed.
    pub(crate) async fn claimant(
        &self,
        desk: &Desk,
        path: &str,
    ) -> Result<(Claimant, Option<Proof>), Failure> {
        let holder = holder(desk, path, &self.headers)?;
        let claimant = match self.assertion()? {
            None => Claimant::public(self.form.need("client_id")?),
            Some((ASSERTION, assertion)) => self.proved(desk, assertion).await?,
            Some(_) => {
                return Err(Failure::client(
                    "expected the client to sign an assertion with a key of its own (private_key_jwt), or to \
                     be a public one, which sends its `client_id` and no credential",
                ));
            }
        };
        Ok((claimant, holder))
    }

    /// Believes a client to which people allow something, by an assertion that it signed.
    async fn proved(&self, desk: &Desk, assertion: &str) -> Result<Claimant, Failure> {
        let id = Assertion::unverified_client(assertion).ok_or_else(|| {
            Failure::client("expected a signed `client_assertion` whose `iss` is the client's id")
        })?;
        if self.form.get("client_id").is_some_and(|named| named != id) {
            return Err(Failure::client("`client_id` is not whom the assertion names"));
        }
        let keys = desk.clients.keys(&id, desk.engine.now()).await?.ok_or_else(|| {
            Failure::client(
                "expected a public client, for which no keys are registered, to send its `client_id` and no \
                 credential",
            )
        })?;
        desk.engine.claimant(assertion, (&id, &keys)).map_err(|why| ClientError::from(why).into())
    }

    /// Whose grants may be looked at and given back by whoever sent it to `path` below the issuer: an agent's,
    /// or a client's to which people allow something; and the nonce for its next proof.
    ///
    /// Errors: it does not prove to be one of them.
    pub(crate) async fn owner(
        &self,
        desk: &Desk,
        path: &str,
    ) -> Result<(Owner, Option<String>), Failure> {
        if let Some((ASSERTION, assertion)) = self.assertion()?
            && let Some(id) = Assertion::unverified_client(assertion)
            && !desk.engine.knows_by_key(&id)
        {
            let (claimant, _) = self.claimant(desk, path).await?;
            return Ok((Owner::Client(claimant.id().to_owned()), None));
        }
        let Client { agent, nonce, .. } = self.client(desk, path).await?;
        Ok((Owner::Agent(agent), nonce))
    }

    /// Believes the client that sent it to `path` below the issuer.
    ///
    /// Errors: the client is not believed.
    pub(crate) async fn client(&self, desk: &Desk, path: &str) -> Result<Client, Failure> {
        let authority = Arc::clone(&desk.authority.borrow());
        let credential = self.credential(desk, &authority)?;
        self.believed(desk, path, credential).await
    }

    /// Believes the workload that `assertion` is about, at `path` below the issuer.
    ///
    /// Errors: it is not believed.
    pub(crate) async fn workload(
        &self,
        desk: &Desk,
        path: &str,
        assertion: &str,
    ) -> Result<Client, Failure> {
        let authority = Arc::clone(&desk.authority.borrow());
        let credential = Credential::Workload(assertion, &authority);
        // What was to be the grant was not good (RFC 7523 section 3.1).
        self.believed(desk, path, credential).await.map_err(Failure::about_the_grant)
    }

    /// Believes `assertion` about the person on whose behalf `client` acts.
    ///
    /// Errors: it is not believed.
    pub(crate) async fn person(
        &self,
        desk: &Desk,
        client: &Client,
        assertion: &str,
    ) -> Result<Behalf, Failure> {
        let believed = desk.engine.on_behalf(client, assertion).await;
        believed.map_err(|why| Failure::from(why).about_the_grant())
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
        match self.assertion()? {
            Some((ASSERTION, assertion)) => Ok(Credential::Assertion(assertion)),
            Some((SVID, assertion)) => Ok(Credential::Svid(assertion, authority)),
            // RFC 8705 section 2: who is known by its certificate says who it is.
            None if desk.certificates && self.form.get("client_id").is_some() => {
                Ok(Credential::Certificate)
            }
            _ => Err(Failure::client(
                "expected `client_assertion_type` jwt-bearer or jwt-spiffe: sign an assertion with \
                 the agent's registered key (private_key_jwt), show its JWT-SVID (spiffe_jwt), or connect \
                 with its X.509-SVID and name it as `client_id` (spiffe_x509)",
            )),
        }
    }

    /// The assertion that says who the client is, and of which type that is.
    ///
    /// Errors: it says so by a secret, or by half of an assertion.
    fn assertion(&self) -> Result<Option<(&str, &str)>, Failure> {
        if self.headers.contains_key(AUTHORIZATION) || self.form.get("client_secret").is_some() {
            return Err(Failure::client(
                "expected a client assertion (private_key_jwt, spiffe_jwt) or certificate (spiffe_x509), \
                 got a secret",
            ));
        }
        match (self.form.get("client_assertion_type"), self.form.get("client_assertion")) {
            (None, None) => Ok(None),
            (Some(kind), Some(assertion)) => Ok(Some((kind, assertion))),
            (Some(_), None) => Err(Failure::client("the parameter `client_assertion` is missing")),
            (None, Some(_)) => {
                Err(Failure::client("the parameter `client_assertion_type` is missing"))
            }
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

/// The one proof that came.
fn proof(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut proofs = headers.get_all(PROOF).iter();
    match (proofs.next(), proofs.next()) {
        (None, _) => Ok(None),
        (Some(proof), None) => Ok(Some(proof.to_str().unwrap_or_default())),
        _ => Err(Failure::new("invalid_dpop_proof", "expected one header `DPoP`, got more")),
    }
}

/// The answer, with the nonce for the next proof beside it where the client may lack it. Who was not
/// believed is counted.
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
            if failure.is_disbelief() {
                engine.counters.unauthenticated.add();
            }
            let mut response = failure.into_response();
            tell(&mut response, &engine.proofs().nonce(engine.now()));
            response
        }
    }
}
