//! The authority of a trust domain: its generations of keys, and which of them acts when.

use std::sync::Arc;
use std::time::Duration;

use remit_model::{Entropy, Timestamp};
use spiffe::{SpiffeId, TrustDomain};

use crate::{
    Generation, JwtSvid, Subject, SvidError, Verified, VerifiedX509, X509Svid, bundle, chain, jwt,
    x509,
};

/// The keys of one trust domain. A value: rotation makes another.
#[derive(Clone, Debug)]
pub struct Authority {
    domain: TrustDomain,
    /// In the order of their numbers, and so of their ends.
    generations: Vec<Arc<Generation>>,
}

impl Authority {
    /// The authority of `domain` with `generations`, whatever their order; those of another trust
    /// domain are left out.
    pub fn new(
        domain: TrustDomain,
        generations: impl IntoIterator<Item = Arc<Generation>>,
    ) -> Self {
        let ours = generations.into_iter().filter(|generation| generation.domain == domain);
        let mut generations: Vec<_> = ours.collect();
        generations.sort_by_key(|generation| generation.number);
        Self { domain, generations }
    }

    /// The trust domain.
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The same authority with `generation`, too.
    #[must_use]
    pub fn with(&self, generation: Arc<Generation>) -> Self {
        let generations = self.generations.iter().map(Arc::clone).chain([generation]);
        Self::new(self.domain.clone(), generations)
    }

    /// All generations, also those that are over.
    pub fn generations(&self) -> &[Arc<Generation>] {
        &self.generations
    }

    /// Whether a new generation has to be made at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.alive(now).last().is_none_or(|newest| now >= newest.next_is_due())
    }

    /// The generations whose SVIDs are believed at `now`: those in the bundle.
    pub(crate) fn alive(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Generation>> {
        self.generations.iter().filter(move |generation| !generation.is_over(now))
    }

    /// The generation that signs what is to be good until `until`: the newest that everybody can
    /// know. Where none of those lasts that long, the newest of all: the first one of a trust domain
    /// has no predecessor, and one that nobody replaced in time must not cut SVIDs short.
    fn signing(&self, until: Timestamp, now: Timestamp) -> Result<&Generation, SvidError> {
        let known = |it: &&Arc<Generation>| now >= it.takes_over() && it.ends >= until;
        let signing = self.alive(now).filter(known).last().or_else(|| self.alive(now).last());
        signing.map(Arc::as_ref).ok_or(SvidError::NoKey)
    }

    /// Issues an X.509-SVID to `id`, good from `now` until `until` at most.
    ///
    /// Errors: there is no key for it, it would run out at once, or the library fails.
    pub fn x509(
        &self,
        id: &SpiffeId,
        until: Timestamp,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<X509Svid, SvidError> {
        x509::sign_leaf(self.signing(until, now)?, id, (now, until), entropy)
    }

    /// Issues a JWT-SVID to `subject` for `audience`, good from `now` until `until` at most.
    ///
    /// Errors: as [`Self::x509`], or there are no audiences, or too many.
    pub fn jwt<'a>(
        &self,
        (subject, audience): (impl Into<Subject<'a>>, &[String]),
        until: Timestamp,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<JwtSvid, SvidError> {
        jwt::sign(self.signing(until, now)?, (subject.into(), audience), (now, until), entropy)
    }

    /// Whose X.509-SVID the certificates in `chain` are, the leaf first, at `now`.
    ///
    /// Errors: the leaf is not an X.509-SVID of this trust domain, or does not lead to the bundle.
    pub fn verify_x509(&self, chain: &[&[u8]], now: Timestamp) -> Result<VerifiedX509, SvidError> {
        let alive = || self.alive(now).map(|it| (it.certificate.as_ref(), it.kid())).collect();
        chain::verify(chain, now, |domain| (*domain == self.domain).then(alive))
    }

    /// Whether the key that signed `svid` is in the bundle at `now`. Nothing is verified again.
    pub fn vouches_for(&self, svid: &VerifiedX509, now: Timestamp) -> bool {
        self.alive(now).any(|generation| generation.kid() == svid.signer)
    }

    /// Whose JWT-SVID `token` is, if it is meant for `audience`, at `now`.
    ///
    /// Errors: it is not a JWT-SVID of this trust domain for that audience; the text says why.
    pub fn verify_jwt(
        &self,
        token: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Verified, SvidError> {
        jwt::verify(self, token, audience, now)
    }

    /// The trust bundle at `now` as a JWK set: everything that verifies SVIDs of this trust domain.
    pub fn bundle(&self, now: Timestamp) -> String {
        bundle::document(self, now)
    }

    /// The keys of JWT-SVIDs alone, as a JWK set.
    pub fn jwt_bundle(&self, now: Timestamp) -> String {
        bundle::jwt_keys(self, now)
    }

    /// The signing certificates, each in DER.
    pub fn x509_certificates(&self, now: Timestamp) -> impl Iterator<Item = &[u8]> {
        self.alive(now).map(|generation| generation.certificate.as_ref())
    }

    /// The signing certificates, each in DER, one after the other.
    pub fn x509_bundle(&self, now: Timestamp) -> Vec<u8> {
        self.x509_certificates(now).collect::<Vec<_>>().concat()
    }

    /// The subjects of the signing certificates, each a distinguished name in DER: by them the client
    /// of a TLS connection knows which certificate is asked for (RFC 8446 section 4.2.4).
    pub fn x509_names(&self, now: Timestamp) -> Vec<Vec<u8>> {
        self.alive(now).filter_map(|it| chain::subject(&it.certificate)).collect()
    }

    /// Grows whenever the bundle changes: a generation that comes counts one, one that goes too.
    pub(crate) fn sequence(&self, now: Timestamp) -> u64 {
        let mut alive = self.alive(now).map(|generation| generation.number);
        let oldest = alive.next().unwrap_or_default();
        oldest.saturating_add(alive.last().unwrap_or(oldest))
    }

    /// How long whoever polls the bundle may wait before doing so again.
    pub(crate) fn refresh(&self, now: Timestamp) -> Option<Duration> {
        self.alive(now).map(|generation| generation.refresh()).min()
    }
}
