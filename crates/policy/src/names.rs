//! The words of the Cedar schema, parsed once.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};
use remit_model::ResourceKind;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "Remit";

/// The approver group that always exists.
pub(crate) const OPERATORS: &str = "operators";

/// The group that every tool is in.
pub(crate) const TOOLS: &str = "tools";

/// Entity type names.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) agent: EntityTypeName,
    pub(crate) team: EntityTypeName,
    pub(crate) zone: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) task: EntityTypeName,
    pub(crate) action: EntityTypeName,
    kinds: [EntityTypeName; 9],
    server: EntityTypeName,
}

impl Names {
    /// Parses them.
    ///
    /// Errors: none in practice; the texts are constants.
    pub(crate) fn new() -> Result<Self, ParseErrors> {
        let name = |text: &str| format!("{NAMESPACE}::{text}").parse::<EntityTypeName>();
        let [a, b, c, d, e, f, g, h, i] = ResourceKind::ALL.map(|kind| name(kind.entity_type()));
        Ok(Self {
            agent: name("Agent")?,
            team: name("Team")?,
            zone: name("Zone")?,
            group: name("ApproverGroup")?,
            task: name("Task")?,
            action: name("Action")?,
            kinds: [a?, b?, c?, d?, e?, f?, g?, h?, i?],
            server: name("Server")?,
        })
    }

    /// The entity type of a kind of resource.
    pub(crate) fn kind(&self, kind: ResourceKind) -> &EntityTypeName {
        let at = ResourceKind::ALL.iter().position(|known| *known == kind);
        at.and_then(|at| self.kinds.get(at)).unwrap_or(&self.server)
    }
}

/// The entity `name::"id"`; any id is safe.
pub(crate) fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}
