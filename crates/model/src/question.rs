//! The question a decision answers: everything the answer may depend on, and nothing else.
//!
//! A decision is a pure function of the policy set and the question, and the question is in the
//! record; that is what makes replay, backtests and proofs possible with the code that decides
//! live (promise R9).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentName, Attestation, Possession, ServerName};
use crate::budget::Spent;
use crate::credential::CredentialName;
use crate::digest::Digest;
use crate::elsewhere::Named;
use crate::fixed::Fixed;
use crate::flow::{LeafFlow, SecretSeen, Wanted};
use crate::id::TaskId;
use crate::label::Label;
use crate::remit::Remit;
use crate::time::Timestamp;
use crate::tool::{Profile, Tool, ToolId};
use crate::value::Value;

/// What is asked of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Operation {
    /// `tools/call`
    CallTool {
        /// The tool's own name at its server.
        name: String,
    },
    /// `resources/read`, `resources/subscribe`
    ReadResource {
        /// The resource.
        uri: String,
    },
    /// `prompts/get`
    GetPrompt {
        /// The prompt's own name at its server.
        name: String,
    },
    /// `completion/complete`
    Complete {
        /// The prompt name or resource template that is completed.
        reference: String,
        /// What it is the name of.
        of: Completed,
    },
}

/// What an argument is completed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Completed {
    /// A prompt.
    Prompt,
    /// A resource template.
    Resource,
}

/// One call, exactly as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// To whom.
    pub server: ServerName,
    /// What.
    pub operation: Operation,
    /// The JSON-RPC method.
    pub method: String,
    /// The JSON-RPC `params`, byte for byte, names without prefix.
    pub params: Arc<str>,
}

impl Call {
    /// The name a remit's tool patterns are matched against.
    pub fn scope_name(&self) -> String {
        let name = match &self.operation {
            Operation::CallTool { name } => name,
            Operation::ReadResource { .. }
            | Operation::Complete { of: Completed::Resource, .. } => "@resources",
            Operation::GetPrompt { .. } | Operation::Complete { of: Completed::Prompt, .. } => {
                "@prompts"
            }
        };
        [self.server.as_str(), "/", name].concat()
    }

    /// The tool, if it is a tool call.
    pub fn tool(&self) -> Option<ToolId> {
        match &self.operation {
            Operation::CallTool { name } => Some(ToolId::new(&self.server, name)),
            _ => None,
        }
    }

    /// What makes two calls *the same call* for an approval: server, method, operation and the
    /// canonical input; not the client's `_meta` (progress tokens, trace ids).
    pub fn digest(&self, input: &Value) -> Digest {
        let operation = serde_json::to_string(&self.operation).unwrap_or_default();
        Digest::of_parts(&[
            b"remit/call/v1",
            self.server.as_str().as_bytes(),
            self.method.as_bytes(),
            operation.as_bytes(),
            input.canonical().as_bytes(),
        ])
    }
}

/// The kinds of thing a call can touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// A file or folder, by path or URI.
    File,
    /// A code repository.
    Repository,
    /// A bank or user account.
    Account,
    /// An e-mail address.
    Mailbox,
    /// A network host; URLs are reduced to theirs.
    Host,
    /// A database table.
    Table,
    /// A chat channel.
    Channel,
    /// A secret.
    Secret,
    /// The server itself, when the call names nothing.
    Server,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::File,
        Self::Repository,
        Self::Account,
        Self::Mailbox,
        Self::Host,
        Self::Table,
        Self::Channel,
        Self::Secret,
        Self::Server,
    ];

    /// The Cedar entity type, without namespace.
    pub fn entity_type(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Repository => "Repository",
            Self::Account => "Account",
            Self::Mailbox => "Mailbox",
            Self::Host => "Host",
            Self::Table => "Table",
            Self::Channel => "Channel",
            Self::Secret => "Secret",
            Self::Server => "Server",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entity_type())
    }
}

/// Something a call touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// What kind of thing.
    pub kind: ResourceKind,
    /// Which one, normalised: lower-case hosts and addresses, paths as given.
    pub id: String,
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// MCP over Streamable HTTP.
    McpHttp,
    /// MCP over stdio, through `remit mcp`.
    McpStdio,
    /// A program that comes for a credential.
    PickUp,
    /// Remit itself, e.g. a re-evaluation.
    Internal,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Asked {
    /// May this call be made now?
    Call(Call),
    /// Could a call of this tool ever be permitted? Arguments are unknown.
    ListTool(ToolId),
    /// May this task be opened?
    OpenTask,
    /// May this task go on?
    ContinueTask,
    /// May this credential be lent for calls of this server?
    Lend(Loan),
    /// May it stay lent while its task stands still?
    KeepLent(Loan),
}

impl Asked {
    /// The tool that it is about, if it is about one.
    pub fn tool(&self) -> Option<ToolId> {
        match self {
            Self::Call(call) => call.tool(),
            Self::ListTool(tool) => Some(tool.clone()),
            Self::OpenTask | Self::ContinueTask | Self::Lend(_) | Self::KeepLent(_) => None,
        }
    }
}

/// A credential that is lent, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    /// Which.
    pub credential: CredentialName,
    /// Its kind, e.g. `postgres`.
    pub kind: String,
    /// To whom it would be sent.
    pub server: ServerName,
    /// For how long at most, in seconds.
    #[serde(default)]
    pub seconds: u64,
}

/// The task as the decision sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Which.
    pub id: TaskId,
    /// The template it was opened from.
    pub template: Arc<str>,
    /// Its authority.
    pub remit: Remit,
    /// What it had used before this call.
    pub spent: Spent,
    /// What has entered it.
    pub label: Label,
    /// Whether the remit is sealed (promise R5).
    pub sealed: bool,
    /// The epoch: moves with every stop, label raise or policy change.
    pub epoch: u64,
    /// How often text from outside seems to have tried to steer it.
    #[serde(default)]
    pub suspicions: u64,
    /// How often something was destroyed in it.
    #[serde(default)]
    pub destroyed: u64,
    /// The agents that handed it on, the first one first; none, if somebody opened it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<AgentName>,
    /// The person on whose behalf it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<Named>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was last used.
    pub last_used: Timestamp,
}

/// The tool as the decision sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFacts {
    /// The digest of its definition.
    pub digest: Digest,
    /// What is known of it.
    pub profile: Profile,
    /// `admitted`, `quarantined` or `withdrawn`.
    pub admission: String,
    /// The approver group that answers for its server.
    pub owner: String,
}

impl ToolFacts {
    /// What a decision sees of `tool`.
    pub fn of(tool: &Tool) -> Self {
        Self {
            digest: tool.digest,
            profile: tool.profile.clone(),
            admission: tool.admission.name().to_owned(),
            owner: tool.owner.clone(),
        }
    }
}

/// A person's approval of this very call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalFact {
    /// The approver group.
    pub group: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Everything an answer may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub asked: Asked,
    /// Who asks.
    pub agent: Fixed<Agent>,
    /// How the asker proved to be that agent.
    pub attestation: Attestation,
    /// Whether it should have done so again by now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lapsed: bool,
    /// Within which task.
    pub task: TaskFacts,
    /// The tool, where one is known; a call of an unknown tool has none and is denied.
    pub tool: Option<Fixed<ToolFacts>>,
    /// The arguments.
    pub input: Value,
    /// Where each leaf of them came from, in the order of [`Value::leaves`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<LeafFlow>,
    /// The secrets in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSeen>,
    /// Whether what people said in the task calls for such a tool.
    #[serde(default)]
    pub wanted: Wanted,
    /// Everything the call touches; at least one. All must be permitted.
    pub resources: Vec<Resource>,
    /// The approval that this call consumes, if there is one.
    pub approval: Option<ApprovalFact>,
    /// Whether the identical call was sent before and nobody knows what became of it.
    #[serde(default)]
    pub unsettled: bool,
    /// How the request came in.
    pub door: Door,
    /// What was shown with it that nobody could have copied.
    #[serde(default)]
    pub possession: Possession,
    /// When.
    pub now: Timestamp,
}

impl Question {
    /// The call, if a call is asked for.
    pub fn call(&self) -> Option<&Call> {
        match &self.asked {
            Asked::Call(call) => Some(call),
            _ => None,
        }
    }

    /// What its arguments carry: the join of their labels.
    pub fn carried(&self) -> Label {
        let mut carried = Label::default();
        for leaf in &self.flow {
            carried.raise(&leaf.label);
        }
        carried
    }

    /// The exact bytes that stand in the record's body.
    ///
    /// Errors: none in practice; the type's serialisation is total over its own values.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it has been written ever since: records must stay decidable.
    const WRITTEN: &str = include_str!("question/sample.json");

    #[test]
    fn a_question_is_read_and_written_byte_for_byte() {
        let text = WRITTEN.trim_end();
        let question: Question = serde_json::from_str(text).unwrap();
        for _ in 0..2 {
            assert_eq!(question.to_json().unwrap(), text);
        }
        let again: Question = serde_json::from_str(&question.to_json().unwrap()).unwrap();
        assert_eq!(again, question);
    }
}
