//! The words of the Cedar schema, parsed once, and what else is made once for many questions.

use std::collections::BTreeMap;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use remit_model::ResourceKind;

use crate::fact::Constant;
use crate::flow;
use crate::moments::Moments;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "Remit";

/// The approver group that always exists.
pub(crate) const OPERATORS: &str = "operators";

/// The entity type of approver groups.
pub(crate) const GROUP: &str = "ApproverGroup";

/// The group that every tool is in.
pub(crate) const TOOLS: &str = "tools";

/// Entity type names.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) agent: EntityTypeName,
    pub(crate) team: EntityTypeName,
    pub(crate) zone: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) task: EntityTypeName,
    pub(crate) action: EntityTypeName,
    kinds: BTreeMap<ResourceKind, EntityTypeName>,
    server: EntityTypeName,
    pub(crate) moments: Moments,
    /// What is seen of a role that no argument has, which most are.
    pub(crate) no_role: Constant,
}

impl Names {
    /// Parses them.
    ///
    /// Errors: none in practice; the texts are constants.
    pub(crate) fn new() -> Result<Self, String> {
        let name = |text: &str| {
            let full = format!("{NAMESPACE}::{text}");
            full.parse::<EntityTypeName>().map_err(|why| why.to_string())
        };
        let kind = |kind: ResourceKind| name(kind.entity_type()).map(|name| (kind, name));
        let moments = Moments::default();
        Ok(Self {
            agent: name("Agent")?,
            team: name("Team")?,
            zone: name("Zone")?,
            group: name(GROUP)?,
            task: name("Task")?,
            action: name("Action")?,
            kinds: ResourceKind::ALL.into_iter().map(kind).collect::<Result<_, _>>()?,
            server: name("Server")?,
            no_role: Constant::of(&flow::nothing(), &moments),
            moments,
        })
    }

    /// The entity type of a kind of resource.
    pub(crate) fn kind(&self, kind: ResourceKind) -> &EntityTypeName {
        self.kinds.get(&kind).unwrap_or(&self.server)
    }
}

/// The entity `name::"id"`; any id is safe.
pub(crate) fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}
