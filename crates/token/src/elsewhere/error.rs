//! Why a token of somebody else's is not believed. No text repeats any part of one (promise R12).

use std::time::Duration;

use remit_jose::JwsError;
use remit_model::Timestamp;

use crate::verify::SKEW;

/// Why a token of somebody else's is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// It is not a signed token, or none of its issuer's keys signed it.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Nobody vouches for what it says.
    #[error(
        "the assertion's `iss` is no issuer that is trusted here, exactly as it is configured, nor its \
         `sub` a SPIFFE ID of a trust domain that is: add an [[issuer]] or a [[federation]]"
    )]
    Issuer,
    /// It is signed in a way that its issuer does not use.
    #[error("the assertion's `alg` is none of the `algorithms` of its [[issuer]]")]
    Algorithm,
    /// It is about a person, and came where a workload speaks for itself.
    #[error(
        "the assertion is an ID-JAG, which speaks for a person: send it with client authentication"
    )]
    Person,
    /// It came where an ID-JAG belongs.
    #[error(
        "the assertion's `typ` is not `oauth-id-jag+jwt`: an ID token or a workload's token is no \
         ID-JAG, and goes without client authentication"
    )]
    NoPerson,
    /// Its issuer is not believed about that.
    #[error(
        "the assertion's issuer is not believed for {0}: its [[issuer]] would have to say so in `vouches_for`"
    )]
    NotFor(&'static str),
    /// A claim is missing, or not what it should be.
    #[error("the assertion's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// It tells that something happened.
    #[error(
        "the assertion holds `events`: it tells that something happened, and vouches for nobody; ask its \
         issuer for a token about who is asking"
    )]
    Events,
    /// It is meant for somebody else too, or only for somebody else.
    #[error(
        "the assertion's `aud` is not `{0}` and nothing else: ask its issuer for one for that audience"
    )]
    Audience(String),
    /// It ran out.
    #[error("the assertion ran out at {at}: ask its issuer for a new one")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is good for too long.
    #[error(
        "the assertion is good for more than {} s in all: ask its issuer for one that lives shorter, \
         or set `lifetime` of its [[issuer]]", .most.as_secs()
    )]
    Long {
        /// For how long it may be.
        most: Duration,
    },
    /// It is not good yet.
    #[error(
        "the assertion is not good before {at}, more than {} s from now: set the clocks right",
        SKEW.as_secs()
    )]
    Future {
        /// When it will be.
        at: Timestamp,
    },
    /// It was given to another client.
    #[error(
        "the ID-JAG's `client_id` is another client's: only the one it was given to can use it"
    )]
    Client,
    /// It says something that narrows what it may be used for and is not understood here.
    #[error("the ID-JAG holds `{0}`, which is not understood here: ask its issuer for one without")]
    Unknown(&'static str),
    /// It is bound to a key of which there is no proof.
    #[error(
        "the assertion is bound to a key (`cnf`): send a proof by that key in the header `DPoP`"
    )]
    Unproved,
    /// It is about nobody who is an agent here.
    #[error(
        "the assertion is good, but what it says fits no agent: compare its claims with `federated` of \
         the [[agent]] tables"
    )]
    NoAgent,
    /// It is about more than one agent.
    #[error("what the assertion says fits more than one agent: name one of them as `client_id`")]
    Several,
    /// It was made before this process could remember anything.
    #[error("the assertion was made before this server started: ask its issuer for a new one")]
    Old,
    /// It was used before.
    #[error("the assertion was used before: ask its issuer for a new one for each request")]
    Replayed,
    /// It could not be remembered, so that it could be used twice.
    #[error("too many assertions were used in a short time: wait a minute and ask for a new one")]
    Full,
}
