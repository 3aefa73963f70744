//! What a request shows, and who it then is.

use remit_model::{Possession, Timestamp};

use crate::{Binding, Certificate, Grant, Proofs, Request, TokenError, Uncertified, Verifier};

/// What a request shows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The grant.
    pub token: &'a str,
    /// The proof beside it, if it was sent as one that is bound to a key (`Authorization: DPoP`).
    pub proof: Option<&'a str>,
    /// The client certificate of its connection.
    pub certificate: Result<&'a Certificate, Uncertified>,
    /// The request's method.
    pub method: &'a str,
    /// The request's URL as the server names itself, without query.
    pub url: &'a str,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What the grant says.
    pub grant: Grant,
    /// What the sender showed beside it.
    pub possession: Possession,
    /// The nonce that further proofs should hold, where that is another.
    pub nonce: Option<String>,
}

impl Verifier {
    /// Who sent the request that shows `shown`. The grant's signature is checked once; the proof,
    /// the audience and the end of the grant each time. A proof is used up last, so that nothing
    /// but a request that is believed takes room in the memory of proofs.
    ///
    /// Errors: the grant is not one of ours, not good now, not for this URL, not shown as what it is
    /// bound to wants it, or its proof is not believed.
    pub fn authenticate(
        &self,
        shown: &Presented<'_>,
        proofs: &Proofs,
        now: Timestamp,
    ) -> Result<Holder, TokenError> {
        let (grant, digest) = self.verify_once(shown.token, now)?;
        if !self.realm().is_for(grant.server.as_ref(), shown.url) {
            return Err(TokenError::Audience);
        }
        let nonce = match (&grant.binding, shown.proof) {
            (Binding::Nothing, None) => None,
            (Binding::Nothing, Some(_)) => return Err(TokenError::Unbound),
            (Binding::Key(_), None) => return Err(TokenError::Bound),
            (Binding::Key(key), Some(proof)) => {
                let token = Some(&digest);
                let request = Request { method: shown.method, url: shown.url, token };
                let proof = proofs.check(proof, &request, now)?;
                if proof.key() != *key {
                    return Err(TokenError::OtherKey);
                }
                proofs.spend(&proof, now)?.nonce
            }
            (Binding::Certificate(bound), None) => {
                shown.certificate?.check(bound, &grant.agent)?;
                None
            }
            (Binding::Certificate(_), Some(_)) => return Err(TokenError::Certificate),
        };
        let possession = grant.binding.possession();
        Ok(Holder { grant, possession, nonce })
    }
}
