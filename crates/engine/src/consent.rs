//! What a person allowed a client in a browser: a code, the task that it opens, and further grants.
//!
//! The task is opened when the client comes for it, not when the person says yes: a code that nobody
//! fetches leaves no task behind, and what the client holds is known by then. What the person was
//! shown goes with the code, and the task is opened within that, whatever the template says by then.
//!
//! Codes and refresh tokens live in memory alone and end with the process: whoever lost one sends the
//! person to the page again.

mod claimant;
mod codes;
mod renewals;

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_jose::Thumbprint;
use remit_model::task::{CloseReason, Consented};
use remit_model::{AgentName, Class, Entropy, Refusal, ServerName, Task, TaskId};
use remit_token::{Challenge, Proof, ProofError, Request};

pub use self::claimant::Claimant;
use self::claimant::Entitled;
pub(crate) use self::codes::Codes;
pub(crate) use self::renewals::Renewals;
use self::renewals::{Renewal, TurnError, Turned};
use crate::Engine;
use crate::open::{Holding, Opener, Proposal};

/// How long a client has to come for what a person allowed (RFC 6749 section 4.1.2 says ten minutes
/// at most; a redirect takes a second).
pub const CODE_LIFETIME: Duration = Duration::from_mins(1);

/// Who closed a task whose code or refresh token was shown twice, for the record.
const REPLAY: &str = "remit: a code or refresh token was shown twice";

/// What a person allowed.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The person, and which client.
    pub by: Consented,
    /// The agent that the client is.
    pub agent: AgentName,
    /// What the client may do as that; `within` is what the person was shown.
    pub proposal: Proposal,
    /// What whoever comes with the code must show.
    pub bound: Bound,
}

/// What a code is bound to.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The hash of the client's secret.
    pub challenge: Challenge,
    /// The one server that the grant is for; `None` for all.
    pub server: Option<ServerName>,
    /// The key that the client announced.
    pub key: Option<Thumbprint>,
    /// Whether its client is a confidential one, which proves by a key of its own to be it.
    pub confidential: bool,
}

/// What a client comes with for what it was allowed.
#[derive(Debug)]
pub struct Redemption {
    /// The code.
    pub code: String,
    /// The client that shows it.
    pub client: Claimant,
    /// Where it says that the code was sent, if it does: the verifier says more (OAuth 2.1).
    pub redirect_uri: Option<String>,
    /// The secret behind the challenge.
    pub verifier: String,
    /// For what it wants the grant.
    pub wants: Wants,
}

/// For what a client wants a grant.
#[derive(Debug, Default)]
pub struct Wants {
    /// What it shows of the key that its grants are to be bound to; used up by what it gets.
    pub proof: Option<Proof>,
    /// The resource that it names, where it names one: all of it, or one server's.
    pub resource: Option<Option<ServerName>>,
}

/// What it gets.
#[derive(Debug)]
pub struct Redeemed {
    /// The task.
    pub task: Task,
    /// A grant for it.
    pub token: String,
    /// What the grant is bound to.
    pub holding: Holding,
    /// By what it gets the next grant; `None` if there are too many such.
    pub refresh: Option<String>,
    /// The nonce that its further proofs should hold, where that is another.
    pub nonce: Option<String>,
}

impl Consent {
    fn entitled(&self) -> Entitled {
        Entitled { client: self.by.client.clone(), confidential: self.bound.confidential }
    }
}

impl Wants {
    /// The key that it proved to have.
    fn key(&self) -> Option<Thumbprint> {
        self.proof.as_ref().map(Proof::key)
    }
}

/// Why a client gets nothing for what it brought.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedeemError {
    /// It is not there, or not any more.
    #[error(
        "the code or refresh token is unknown or has run out: send the person to authorize again"
    )]
    Unknown,
    /// It was shown before, so somebody has a copy.
    #[error(
        "the code or refresh token was used before: its task is closed, send the person to authorize \
         again"
    )]
    Replayed,
    /// It was given to another client.
    #[error("the code or refresh token was given to another client")]
    Client,
    /// It was given to one that has to prove to be it.
    #[error(
        "the code or refresh token was given to a client with keys of its own: sign a \
         `client_assertion` with one of them (private_key_jwt)"
    )]
    Unproved,
    /// The code was sent elsewhere.
    #[error(
        "`redirect_uri` is not where the code was sent: repeat that of the authorization request"
    )]
    Redirect,
    /// The secret is not the one behind the challenge.
    #[error("`code_verifier` is not the secret behind the `code_challenge`")]
    Verifier,
    /// It is bound to another key.
    #[error("it is bound to another key: make the proof with the key that it was asked for with")]
    Key,
    /// Its proof was used before, or there is no room to remember it.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is for less than that.
    #[error("the `resource` is not within what was authorized")]
    Target,
    /// The task was not opened, or is not open any more.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Engine {
    /// Takes down what a person allowed; whoever brings the code that comes back can have it, once.
    pub fn consent(&self, consent: Consent) -> String {
        let code = secret(self.ports.entropy.as_ref());
        self.codes.put(&code, consent, self.now());
        code
    }

    /// Believes that a client holds a key, by a proof for a request to `url`. It is used up by what the
    /// client gets for it: what nobody was given anything for takes no room in the memory of proofs.
    ///
    /// Errors: the proof is not believed.
    pub fn prove(&self, proof: &str, url: &str) -> Result<Proof, ProofError> {
        let request = Request { method: "POST", url, token: None };
        self.proofs.check(proof, &request, self.now())
    }

    /// Uses up what a client showed of its key; the nonce that it should go on with.
    fn spend(&self, wants: &Wants) -> Result<Option<String>, RedeemError> {
        let Some(proof) = &wants.proof else { return Ok(None) };
        Ok(self.proofs.spend(proof, self.now())?.nonce)
    }

    /// Opens the task that a person allowed, and gives its client a grant for it. A code is used up by
    /// being shown, also by somebody for whom it is not: it has leaked then. To be run to its end: of
    /// one that is dropped, the task may be open without anybody who holds a grant for it.
    ///
    /// Errors: it cannot be had for that code; of one that was used, the task is closed.
    pub async fn redeem(&self, shown: &Redemption) -> Result<Redeemed, RedeemError> {
        let consent = match self.codes.take(&shown.code, self.now()) {
            Ok(consent) => consent,
            Err(None) => return Err(RedeemError::Unknown),
            Err(Some(task)) => return Err(self.replayed(task.as_ref()).await),
        };
        let holding = check(&consent, shown)?;
        let nonce = self.spend(&shown.wants)?;
        let of = consent.entitled();
        let opener = Opener::Person(consent.agent.clone(), consent.by);
        let proposal = Proposal { agent: Some(consent.agent), ..consent.proposal };
        let opened = self.open_with_grant(&opener, proposal, &holding).await?;
        let (task, token) = opened;
        // It may have been shown again while the task was being recorded.
        if self.codes.spent(&shown.code, task.id()) {
            return Err(self.replayed(Some(task.id())).await);
        }
        let renewal = Renewal { task: task.id().clone(), of, holding: holding.clone() };
        let still_open = |task: &TaskId| self.cell(task).is_some_and(|it| it.lock().is_open());
        let refresh = self.renewals.begin(renewal, &still_open, self.ports.entropy.as_ref());
        Ok(Redeemed { task, token, holding, refresh, nonce })
    }

    /// Gives a client a further grant for its task, and the refresh token for the one after.
    ///
    /// Errors: it cannot be had for that token; of one that was used, the task is closed.
    pub async fn renew(
        &self,
        token: &str,
        client: &Claimant,
        wants: &Wants,
    ) -> Result<Redeemed, RedeemError> {
        let open = |task: &TaskId| {
            let task = self.cell(task).map(|cell| cell.lock().clone());
            match task {
                Some(task) if task.is_open() => Ok(task),
                // It may be thawed, and its client go on.
                Some(task) if task.close_reason().is_none() => Err(frozen().into()),
                _ => Err(RedeemError::Unknown),
            }
        };
        let fits = |renewal: &Renewal| {
            open(&renewal.task)?;
            renewal.of.check(client)?;
            if renewal.holding.binding.key() != wants.key() {
                return Err(RedeemError::Key);
            }
            within(renewal.holding.server.as_ref(), wants)
        };
        let checks = (fits, || self.spend(wants));
        let turned = self.renewals.turn(token, checks, self.ports.entropy.as_ref());
        let Turned { renewal, server, next: refresh, nonce } = match turned {
            Ok(turned) => turned,
            Err(TurnError::Unknown) => return Err(RedeemError::Unknown),
            Err(TurnError::Replayed(task)) => return Err(self.replayed(Some(&task)).await),
            Err(TurnError::Misfit(why)) => return Err(why),
        };
        let task = open(&renewal.task)?;
        let holding = Holding { server, ..renewal.holding };
        let token = self.grant(&task, &holding)?;
        Ok(Redeemed { task, token, holding, refresh: Some(refresh), nonce })
    }

    /// Closes the task of what was shown twice (RFC 6749 section 4.1.2).
    async fn replayed(&self, task: Option<&TaskId>) -> RedeemError {
        self.counters.replayed.add();
        let Some(task) = task else { return RedeemError::Replayed };
        match self.close(task, CloseReason::Revoked, REPLAY) {
            // What is told as done is on record first; if it cannot be, it is in force all the same.
            Ok(closing) => drop(closing.recorded().await),
            Err(why) => tracing::debug!(%task, %why, "the task of a replayed code had ended"),
        }
        RedeemError::Replayed
    }
}

fn frozen() -> Refusal {
    let remedy = "try again when it was thawed, or ask the operator";
    Refusal::one(Class::Transient, "task", "the task is frozen", remedy)
}

/// What the grant is to be bound to, if the code is for whoever shows it.
fn check(consent: &Consent, shown: &Redemption) -> Result<Holding, RedeemError> {
    let bound = &consent.bound;
    consent.entitled().check(&shown.client)?;
    if shown.redirect_uri.as_ref().is_some_and(|uri| *uri != bound.redirect_uri) {
        return Err(RedeemError::Redirect);
    }
    if !bound.challenge.is_met_by(&shown.verifier) {
        return Err(RedeemError::Verifier);
    }
    if bound.key.is_some_and(|key| shown.wants.key() != Some(key)) {
        return Err(RedeemError::Key);
    }
    let server = within(bound.server.as_ref(), &shown.wants)?;
    Ok(Holding { server, ..Holding::by_key(shown.wants.key()) })
}

/// The resource that a grant is for: the one that was authorized, or less (RFC 8707 section 2.2).
fn within(
    authorized: Option<&ServerName>,
    wants: &Wants,
) -> Result<Option<ServerName>, RedeemError> {
    match (authorized, &wants.resource) {
        (authorized, None) => Ok(authorized.cloned()),
        (None, Some(wanted)) => Ok(wanted.clone()),
        (Some(one), Some(Some(wanted))) if one == wanted => Ok(Some(wanted.clone())),
        (Some(_), Some(_)) => Err(RedeemError::Target),
    }
}

/// 256 bits that nobody guesses, as text.
pub fn secret(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}
