//! Why a token or a key was not read. No text repeats any part of one (promise R12).

/// Why a token is not what its kind wants it to be. `of` is what the kind is called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It is longer than it may be.
    #[error("the {of} has {got} bytes, at most {most} are read")]
    TooLarge {
        /// The kind.
        of: &'static str,
        /// Bytes it has.
        got: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// It is not a JWS in compact form.
    #[error("expected a signed token of three base64url parts, but {0}")]
    Malformed(&'static str),
    /// Its header names another algorithm.
    #[error("the {of}'s `alg` is not {expected}")]
    Algorithm {
        /// The kind.
        of: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// It is another kind of token.
    #[error("the {of}'s `typ` is not {expected}")]
    Type {
        /// The kind.
        of: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// Its header says more than it may.
    #[error("the {of}'s header holds {what}; only {expected} are accepted")]
    Header {
        /// The kind.
        of: &'static str,
        /// What it holds.
        what: &'static str,
        /// What it may hold.
        expected: &'static str,
    },
    /// It names a key that is not in the set it is checked with.
    #[error("the {of}'s `kid` is none of the keys' it is checked with")]
    KeyId {
        /// The kind.
        of: &'static str,
    },
    /// Nobody who holds the key signed these very bytes.
    #[error("the {of}'s signature does not fit its content: it was forged or damaged")]
    Signature {
        /// The kind.
        of: &'static str,
    },
}

/// Why something is not a public key that is used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// It is not of a form that is read.
    #[error(
        "expected a public key as JSON Web Key, `EC` on `P-256` or `OKP` on `Ed25519`, but {0}"
    )]
    Form(&'static str),
    /// It holds the private key.
    #[error("the key holds the private member `{0}`: keep it to yourself, and make another key")]
    Private(&'static str),
    /// It is for something else.
    #[error("the key is not for verifying signatures: its `{0}` says so")]
    Use(&'static str),
    /// The set is not one.
    #[error("expected a set of keys like {{\"keys\": [ … ]}}, but {0}")]
    Set(String),
}
