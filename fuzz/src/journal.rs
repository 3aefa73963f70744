//! The journal: bytes on a disk that nobody vouches for. Reading them never panics, an error names
//! the segment, and what is well framed is counted.
//!
//! Input: a first byte that says how to read the rest. `r`: the segment after its head, raw.
//! Otherwise lines, each an entry in a good frame; one that starts with a blank has a body, too.

use std::sync::LazyLock;

use remit_model::Digest;
use remit_tlog::{Checkpoint, Hash, SigningKey};
use tempfile::TempDir;

use crate::fixture::folder;

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed("log.example", &[1; 32]).unwrap());

/// A state directory whose checkpoint covers nothing, so that every record is still to be believed.
static STATE: LazyLock<TempDir> = LazyLock::new(|| {
    let state = folder();
    for name in ["journal", "ledger"] {
        std::fs::create_dir(state.path().join(name)).unwrap();
    }
    let note = Checkpoint::new("log.example", 0, Hash::empty()).sign(&KEY).unwrap();
    std::fs::write(state.path().join("ledger/checkpoint"), note.to_string()).unwrap();
    state
});

fn frame(segment: &mut Vec<u8>, index: u64, entry: &[u8], body: &[u8]) {
    let Ok(width) = u16::try_from(entry.len()) else { return };
    let payload = [&width.to_be_bytes()[..], entry, body].concat();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let sum = Digest::of(&[&index.to_be_bytes()[..], &length, &payload].concat());
    segment.extend_from_slice(&length);
    segment.extend_from_slice(&sum.0[..4]);
    segment.extend_from_slice(&payload);
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let mut segment = [&b"remit journal 1\n"[..], &0_u64.to_be_bytes()].concat();
    let framed = if let Some((b'r', rest)) = data.split_first() {
        segment.extend_from_slice(rest);
        None
    } else {
        let lines = data.split(|byte| *byte == b'\n').filter(|line| line.len() < 60_000);
        let lines: Vec<&[u8]> = lines.collect();
        for (index, line) in (0..).zip(&lines) {
            let body = line.strip_prefix(b" ").map_or(&b""[..], |_| b"body");
            frame(&mut segment, index, line.strip_prefix(b" ").unwrap_or(line), body);
        }
        Some(lines.len() as u64)
    };
    std::fs::write(STATE.path().join("journal/00000000.seg"), &segment).unwrap();
    match remit_ledger::verify(
        STATE.path(),
        KEY.verifier(),
        &remit_ledger::Others::default(),
        &mut |_, _| (),
    ) {
        Ok(verified) => {
            assert_eq!(verified.published, 0);
            assert!(framed.is_none_or(|count| verified.entries == count));
        }
        Err(why) => {
            assert_eq!(why.file, "journal/00000000.seg", "{why}");
            assert!(
                framed.is_none_or(|count| why.entry.is_some_and(|entry| entry < count)),
                "{why}"
            );
        }
    }
}
