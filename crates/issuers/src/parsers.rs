//! What reads the words of others, as the fuzz target over it reaches it. Nobody else needs it.

use remit_fetch::{Address, Answer};
use remit_model::{Secret, Timestamp};
use remit_ports::IssuerError;

use crate::oauth::answer;
use crate::oauth::metadata::{self, Metadata};
use crate::ssh::revoked;
use crate::sts::answer as session;

/// The tokens in the answer of a token endpoint, the one that was asked for first.
///
/// Errors: it gave none that can be used.
pub fn tokens(answer: &Answer) -> Result<Vec<Secret>, IssuerError> {
    let token = answer::read(answer)?;
    Ok([Some(token.access), token.refresh, token.identity].into_iter().flatten().collect())
}

/// The addresses in the metadata of `issuer`.
///
/// Errors: it is not that issuer's, or names what may not be asked.
pub fn endpoints(text: &str, issuer: &Address) -> Result<Vec<Address>, String> {
    let Metadata { token, authorization, revocation, .. } = Metadata::read(text, issuer)?;
    Ok([Some(token), authorization, revocation].into_iter().flatten().collect())
}

/// Who issues tokens for `resource`.
///
/// Errors: as in [`endpoints`].
pub fn issuer_of(text: &str, resource: &Address) -> Result<Address, String> {
    metadata::issuer_of(text, resource)
}

/// The secrets of a session in an answer of AWS.
///
/// Errors: there is none.
pub fn session(body: &[u8]) -> Result<[Secret; 2], IssuerError> {
    session::session(body).map(|it| [it.secret_key, it.token])
}

/// The code of an error of AWS.
pub fn code(body: &[u8]) -> String {
    session::code(body)
}

/// Whether a line of a list of revoked keys may go.
pub fn has_run_out(line: &str, now: Timestamp) -> bool {
    revoked::has_run_out(line, now)
}
