//! The nouns of Remit and the two lattices they obey.
//!
//! Everything else in the workspace speaks in these words: an [`Agent`] works on a [`Task`]
//! under a [`Remit`] that can only narrow ([`Remit::meet`]), touching [`tool`]s whose results
//! carry a [`Label`] that can only rise ([`Label::join`]). Each call becomes a [`Question`], and
//! the answer to a question that is not a permit is a [`Refusal`] somebody can act on.
//!
//! *Absences:* this crate does no I/O, never waits, reads no clock and draws no randomness; both
//! are the arguments [`Clock`] and [`Entropy`].

pub mod agent;
pub mod argument;
pub mod budget;
pub mod credential;
pub mod descent;
pub mod digest;
pub mod elsewhere;
pub mod escape;
pub mod fixed;
pub mod flow;
pub mod fold;
pub mod foreseen;
pub mod id;
pub mod label;
pub mod lifecycle;
pub mod question;
pub mod refusal;
pub mod remit;
pub mod scope;
pub mod stored;
pub mod task;
mod text;
pub mod time;
pub mod tool;
pub mod value;
pub mod workload;

pub use agent::{Agent, AgentName, Attestation, Composition, Possession, ServerName};
pub use argument::{ArgumentPath, Role};
pub use budget::{Budget, Limit, Spent};
pub use credential::{CredentialName, Secret, SecretName};
pub use descent::{Descent, MAX_DESCENT};
pub use digest::Digest;
pub use elsewhere::{IssuerName, Named, Voucher};
pub use fixed::Fixed;
pub use flow::{Evidence, LeafFlow, Provenance, SecretSeen, Wanted};
pub use fold::folded;
pub use foreseen::{FlowName, Foreseeable, Foreseen, Tick};
pub use id::{HoldId, LeaseId, TaskId};
pub use label::{Ceiling, Confidentiality, Integrity, Label, Sources};
pub use lifecycle::{Lifecycle, LifecycleError, Standing};
pub use question::{ApprovalFact, Call, Door, Operation, Question, Resource, ResourceKind};
pub use refusal::{Class, Reason, Refusal};
pub use remit::Remit;
pub use scope::{Constraint, ToolPattern, ToolRule, ToolScope};
pub use stored::{Lowered, Stored, Trail, Written};
pub use task::Task;
pub use time::{Clock, Entropy, Timestamp};
pub use tool::{Admission, Effect, Profile, Reach, Tool, ToolId};
pub use value::Value;
pub use workload::{Selector, Workload};
