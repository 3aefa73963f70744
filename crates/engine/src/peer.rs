//! The client at the other end of a TLS connection, known by its X.509-SVID.
//!
//! The certificate is followed to the bundle once, in the handshake. A connection outlives that, so
//! what can change is asked at each request: whether the certificate has run out, and whether the key
//! that signed it is still in the bundle. Neither takes a signature check. Whoever ends TLS puts an
//! `Arc<Peer>` beside each request of the connection (a request extension, never a header).

use std::sync::Arc;

use remit_jose::CertificateThumbprint;
use remit_model::Timestamp;
use remit_spiffe::{Authority, SvidError, VerifiedX509, agent_of};
use remit_token::{Certificate, Uncertified};
use tokio::sync::watch::Receiver;

/// A client that showed a certificate.
#[derive(Clone, Debug)]
pub struct Peer {
    certificate: Certificate,
    svid: VerifiedX509,
    authority: Receiver<Arc<Authority>>,
}

impl Peer {
    /// The client that shows `chain`, its own certificate first, under the keys of now; that it holds
    /// the key of the certificate is for the handshake to show.
    ///
    /// Errors: as [`Authority::verify_x509`].
    pub fn verified(
        chain: &[&[u8]],
        authority: &Receiver<Arc<Authority>>,
        now: Timestamp,
    ) -> Result<Self, SvidError> {
        let svid = authority.borrow().verify_x509(chain, now)?;
        let leaf = chain.first().copied().unwrap_or_default();
        let certificate = Certificate {
            id: svid.id.to_string(),
            agent: agent_of(&svid.id),
            thumbprint: CertificateThumbprint::of(leaf),
        };
        Ok(Self { certificate, svid, authority: authority.clone() })
    }

    /// Its certificate, as it stands at `now`.
    ///
    /// Errors: it has run out, or the key that signed it was taken back.
    pub fn certificate(&self, now: Timestamp) -> Result<&Certificate, Uncertified> {
        if now >= self.svid.expires {
            return Err(Uncertified::Expired { at: self.svid.expires });
        }
        if !self.authority.borrow().vouches_for(&self.svid, now) {
            return Err(Uncertified::Withdrawn);
        }
        Ok(&self.certificate)
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
        let id = agent_id(keys.borrow().domain(), &"bot".parse().unwrap()).unwrap();
        let until = NOW.after(Duration::from_mins(10));
        let svid = keys.borrow().x509(&id, until, NOW, &SeededEntropy::new(9)).unwrap();
        let peer = Peer::verified(&[&svid.certificate], &seen, NOW).unwrap();
        let agent = |at| peer.certificate(at).map(|certificate| certificate.agent.clone());
        assert_eq!(agent(NOW), Ok(Some("bot".parse().unwrap())));
        assert_eq!(agent(Timestamp(until.0 - 1)), Ok(Some("bot".parse().unwrap())));
        assert_eq!(agent(until), Err(Uncertified::Expired { at: until }));

        keys.send_replace(authority(&[&old, &new]));
        assert!(agent(NOW).is_ok(), "keys that are replaced overlap");
        keys.send_replace(authority(&[&new]));
        assert_eq!(agent(NOW), Err(Uncertified::Withdrawn));
        assert!(Peer::verified(&[&svid.certificate], &seen, NOW).is_err());
    }
}
