//! Sessions of a role at AWS (`AssumeRole`), whose policy is cut from the remit.
//!
//! A session may do what its role may **and** its own policy says: the actions and resources of the
//! tools that the remit covers, until the lease ends. AWS makes no session shorter than 15 minutes,
//! hence the condition on time in the policy.
//!
//! *What the server cannot do:* take one session back. AWS can refuse all sessions of a role that began
//! before a moment (a policy on `aws:TokenIssueTime`), which would end those of everybody else with it.
//! What is lent stays good until its end, and counts as exposure until then.

pub(crate) mod answer;
mod policy;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use remit_fetch::{Address, Answer, Way, in_time};
use remit_model::{Clock, CredentialName, SecretName, Timestamp};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Secrets, Wanted,
};
use remit_sigv4::{Keys, Scope, Unsigned, sign};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::escape::escaped;
use crate::kind::rebase;
use crate::known::Nothing;
use crate::{Clause, Doors, Kind, Lender, granted};
pub use policy::{Permission, PermissionError};

/// The version of the protocol, the only one there is.
const VERSION: &str = "2011-06-15";
/// The shortest and the longest session that there is.
const SHORTEST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(12);

/// What the configuration says of one role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret with the key that may assume the role, `ID:KEY`.
    pub key: SecretName,
    /// The role, as `arn:aws:iam::123456789012:role/name`.
    pub role: String,
    /// The region whose service is asked, and which tool servers are told.
    pub region: String,
    /// Where the service is, if not at AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Certificates to trust instead of this machine's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What the role's trust policy wants to be told besides.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether the session is tagged with its task and agent (`remit:task`, `remit:agent`), for which the
    /// role's trust policy has to allow `sts:TagSession`.
    #[serde(default)]
    pub tags: bool,
    /// What the remit's tools come with.
    pub allow: Vec<Clause<Permission>>,
}

impl Kind for Settings {
    fn rebase(&mut self, base: &Path) {
        rebase(&mut self.ca_file, base);
    }

    fn open(&self, _: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let (secrets, clock) = (Arc::clone(&doors.secrets), Arc::clone(&doors.clock));
        Sts::new(self.clone(), secrets, clock).map(Lender::from)
    }
}

/// Lends sessions of one role: fields `access_key`, `secret_key`, `session_token` and `region`.
pub struct Sts {
    settings: Settings,
    endpoint: Address,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    way: OnceCell<Way>,
    nothing: Nothing,
}

/// The headers, and the body over which they stand.
type Signed = (HeaderMap, Bytes);

impl Sts {
    /// Lends sessions as `settings` say.
    ///
    /// Errors: a name or an address that is none, or a clause that allows nothing.
    pub fn new(
        settings: Settings,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let Settings { role, region, endpoint, allow, .. } = &settings;
        if !role.starts_with("arn:") || !role.contains(":role/") || !is_plain(role) {
            return Err(format!(
                "expected a `role` as `arn:aws:iam::ACCOUNT:role/NAME`, got `{role}`"
            ));
        }
        if region.is_empty() || !region.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
            return Err(format!("expected a `region` as `eu-central-1`, got `{region}`"));
        }
        if allow.iter().any(|clause| clause.what.is_empty()) {
            return Err("expected `actions` and `resources` in each `allow`".to_owned());
        }
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.parse(),
            None => format!("https://sts.{region}.amazonaws.com/").parse(),
        };
        let endpoint = endpoint.map_err(|why: remit_fetch::AddressError| why.to_string())?;
        let nothing = Nothing::default();
        Ok(Self { settings, endpoint, secrets, clock, way: OnceCell::new(), nothing })
    }

    fn permissions<'a>(&'a self, holder: &'a Holder) -> Result<Vec<&'a Permission>, IssuerError> {
        let permissions: Vec<_> = granted(&self.settings.allow, holder).collect();
        if permissions.is_empty() && holder.task.is_some() {
            return Err(IssuerError::Refused(
                "no `allow` of this credential names a tool that the task's remit covers"
                    .to_owned(),
            ));
        }
        Ok(permissions)
    }

    async fn session(&self, wanted: Wanted) -> Result<Issued, IssuerError> {
        let nothing = |_: &_| self.nothing.put(&wanted.lease, ((), wanted.until), wanted.now);
        let request = self.assume(&wanted).inspect_err(nothing)?;
        // What becomes of a request that nobody answers is not known.
        let answer = self.send(request).await?;
        self.accepted(&answer).inspect_err(nothing)?;
        let session = answer::session(&answer.body)?;
        let material = Material::default()
            .with("access_key", session.access_key)
            .with("region", self.settings.region.as_str())
            .with_secret("secret_key", session.secret_key)
            .with_secret("session_token", session.token);
        // What its policy says ends before the session does.
        Ok(Issued { material, until: wanted.until, handle: None })
    }

    /// The request for a session.
    fn assume(&self, wanted: &Wanted) -> Result<Signed, IssuerError> {
        let holder = &wanted.holder;
        let policy = policy::document(&self.permissions(holder)?, holder, wanted.until)?;
        let length = wanted.until.since(wanted.now).clamp(SHORTEST, LONGEST).as_secs().to_string();
        let (lease, task) = (wanted.lease.as_str(), holder.task.as_ref());
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("RoleArn", &self.settings.role),
            ("RoleSessionName", lease),
            ("DurationSeconds", &length),
            ("Policy", &policy),
        ];
        form.extend(task.map(|task| ("SourceIdentity", task.as_str())));
        form.extend(self.settings.external_id.as_deref().map(|id| ("ExternalId", id)));
        if let (true, Some(task), Some(agent)) = (self.settings.tags, task, &holder.agent) {
            form.extend([
                ("Tags.member.1.Key", "remit:task"),
                ("Tags.member.1.Value", task.as_str()),
                ("Tags.member.2.Key", "remit:agent"),
                ("Tags.member.2.Value", agent.as_str()),
            ]);
        }
        self.signed(form, wanted.now)
    }

    fn signed(&self, mut form: Vec<(&str, &str)>, now: Timestamp) -> Result<Signed, IssuerError> {
        let refused = |why: String| IssuerError::Refused(why);
        let secret =
            self.secrets.read(&self.settings.key).map_err(|why| refused(why.to_string()))?;
        let keys = secret.reveal().split_once(':').ok_or_else(|| {
            let name = &self.settings.key;
            refused(format!("expected `ID:KEY` in the secret `{name}`, got something else"))
        });
        let (access_key, secret_key) = keys?;
        form.push(("Version", VERSION));
        // As the makers' own programs write forms; whoever verifies the signature may write it again.
        let pairs = form.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
        let body = Bytes::from(pairs.collect::<Vec<_>>().join("&"));
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/xml")),
        ]);
        let keys = Keys { access_key, secret_key, session_token: None };
        let scope = Scope { region: &self.settings.region, service: "sts" };
        let (method, uri) = (&Method::POST, self.endpoint.uri());
        let unsigned = Unsigned { method, uri, headers: &headers, body: &body };
        let signature = sign(unsigned, keys, scope, now.as_secs());
        headers.extend(signature.map_err(|why| refused(why.to_string()))?);
        Ok((headers, body))
    }

    /// Has a request answered.
    async fn send(&self, (headers, body): Signed) -> Result<Answer, IssuerError> {
        let sent = in_time(async {
            let open = || Way::open(self.settings.ca_file.clone(), self.endpoint.is_tls());
            self.way.get_or_try_init(open).await?.post_as(&self.endpoint, headers, body).await
        });
        sent.await.map_err(IssuerError::Unavailable)
    }

    /// That the service did what it was asked.
    fn accepted(&self, answer: &Answer) -> Result<(), IssuerError> {
        if answer.status.is_success() {
            return Ok(());
        }
        let code = answer::code(&answer.body);
        let said = format!("{} answered with {} ({code})", self.endpoint, answer.status);
        let passes = answer.status.is_server_error() || answer.status.as_u16() == 429;
        if passes || code.starts_with("Throttling") {
            return Err(IssuerError::Unavailable(said));
        }
        let remedy = match code.as_str() {
            "AccessDenied" => {
                "; the key needs sts:AssumeRole and sts:SetSourceIdentity, and the role has to trust it \
                 with both"
            }
            "InvalidClientTokenId" | "SignatureDoesNotMatch" => "; see `remit secret rotate`",
            _ => "",
        };
        Err(IssuerError::Refused(format!("{said}{remedy}")))
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

impl Issuer for Sts {
    fn kind(&self) -> &'static str {
        "sts"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["access_key", "secret_key", "session_token", "region"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        Ok(policy::words(&self.permissions(holder)?, holder))
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(self.session(wanted))
    }

    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(std::future::ready(Ok(self.nothing.revoked(&lent.lease))))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(async move {
            let who = vec![("Action", "GetCallerIdentity")];
            let answer = self.send(self.signed(who, self.clock.now())?).await?;
            self.accepted(&answer)
        })
    }
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts").field("role", &self.settings.role).finish_non_exhaustive()
    }
}
