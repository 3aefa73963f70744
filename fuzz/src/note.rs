//! Signed notes, checkpoints and verifier keys: what reads prints back, another implementation
//! reads the same, and no signature that we did not make is believed.

use std::sync::LazyLock;

use remit_tlog::{Checkpoint, Note, SigningKey, VerifierKey};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed("log.example", &[1; 32]).unwrap());

/// One input.
pub(crate) fn hold(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            assert_eq!(checkpoint.to_string(), text);
            if let Ok(note) = Note::sign(text, &[&KEY]) {
                assert_eq!(note.to_string().parse::<Note>().expect("we read what we signed"), note);
                let ours = checkpoint.origin == "log.example";
                assert_eq!(Checkpoint::open(&note, KEY.verifier()).is_ok(), ours);
            }
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            assert_eq!(key.to_string(), text);
        }
    }
    let Ok(note) = Note::parse(data) else { return };
    assert_eq!(note.to_string().as_bytes(), data);
    let theirs = signed_note::Note::from_bytes(data).expect("the reference reads it, too");
    assert_eq!(theirs.text(), note.text().as_bytes());
    if let Ok((text, _)) = note.verify(std::slice::from_ref(KEY.verifier())) {
        let ours = Note::sign(text, &[&KEY]).expect("it could be signed");
        let [ours] = ours.signatures() else { panic!("one signature") };
        assert!(note.signatures().contains(ours), "believed a signature that we did not make");
    }
}
