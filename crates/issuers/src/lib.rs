//! Who lends: one file for each kind of credential, all behind [`remit_ports::Issuer`].
//!
//! | Kind | What is lent | What of the remit it expresses | How it ends |
//! |---|---|---|---|
//! | `secret` ([`stored`]) | a value that somebody keeps | nothing: the value is what it is | Remit puts it into no further request; the value itself stands |
//! | `postgres` ([`postgres`]) | a role of its own in a database | memberships and privileges of the tools that it covers | at once: no login, sessions ended, role dropped |
//! | `oauth` ([`oauth`]) | an access token of an authorization server | scopes by tools, and the resource | taken back (RFC 7009) where the server can and this process still has it; else at expiry |
//! | `ssh` ([`ssh`]) | a certificate for logins at servers that trust an authority | principals and one command of the tools that it covers | at once for new logins, where the servers read the list of revoked keys; open sessions go on |
//! | `sts` ([`sts`]) | a session of a role at AWS | actions and resources of the tools that it covers, and the lease's end | at its end, which stands in the session's policy: AWS takes no single session back |
//! | `svid` ([`svid`]) | an X.509-SVID and a JWT-SVID of the task's run | who it is: agent and task | at its end, minutes later: whoever verifies it asks nobody |
//!
//! A further kind is a file here, a row above, and a variant of the configuration's `kind`.
//!
//! *Absences:* no rule who may have what, no record, no environment; times and randomness are
//! arguments.

mod clause;
mod escape;
pub mod oauth;
pub mod postgres;
pub mod ssh;
pub mod stored;
pub mod sts;
pub mod svid;

pub use clause::{Clause, granted};
