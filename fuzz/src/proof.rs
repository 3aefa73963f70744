//! Offline receipts: what reads prints back, and only the one proof of the one entry holds.

use std::sync::LazyLock;

use remit_tlog::{Checkpoint, Hash, Proof, SigningKey};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed("log.example", &[1; 32]).unwrap());

/// A log of two entries, and what its checkpoint says.
fn checkpoint() -> Checkpoint {
    let root = Hash::node(&Hash::leaf(b"zero"), &Hash::leaf(b"one"));
    Checkpoint::new("log.example", 2, root)
}

/// One input.
pub(crate) fn hold(text: &str) {
    let Ok(proof) = text.parse::<Proof>() else { return };
    assert_eq!(proof.to_string(), text);
    assert_eq!(proof.to_string().parse::<Proof>().unwrap(), proof);
    let _ = proof.verify(b"zero", KEY.verifier());
    // The same path under a checkpoint of ours: it holds for one entry at most.
    let ours = Proof { checkpoint: checkpoint().sign(&KEY).unwrap(), ..proof };
    let zero = ours.verify(b"zero", KEY.verifier()).is_ok();
    let one = ours.verify(b"one", KEY.verifier()).is_ok();
    assert!(!(zero && one));
    assert_eq!(zero, ours.index == 0 && ours.hashes == [Hash::leaf(b"one")]);
    assert_eq!(one, ours.index == 1 && ours.hashes == [Hash::leaf(b"zero")]);
    assert!(ours.verify(b"two", KEY.verifier()).is_err());
}
