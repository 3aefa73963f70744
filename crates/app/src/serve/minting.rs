//! SVIDs of runs for servers elsewhere. The keys that mint them are opened after those who lend, whose
//! returns they have to put on record; until then there are none.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use remit_issuers::svid::Mint;
use remit_model::Clock;
use remit_spiffe::{Authority, TrustDomain, trust_domain};
use tokio::sync::watch;

use crate::config::Config;
use crate::environment::SystemEntropy;
use crate::fail::Fail;

/// Mints SVIDs of runs.
pub(super) struct Minting {
    domain: TrustDomain,
    issuer: String,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    keys: OnceLock<watch::Receiver<Arc<Authority>>>,
}

impl Minting {
    /// In the trust domain of `config`, by a Remit that calls itself `own`.
    ///
    /// Errors: the trust domain is none.
    pub(super) fn new(config: &Config, own: &str, clock: Arc<dyn Clock>) -> Result<Self, Fail> {
        Ok(Self {
            domain: trust_domain(&config.trust_domain)?,
            issuer: own.to_owned(),
            lifetime: config.svid.lifetime.0,
            clock,
            keys: OnceLock::new(),
        })
    }

    /// By these keys from now on.
    pub(super) fn by(&self, keys: watch::Receiver<Arc<Authority>>) {
        // Keys are opened once; a second opening would be of the same.
        drop(self.keys.set(keys));
    }

    fn authority(&self) -> Arc<Authority> {
        let none = || Arc::new(Authority::new(self.domain.clone(), []));
        self.keys.get().map_or_else(none, |keys| Arc::clone(&keys.borrow()))
    }

    /// For whoever says who a run is.
    pub(super) fn mint(self: &Arc<Self>) -> Mint {
        let minting = Arc::clone(self);
        Mint {
            authority: Arc::new(move || minting.authority()),
            issuer: self.issuer.clone(),
            lifetime: self.lifetime,
            entropy: Arc::new(SystemEntropy),
            clock: Arc::clone(&self.clock),
        }
    }
}
