//! Connections on which a lent certificate is shown.
//!
//! A TLS connection says once who opened it, and whatever comes through it counts as theirs. So each lease
//! has connections of its own, which nothing else is sent through, no other task's calls above all, and
//! which end with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_model::LeaseId;
use remit_ports::{Lease, Material};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

use super::Pool;
use crate::config::HttpServer;
use crate::delivery::SHOWN;
use crate::health::Health;

/// The connections of each lease whose certificate is shown.
#[derive(Default)]
pub(crate) struct Shown(Mutex<BTreeMap<LeaseId, Arc<Pool>>>);

impl Shown {
    /// The connections to `server` on which the certificate of `lease` is shown.
    ///
    /// Errors: it was taken back, or is no certificate with its key; see also [`Pool::new`].
    pub(crate) fn of(
        &self,
        lease: &Lease,
        server: &HttpServer,
        health: &Arc<Health>,
    ) -> Result<Arc<Pool>, String> {
        if let Some(pool) = self.lock().get(&lease.id) {
            return Ok(Arc::clone(pool));
        }
        let certificate = Arc::new(SingleCertAndKey::from(certificate(&lease.material)?));
        let pool = Pool::new(server, Some(certificate), Arc::clone(health))?;
        let mut pools = self.lock();
        // A lease is marked before its connections are ended, so none comes after that.
        if !lease.is_good() {
            return Err("it was taken back".to_owned());
        }
        Ok(Arc::clone(pools.entry(lease.id.clone()).or_insert_with(|| Arc::new(pool))))
    }

    /// Ends those of `lease`, which was taken back.
    pub(crate) fn end(&self, lease: &LeaseId) {
        if let Some(pool) = self.lock().remove(lease) {
            pool.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Arc<Pool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No error says more than which field is of no use: the texts are secret.
fn certificate(material: &Material) -> Result<CertifiedKey, String> {
    let [certificate, key] = SHOWN.map(|field| {
        let text = material.get(field).map(str::as_bytes);
        text.ok_or_else(|| format!("what was issued has no `{field}`"))
    });
    let bad = |what: &str| format!("what was issued has a `{what}` that no TLS connection takes");
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| bad("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key?).map(Zeroizing::new).map_err(|_| bad("key"))?;
    let shown = CertifiedKey::new(chain, any_supported_type(&key).map_err(|_| bad("key"))?);
    shown.keys_match().map_err(|_| bad("key"))?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use bytes::Bytes;
    use data_encoding::BASE64_MIME;
    use http_body_util::Full;
    use remit_model::{Secret, Timestamp};
    use remit_ports::Veil;
    use remit_spiffe::{Authority, Generation, own_id, trust_domain};
    use remit_testkit::samples::{NOW, lease_id};
    use remit_testkit::{ManualClock, SeededEntropy};

    use super::*;
    use crate::gate::Own;
    use crate::wire::Ended;

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}-----END {kind}-----\n", BASE64_MIME.encode(der))
    }

    /// The certificate and the key of SVID `n`.
    fn svid(n: u64) -> (String, Secret) {
        let (domain, entropy) = (trust_domain("remit.test").unwrap(), SeededEntropy::new(n));
        let day = Duration::from_hours(24);
        let kept = Generation::draw(1, &domain, day, NOW, &entropy).unwrap();
        let generation = Arc::new(Generation::open(1, &kept).unwrap());
        let authority = Authority::new(domain.clone(), [generation]);
        let until = NOW.after(Duration::from_mins(5));
        let svid = authority.x509(&own_id(&domain).unwrap(), until, NOW, &entropy).unwrap();
        let key = Secret::new(pem("PRIVATE KEY", &svid.key));
        (pem("CERTIFICATE", &svid.certificate), key)
    }

    fn lease(n: u32, certificate: String, key: Secret) -> Lease {
        let material = Material::default().with("certificate", certificate);
        Lease {
            id: lease_id(n),
            credential: "who".parse().unwrap(),
            server: "s".parse().unwrap(),
            task: None,
            until: Timestamp(1),
            veil: Veil::over([&key]),
            material: material.with_secret("key", key),
            good: Arc::new(true.into()),
        }
    }

    fn server() -> (HttpServer, Arc<Health>) {
        let server = HttpServer::new("http://127.0.0.1:9/mcp", &BTreeMap::new()).unwrap();
        (server, Arc::new(Health::new(Arc::new(ManualClock::default()), Vec::new())))
    }

    #[tokio::test]
    async fn each_lease_has_connections_of_its_own_and_none_once_it_was_taken_back() {
        let (shown, (server, health)) = (Shown::default(), server());
        let [one, other] = [1, 2].map(|n| {
            let (certificate, key) = svid(n.into());
            lease(n, certificate, key)
        });
        let of = |lease: &Lease| shown.of(lease, &server, &health);
        let pool = of(&one).unwrap();
        assert!(
            Arc::ptr_eq(&pool, &of(&one).unwrap()) && !Arc::ptr_eq(&pool, &of(&other).unwrap())
        );

        one.good.store(false, Ordering::Release);
        shown.end(&one.id);
        assert_eq!(of(&one).unwrap_err(), "it was taken back");
        let request = http::Request::new(Full::new(Bytes::new()));
        let sent = pool.send(request, &Own).await.map(drop);
        assert!(matches!(sent, Err(Ended::Unsent(why)) if why.contains("taken back")));
        assert!(of(&other).is_ok(), "another's go on");
    }

    #[test]
    fn what_cannot_be_shown_is_named_and_not_told() {
        let (shown, (server, health)) = (Shown::default(), server());
        let (certificate, key) = svid(1);
        let canary = || Secret::new("c4nary-of-a-key".to_owned());
        for (bad, field) in [
            (lease(1, "c4nary-of-a-certificate".to_owned(), key), "certificate"),
            (lease(2, certificate.clone(), canary()), "key"),
            (lease(3, certificate, svid(2).1), "key"),
        ] {
            let why = shown.of(&bad, &server, &health).unwrap_err();
            assert!(why.contains(&format!("`{field}`")) && !why.contains("c4nary"), "{why}");
        }
    }
}
