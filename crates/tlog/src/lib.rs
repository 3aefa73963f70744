//! C2SP transparency-log formats: bytes to values, no I/O.
//!
//! *In scope:* RFC 6962 hashing, inclusion and consistency proofs; [`tlog-tiles`] paths, tiles and
//! entry bundles; [`signed-note`] with Ed25519; [`tlog-checkpoint`]; [`tlog-proof`];
//! [`tlog-cosignature`] with Ed25519; the request of [`tlog-witness`].
//!
//! *Out of scope:* reading and writing files, deciding when to sign (a log must never sign two
//! checkpoints that contradict each other; that is the duty of the ledger, and of a witness).
//!
//! *Absences:* this crate depends on none of ours and knows neither clock, disk nor network.
//!
//! [`tlog-tiles`]: https://c2sp.org/tlog-tiles
//! [`signed-note`]: https://c2sp.org/signed-note
//! [`tlog-checkpoint`]: https://c2sp.org/tlog-checkpoint
//! [`tlog-proof`]: https://c2sp.org/tlog-proof
//! [`tlog-cosignature`]: https://c2sp.org/tlog-cosignature
//! [`tlog-witness`]: https://c2sp.org/tlog-witness
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod base64;
pub mod bundle;
pub mod checkpoint;
mod cosignature;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;
pub mod witness;

pub use bundle::{BundleError, MAX_ENTRY};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::CosignError;
pub use hash::{Hash, HashError};
pub use key::{CosigningKey, KeyError, SigningKey, VerifierKey, WitnessKey};
pub use note::{Note, NoteError, Signature};
pub use proof::{Proof, ProofError};
pub use tile::{Level, Tile, TileError};
pub use tree::{Frontier, Node, TreeError};
pub use witness::{Submission, SubmissionError};
