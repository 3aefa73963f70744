//! What calls of a tool have to observe, read from its definition once and not at every call.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use remit_engine::World;
use remit_mcp::{Object, ParamHeaders, Raw};
use remit_model::{Admission, Digest, Tool, ToolId};

/// What is read of one definition.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// The arguments that the tool mirrors into headers; `None` for tools that are not shown with
    /// their own schema.
    pub(crate) mirrored: Option<ParamHeaders>,
    /// Whether a client may hold an `outputSchema` of this tool, from now or from before it changed.
    pub(crate) declares_output: bool,
}

/// The sheets of the catalogue in force.
#[derive(Debug)]
pub(crate) struct Sheets(ArcSwap<Shelf>);

#[derive(Debug)]
struct Shelf {
    catalogue: Digest,
    sheets: BTreeMap<ToolId, Arc<Sheet>>,
}

impl Default for Sheets {
    fn default() -> Self {
        let shelf = Shelf { catalogue: Digest([0; 32]), sheets: BTreeMap::new() };
        Self(ArcSwap::from_pointee(shelf))
    }
}

impl Sheets {
    /// The sheet of a tool of `world`; an empty one for a tool it does not have.
    pub(crate) fn of(&self, world: &World, tool: &ToolId) -> Arc<Sheet> {
        if self.0.load().catalogue != world.pins.catalogue {
            let sheets = world.catalogue.tools().map(|tool| (tool.id.clone(), sheet(tool).into()));
            let sheets = sheets.collect();
            self.0.store(Arc::new(Shelf { catalogue: world.pins.catalogue, sheets }));
        }
        self.0.load().sheets.get(tool).map(Arc::clone).unwrap_or_default()
    }
}

fn sheet(tool: &Tool) -> Sheet {
    let (own, before) = match &tool.admission {
        Admission::Quarantined { before, .. } => (false, before.as_deref()),
        _ => (true, None),
    };
    let definition = object(&tool.definition);
    let declares = |definition: &Object| definition.has("outputSchema");
    let schema = definition.as_ref().filter(|_| own).and_then(|tool| tool.get("inputSchema"));
    Sheet {
        mirrored: schema.and_then(|schema| ParamHeaders::of_schema(&schema).ok()),
        declares_output: definition.as_ref().is_some_and(declares)
            || before.and_then(object).as_ref().is_some_and(declares),
    }
}

/// A definition as an object, if it is one.
pub(crate) fn object(definition: &str) -> Option<Object> {
    Object::parse(&Raw::parse(definition).ok()?).ok()
}
