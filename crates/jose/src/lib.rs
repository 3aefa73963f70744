//! Signed JSON tokens (JWS, RFC 7515; JWK, RFC 7517), read strictly and thinly over AWS-LC.
//!
//! There is one reader, for every kind of token: [`Jws::read`] takes a [`Kind`], which says before
//! a byte is looked at how long such a token may be, which `typ` and `alg` it has and which members
//! its header may hold. Nothing in a token chooses the key that it is checked with, unless its kind
//! is one that brings its own. Claims can be had only from [`Jws::verified`], for a key.
//!
//! *In scope:* the form of tokens and public keys, signatures, drawing keys and names of tokens.
//! *Out of scope:* what claims mean; times; what has been seen before.
//!
//! *Absences:* no I/O, no clock, no unsigned and no encrypted tokens, no shared secrets. The nonce
//! of an ECDSA signature is drawn by AWS-LC itself.

mod certificate;
mod draw;
mod error;
mod jws;
mod key;
mod material;
mod set;
mod sign;

pub use certificate::CertificateThumbprint;
pub use draw::{DrawError, draw_es256, draw_id};
pub use error::{JwkError, JwsError};
pub use jws::{Jws, Kind};
pub use key::{Algorithm, PublicKey, Thumbprint, ThumbprintError};
pub use set::{KeySet, MAX_KEYS, MAX_PUBLISHED};
pub use sign::{SigningError, SigningKey};
