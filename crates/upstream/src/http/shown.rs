//! Connections on which a lent certificate is shown.
//!
//! A TLS connection says once who opened it, and whatever comes through it counts as theirs. So each lease
//! has connections of its own, which nothing else is sent through, no other task's calls above all, and
//! which end with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_model::LeaseId;
use remit_ports::{Lease, Material};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

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
    let key = PrivateKeyDer::from_pem_slice(key?).map_err(|_| bad("key"))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|_| bad("key"))
}
