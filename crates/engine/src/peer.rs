//! The client at the other end of a TLS connection, known by its X.509-SVID.
//!
//! The certificate is followed to the bundle once, in the handshake. A connection outlives that, so
//! what can change is asked at each request: whether the certificate has run out, and whether the key
//! that signed it is still in the bundle. Neither takes a signature check. Whoever ends TLS puts an
//! `Arc<Peer>` beside each request of the connection (a request extension, never a header).

use std::sync::Arc;

use remit_jose::CertificateThumbprint;
use remit_model::{AgentName, Named, Timestamp};
use remit_spiffe::{Authority, ForeignRoots, SpiffeId, SvidError, VerifiedX509, agent_of};
use remit_token::{Certificate, Uncertified};
use tokio::sync::watch::Receiver;

/// What certificates are verified with, as it is now and from now on.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The keys that sign our own SVIDs.
    pub ours: Receiver<Arc<Authority>>,
    /// The signing certificates of other trust domains.
    pub others: Receiver<Arc<ForeignRoots>>,
}

impl Trust {
    /// Whose X.509-SVID the certificates in `chain` are, the leaf first, at `now`.
    ///
    /// Errors: as [`Authority::verify_x509`] and [`ForeignRoots::verify_x509`].
    pub fn verify_x509(&self, chain: &[&[u8]], now: Timestamp) -> Result<VerifiedX509, SvidError> {
        match self.ours.borrow().verify_x509(chain, now) {
            Err(SvidError::Foreign) => self.others.borrow().verify_x509(chain, now),
            verified => verified,
        }
    }

    /// The subjects of all the signing certificates, each a distinguished name in DER.
    pub fn names(&self, now: Timestamp) -> Vec<Vec<u8>> {
        let ours = self.ours.borrow().x509_names(now);
        ours.into_iter().chain(self.others.borrow().x509_names(now)).collect()
    }
}

/// A client that showed a certificate.
#[derive(Clone, Debug)]
pub struct Peer {
    svid: VerifiedX509,
    thumbprint: CertificateThumbprint,
    is_ours: bool,
    trust: Trust,
}

impl Peer {
    /// The client that shows `chain`, its own certificate first, under the keys of now; that it holds
    /// the key of the certificate is for the handshake to show.
    ///
    /// Errors: as [`Trust::verify_x509`].
    pub fn verified(chain: &[&[u8]], trust: &Trust, now: Timestamp) -> Result<Self, SvidError> {
        let svid = trust.verify_x509(chain, now)?;
        let is_ours = svid.id.trust_domain() == trust.ours.borrow().domain();
        let thumbprint = CertificateThumbprint::of(chain.first().copied().unwrap_or_default());
        Ok(Self { svid, thumbprint, is_ours, trust: trust.clone() })
    }

    /// Its certificate, as it stands at `now`; `known_by` says which agents are known by the SPIFFE ID of
    /// another trust domain.
    ///
    /// Errors: it has run out, or the key that signed it was taken back or may have been.
    pub fn certificate(
        &self,
        known_by: impl FnOnce(&SpiffeId) -> Vec<AgentName>,
        now: Timestamp,
    ) -> Result<Certificate, Uncertified> {
        if now >= self.svid.expires {
            return Err(Uncertified::Expired { at: self.svid.expires });
        }
        self.check_signer(now)?;
        let id = &self.svid.id;
        let (agents, named) = if self.is_ours {
            (agent_of(id).into_iter().collect(), None)
        } else {
            let issuer = id.trust_domain().id_string();
            (known_by(id), Some(Named { issuer, subject: id.to_string() }))
        };
        Ok(Certificate { id: id.to_string(), agents, named, thumbprint: self.thumbprint })
    }

    fn check_signer(&self, now: Timestamp) -> Result<(), Uncertified> {
        let vouched = if self.is_ours {
            self.trust.ours.borrow().vouches_for(&self.svid, now)
        } else {
            let others = self.trust.others.borrow();
            if !others.is_confirmed(now) {
                return Err(Uncertified::Unconfirmed);
            }
            others.vouches_for(&self.svid)
        };
        if vouched { Ok(()) } else { Err(Uncertified::Withdrawn) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use remit_spiffe::{Generation, agent_id, trust_domain};
    use remit_testkit::SeededEntropy;
    use tokio::sync::watch;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    fn generation(number: u64) -> Arc<Generation> {
        let (domain, entropy) = (trust_domain("remit.test").unwrap(), SeededEntropy::new(number));
        let day = Duration::from_hours(24);
        let kept = Generation::draw(number, &domain, day, NOW, &entropy).unwrap();
        Arc::new(Generation::open(number, &kept).unwrap())
    }

    fn authority(generations: &[&Arc<Generation>]) -> Arc<Authority> {
        let generations = generations.iter().map(|it| Arc::clone(it));
        Arc::new(Authority::new(trust_domain("remit.test").unwrap(), generations))
    }

    #[test]
    fn a_connection_proves_no_longer_than_its_certificate_and_the_key_that_signed_it() {
        let (old, new) = (generation(1), generation(2));
        let (keys, seen) = watch::channel(authority(&[&old]));
        let (_, others) = watch::channel(Arc::default());
        let trust = Trust { ours: seen, others };
        let id = agent_id(keys.borrow().domain(), &"bot".parse().unwrap()).unwrap();
        let until = NOW.after(Duration::from_mins(10));
        let svid = keys.borrow().x509(&id, until, NOW, &SeededEntropy::new(9)).unwrap();
        let peer = Peer::verified(&[&svid.certificate], &trust, NOW).unwrap();
        let nobody = |_: &SpiffeId| Vec::new();
        let agent = |at| peer.certificate(nobody, at).map(|certificate| certificate.agents);
        assert_eq!(agent(NOW), Ok(vec!["bot".parse().unwrap()]));
        assert_eq!(agent(Timestamp(until.0 - 1)), Ok(vec!["bot".parse().unwrap()]));
        assert_eq!(agent(until), Err(Uncertified::Expired { at: until }));

        keys.send_replace(authority(&[&old, &new]));
        assert!(agent(NOW).is_ok(), "keys that are replaced overlap");
        keys.send_replace(authority(&[&new]));
        assert_eq!(agent(NOW), Err(Uncertified::Withdrawn));
        assert!(Peer::verified(&[&svid.certificate], &trust, NOW).is_err());
    }

    #[test]
    fn one_of_another_trust_domain_proves_no_longer_than_its_root_is_handed_out() {
        let (theirs, next) = (generation(3), generation(4));
        let (_, ours) =
            watch::channel(Arc::new(Authority::new(trust_domain("ours.test").unwrap(), [])));
        let confirmed = NOW.after(Duration::from_mins(1));
        let handed = |of: &[&Arc<Generation>]| {
            let mut roots = ForeignRoots::new(confirmed);
            let certificate = authority(of).x509_bundle(NOW);
            let domain = trust_domain("remit.test").unwrap();
            let ours = trust_domain("ours.test").unwrap();
            roots.add(&domain, [certificate.as_slice()].into_iter(), &ours).unwrap();
            Arc::new(roots)
        };
        let (roots, others) = watch::channel(handed(&[&theirs]));
        let id = agent_id(theirs.domain(), &"bot".parse().unwrap()).unwrap();
        let until = NOW.after(Duration::from_mins(10));
        let svid = authority(&[&theirs]).x509(&id, until, NOW, &SeededEntropy::new(9)).unwrap();
        let trust = Trust { ours, others };
        let peer = Peer::verified(&[&svid.certificate], &trust, NOW).unwrap();
        let known_by = |found: &SpiffeId| {
            assert_eq!(*found, id);
            vec!["worker".parse().unwrap()]
        };
        let certificate = peer.certificate(known_by, NOW).unwrap();
        assert_eq!(certificate.agents, ["worker".parse().unwrap()], "never whom it names itself");
        let named = certificate.named.unwrap();
        assert_eq!((named.issuer.as_str(), named.subject), ("spiffe://remit.test", id.to_string()));
        assert_eq!(peer.certificate(known_by, confirmed), Err(Uncertified::Unconfirmed));
        assert!(Peer::verified(&[&svid.certificate], &trust, confirmed).is_err());

        roots.send_replace(handed(&[&next]));
        assert_eq!(peer.certificate(known_by, NOW), Err(Uncertified::Withdrawn));
        assert!(Peer::verified(&[&svid.certificate], &trust, NOW).is_err());
    }
}
