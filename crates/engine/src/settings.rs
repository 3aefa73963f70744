//! What a person configured, as the engine needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use remit_catalogue::Overrides;
use remit_jose::KeySet;
use remit_model::{
    AgentName, Budget, Confidentiality, CredentialName, Foreseeable, Limit, Remit, SecretName,
    ServerName, Timestamp, ToolRule, ToolScope,
};

use crate::lend::Needed;
use crate::{Elsewhere, Registry};

/// A task template: what somebody allows in advance.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Which agents may open it by themselves.
    pub may_open: Vec<AgentName>,
    /// The purpose if the opener states none.
    pub purpose: Option<String>,
    /// Facts about the person for whom its tasks are done (addresses, accounts, names); they count as
    /// given.
    pub known: Vec<String>,
    /// Whether their agents are offered to say first which tools they need.
    pub declare: bool,
    /// Which flows from text from outside it allows, or offers to people.
    pub foreseen: Foreseeable,
    /// Which tools, with which arguments.
    pub tools: Vec<ToolRule>,
    /// The most sensitive data that may be read.
    pub ceiling: Confidentiality,
    /// How much may be used.
    pub budget: Budget,
    /// How long a task may last.
    pub lasts: Duration,
    /// After how long without a call it ends.
    pub idle: Option<Duration>,
    /// How often it may be handed on.
    pub delegation: u8,
}

impl Template {
    /// The remit of a task opened at `now`.
    pub fn remit(&self, now: Timestamp) -> Remit {
        let idle = self.idle.map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        Remit {
            tools: ToolScope::any_of(self.tools.iter().cloned()),
            ceiling: self.ceiling,
            budget: self.budget,
            deadline: now.after(self.lasts),
            idle: Limit::from(idle),
            delegation: self.delegation,
        }
    }
}

/// What a person configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node's name in the records.
    pub node: String,
    /// The registered agents.
    pub agents: Registry,
    /// The templates.
    pub templates: BTreeMap<String, Arc<Template>>,
    /// Approver group → names of its members.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The servers, and what was configured about their tools.
    pub servers: BTreeMap<ServerName, Overrides>,
    /// What calls of a server are sent with.
    pub lends: BTreeMap<ServerName, Vec<Needed>>,
    /// What programs may pick up, and how long one may be used.
    pub pick_ups: BTreeMap<CredentialName, Duration>,
    /// How long an approval waits for its call.
    pub approval_lifetime: Duration,
    /// How old the proof of a task's agent may get before it has lapsed.
    pub renewed_within: Duration,
    /// The longest a call may take.
    pub call_timeout: Duration,
    /// How long a grant lives.
    pub grant_lifetime: Duration,
    /// How long an SVID lives.
    pub svid_lifetime: Duration,
    /// The user id Remit runs as.
    pub own_uid: u32,
    /// Whether grants that are bound to no key are made and accepted.
    pub bearer: bool,
    /// The public keys of agents that ask for grants at the token endpoint.
    pub client_keys: BTreeMap<AgentName, Arc<KeySet>>,
    /// What of sealed storage nobody has a use for: whoever moves it was led to it.
    pub canaries: BTreeSet<SecretName>,
    /// Whom others vouch for.
    pub elsewhere: Elsewhere,
}

impl Settings {
    /// The templates that `agent` may open, in the order of their names.
    pub fn opened_by(&self, agent: &AgentName) -> impl Iterator<Item = &Arc<Template>> {
        self.templates.values().filter(|template| template.may_open.contains(agent))
    }

    /// The names of the approver groups, in order.
    pub fn group_names(&self) -> Vec<String> {
        self.groups.keys().cloned().collect()
    }
}
