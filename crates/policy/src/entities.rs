//! The entities of a request: the agent, the action with its groups, and what is touched.
//!
//! An action's groups come from the question, not from the catalogue as it stands now, so that a
//! recorded question can be decided again after the catalogue has moved on.

use cedar_policy::EntityUid;
use remit_model::question::{Asked, Call};
use remit_model::{Operation, Question, ResourceKind, ServerName};

use crate::fact::{self, Fact, Facts, shown, text};
use crate::key::Key;
use crate::moments::Moments;
use crate::names::{Names, TOOLS, uid};
use crate::native::{self, Entity};
use crate::schema::{effect_group, reach_group, server_group};
use crate::sight::{Seen, Sight};

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

    /// It with what `fill` says of it, as far as `sight` goes.
    fn known<'a>(&'a self, sight: &'a Sight, fill: impl FnOnce(&mut Seen<'a>)) -> Known<'a> {
        let mut seen = Seen::new(sight);
        fill(&mut seen);
        Known { corner: self, facts: seen.into_facts() }
    }
}

/// A corner and what is known of it.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    corner: &'a Corner,
    facts: Facts<'a>,
}

impl Known<'_> {
    /// Adds it to the text that its question is known by; which entity it is only if that counts.
    pub(crate) fn write(&self, sight: &Sight, key: &mut Key) {
        if sight.tells_apart() {
            key.length(self.corner.ancestors.len());
            for uid in std::iter::once(&self.corner.uid).chain(&self.corner.ancestors) {
                key.text(uid.type_name().basename());
                key.text(uid.id().as_ref());
            }
        }
        fact::write(&self.facts, key);
    }
}

/// The entities of a request, each once.
pub(crate) fn entities(all: &[Known<'_>], moments: &Moments) -> Vec<Entity> {
    let mut made: Vec<&EntityUid> = Vec::with_capacity(all.len());
    let mut entities = Vec::with_capacity(all.len());
    for Known { corner, facts } in all {
        if !made.contains(&&corner.uid) {
            made.push(&corner.uid);
            let pairs = fact::pairs(facts, moments);
            entities.push(native::entity(&corner.uid, pairs, &corner.ancestors));
        }
    }
    entities
}

/// What a request touches.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    pub(crate) corner: Corner,
    /// What kind of thing it is; `None` for the task itself.
    kind: Option<ResourceKind>,
}

/// Who asks for what, and of what.
#[derive(Debug)]
pub(crate) struct Corners {
    pub(crate) principal: Corner,
    pub(crate) action: Corner,
    /// Everything that is touched; for questions about the task itself, the task.
    pub(crate) resources: Vec<Touched>,
    /// The server that all of it is of.
    server: Option<Touched>,
}

impl Corners {
    /// Those of `question`.
    pub(crate) fn of(names: &Names, question: &Question) -> Self {
        let of_kind = |kind, id: &str, within: Option<&Touched>| {
            let within = within.filter(|_| kind != ResourceKind::Server);
            let within = within.map(|server| server.corner.uid.clone());
            let corner = Corner::new(uid(names.kind(kind), id), within.into_iter().collect());
            Touched { corner, kind: Some(kind) }
        };
        let server = |name: &ServerName| of_kind(ResourceKind::Server, name.as_str(), None);
        let (server, resources) = match &question.asked {
            Asked::OpenTask | Asked::ContinueTask => {
                let corner = Corner::new(uid(&names.task, question.task.id.as_str()), Vec::new());
                (None, vec![Touched { corner, kind: None }])
            }
            Asked::ListTool(tool) => (None, vec![server(&tool.server)]),
            Asked::Lend(loan) | Asked::KeepLent(loan) => {
                let (server, id) = (server(&loan.server), loan.credential.as_str());
                let secret = of_kind(ResourceKind::Secret, id, Some(&server));
                (Some(server), vec![secret])
            }
            Asked::Call(call) => {
                let server = server(&call.server);
                let touched = question.resources.iter();
                let touched = touched.map(|it| of_kind(it.kind, &it.id, Some(&server))).collect();
                (Some(server), touched)
            }
        };
        let (principal, action) = (principal(names, question), action(names, question));
        Self { principal, action, resources, server }
    }

    /// What is known of each, as far as `sight` goes.
    pub(crate) fn known<'a>(
        &'a self,
        names: &'a Names,
        question: &'a Question,
        sight: &'a Sight,
    ) -> Vec<Known<'a>> {
        let principal = self.principal.known(sight, |seen| agent(seen, names, question));
        let action = self.action.known(sight, |_| {});
        let touched = self.server.iter().chain(&self.resources);
        let touched = touched.map(|it| it.corner.known(sight, |seen| thing(seen, it, question)));
        [principal, action].into_iter().chain(touched).collect()
    }
}

/// The agent that asks, in its team and zone.
fn principal(names: &Names, question: &Question) -> Corner {
    let agent = &question.agent;
    let zone = agent.zone.as_ref().map(|zone| uid(&names.zone, zone));
    let around = std::iter::once(uid(&names.team, &agent.owner)).chain(zone);
    Corner::new(uid(&names.agent, agent.name.as_str()), around.collect())
}

fn agent<'a>(seen: &mut Seen<'a>, names: &'a Names, question: &'a Question) {
    let agent = &question.agent;
    seen.add("name", || text(agent.name.as_str()));
    seen.add("owner", || text(&agent.owner));
    seen.add("autonomy", || shown(&agent.autonomy));
    seen.add_some("zone", agent.zone.as_ref(), |zone| Fact::Entity(&names.zone, zone));
    let made_of = &agent.composition;
    seen.add_some("model", made_of.model.as_deref(), text);
    seen.add_some("prompt", made_of.prompt.as_ref(), shown);
    seen.add_some("toolset", made_of.toolset.as_ref(), shown);
}

/// What is asked for, in the groups of the tool's effect, reach and server.
fn action(names: &Names, question: &Question) -> Corner {
    let action = |id: &str| uid(&names.action, id);
    match &question.asked {
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
    }
}

fn thing<'a>(seen: &mut Seen<'a>, touched: &'a Touched, question: &'a Question) {
    let id: &str = touched.corner.uid.id().as_ref();
    let Some(kind) = touched.kind else {
        return seen.add("template", || text(&*question.task.template));
    };
    if kind == ResourceKind::Server {
        return seen.add("name", || text(id));
    }
    seen.add("value", || text(id));
    seen.add_some("server", touched.corner.ancestors.first(), entity);
    match kind {
        ResourceKind::Mailbox => seen.add("domain", || {
            let domain = id.rsplit_once('@').map_or("", |(_, domain)| domain);
            text(domain.to_ascii_lowercase())
        }),
        ResourceKind::Host => seen.add("name", || text(without_port(id))),
        ResourceKind::File => seen.add("traverses", || Fact::Flag(traverses(id))),
        _ => {}
    }
}

fn entity(uid: &EntityUid) -> Fact<'_> {
    Fact::Entity(uid.type_name(), uid.id().as_ref())
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
