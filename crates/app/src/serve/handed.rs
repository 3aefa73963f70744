//! What a Workload API elsewhere hands out, where one is configured as the source of trust. Then Remit
//! issues nothing: two who issue are two whose keys can be stolen.

use std::path::Path;
use std::sync::Arc;

use remit_federation::{WorkloadApi, WorkloadSource};
use remit_model::Clock;

use crate::config::Config;
use crate::fail::Fail;

/// It, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    /// What it hands out; nothing, if there is none.
    pub(crate) api: Arc<WorkloadApi>,
    /// Where it was when this process started.
    pub(crate) source: Option<WorkloadSource>,
}

impl Handed {
    /// As `config` has it; nobody listens yet.
    ///
    /// Errors: it is not named as it should be.
    pub(crate) fn new(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, Fail> {
        let api = Arc::new(WorkloadApi::new(Arc::clone(clock)));
        Ok(Self { api, source: config.source()? })
    }

    /// Whether Remit issues SVIDs itself.
    pub(crate) fn is_ours(&self) -> bool {
        self.source.is_none()
    }

    /// Listens to it, if there is one.
    pub(crate) async fn run(self) {
        if let Some(source) = self.source {
            self.api.run(source).await;
        }
    }

    /// Waits a little until it has answered, if there is one.
    pub(crate) async fn answered(&self) {
        if self.source.is_some() {
            self.api.answered().await;
        }
    }

    /// Where processes fetch SVIDs, as `SPIFFE_ENDPOINT_SOCKET` names it.
    pub(crate) fn endpoint(config: &Config, state: &Path) -> String {
        config.spiffe.source.clone().unwrap_or_else(|| super::svids::endpoint(state))
    }
}
