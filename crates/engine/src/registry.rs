//! The registered agents: what a person configured, and how each stands by the ledger.
//!
//! An agent that does not stand as active is found by nobody who asks for one to act, so there is no
//! place where somebody could forget to check: it opens nothing, proves nothing and gets no SVID. The
//! tasks that it had have ended.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::{Agent, AgentName, Fixed, Lifecycle, Standing};

/// The agents by name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    configured: BTreeMap<AgentName, Fixed<Agent>>,
    /// How those stand of whom the ledger says anything, configured or not.
    standing: BTreeMap<AgentName, Standing>,
}

/// One agent and how it stands.
#[derive(Clone, Debug)]
pub struct Registered<'a> {
    /// Its name.
    pub name: &'a AgentName,
    /// What is configured of it; nothing, if the ledger alone knows it.
    pub agent: Option<&'a Fixed<Agent>>,
    /// How it stands; since the beginning, if it was active ever since.
    pub standing: Standing,
}

impl FromIterator<Agent> for Registry {
    fn from_iter<T: IntoIterator<Item = Agent>>(agents: T) -> Self {
        let configured =
            agents.into_iter().map(|agent| (agent.name.clone(), agent.into())).collect();
        Self { configured, standing: BTreeMap::new() }
    }
}

impl Registry {
    /// The agent of this name, if it is active.
    pub fn get(&self, name: &AgentName) -> Option<&Fixed<Agent>> {
        self.configured.get(name).filter(|_| self.is_active(name))
    }

    /// Those that are active, in the order of their names.
    pub fn active(&self) -> impl Iterator<Item = &Fixed<Agent>> {
        self.configured.values().filter(|agent| self.is_active(&agent.name))
    }

    /// All there are and all there ever were, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = Registered<'_>> {
        let names: BTreeSet<_> = self.configured.keys().chain(self.standing.keys()).collect();
        names.into_iter().filter_map(|name| self.find(name))
    }

    /// One, however it stands.
    pub fn find<'a>(&'a self, name: &'a AgentName) -> Option<Registered<'a>> {
        let (agent, standing) = (self.configured.get(name), self.standing.get(name));
        (agent.is_some() || standing.is_some()).then(|| Registered {
            name,
            agent,
            standing: standing.copied().unwrap_or_default(),
        })
    }

    /// How the agent of this name stands; active, if nothing else is said of it.
    pub fn lifecycle(&self, name: &AgentName) -> Lifecycle {
        self.standing.get(name).map_or(Lifecycle::Active, |standing| standing.lifecycle)
    }

    /// What the ledger says of how they stand.
    pub(crate) fn standing(&self) -> &BTreeMap<AgentName, Standing> {
        &self.standing
    }

    /// The same agents, standing as the ledger says.
    pub(crate) fn standing_as(self, standing: BTreeMap<AgentName, Standing>) -> Self {
        for name in self.configured.keys() {
            if standing.get(name).is_some_and(|it| it.lifecycle == Lifecycle::Retired) {
                tracing::warn!(
                    agent = %name,
                    "the configuration has an agent that is retired: its name is used up, give a \
                     new agent a new one"
                );
            }
        }
        Self { standing, ..self }
    }

    /// The same, but for how one of them stands.
    pub(crate) fn with(&self, name: &AgentName, standing: Standing) -> Self {
        let mut changed = self.clone();
        changed.standing.insert(name.clone(), standing);
        changed
    }

    fn is_active(&self, name: &AgentName) -> bool {
        self.lifecycle(name) == Lifecycle::Active
    }
}
