//! The newcomer's first screen: four small real tool servers, an agent that obeys everything it
//! reads, and a story told over a running Remit.
//!
//! - [`server`] serves mail, files, payments and web over stdio, as any third-party server would.
//! - [`agent`] drives an unmodified MCP client and carries out whatever orders it finds in what
//!   it reads ([`orders`]): the worst agent that Remit is built for.
//! - [`story`] walks through eight scenes, says each in one sentence, and fails if any of them did
//!   not go as told. What it needs from the running Remit is the trait [`stage::Stage`].
//!
//! *Absences:* nothing here knows Remit's insides. The agent sees the endpoint as every client
//! does; the story sees the operator's side through [`stage::Stage`] and nothing else. No network
//! beyond the loopback interface is ever touched.

pub mod agent;
mod desk;
pub mod drift;
pub mod orders;
pub mod page;
pub mod server;
pub mod setting;
pub mod stage;
pub mod story;
pub mod summary;

pub use agent::{Agent, StepOutcome, Verdict};
pub use server::{DemoServer, Seat, ServeError, serve};
pub use stage::Stage;
pub use story::{StoryError, tell};
pub use summary::Summary;
