//! The entities of a request: the agent, the action with its groups, and what is touched.
//!
//! An action's groups come from the question, not from the catalogue as it stands now, so that a
//! recorded question can be decided again after the catalogue has moved on.

use cedar_policy::EntityUid;
use remit_model::question::{Asked, Call};
use remit_model::{Digest, Operation, Question, Resource, ResourceKind};

use crate::names::{Names, TOOLS, uid};
use crate::native::{self, Entity, Pair, Value, reference, text};
use crate::schema::{effect_group, reach_group, server_group};

/// One corner of a request: an entity and everything it is in.
#[derive(Clone, Debug)]
pub(crate) struct Corner {
    pub(crate) uid: EntityUid,
    pub(crate) ancestors: Vec<EntityUid>,
}

impl Corner {
    fn new(uid: EntityUid, ancestors: Vec<EntityUid>) -> Self {
        Self { uid, ancestors }
    }

    fn entity<'a>(&self, attributes: impl IntoIterator<Item = Pair<'a>>) -> Entity {
        native::entity(&self.uid, attributes, &self.ancestors)
    }
}

/// The agent that asks.
pub(crate) fn principal(names: &Names, question: &Question) -> (Corner, Entity) {
    let agent = &question.agent;
    let team = uid(&names.team, &agent.owner);
    let zone = agent.zone.as_ref().map(|zone| uid(&names.zone, zone));
    let corner = Corner::new(
        uid(&names.agent, agent.name.as_str()),
        std::iter::once(team).chain(zone.clone()).collect(),
    );
    let mut attributes = vec![
        ("name", text(agent.name.as_str())),
        ("owner", text(&agent.owner)),
        ("autonomy", text(&agent.autonomy.to_string())),
    ];
    attributes.extend(zone.map(|zone| ("zone", reference(&zone))));
    let made_of = &agent.composition;
    let digest = |digest: &Digest| text(&digest.to_string());
    attributes.extend(made_of.model.as_ref().map(|model| ("model", text(model))));
    attributes.extend(made_of.prompt.as_ref().map(|prompt| ("prompt", digest(prompt))));
    attributes.extend(made_of.toolset.as_ref().map(|tools| ("toolset", digest(tools))));
    let made = corner.entity(attributes);
    (corner, made)
}

/// What is asked for, in the groups of the tool's effect, reach and server.
pub(crate) fn action(names: &Names, question: &Question) -> (Corner, Entity) {
    let action = |id: &str| uid(&names.action, id);
    let corner = match &question.asked {
        Asked::Call(Call { operation: Operation::CallTool { name }, server, .. }) => {
            let mut groups = vec![action(TOOLS), action(&server_group(server.as_str()))];
            if let Some(tool) = &question.tool {
                groups.push(action(effect_group(tool.profile.effect.value)));
                groups.push(action(reach_group(tool.profile.reach.value)));
            }
            Corner::new(action(&format!("{server}/{name}")), groups)
        }
        Asked::Call(call) => Corner::new(action(operation(&call.operation)), Vec::new()),
        Asked::ListTool(_) => Corner::new(action("listTool"), Vec::new()),
        Asked::OpenTask => Corner::new(action("openTask"), Vec::new()),
        Asked::ContinueTask => Corner::new(action("continueTask"), Vec::new()),
        Asked::Lend(_) => Corner::new(action("lend"), Vec::new()),
        Asked::KeepLent(_) => Corner::new(action("keepLent"), Vec::new()),
    };
    let made = corner.entity([]);
    (corner, made)
}

/// Everything that is touched; for questions about the task itself, the task.
pub(crate) fn resources(names: &Names, question: &Question) -> (Vec<Corner>, Vec<Entity>) {
    let server_of = |name: &str| {
        let corner = Corner::new(uid(names.kind(ResourceKind::Server), name), Vec::new());
        let made = corner.entity([("name", text(name))]);
        (corner, made)
    };
    match &question.asked {
        Asked::OpenTask | Asked::ContinueTask => {
            let task = &question.task;
            let corner = Corner::new(uid(&names.task, task.id.as_str()), Vec::new());
            let made = corner.entity([("template", text(&task.template))]);
            (vec![corner], vec![made])
        }
        Asked::ListTool(tool) => {
            let (corner, made) = server_of(tool.server.as_str());
            (vec![corner], vec![made])
        }
        Asked::Lend(loan) | Asked::KeepLent(loan) => {
            let (server, made) = server_of(loan.server.as_str());
            let secret =
                Resource { kind: ResourceKind::Secret, id: loan.credential.as_str().to_owned() };
            let (corner, secret) = touched(names, &secret, &server);
            (vec![corner], vec![made, secret])
        }
        Asked::Call(call) => {
            let (server, made) = server_of(call.server.as_str());
            let (mut corners, mut all) = (Vec::new(), vec![made]);
            for resource in &question.resources {
                let (corner, made) = touched(names, resource, &server);
                if corner.uid != server.uid && !corners.iter().any(|c: &Corner| c.uid == corner.uid)
                {
                    all.push(made);
                }
                corners.push(corner);
            }
            (corners, all)
        }
    }
}

fn touched(names: &Names, resource: &Resource, server: &Corner) -> (Corner, Entity) {
    let id = resource.id.as_str();
    let this = uid(names.kind(resource.kind), id);
    if resource.kind == ResourceKind::Server {
        let corner = Corner::new(this, Vec::new());
        let made = corner.entity([("name", text(id))]);
        return (corner, made);
    }
    let corner = Corner::new(this, vec![server.uid.clone()]);
    let mut attributes = vec![("value", text(id)), ("server", reference(&server.uid))];
    match resource.kind {
        ResourceKind::Mailbox => {
            let domain = id.rsplit_once('@').map_or("", |(_, domain)| domain);
            attributes.push(("domain", text(&domain.to_ascii_lowercase())));
        }
        ResourceKind::Host => attributes.push(("name", text(without_port(id)))),
        ResourceKind::File => attributes.push(("traverses", Value::from(traverses(id)))),
        _ => {}
    }
    let made = corner.entity(attributes);
    (corner, made)
}

/// The action of a call that is not of a tool.
fn operation(operation: &Operation) -> &'static str {
    match operation {
        Operation::CallTool { .. } => TOOLS,
        Operation::ReadResource { .. } => "readResource",
        Operation::GetPrompt { .. } => "getPrompt",
        Operation::Complete { .. } => "complete",
    }
}

/// Whether a path holds a `..` segment under any separator or escape that servers are known to
/// resolve, so that it may name another place than it says.
fn traverses(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let plain = lower.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    plain.split(['/', '\\']).any(|segment| segment == "..")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_are_seen() {
        for path in ["..", "/a/../b", "a\\..\\b", "/a/%2e%2E/b", "a%2f..%2fb", "file:///a/.."] {
            assert!(traverses(path), "{path}");
        }
        for path in ["/a/b", "/a/..b", "a...b", "/.../x", "./a"] {
            assert!(!traverses(path), "{path}");
        }
    }

    #[test]
    fn hosts_lose_their_port_only() {
        for (host, name) in
            [("a.example:8443", "a.example"), ("[::1]:80", "[::1]"), ("::1", "::1"), ("a", "a")]
        {
            assert_eq!(without_port(host), name);
        }
    }
}
