//! Where in a request or a process what is lent goes.
//!
//! An issuer gives named fields; a person configured in which header, query parameter, variable, file or
//! descriptor of which text they stand. So an agent never holds them, and no issuer knows a wire.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE64;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remit_model::{CredentialName, LeaseId, Secret};
use remit_ports::{Lease, Material, Veil};
use remit_sigv4::{Keys, Scope, Unsigned, sign};
use zeroize::Zeroizing;

use crate::config::{BadServer, free_header};
use crate::http::Pool;

/// What happens with the fields of one credential.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which.
    pub credential: CredentialName,
    /// Where each text goes.
    pub places: Vec<(Place, Template)>,
    /// Signs each request with it, as AWS wants it.
    pub signs: Option<Signs>,
    /// Shows its certificate on the connections that requests go through: the fields `certificate` and
    /// `key`, PEM.
    pub mutual_tls: bool,
}

impl Delivery {
    /// The fields of its credential that it needs.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let signing = self.signs.iter().flat_map(|_| SIGNING);
        let shown = self.mutual_tls.then_some(SHOWN).into_iter().flatten();
        self.places.iter().flat_map(|(_, text)| text.fields()).chain(signing).chain(shown)
    }
}

/// For which service requests are signed (AWS Signature Version 4) with the fields `access_key`,
/// `secret_key` and `session_token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Its region, such as `eu-central-1`.
    pub region: String,
    /// Its name in signatures, such as `execute-api`.
    pub service: String,
}

/// The fields that sign.
const SIGNING: [&str; 2] = ["access_key", "secret_key"];
/// The fields that a connection is opened with.
pub(crate) const SHOWN: [&str; 2] = ["certificate", "key"];

/// Where a text goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header of each request to an HTTP server.
    Header(HeaderName),
    /// A query parameter of its address.
    Query(String),
    /// A variable of a process.
    Variable(String),
    /// A file that only a process's user can read, whose path stands in this variable.
    File(String),
    /// An open descriptor of a process, whose number stands in this variable.
    Descriptor(String),
}

/// A text with fields, like `Bearer {value}` or `Basic {base64:value}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
    Base64(String),
}

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a text with fields like `Bearer {{value}}` or `Basic {{base64:value}}`, got `{0}`"
)]
pub struct BadTemplate(String);

/// What one request or process is given. Nothing of it can be printed.
#[derive(Default)]
pub(crate) struct Equipment {
    headers: HeaderMap,
    signature: Option<Signature>,
    /// Whose certificate is shown.
    pub(crate) shown: Option<Arc<Lease>>,
    /// The connections on which it is; none: those of the endpoint, on which nothing is.
    pub(crate) way: Option<Arc<Pool>>,
    pub(crate) query: Vec<(String, Secret)>,
    pub(crate) variables: BTreeMap<String, Secret>,
    pub(crate) files: BTreeMap<String, Secret>,
    pub(crate) descriptors: BTreeMap<String, Secret>,
    /// What it was made of.
    pub(crate) leases: Vec<LeaseId>,
    /// What may not come back.
    pub(crate) veil: Veil,
}

/// What signs requests.
struct Signature {
    signs: Signs,
    access_key: Secret,
    secret_key: Secret,
    session_token: Option<Secret>,
}

impl Place {
    /// A header that is not the protocol's own.
    ///
    /// Errors: no name of a header, or one that Remit sets itself.
    pub fn header(name: &str) -> Result<Self, BadServer> {
        free_header(name).map(Self::Header)
    }

    /// Whether it is given to a process when that starts.
    pub fn is_of_process(&self) -> bool {
        matches!(self, Self::Variable(_) | Self::File(_) | Self::Descriptor(_))
    }
}

impl FromStr for Template {
    type Err = BadTemplate;
    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let bad = || BadTemplate(text.to_owned());
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}').ok_or_else(bad)?;
            if before.contains('}') {
                return Err(bad());
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(match field.strip_prefix("base64:") {
                Some(field) => Part::Base64(field.to_owned()),
                None => Part::Field(field.to_owned()),
            });
            rest = after;
        }
        if rest.contains('}') || parts.is_empty() {
            return Err(bad());
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

impl Template {
    /// The fields that it needs.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field(field) | Part::Base64(field) => Some(field.as_str()),
        })
    }

    fn filled(&self, material: &Material) -> Result<Secret, String> {
        let get = |field: &str| {
            material.get(field).ok_or_else(|| format!("what was issued has no `{field}`"))
        };
        let mut text = Zeroizing::new(String::new());
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(field) => text.push_str(get(field)?),
                Part::Base64(field) => {
                    text.push_str(&Zeroizing::new(BASE64.encode(get(field)?.as_bytes())));
                }
            }
        }
        Ok(Secret::new(text))
    }
}

impl Equipment {
    /// What `leases` are to a server that wants them delivered so.
    ///
    /// Errors: a field is missing, or does not fit where it should go; the text holds no secret.
    pub(crate) fn of(deliveries: &[Delivery], leases: &[Arc<Lease>]) -> Result<Self, String> {
        let mut equipment = Self::default();
        for lease in leases {
            let why = |why: String| format!("credential `{}`: {why}", lease.credential);
            equipment.leases.push(lease.id.clone());
            equipment.veil.join(&lease.veil);
            for delivery in deliveries.iter().filter(|it| it.credential == lease.credential) {
                for (place, template) in &delivery.places {
                    let text = template.filled(&lease.material).map_err(why)?;
                    equipment.put(place, text).map_err(why)?;
                }
                if let Some(signs) = &delivery.signs {
                    let signature = Signature::of(signs, &lease.material).map_err(why)?;
                    equipment.signature = Some(signature);
                }
                if delivery.mutual_tls {
                    equipment.shown = Some(Arc::clone(lease));
                }
            }
        }
        Ok(equipment)
    }

    /// The headers that are lent for a request to `server`, of which the `head` is as it will be sent
    /// otherwise, at `now`, in seconds since the Unix epoch.
    ///
    /// Errors: it cannot be signed.
    pub(crate) fn headers(
        &self,
        server: &Uri,
        head: &Parts,
        body: &str,
        now: u64,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(signature) = &self.signature {
            let mut parts = server.clone().into_parts();
            parts.path_and_query = head.uri.path_and_query().cloned();
            let uri = Uri::from_parts(parts).map_err(|why| why.to_string())?;
            let mut all = head.headers.clone();
            all.extend(headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
            let unsigned =
                Unsigned { method: &head.method, uri: &uri, headers: &all, body: body.as_bytes() };
            headers.extend(signature.sign(unsigned, now)?);
        }
        Ok(headers)
    }

    fn put(&mut self, place: &Place, text: Secret) -> Result<(), String> {
        match place {
            Place::Header(name) => {
                let bad = || format!("what was issued cannot stand in the header `{name}`");
                let mut value = HeaderValue::from_str(text.reveal()).map_err(|_| bad())?;
                value.set_sensitive(true);
                self.headers.insert(name.clone(), value);
            }
            Place::Query(name) => self.query.push((name.clone(), text)),
            Place::Variable(name) if text.reveal().contains('\0') => {
                return Err(format!("what was issued cannot stand in the variable `{name}`"));
            }
            Place::Variable(name) => {
                self.variables.insert(name.clone(), text);
            }
            Place::File(name) => {
                self.files.insert(name.clone(), text);
            }
            Place::Descriptor(name) => {
                self.descriptors.insert(name.clone(), text);
            }
        }
        Ok(())
    }

    /// The path and query of a request, with what belongs into the query.
    pub(crate) fn target(&self, target: &str) -> String {
        let mut target = target.to_owned();
        for (name, value) in &self.query {
            target.push(if target.contains('?') { '&' } else { '?' });
            let pair = form_urlencoded::Serializer::new(String::new())
                .append_pair(name, value.reveal())
                .finish();
            target.push_str(&pair);
        }
        target
    }
}

impl Signature {
    fn of(signs: &Signs, material: &Material) -> Result<Self, String> {
        let get = |field: &str| material.get(field).map(|text| Secret::new(text.to_owned()));
        let need =
            |field: &str| get(field).ok_or_else(|| format!("what was issued has no `{field}`"));
        Ok(Self {
            signs: signs.clone(),
            access_key: need("access_key")?,
            secret_key: need("secret_key")?,
            session_token: get("session_token"),
        })
    }

    fn sign(
        &self,
        unsigned: Unsigned<'_>,
        now: u64,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let keys = Keys {
            access_key: self.access_key.reveal(),
            secret_key: self.secret_key.reveal(),
            session_token: self.session_token.as_ref().map(Secret::reveal),
        };
        let scope = Scope { region: &self.signs.region, service: &self.signs.service };
        sign(unsigned, keys, scope, now).map_err(|why| why.to_string())
    }
}

impl fmt::Debug for Equipment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Equipment").field(&self.leases).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_model::Timestamp;

    fn lease(value: &str) -> Arc<Lease> {
        let secret = Secret::new(value.to_owned());
        let veil = Veil::over([&secret]);
        Arc::new(Lease {
            id: "lse_00000000000000000000000000".parse().unwrap(),
            credential: "key".parse().unwrap(),
            server: "s".parse().unwrap(),
            task: None,
            until: Timestamp(1),
            material: Material::default().with("user", "ann").with_secret("value", secret),
            veil,
            good: Arc::new(true.into()),
        })
    }

    fn equipment(place: Place, template: &str, value: &str) -> Result<Equipment, String> {
        let places = vec![(place, template.parse().unwrap())];
        let credential = "key".parse().unwrap();
        let delivery = Delivery { credential, places, signs: None, mutual_tls: false };
        Equipment::of(&[delivery], &[lease(value)])
    }

    #[test]
    fn fields_stand_where_they_were_configured() {
        let header = Place::header("Authorization").unwrap();
        let bearer = equipment(header.clone(), "Bearer {value}", "s3cret-value").unwrap();
        assert_eq!(bearer.headers["authorization"], "Bearer s3cret-value");
        let basic = equipment(header, "Basic {base64:value}", "ann:s3cret-value").unwrap();
        assert_eq!(basic.headers["authorization"], "Basic YW5uOnMzY3JldC12YWx1ZQ==");
        let query = equipment(Place::Query("key".into()), "{value}", "a&b=c d").unwrap();
        assert_eq!(query.target("/mcp"), "/mcp?key=a%26b%3Dc+d");
        assert_eq!(query.target("/mcp?v=1"), "/mcp?v=1&key=a%26b%3Dc+d");
        let variable = equipment(Place::Variable("URL".into()), "db://{user}:{value}@h", "s3cret");
        assert_eq!(variable.unwrap().variables["URL"].reveal(), "db://ann:s3cret@h");
    }

    #[test]
    fn what_would_smuggle_is_refused_without_being_shown() {
        for bad in ["s3cret\r\nHost: evil", "s3cret\n", "s3cret\0"] {
            let header = Place::header("x-key").unwrap();
            let why = equipment(header, "{value}", bad).unwrap_err();
            assert!(why.contains("x-key") && !why.contains("s3cret"), "{why}");
        }
        let why = equipment(Place::Variable("K".into()), "{value}", "s3cret\0").unwrap_err();
        assert!(!why.contains("s3cret"), "{why}");
        for ours in ["Mcp-Session-Id", "Host", "content-length", "a b"] {
            assert!(Place::header(ours).is_err(), "{ours}");
        }
    }

    #[test]
    fn templates_are_checked_and_say_what_they_need() {
        for bad in ["", "no field", "{open", "close}", "a}b{c}", "{a}}"] {
            assert!(bad.parse::<Template>().is_err(), "{bad}");
        }
        let template: Template = "{user}:{base64:value}".parse().unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["user", "value"]);
        let missing = equipment(Place::Query("q".into()), "{token}", "x").unwrap_err();
        assert!(missing.contains("`token`"), "{missing}");
    }

    #[test]
    fn equipment_is_not_printed() {
        let shown = equipment(Place::Query("q".into()), "{value}", "s3cret-value").unwrap();
        assert_eq!(format!("{shown:?}"), "Equipment([lse_00000000000000000000000000])");
    }
}
