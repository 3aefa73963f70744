//! A person consents, at the authorization server itself (authorization code with PKCE, RFC 7636).
//!
//! A ticket says for whom and for what. The browser that takes it is the one that must come back, to the
//! place of that credential, with the `state` that it left with and the name of the server that it was
//! sent to (RFC 9207, RFC 9700 section 4.4). Each of them is good once, and anything else ends it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_model::{CredentialName, Digest, Entropy, Named, Secret, Timestamp, Value};
use remit_ports::{
    Begun, BoxFuture, BroughtBack, CALLBACK, CONNECT, ConnectError, Connection, Connections,
    IssuerError, SentOn,
};
use zeroize::Zeroizing;

use super::answer::{Token, known};
use super::consent::Good;
use super::metadata::Metadata;
use super::server::Server;
use super::{Doors, Inner, OAuth};

/// How long a person has, from the ticket to the answer.
const CONSENTS_IN: Duration = Duration::from_mins(10);
/// How many can be under way (R13); the first of them gives way.
const MAX_UNDER_WAY: usize = 64;

/// Connects people's accounts for some credentials.
pub struct Connecting {
    credentials: BTreeMap<CredentialName, OAuth>,
    /// This server's own address, without a path.
    own: String,
    doors: Arc<Doors>,
    under_way: Mutex<BTreeMap<Digest, UnderWay>>,
}

/// A connection, by the digest of the ticket, then of the `state`.
#[derive(Clone)]
struct UnderWay {
    ends: Timestamp,
    of: OAuth,
    connection: Connection,
    metadata: Arc<Metadata>,
    /// What the browser that went must bring back; `None` before it went.
    sent: Option<Sent>,
}

#[derive(Clone)]
struct Sent {
    browser: Digest,
    verifier: Zeroizing<String>,
}

impl Connecting {
    /// For these credentials, at `own`, such as `https://remit.example`.
    pub fn new(credentials: Vec<OAuth>, own: &str, doors: Arc<Doors>) -> Self {
        let named = |of: OAuth| (of.0.name.clone(), of);
        let credentials = credentials.into_iter().map(named).collect();
        Self { credentials, own: own.to_owned(), doors, under_way: Mutex::default() }
    }

    async fn ask(&self, credential: &str, person: Option<Named>) -> Result<Begun, ConnectError> {
        let unknown = || ConnectError::Unknown(credential.to_owned());
        let name: CredentialName = credential.parse().map_err(|_| unknown())?;
        let of = self.credentials.get(&name).ok_or_else(unknown)?;
        let server = of.0.sign_in().ok_or_else(unknown)?;
        let metadata = server.metadata().await?;
        let said = |what: &str| {
            IssuerError::Refused(format!("the metadata of {} {what}", metadata.issuer))
        };
        let page = metadata.authorization.as_ref();
        let page = page.ok_or_else(|| said("names no `authorization_endpoint`"))?;
        if !metadata.challenges {
            return Err(said("does not say that it looks at code challenges (`S256`)").into());
        }
        let scopes = of.0.all_scopes(server);
        let server = page.origin();
        let connection = Connection { credential: name, person, server, scopes };
        let ends = self.doors.clock.now().after(CONSENTS_IN);
        let ticket = drawn(self.doors.entropy.as_ref());
        let asked = UnderWay { ends, of: of.clone(), connection, metadata, sent: None };
        self.put(&ticket, asked);
        Ok(Begun { address: format!("{}{CONNECT}{}", self.own, *ticket), ends })
    }

    fn put(&self, key: &str, it: UnderWay) {
        let mut under_way = self.lock();
        while under_way.len() >= MAX_UNDER_WAY {
            let first = under_way.iter().min_by_key(|(_, it)| it.ends).map(|(of, _)| *of);
            let Some(first) = first else { break };
            under_way.remove(&first);
        }
        under_way.insert(Digest::of(key.as_bytes()), it);
    }

    fn take(&self, key: &str, sent: bool) -> Option<UnderWay> {
        let (key, now) = (Digest::of(key.as_bytes()), self.doors.clock.now());
        let mut under_way = self.lock();
        under_way.retain(|_, it| now < it.ends);
        under_way.get(&key).filter(|it| it.sent.is_some() == sent)?;
        under_way.remove(&key)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, ticket: &str) -> Option<SentOn> {
        let mut it = self.take(ticket, false)?;
        let draw = || drawn(self.doors.entropy.as_ref());
        let (state, browser, verifier) = (draw(), draw(), draw());
        let challenge = BASE64URL_NOPAD.encode(&Digest::of(verifier.as_bytes()).0);
        let (scope, callback) =
            (it.connection.scopes.join(" "), self.callback(&it.connection.credential));
        let fields = [
            ("response_type", "code"),
            ("client_id", it.of.0.sign_in()?.client.id.as_str()),
            ("redirect_uri", &callback),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let scope = Some(("scope", scope.as_str())).filter(|(_, scope)| !scope.is_empty());
        let resource = it.of.0.consented_resource().map(|resource| ("resource", resource));
        let fields = fields.into_iter().chain(scope).chain(resource);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let address = format!("{}?{query}", it.metadata.authorization.as_ref()?);
        it.sent = Some(Sent { browser: Digest::of(browser.as_bytes()), verifier });
        self.put(&state, it);
        Some(SentOn { address, browser: Secret::new(browser) })
    }

    fn callback(&self, credential: &CredentialName) -> String {
        format!("{}{CALLBACK}{credential}", self.own)
    }

    async fn finish(&self, brought: BroughtBack) -> Result<Connection, ConnectError> {
        let it = self.take(&brought.state, true).ok_or(ConnectError::Stale)?;
        let code = checked(&it, &brought)?;
        let server = it.of.0.sign_in().ok_or(ConnectError::Stale)?;
        let verifier = it.sent.as_ref().map(|sent| sent.verifier.as_str()).unwrap_or_default();
        let callback = self.callback(&it.connection.credential);
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &callback),
            ("code_verifier", verifier),
        ];
        form.extend(it.of.0.consented_resource().map(|resource| ("resource", resource)));
        let token = server.token(&it.metadata, &form).await.map_err(IssuerError::from)?;
        is_who_was_to(&it, server, &token)?;
        let none = || {
            IssuerError::Refused(
                "the authorization server gave no refresh token: many give one for the scope \
                 `offline_access`; add it to `scopes`"
                    .to_owned(),
            )
        };
        let refresh = token.refresh.as_ref().ok_or_else(none)?;
        let person = it.connection.person.as_ref();
        let with = Good { issuer: &it.metadata.issuer, client: &server.client.id };
        let _turn = it.of.0.consents.turn(person).await?;
        it.of.0.consents.keep(person, &with, refresh).await?;
        Ok(it.connection)
    }
}

/// The code that came back, if it came back as it had to.
fn checked<'a>(it: &UnderWay, brought: &'a BroughtBack) -> Result<&'a str, ConnectError> {
    let browser = Digest::of(brought.browser.as_bytes());
    let same = it.sent.as_ref().is_some_and(|sent| sent.browser == browser);
    if !same || it.connection.credential.as_str() != brought.credential {
        return Err(ConnectError::Stale);
    }
    match &brought.iss {
        Some(issuer) if *issuer != it.metadata.issuer => return Err(ConnectError::Another),
        None if it.metadata.names_itself => return Err(ConnectError::Another),
        _ => {}
    }
    if let Some(code) = &brought.error {
        return Err(ConnectError::Denied(known(code).unwrap_or("another error")));
    }
    brought.code.as_deref().filter(|code| !code.is_empty()).ok_or(ConnectError::Stale)
}

/// Where the server is the one whose word says who the person is, it must have been that person. The
/// ID token came straight from it (OpenID Connect Core section 3.1.3.7, number 6), so that no signature
/// has to be looked at.
fn is_who_was_to(it: &UnderWay, server: &Server, token: &Token) -> Result<(), ConnectError> {
    let person = it.connection.person.as_ref();
    let Some(person) = person.filter(|person| person.issuer == it.metadata.issuer) else {
        return Ok(());
    };
    let none = || {
        IssuerError::Refused(
            "the authorization server did not say who signed in, which it can: add `openid` to `scopes`"
                .to_owned(),
        )
    };
    let claims =
        token.identity.as_ref().and_then(|token| claims(token.reveal())).ok_or_else(none)?;
    let text = |name: &str| claims.member(name).and_then(Value::as_text);
    let for_us = match claims.member("aud") {
        Some(Value::List(all)) => all.iter().any(|it| it.as_text() == Some(&server.client.id)),
        _ => text("aud") == Some(&server.client.id),
    };
    let is = text("iss") == Some(&person.issuer) && text("sub") == Some(&person.subject);
    if is && for_us { Ok(()) } else { Err(ConnectError::SomebodyElse) }
}

/// The claims of a token whose signature nobody looks at.
fn claims(token: &str) -> Option<Value> {
    let part = token.split('.').nth(1)?;
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    Value::parse(&String::from_utf8(bytes).ok()?).ok()
}

/// 256 random bits, as a `code_verifier` may look.
fn drawn(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice());
    Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()))
}

impl Inner {
    /// What somebody consents to at `server`: whatever any task could ask for there.
    fn all_scopes(&self, server: &Server) -> Vec<String> {
        let mut scopes: std::collections::BTreeSet<_> = server.scopes.iter().collect();
        if std::ptr::eq(server, &raw const self.server) {
            scopes.extend(self.allow.iter().flat_map(|clause| &clause.what.scopes));
        }
        scopes.into_iter().cloned().collect()
    }

    /// The resource that somebody consents to, where the token of that consent is the one that is lent.
    fn consented_resource(&self) -> Option<&str> {
        let own = matches!(self.granting, super::Granting::Consent);
        let resource = self.target.iter().find(|(name, _)| own && *name == "resource");
        resource.map(|(_, value)| value.as_str())
    }
}

impl Connections for Connecting {
    fn begin<'a>(
        &'a self,
        credential: &'a str,
        person: Option<Named>,
    ) -> BoxFuture<'a, Result<Begun, ConnectError>> {
        Box::pin(self.ask(credential, person))
    }

    fn asked(&self, ticket: &str) -> Option<Connection> {
        let now = self.doors.clock.now();
        let under_way = self.lock();
        let it = under_way.get(&Digest::of(ticket.as_bytes()));
        it.filter(|it| it.sent.is_none() && now < it.ends).map(|it| it.connection.clone())
    }

    fn send(&self, ticket: &str) -> Option<SentOn> {
        self.go(ticket)
    }

    fn end(&self, brought: BroughtBack) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        Box::pin(self.finish(brought))
    }
}

impl std::fmt::Debug for Connecting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.credentials.keys().collect();
        f.debug_struct("Connecting").field("credentials", &names).finish_non_exhaustive()
    }
}
