//! What is in force: the policy set and the catalogue it was compiled against.

use std::sync::Arc;

use remit_catalogue::Catalogue;
use remit_model::Tool;
use remit_policy::{ENGINE, LoadError, Snapshot, Source};
use remit_ports::Pins;

/// An immutable pair of policy set and catalogue; replaced as a whole.
#[derive(Clone, Debug)]
pub struct World {
    /// The tools.
    pub catalogue: Arc<Catalogue>,
    /// The policy set, compiled against the schema of the tools.
    pub snapshot: Arc<Snapshot>,
    /// The policy files.
    pub sources: Arc<Vec<Source>>,
    /// Why what is on disk is not in force; `None` after a reload that took effect.
    pub refused: Option<String>,
    /// Why the policies do not fit the tools as they are by now, where they do not.
    pub unfit: Option<String>,
    /// Digests of all of it.
    pub pins: Pins,
}

impl World {
    /// Compiles the policies against the tools.
    ///
    /// Errors: a policy does not parse or does not fit the schema.
    pub fn compile(
        sources: Arc<Vec<Source>>,
        catalogue: Arc<Catalogue>,
        groups: &[String],
    ) -> Result<Self, LoadError> {
        let tools: Vec<Tool> = catalogue.tools().cloned().collect();
        let snapshot = Arc::new(Snapshot::compile(&sources, &tools, groups)?);
        Ok(Self::of(sources, catalogue, snapshot))
    }

    /// The same policies over another catalogue, where they no longer compile against it.
    pub(crate) fn with_catalogue(&self, catalogue: Arc<Catalogue>, unfit: String) -> Self {
        let (sources, snapshot) = (Arc::clone(&self.sources), Arc::clone(&self.snapshot));
        Self { unfit: Some(unfit), ..Self::of(sources, catalogue, snapshot) }
    }

    fn of(sources: Arc<Vec<Source>>, catalogue: Arc<Catalogue>, snapshot: Arc<Snapshot>) -> Self {
        let pins = Pins {
            policy: snapshot.policy_digest(),
            schema: snapshot.schema_digest(),
            catalogue: catalogue.digest(),
            engine: ENGINE,
        };
        Self { catalogue, snapshot, sources, refused: None, unfit: None, pins }
    }
}
