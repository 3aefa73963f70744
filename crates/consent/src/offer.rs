//! What a template has to offer, tool by tool, as the catalogue knows it.
//!
//! What tool servers say of their tools in words is not shown: they are not who should persuade a person.

use std::sync::Arc;

use remit_engine::{Engine, Template};
use remit_model::tool::{Known, Origin, Trust};
use remit_model::{
    Admission, Agent, AgentName, Effect, Fixed, Reach, ServerName, Tool, ToolPattern, ToolScope,
};

/// What servers have besides tools, as a remit names it.
const RESOURCES: [(&str, &str); 2] =
    [("@resources", "resources (documents it shows)"), ("@prompts", "prompts")];

/// A tool that a person can give.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// As remits name it, `server/tool`.
    pub(crate) name: String,
    /// Its server.
    pub(crate) server: ServerName,
    /// What it is called there.
    pub(crate) label: String,
    /// What calling it does, and how that is known.
    pub(crate) effect: Known<Effect>,
    /// How far that reaches; `None` where it is not known.
    pub(crate) reach: Option<Reach>,
    /// Whether what it returns could have been written by an outsider.
    pub(crate) returns_untrusted: bool,
    /// Whether calls wait for the server's owner.
    pub(crate) is_quarantined: bool,
    /// Which arguments it is for; empty: any.
    pub(crate) only: Vec<String>,
}

/// The templates that `agent` may open, by name.
pub(crate) fn templates(engine: &Engine, agent: &AgentName) -> Vec<Arc<Template>> {
    engine.settings().opened_by(agent).cloned().collect()
}

/// The agent of this name.
pub(crate) fn agent(engine: &Engine, name: &AgentName) -> Option<Fixed<Agent>> {
    engine.settings().agents.get(name).cloned()
}

/// What `template` covers, at all servers or at one.
pub(crate) fn of(engine: &Engine, template: &Template, at: Option<&ServerName>) -> Vec<Offer> {
    let scope = ToolScope::any_of(template.tools.iter().cloned());
    let (world, settings) = (engine.world(), engine.settings());
    let here = |server: &ServerName| at.is_none_or(|at| at == server);
    let tools = world.catalogue.offered().filter(|tool| here(&tool.id.server));
    let tools = tools.filter(|tool| !matches!(tool.admission, Admission::Withdrawn { .. }));
    let mut offers: Vec<Offer> = tools.map(of_tool).collect();
    for server in settings.servers.keys().filter(|server| here(server)) {
        offers.extend(RESOURCES.map(|(name, label)| of_resources(server, name, label)));
    }
    // A name that is a pattern, or none at all, cannot be named alone.
    let plain = |name: &str| !name.contains('*') && name.parse::<ToolPattern>().is_ok();
    offers.retain(|offer| plain(&offer.name) && scope.could_cover(&offer.name));
    for offer in &mut offers {
        offer.only = conditions(template, &offer.name);
    }
    // Tools first, from harmless to irrevocable.
    let place = |offer: &Offer| {
        let (server, effect) = (offer.server.clone(), offer.effect.value);
        (server, offer.reach.is_none(), effect, offer.name.clone())
    };
    offers.sort_by_key(place);
    offers
}

fn of_tool(tool: &Tool) -> Offer {
    let profile = &tool.profile;
    Offer {
        name: tool.id.to_string(),
        server: tool.id.server.clone(),
        label: tool.id.name.clone(),
        effect: profile.effect.clone(),
        reach: Some(profile.reach.value),
        returns_untrusted: profile.returns.value == Trust::Untrusted,
        is_quarantined: matches!(tool.admission, Admission::Quarantined { .. }),
        only: Vec::new(),
    }
}

fn of_resources(server: &ServerName, name: &str, label: &str) -> Offer {
    Offer {
        name: format!("{server}/{name}"),
        server: server.clone(),
        label: label.to_owned(),
        effect: Known {
            value: Effect::Read,
            origin: Origin::Inferred("resources are read".to_owned()),
        },
        reach: None,
        returns_untrusted: true,
        is_quarantined: false,
        only: Vec::new(),
    }
}

/// What the arguments of `name` must be, if no rule of the template takes any.
fn conditions(template: &Template, name: &str) -> Vec<String> {
    let rules: Vec<_> = template.tools.iter().filter(|rule| rule.tool.covers(name)).collect();
    if rules.iter().any(|rule| rule.arguments.is_empty()) {
        return Vec::new();
    }
    let of_rule = |rule: &&remit_model::ToolRule| {
        let each = rule.arguments.iter().map(|(path, what)| format!("{} is {what}", path.0));
        each.collect::<Vec<_>>().join(" and ")
    };
    rules.iter().map(of_rule).collect()
}
