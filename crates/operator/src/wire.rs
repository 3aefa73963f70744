//! The JSON of the operator API, for both ends of the socket.

mod stored;
mod task;

pub use self::stored::{Labelled, Left, Lower, Place};
pub use self::task::{Flow, Task};

use remit_jose::Thumbprint;
use remit_model::{
    AgentName, CredentialName, HoldId, LeafFlow, LeaseId, Lifecycle, Named, Refusal, SecretName,
    ServerName, TaskId, Timestamp, Tool,
};
use remit_ports::Entry;
use serde::{Deserialize, Serialize};

/// Any failed request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, and what to do.
    pub error: String,
    /// The refusal, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// `POST /v1/login`
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// The operator's passphrase.
    pub passphrase: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

/// `GET /v1/whoami`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Who {
    /// The operator's name, if the caller is one.
    pub operator: Option<String>,
    /// The user id that the kernel named.
    pub uid: Option<u32>,
}

/// An operator's session.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The bearer token.
    pub session: String,
    /// How long it lasts.
    pub seconds: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(…)")
    }
}

/// How the server is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The program's version.
    pub version: String,
    /// `protected`, or `unprotected` if agents can run under Remit's own user id.
    pub protection: String,
    /// Why, and what to do.
    pub protection_why: String,
    /// The state directory.
    pub state: String,
    /// Where workloads fetch SVIDs, as `SPIFFE_ENDPOINT_SOCKET` names it.
    pub workload_api: String,
    /// The configuration file.
    pub config: String,
}

/// `GET /v1/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// How the server is set up.
    pub setup: Setup,
    /// Where MCP clients connect.
    pub endpoint: String,
    /// The log's origin.
    pub origin: String,
    /// Entries on disk.
    pub entries: u64,
    /// Entries under the newest signed checkpoint.
    pub published: u64,
    /// Why permits are refused right now.
    pub refusing: Option<String>,
    /// Tasks by state.
    pub tasks: std::collections::BTreeMap<String, usize>,
    /// Calls that wait for a person.
    pub holds: usize,
    /// Tools by state.
    pub tools: std::collections::BTreeMap<String, usize>,
    /// Digest of the policy set in force.
    pub policy: String,
    /// Why the policies on disk are not in force, or no longer fit the tools.
    pub policy_refused: Option<String>,
    /// The servers.
    pub servers: Vec<Server>,
    /// The witnesses of the log.
    pub witnesses: Vec<Witness>,
    /// Sealed storage.
    pub secrets: Sealed,
}

/// `GET /v1/agents/{agent}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// How it stands.
    pub lifecycle: Lifecycle,
    /// Since when; nothing, if it was active ever since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is configured of it; nothing, if the ledger alone knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<remit_model::Agent>,
    /// The templates that name it in `may_open`.
    pub templates: Vec<String>,
    /// The thumbprints of the keys by which it is known at the token endpoint.
    pub keys: Vec<Thumbprint>,
    /// Its tasks that have not ended.
    pub tasks: usize,
}

/// `POST /v1/agents/{agent}/suspend`, `…/resume` and `…/retire`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Why {
    /// Why, for the record.
    pub reason: Option<String>,
}

/// How an agent stands now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stood {
    /// Which.
    pub agent: AgentName,
    /// How.
    pub lifecycle: Lifecycle,
    /// Its tasks, which end with that.
    pub ended: Vec<TaskId>,
    /// Whether it is on disk too.
    pub recorded: bool,
}

/// A key that Remit signs with; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its name in records: `log-1`, `token-2`, `svid-3`. The two keys of a generation share theirs.
    pub name: String,
    /// What it signs: `checkpoints`, `grants`, `x509-svids`, `jwt-svids`.
    pub signs: String,
    /// `Ed25519` or `ES256`.
    pub algorithm: String,
    /// How others know it: for checkpoints the key id in the verifier key, for tokens the `kid`, for
    /// certificates the SHA-256 of the signing certificate.
    pub id: String,
    /// When it was made, where that is known.
    pub made: Option<Timestamp>,
    /// From when on it signs, where it does not sign for as long as it is there.
    pub signs_from: Option<Timestamp>,
    /// Until when it signs; `None` as long as no other is made.
    pub signs_until: Option<Timestamp>,
    /// When another one is made by itself.
    pub next_made: Option<Timestamp>,
    /// Until when what it signed can be good.
    pub good_until: Option<Timestamp>,
    /// Where it is kept.
    pub file: String,
}

/// Keys that can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotatable {
    /// The one that signs the log.
    Log,
    /// Those that sign SVIDs.
    Svid,
    /// The one that signs grants.
    Token,
}

/// `POST /v1/keys/{log,svid,token}/rotate`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Whether the old keys are no longer to be believed.
    pub compromised: bool,
}

/// What became of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The new keys.
    pub made: String,
    /// When they begin to sign.
    pub signs_from: Timestamp,
    /// The old keys that are no longer believed.
    pub withdrawn: Vec<String>,
}

/// `POST /v1/keys/log/retire`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The key that signs the log no more.
    pub retired: String,
    /// The one that goes on alone.
    pub signs: String,
}

/// Sealed storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// How many secrets are in it; nothing, if it cannot be read.
    pub count: Option<usize>,
    /// What closes it: `nothing`, `a key from elsewhere`, `a passphrase`.
    pub guard: String,
    /// `protected`, or `unprotected` where a copy of the state directory opens it.
    pub protection: String,
}

/// A secret in sealed storage, whose value is not to be had, or a canary that should be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSecret {
    /// Its name.
    pub name: SecretName,
    /// What is kept under it; nothing of a canary that nobody would find.
    #[serde(flatten)]
    pub kept: Option<KeptSecret>,
    /// The credentials that are nothing but this secret.
    pub lent_as: Vec<CredentialName>,
    /// Whether it is a canary.
    #[serde(default)]
    pub canary: bool,
}

/// Since when a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecret {
    /// When there first was one of that name.
    pub made: Timestamp,
    /// Since when it has been this one.
    pub changed: Timestamp,
    /// Who kept this one; `remit`, if it did so itself.
    pub by: String,
}

/// `POST /v1/secrets/{secret}/{add,rotate}`
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The secret.
    pub value: String,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(…)")
    }
}

/// It was done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Done {}

/// `POST /v1/kept-files/keep`: a file as it was before its secrets were taken out.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileKept {
    /// Where it is, absolute.
    pub path: String,
    /// What was in it.
    pub content: String,
    /// SHA-256 of what is in it now.
    pub now: remit_model::Digest,
}

impl std::fmt::Debug for FileKept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileKept({}, …)", self.path)
    }
}

/// `POST /v1/kept-files/{give-back,forget}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileNamed {
    /// Where it is, absolute.
    pub path: String,
}

/// A witness of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Witness {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Entries under the newest checkpoint that it cosigned.
    pub cosigned: u64,
    /// When it did that.
    pub at: Option<Timestamp>,
    /// Whether it has seen something that this log does not hold: the log forked or lost entries.
    pub contradicts: bool,
    /// What went wrong last, if anything since then.
    pub last_error: Option<String>,
}

/// A tool server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: String,
    /// Processes or connections alive.
    pub alive: usize,
    /// How often it was restarted.
    pub restarts: u64,
    /// The protocol revision spoken with it.
    pub revision: Option<String>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// Its last lines on standard error.
    pub stderr: Vec<String>,
}

/// `POST /v1/tasks/{task}/grant`, for which a body may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// The thumbprint of the key that the grant is bound to; left out: to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
}

/// An opened task, or a further grant for one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Granted {
    /// Which task.
    pub task: TaskId,
    /// The grant.
    pub grant: String,
    /// How it is sent: `DPoP`, with a proof by the key that it is bound to, or `Bearer`.
    pub token_type: String,
    /// How long it lives, in seconds.
    pub seconds: u64,
    /// Where MCP clients connect.
    pub endpoint: String,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Granted({}, …)", self.task)
    }
}

/// Whether a stop, which has taken effect, is on record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stopped {
    /// Which task.
    pub task: TaskId,
    /// Its state now.
    pub state: String,
    /// Whether the stop is on record.
    pub recorded: bool,
}

/// `POST /v1/tasks/{task}/prompt`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prompt {
    /// What the person says.
    pub text: String,
}

/// The index of a record that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The index.
    pub index: u64,
}

/// `GET /v1/tools/{server}/{tool}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolDetail {
    /// The tool.
    pub tool: Tool,
    /// The difference to the definition admitted before, if it drifted.
    pub diff: Option<String>,
}

/// `POST /v1/tools/{server}/{tool}/admit`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admit {
    /// The digest of the definition that the person saw.
    pub digest: String,
}

/// `POST /v1/servers/{server}/admit`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Executable {
    /// The server.
    pub server: String,
    /// Whether it had changed and is admitted now.
    pub changed: bool,
}

/// A held call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Which.
    pub hold: HoldId,
    /// Its task.
    pub task: TaskId,
    /// The agent.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// The digest of the call, which an approval is bound to.
    pub digest: String,
    /// The groups whose approval would let it pass.
    pub groups: Vec<String>,
    /// The arguments, canonical; only for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Where each argument came from, with what stood there; only for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<LeafFlow>,
    /// What the caller was told.
    pub refusal: Refusal,
    /// When.
    pub at: Timestamp,
}

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its index.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Its body, where the key still exists: field → JSON.
    pub body: Option<std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>>,
}

impl Record {
    /// The record as one flat object: the entry's members, `index`, and `body` if there is one.
    pub fn flat(&self) -> serde_json::Value {
        let mut flat = serde_json::to_value(&self.entry).unwrap_or_default();
        if let Some(members) = flat.as_object_mut() {
            members.insert("index".to_owned(), self.index.into());
            if let Some(body) = &self.body {
                members.insert("body".to_owned(), serde_json::to_value(body).unwrap_or_default());
            }
        }
        flat
    }
}

/// `GET /v1/credentials`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// What can be lent.
    pub configured: Vec<Credential>,
    /// What is lent and not taken back, oldest first.
    pub leases: Vec<Lease>,
}

/// A credential that can be lent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    /// Its name.
    pub name: CredentialName,
    /// Who issues it.
    pub kind: String,
    /// The servers whose calls are sent with it.
    pub servers: Vec<ServerName>,
    /// How long one may be used.
    pub lifetime_seconds: u64,
}

/// A credential that is lent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// The lease.
    pub lease: LeaseId,
    /// Of which credential.
    pub credential: CredentialName,
    /// Its kind.
    pub kind: String,
    /// For calls of which server.
    pub server: ServerName,
    /// Within which task; none for Remit itself, which asks a server what it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// For which agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Since when.
    pub since: Timestamp,
    /// When it is worth nothing any more.
    pub until: Timestamp,
    /// `issuing`, `lent`, `returning`, `overdue` or `runs out`.
    pub state: String,
    /// Why it could not be taken back so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// `POST /v1/credentials/{credential}/connect`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connect {
    /// In whose tasks the account is used; left out: for what Remit itself asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Named>,
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connecting {
    /// The address that the person is to follow: good once, and for whoever has it.
    pub address: String,
    /// Until when.
    pub ends: Timestamp,
}

/// `POST /v1/credentials/revoke`: what fits all that is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Revoke {
    /// One lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// All of one credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialName>,
    /// All of one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// Its answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Revoked {
    /// How many are being taken back.
    pub revoked: usize,
}
