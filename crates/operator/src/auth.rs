//! Who is at the socket, and whether that is an operator.
//!
//! The same user id proves nothing: the agent's harness runs under it too. An operator is
//! therefore a session made with the passphrase, which no file holds, or a peer under *another*
//! user id that the configuration names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use remit_engine::Engine;
use remit_engine::approve::Actor;
use remit_model::{Digest, Entropy, Timestamp, Workload};
use tokio::net::UnixStream;

use crate::{Door, Failure, wire};

/// How long an operator's session lasts.
pub const SESSION: Duration = Duration::from_mins(5);
/// How many wrong passphrases of one user id are looked at in each [`FAILURE_WINDOW`].
pub const FAILURES_PER_WINDOW: u32 = 5;
/// See [`FAILURES_PER_WINDOW`].
pub const FAILURE_WINDOW: Duration = Duration::from_secs(30);
const MAX_SESSIONS: usize = 64;

/// Checks an operator's passphrase; slow on purpose.
pub trait Passphrases: Send + Sync {
    /// Whether it is the right one.
    fn verify(&self, passphrase: &str) -> bool;
}

/// The peer of a connection, as the kernel names it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its user id; `None` if the kernel did not say, which proves nothing.
    pub uid: Option<u32>,
    /// The process; `None` if it ended before it was looked at.
    pub process: Option<Arc<remit_attest::Peer>>,
}

impl Peer {
    /// Who connected to `stream`.
    pub fn of(stream: &UnixStream) -> Self {
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        Self { uid, process: remit_attest::Peer::of(stream).ok().map(Arc::new) }
    }

    /// What the process is, as far as an agent of `engine` asks for it.
    ///
    /// Errors: the kernel does not say, or the process has ended.
    pub async fn workload(&self, engine: &Engine) -> Result<Workload, Failure> {
        let unknown = |why: String| Failure::new(StatusCode::UNAUTHORIZED, why);
        let process = self
            .process
            .clone()
            .ok_or_else(|| unknown("the kernel did not say who is calling".to_owned()))?;
        let digest = engine.asks_for_digest(process.uid());
        // Off the event loop: it reads files.
        let attested = tokio::task::spawn_blocking(move || process.workload(digest)).await;
        let attested = attested.map_err(|why| unknown(why.to_string()))?;
        attested.map_err(|why| unknown(why.to_string()))
    }
}

/// Sessions made with the passphrase; only digests of their tokens are kept.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<BTreeMap<Digest, Timestamp>>);

/// Who may act as operator.
pub struct Authority {
    passphrases: Box<dyn Passphrases>,
    entropy: Arc<dyn Entropy>,
    /// User ids that are operators by themselves; never Remit's own.
    uids: RwLock<Vec<u32>>,
    own_uid: u32,
    sessions: Sessions,
    /// By user id, so that nobody locks out another: since when, and how many attempts that are
    /// under way or failed.
    attempts: Mutex<BTreeMap<Option<u32>, (Timestamp, u32)>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("uids", &self.uids).finish_non_exhaustive()
    }
}

impl Authority {
    /// Operators are those who know the passphrase, and peers with one of `uids`. `own_uid`, the
    /// one Remit runs as, is never one of them.
    pub fn new(
        passphrases: Box<dyn Passphrases>,
        entropy: Arc<dyn Entropy>,
        uids: Vec<u32>,
        own_uid: u32,
    ) -> Self {
        Self {
            passphrases,
            entropy,
            uids: RwLock::new(uids),
            own_uid,
            sessions: Sessions::default(),
            attempts: Mutex::default(),
        }
    }

    /// Puts `uids` in the place of those there were. Who was an operator by one that is gone is none at the
    /// next request.
    pub fn configure(&self, uids: Vec<u32>) {
        *self.uids.write().unwrap_or_else(PoisonError::into_inner) = uids;
    }

    /// Whether whoever has `uid` is an operator by that alone.
    pub fn is_operator(&self, uid: u32) -> bool {
        let uids = self.uids.read().unwrap_or_else(PoisonError::into_inner);
        uid != self.own_uid && uids.contains(&uid)
    }

    /// Whether connections of `uid` come before those of agents: it is an operator's by itself, or one
    /// that an operator with the passphrase may have: Remit's own, or root.
    pub fn comes_first(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid || self.is_operator(uid)
    }

    fn by_uid(&self, peer: &Peer) -> Option<Actor> {
        let uid = peer.uid.filter(|uid| self.is_operator(*uid))?;
        Some(Actor { name: format!("uid:{uid}") })
    }

    fn by_session(&self, token: &str, now: Timestamp) -> Option<Actor> {
        let sessions = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up by digest, so the time taken says nothing about the token.
        let ends = sessions.get(&Digest::of(token.as_bytes()))?;
        (now < *ends).then(operator)
    }

    /// Whether `passphrase` is the operator's, as somebody says under `uid`; `None` is everybody whom
    /// no kernel names. Slow on purpose: to be called off the event loop.
    ///
    /// Errors: it is not, or too many were tried.
    pub fn try_passphrase(
        &self,
        uid: Option<u32>,
        passphrase: &str,
        now: Timestamp,
    ) -> Result<Actor, SignInError> {
        if !self.may_try(uid, now) {
            return Err(SignInError::TooMany);
        }
        if !self.passphrases.verify(passphrase) {
            return Err(SignInError::Wrong);
        }
        self.succeeded(uid);
        Ok(operator())
    }

    /// Takes one of the peer's attempts, before the slow check: attempts made at once count, too.
    fn may_try(&self, uid: Option<u32>, now: Timestamp) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, (since, _)| now.since(*since) < FAILURE_WINDOW);
        let (_, taken) = attempts.entry(uid).or_insert((now, 0));
        if *taken >= FAILURES_PER_WINDOW {
            return false;
        }
        *taken += 1;
        true
    }

    /// The attempt was none of guessing.
    fn succeeded(&self, uid: Option<u32>) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, taken)) = attempts.get_mut(&uid) {
            *taken = taken.saturating_sub(1);
        }
    }

    fn session(&self, now: Timestamp) -> String {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        let token = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        let mut sessions = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, ends| now < *ends);
        while sessions.len() >= MAX_SESSIONS {
            sessions.pop_first();
        }
        sessions.insert(Digest::of(token.as_bytes()), now.after(SESSION));
        token
    }
}

/// Whoever knows the passphrase: there is one, so it names nobody more exactly.
fn operator() -> Actor {
    Actor { name: "operator".to_owned() }
}

/// Why somebody who gave a passphrase was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// It was not looked at.
    #[error("too many wrong passphrases; wait {} seconds", FAILURE_WINDOW.as_secs())]
    TooMany,
    /// It is another.
    #[error("this is not the operator's passphrase")]
    Wrong,
}

impl From<SignInError> for Failure {
    fn from(why: SignInError) -> Self {
        let status = match why {
            SignInError::TooMany => StatusCode::TOO_MANY_REQUESTS,
            SignInError::Wrong => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, why)
    }
}

/// An authenticated operator.
#[derive(Clone, Debug)]
pub struct Operator(pub Actor);

/// An operator if the caller proved to be one, else just the peer.
#[derive(Clone, Debug)]
pub struct Anyone {
    /// The peer.
    pub peer: Peer,
    /// The operator, if it is one.
    pub operator: Option<Actor>,
}

impl Anyone {
    /// What to write into the record.
    pub fn name(&self) -> String {
        match (&self.operator, self.peer.uid) {
            (Some(actor), _) => actor.name.clone(),
            (None, Some(uid)) => format!("peer:{uid}"),
            (None, None) => "peer".to_owned(),
        }
    }
}

impl FromRequestParts<Door> for Anyone {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Failure> {
        let ConnectInfo(peer) = ConnectInfo::<Peer>::from_request_parts(parts, door)
            .await
            .map_err(|why| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, why))?;
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let by_session =
            token.and_then(|token| door.authority.by_session(token, door.engine.now()));
        let operator = by_session.or_else(|| door.authority.by_uid(&peer));
        Ok(Self { peer, operator })
    }
}

impl FromRequestParts<Door> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Failure> {
        let anyone = Anyone::from_request_parts(parts, door).await?;
        anyone.operator.map(Self).ok_or_else(|| {
            Failure::new(
                StatusCode::UNAUTHORIZED,
                "this needs an operator: give the passphrase, or run it under a user id that \
                 `[operator] uids` names",
            )
        })
    }
}

/// `GET /v1/whoami`: what the caller proved to be so far.
pub(crate) async fn who(anyone: Anyone) -> Json<wire::Who> {
    Json(wire::Who { operator: anyone.operator.map(|actor| actor.name), uid: anyone.peer.uid })
}

/// `POST /v1/login`: a passphrase for a session.
pub(crate) async fn login(
    State(door): State<Door>,
    Anyone { peer, .. }: Anyone,
    Json(login): Json<wire::Login>,
) -> Result<Json<wire::Session>, Failure> {
    let now = door.engine.now();
    let authority = Arc::clone(&door.authority);
    let checked = tokio::task::spawn_blocking(move || {
        authority.try_passphrase(peer.uid, &login.passphrase, now)
    });
    checked.await.unwrap_or(Err(SignInError::Wrong))?;
    let session = door.authority.session(now);
    Ok(Json(wire::Session { session, seconds: SESSION.as_secs() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;
    impl Passphrases for Nobody {
        fn verify(&self, _: &str) -> bool {
            false
        }
    }
    impl Entropy for Nobody {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn who_is_an_operator_by_user_id_follows_what_is_configured() {
        let authority = Authority::new(Box::new(Nobody), Arc::new(Nobody), vec![7], 1000);
        let is = |uid| authority.by_uid(&Peer { uid: Some(uid), process: None }).is_some();
        assert!(is(7) && !is(8));
        authority.configure(vec![8, 1000]);
        assert!(!is(7), "taken out");
        assert!(is(8), "put in");
        assert!(!is(1000), "Remit's own is never one");
        assert!(authority.comes_first(8) && !authority.comes_first(7));
    }

    #[test]
    fn attempts_are_bounded_for_each_user_even_while_they_are_under_way() {
        let authority = Authority::new(Box::new(Nobody), Arc::new(Nobody), vec![], 1000);
        let (agent, person) = (Some(7), Some(8));
        let now = Timestamp(1);
        let allowed = (0..100).filter(|_| authority.may_try(agent, now)).count();
        assert_eq!(allowed, 5, "none of them has failed yet");
        assert!(authority.may_try(person, now), "somebody else is not locked out");
        authority.succeeded(agent);
        assert!(authority.may_try(agent, now) && !authority.may_try(agent, now));
        assert!(authority.may_try(agent, now.after(FAILURE_WINDOW)));
    }
}
