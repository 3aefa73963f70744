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
    /// What the last refused change said; `None` after a change that took effect.
    pub refused: Option<String>,
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
        Ok(Self::of(sources, catalogue, snapshot, None))
    }

    /// The same policies over another catalogue, where they no longer compile against it.
    pub(crate) fn with_catalogue(&self, catalogue: Arc<Catalogue>, refused: String) -> Self {
        let (sources, snapshot) = (Arc::clone(&self.sources), Arc::clone(&self.snapshot));
        Self::of(sources, catalogue, snapshot, Some(refused))
    }

    fn of(
        sources: Arc<Vec<Source>>,
        catalogue: Arc<Catalogue>,
        snapshot: Arc<Snapshot>,
        refused: Option<String>,
    ) -> Self {
        let pins = Pins {
            policy: snapshot.policy_digest(),
            schema: snapshot.schema_digest(),
            catalogue: catalogue.digest(),
            engine: ENGINE,
        };
        Self { catalogue, snapshot, sources, refused, pins }
    }
}
