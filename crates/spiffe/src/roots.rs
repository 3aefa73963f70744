//! The signing certificates of other trust domains, as a Workload API hands them out (SPIFFE Workload
//! API section 5.2.1), and the X.509-SVIDs that they verify.
//!
//! Which trust domains are meant is said by whoever configured it; what certificates say of themselves
//! may not contradict that. What is not in the newest message is believed no more, and all of it only
//! until a time that whoever listens moves on.

use std::collections::BTreeMap;

use remit_model::{Digest, Timestamp};
use spiffe::TrustDomain;

use crate::chain::{self, check_authority};
use crate::{BundleError, SvidError, VerifiedX509};

/// Signing certificates of one trust domain that are read (R13): each is tried for a chain.
pub const MAX_ROOTS: usize = 64;

/// What verifies X.509-SVIDs of other trust domains. A value: the next message makes another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignRoots {
    domains: BTreeMap<TrustDomain, Vec<Root>>,
    until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    certificate: Vec<u8>,
    /// What tells it from all others.
    id: String,
    /// Whom it names as its subject, in DER.
    subject: Option<Vec<u8>>,
}

impl ForeignRoots {
    /// None yet; what is added is believed until `until`.
    pub fn new(until: Timestamp) -> Self {
        Self { domains: BTreeMap::new(), until }
    }

    /// Adds the signing certificates of `domain`, each in DER, beside our own trust domain.
    ///
    /// Errors: one of them is of another trust domain, or is none; nothing was added.
    pub fn add<'a>(
        &mut self,
        domain: &TrustDomain,
        certificates: impl Iterator<Item = &'a [u8]>,
        ours: &TrustDomain,
    ) -> Result<(), BundleError> {
        if domain == ours {
            return Err(BundleError::Ours);
        }
        let mut roots = Vec::new();
        for certificate in certificates {
            check_authority(certificate, domain.as_str(), ours)?;
            if roots.len() == MAX_ROOTS {
                return Err(BundleError::Form(format!(
                    "it holds more than {MAX_ROOTS} certificates"
                )));
            }
            let id = Digest::of(certificate).to_string();
            let subject = chain::subject(certificate);
            roots.push(Root { certificate: certificate.to_vec(), id, subject });
        }
        self.domains.insert(domain.clone(), roots);
        Ok(())
    }

    /// Whether they are believed at `now`: they were handed out a short time ago.
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Whose X.509-SVID the certificates in `chain` are, the leaf first, at `now`.
    ///
    /// Errors: the leaf is not an X.509-SVID of one of these trust domains, or does not lead to the
    /// bundle of its own.
    pub fn verify_x509(&self, chain: &[&[u8]], now: Timestamp) -> Result<VerifiedX509, SvidError> {
        let roots = |domain: &TrustDomain| {
            let roots = self.domains.get(domain)?.iter();
            Some(roots.map(|root| (root.certificate.as_slice(), root.id.as_str())).collect())
        };
        let svid = chain::verify(chain, now, roots)?;
        if self.is_confirmed(now) { Ok(svid) } else { Err(SvidError::NoKey) }
    }

    /// Whether the certificate that signed `svid` is still in the bundle. Nothing is verified again.
    pub fn vouches_for(&self, svid: &VerifiedX509) -> bool {
        let roots = self.domains.get(svid.id.trust_domain());
        roots.is_some_and(|roots| roots.iter().any(|root| root.id == svid.signer))
    }

    /// The subjects of the certificates, as [`crate::Authority::x509_names`] has ours.
    pub fn x509_names(&self, now: Timestamp) -> Vec<Vec<u8>> {
        let roots = self.domains.values().flatten().filter(|_| self.is_confirmed(now));
        roots.filter_map(|root| root.subject.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use remit_testkit::SeededEntropy;

    use super::*;
    use crate::tests::authority_of;
    use crate::{Authority, agent_id, trust_domain};

    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    fn handed(
        of: &[&Authority],
        as_domain: &str,
        until: Timestamp,
    ) -> Result<ForeignRoots, BundleError> {
        let certificates: Vec<_> = of.iter().map(|one| one.x509_bundle(NOW)).collect();
        let mut roots = ForeignRoots::new(until);
        let ours = trust_domain("ours.example").unwrap();
        let domain = trust_domain(as_domain).unwrap();
        roots.add(&domain, certificates.iter().map(Vec::as_slice), &ours)?;
        Ok(roots)
    }

    fn bot(of: &Authority) -> Vec<u8> {
        let id = agent_id(of.domain(), &"bot".parse().unwrap()).unwrap();
        let until = NOW.after(Duration::from_mins(10));
        of.x509(&id, until, NOW, &SeededEntropy::new(9)).unwrap().certificate
    }

    #[test]
    fn what_is_handed_out_verifies_its_own_trust_domain_and_only_for_a_time() {
        let until = NOW.after(Duration::from_mins(1));
        let (theirs, next) = (authority_of("theirs.example", 1), authority_of("theirs.example", 2));
        let leaf = bot(&theirs);
        let roots = handed(&[&theirs], "theirs.example", until).unwrap();
        let svid = roots.verify_x509(&[&leaf], NOW).unwrap();
        assert_eq!(svid.id.to_string(), "spiffe://theirs.example/agent/bot");
        assert!(roots.vouches_for(&svid) && roots.is_confirmed(NOW));
        assert_eq!(roots.x509_names(NOW).len(), 1);

        assert_eq!(
            roots.verify_x509(&[&leaf], until),
            Err(SvidError::NoKey),
            "nobody said so lately"
        );
        assert!(!roots.is_confirmed(until) && roots.x509_names(until).is_empty());
        let later = handed(&[&theirs, &next], "theirs.example", until).unwrap();
        assert!(later.vouches_for(&svid), "keys that are replaced overlap");
        let gone = handed(&[&next], "theirs.example", until).unwrap();
        assert!(!gone.vouches_for(&svid) && gone.verify_x509(&[&leaf], NOW).is_err());
        for stranger in ["third.example", "ours.example"] {
            let leaf = bot(&authority_of(stranger, 3));
            assert_eq!(roots.verify_x509(&[&leaf], NOW), Err(SvidError::Foreign), "{stranger}");
        }
        let impostor = bot(&authority_of("theirs.example", 4));
        assert!(roots.verify_x509(&[&impostor], NOW).is_err(), "their name, another key");
        assert!(ForeignRoots::default().verify_x509(&[&leaf], NOW).is_err());
    }

    #[test]
    fn nobody_hands_out_certificates_of_another_trust_domain() {
        let (theirs, until) =
            (authority_of("theirs.example", 1), NOW.after(Duration::from_mins(1)));
        let (ours, third) = (authority_of("ours.example", 2), authority_of("third.example", 3));
        for (of, as_domain, why) in [
            (&[&ours][..], "ours.example", BundleError::Ours),
            (&[&theirs], "ours.example", BundleError::Ours),
            (&[&theirs, &ours], "theirs.example", BundleError::Ours),
            (&[&theirs, &third], "theirs.example", BundleError::Other("theirs.example".to_owned())),
        ] {
            assert_eq!(handed(of, as_domain, until), Err(why), "{as_domain}");
        }
        let domain = trust_domain("theirs.example").unwrap();
        let (mut roots, ours) = (ForeignRoots::new(until), trust_domain("ours.example").unwrap());
        assert!(roots.add(&domain, [&b"none"[..]].into_iter(), &ours).is_err());
        let certificate = theirs.x509_bundle(NOW);
        let many = std::iter::repeat_n(certificate.as_slice(), MAX_ROOTS + 1);
        assert!(roots.add(&domain, many, &ours).unwrap_err().to_string().contains("more than 64"));
        assert_eq!(roots, ForeignRoots::new(until), "nothing of it counts");
    }
}
