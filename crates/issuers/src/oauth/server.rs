//! One authorization server: where its endpoints are, and asking there as the client that Remit is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_fetch::{Address, AddressError, Way, in_time};
use remit_model::{Secret, Timestamp};
use remit_ports::IssuerError;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::Doors;
use super::answer::{self, NoToken, Token};
use super::client::{Client, Proof};
use super::metadata::{Metadata, issuer_of};
use super::settings::ServerSettings;

/// After how long metadata is asked for again.
const REFRESH: Duration = Duration::from_hours(1);

/// An authorization server.
pub(super) struct Server {
    place: Place,
    pub(super) client: Client,
    /// What everybody asks for there.
    pub(super) scopes: Vec<String>,
    ca_file: Option<PathBuf>,
    way: OnceCell<Way>,
    known: Mutex<Option<(Timestamp, Arc<Metadata>)>>,
    doors: Arc<Doors>,
}

/// Where its endpoints are said.
enum Place {
    /// By the configuration.
    Given(Arc<Metadata>),
    /// By its metadata.
    Issuer(Address),
    /// By the metadata of whoever the resource names.
    Resource(Address),
}

impl Place {
    fn of(settings: &ServerSettings, resource: Option<&str>) -> Result<Self, String> {
        let address = |name: &str, text: &str| {
            text.parse::<Address>().map_err(|why: AddressError| format!("`{name}`: {why}"))
        };
        let given = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| address(name, text)).transpose()
        };
        let token = given("token_endpoint", &settings.token_endpoint)?;
        match (given("issuer", &settings.issuer)?, token, resource) {
            (Some(issuer), Some(token), _) => Ok(Self::Given(Arc::new(Metadata {
                issuer: issuer.as_str().to_owned(),
                token,
                authorization: given("authorization_endpoint", &settings.authorization_endpoint)?,
                revocation: given("revocation_endpoint", &settings.revocation_endpoint)?,
                names_itself: false,
                challenges: true,
            }))),
            (Some(issuer), None, _) => Ok(Self::Issuer(issuer)),
            (None, None, Some(resource)) => Ok(Self::Resource(address("resource", resource)?)),
            _ => Err("`issuer` is missing: what the authorization server calls itself".to_owned()),
        }
    }

    fn is_tls(&self) -> bool {
        match self {
            Self::Given(metadata) => metadata.token.is_tls(),
            Self::Issuer(address) | Self::Resource(address) => address.is_tls(),
        }
    }
}

impl Server {
    /// The server of these settings; the one that `resource` names, if they name none.
    ///
    /// Errors: in words, what they lack.
    pub(super) fn new(
        settings: ServerSettings,
        resource: Option<&str>,
        doors: Arc<Doors>,
    ) -> Result<Self, String> {
        let (place, client) = (Place::of(&settings, resource)?, Client::new(&settings)?);
        if matches!(place, Place::Resource(_)) && client.shows_secret() {
            return Err(
                "a client secret is shown to nobody but an `issuer` that the configuration names: \
                        name it, or use `private_key_jwt`"
                    .to_owned(),
            );
        }
        let (way, known) = (OnceCell::new(), Mutex::default());
        let scopes = settings.scopes.into_iter().collect();
        Ok(Self { place, client, scopes, ca_file: settings.ca_file, way, known, doors })
    }

    async fn way(&self) -> Result<&Way, String> {
        self.way.get_or_try_init(|| Way::open(self.ca_file.clone(), self.place.is_tls())).await
    }

    /// Where its endpoints are.
    ///
    /// Errors: it does not answer, or not as itself.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, IssuerError> {
        if let Place::Given(metadata) = &self.place {
            return Ok(Arc::clone(metadata));
        }
        let now = self.doors.clock.now();
        let fresh = self.known().clone().filter(|(since, _)| now.since(*since) < REFRESH);
        if let Some((_, metadata)) = fresh {
            return Ok(metadata);
        }
        let found = in_time(self.discover()).await.map_err(IssuerError::Unavailable)?;
        let found = Arc::new(found);
        *self.known() = Some((now, Arc::clone(&found)));
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Arc<Metadata>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn discover(&self) -> Result<Metadata, String> {
        let way = self.way().await?;
        let issuer = match &self.place {
            Place::Resource(resource) => {
                let at: Address = parsed(&resource.well_known("oauth-protected-resource"))?;
                issuer_of(&way.get(&at, None).await?, resource)?
            }
            Place::Issuer(issuer) => issuer.clone(),
            Place::Given(metadata) => return Ok(Metadata::clone(metadata)),
        };
        let mut failed = Vec::new();
        // RFC 8414 first: this is no matter of people's identities.
        for at in issuer.of_metadata().iter().rev() {
            match way.get(&parsed(at)?, None).await {
                Ok(text) => return Metadata::read(&text, &issuer),
                Err(why) => failed.push(why),
            }
        }
        Err(failed.join("; "))
    }

    /// Asks the token endpoint.
    ///
    /// Errors: it gave no token.
    pub(super) async fn token(
        &self,
        metadata: &Metadata,
        form: &[(&str, &str)],
    ) -> Result<Token, NoToken> {
        let answer = self.post(metadata, &metadata.token, form).await.map_err(NoToken::Else)?;
        answer::read(&answer)
    }

    /// Takes a token back (RFC 7009).
    ///
    /// Errors: it is not known to be taken back.
    pub(super) async fn revoke(
        &self,
        metadata: &Metadata,
        at: &Address,
        token: &Secret,
    ) -> Result<(), IssuerError> {
        let form = [("token", token.reveal()), ("token_type_hint", "access_token")];
        let answer = self.post(metadata, at, &form).await?;
        // Section 2.2: also where the token is not known.
        if answer.status.is_success() { Ok(()) } else { Err(answer::failed(&answer).into()) }
    }

    async fn post(
        &self,
        metadata: &Metadata,
        at: &Address,
        form: &[(&str, &str)],
    ) -> Result<remit_fetch::Answer, IssuerError> {
        let Proof { header, fields } = self.client.prove(&self.doors, &metadata.issuer)?;
        let fields =
            fields.iter().map(|(name, value): &(_, Zeroizing<String>)| (*name, value.as_str()));
        let form: Vec<_> = form.iter().copied().chain(fields).collect();
        let asked = async { self.way().await?.post(at, header.as_ref(), &form).await };
        in_time(asked).await.map_err(IssuerError::Unavailable)
    }
}

fn parsed(text: &str) -> Result<Address, String> {
    text.parse().map_err(|why: AddressError| why.to_string())
}
