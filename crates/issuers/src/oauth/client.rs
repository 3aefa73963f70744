//! How Remit proves to be a client of an authorization server.

use std::time::Duration;

use data_encoding::BASE64;
use http::HeaderValue;
use remit_jose::{SigningKey, draw_id};
use remit_model::{Secret, SecretName};
use remit_ports::IssuerError;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use zeroize::Zeroizing;

use super::Doors;
use super::settings::{ClientAuth, ServerSettings};

/// For how long an assertion is good: it is used at once.
const ASSERTION: Duration = Duration::from_mins(1);

/// What an authorization server knows Remit as.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    auth: Auth,
}

#[derive(Clone, Debug)]
enum Auth {
    Basic(SecretName),
    Post(SecretName),
    Key(SecretName),
    None,
}

/// What goes along with a request, once.
#[derive(Default)]
pub(super) struct Proof {
    pub(super) header: Option<HeaderValue>,
    pub(super) fields: Vec<(&'static str, Zeroizing<String>)>,
}

impl Client {
    /// The client of these settings.
    ///
    /// Errors: a secret is missing, or one is there and its use is not said.
    pub(super) fn new(settings: &ServerSettings) -> Result<Self, String> {
        let auth = match (settings.client_auth, settings.client_secret.clone()) {
            (None | Some(ClientAuth::ClientSecretBasic), Some(secret)) => Auth::Basic(secret),
            (Some(ClientAuth::ClientSecretPost), Some(secret)) => Auth::Post(secret),
            (Some(ClientAuth::PrivateKeyJwt), Some(secret)) => Auth::Key(secret),
            (None | Some(ClientAuth::None), None) => Auth::None,
            (Some(ClientAuth::None), Some(_)) => {
                return Err("`client_auth = \"none\"` uses no `client_secret`".to_owned());
            }
            (Some(_), None) => {
                return Err(
                    "`client_auth` needs `client_secret`, a name in sealed storage".to_owned()
                );
            }
        };
        Ok(Self { id: settings.client_id.clone(), auth })
    }

    /// Whether it shows a secret that is as good in the hands of whoever sees it.
    pub(super) fn shows_secret(&self) -> bool {
        matches!(self.auth, Auth::Basic(_) | Auth::Post(_))
    }

    /// Proves to `issuer` who this is.
    ///
    /// Errors: the secret is not there, or is no key.
    pub(super) fn prove(&self, doors: &Doors, issuer: &str) -> Result<Proof, IssuerError> {
        let read = |name: &SecretName| {
            doors.secrets.read(name).map_err(|why| IssuerError::Refused(why.to_string()))
        };
        let id = ("client_id", Zeroizing::new(self.id.clone()));
        match &self.auth {
            Auth::None => Ok(Proof { header: None, fields: vec![id] }),
            Auth::Basic(name) => {
                Ok(Proof { header: Some(basic(&self.id, &read(name)?)?), fields: Vec::new() })
            }
            Auth::Post(name) => {
                let secret = ("client_secret", Zeroizing::new(read(name)?.reveal().to_owned()));
                Ok(Proof { header: None, fields: vec![id, secret] })
            }
            Auth::Key(name) => {
                let said = |why: String| IssuerError::Refused(format!("secret `{name}`: {why}"));
                let assertion = self.assertion(doors, issuer, &read(name)?).map_err(said)?;
                let of = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
                let kind = ("client_assertion_type", Zeroizing::new(of));
                Ok(Proof { header: None, fields: vec![id, kind, ("client_assertion", assertion)] })
            }
        }
    }

    /// An assertion for `issuer` and nobody else (RFC 7523bis: the issuer is its only audience).
    fn assertion(
        &self,
        doors: &Doors,
        issuer: &str,
        key: &Secret,
    ) -> Result<Zeroizing<String>, String> {
        let expected = "expected a P-256 private key in PKCS#8, PEM";
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.reveal().as_bytes());
        let key = key.map(Zeroizing::new).map_err(|_| expected)?;
        let key = SigningKey::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| expected)?;
        let now = doors.clock.now();
        let claims = json!({
            "iss": self.id, "sub": self.id, "aud": issuer, "jti": draw_id(doors.entropy.as_ref()),
            "iat": now.as_secs(), "exp": now.after(ASSERTION).as_secs(),
        });
        key.sign("JWT", &claims).map(Zeroizing::new).map_err(|why| why.to_string())
    }
}

/// RFC 6749 section 2.3.1: each part is escaped as in a form first.
fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, IssuerError> {
    let escaped = |text: &str| {
        Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
    };
    let pair = Zeroizing::new(format!("{}:{}", *escaped(id), *escaped(secret.reveal())));
    let text = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
    let value = HeaderValue::from_str(&text);
    let mut value =
        value.map_err(|_| IssuerError::Refused("a client secret cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
