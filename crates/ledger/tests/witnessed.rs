#![cfg(test)]
//! What witnesses say of a log is kept beside it, counts when the log is verified, and convicts it
//! when it is not what they saw; by the published files alone, too.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use remit_ledger::{FileLedger, Others, Verified, VerifyError, verify_published};
use remit_tlog::{Checkpoint, CosigningKey, Note, SigningKey};
use support::*;

fn witness(seed: u8) -> CosigningKey {
    CosigningKey::from_seed(&format!("witness.example/w{seed}"), &[seed; 32]).unwrap()
}

/// Has what is published now cosigned as of `time`.
fn cosign(ledger: &FileLedger, witness: &CosigningKey, time: u64) -> (u64, Note) {
    ledger.flush().unwrap();
    let (checkpoint, note) = ledger.published().unwrap();
    let note = note.clone().with(witness.cosign(&note, time).unwrap()).unwrap();
    ledger.attach(witness.witness(), &note).unwrap();
    (checkpoint.size, note)
}

fn knowing(witnesses: &[&CosigningKey]) -> Others {
    let witnesses = witnesses.iter().map(|key| key.witness().clone()).collect();
    Others { witnesses, held: Vec::new() }
}

fn holding(note: &Note) -> Others {
    Others { witnesses: Vec::new(), held: vec![("elsewhere".to_owned(), note.clone())] }
}

fn verify_with(state: &Path, others: &Others) -> Result<Verified, VerifyError> {
    remit_ledger::verify(state, signing_key().verifier(), others, &mut |_, _| ())
}

fn published(dir: &Path, others: &Others) -> Result<Verified, VerifyError> {
    verify_published(dir, signing_key().verifier(), others, &mut |_, _| ())
}

fn sizes(verified: &Verified) -> Vec<(String, u64, u64)> {
    verified.cosigned.iter().map(|one| (one.witness.clone(), one.size, one.time)).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn cosignatures_are_kept_published_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (witness(1), witness(2));
    let ledger = open(dir.path());
    calls(&ledger, 1, 3);
    let (size, _) = cosign(&ledger, &one, 100);
    cosign(&ledger, &two, 101);
    let checkpoint = dir.path().join("ledger/checkpoint");
    let hanging = fs::read_to_string(&checkpoint).unwrap();
    assert!(hanging.contains("witness.example/w1") && hanging.contains("witness.example/w2"));
    calls(&ledger, 2, 3);
    cosign(&ledger, &two, 102);
    let later = ledger.published().unwrap().0.size;
    ledger.close();

    let found = verify_with(dir.path(), &knowing(&[&one, &two, &witness(3)])).unwrap();
    let expected = [
        ("witness.example/w1".to_owned(), size, 100),
        ("witness.example/w2".to_owned(), later, 102),
    ];
    assert_eq!(sizes(&found), expected);
    assert!(!fs::read_to_string(&checkpoint).unwrap().contains("witness.example/w1"));
    assert!(sizes(&verify_with(dir.path(), &Others::default()).unwrap()).is_empty());
    let ledger = open(dir.path());
    assert_eq!(ledger.cosigned(one.witness()).unwrap().unwrap().size, size);
    assert_eq!(ledger.cosigned(witness(3).witness()).unwrap(), None);
    assert!(ledger.published().unwrap().1.to_string().contains("witness.example/w2"));
}

#[test]
fn a_checkpoint_of_any_size_fails_at_the_first_file_that_it_needs_and_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    calls(&ledger, 1, 3);
    ledger.flush().unwrap();
    let (checkpoint, _) = ledger.published().unwrap();
    drop(ledger);
    for size in [1 << 60, u64::MAX] {
        let vast = Checkpoint::new(&checkpoint.origin, size, checkpoint.root);
        let vast = vast.sign(&signing_key()).unwrap();
        fs::write(dir.path().join("ledger/checkpoint"), vast.to_string()).unwrap();
        let why = published(&dir.path().join("ledger"), &Others::default()).unwrap_err();
        assert_eq!((why.file.as_str(), why.entry), ("tile/entries/000", Some(0)), "{why}");
    }
}

#[test]
fn only_what_a_witness_said_of_this_log_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    calls(&ledger, 1, 3);
    ledger.flush().unwrap();
    let (checkpoint, note) = ledger.published().unwrap();
    let (one, two) = (witness(1), witness(2));
    let of_two = note.clone().with(two.cosign(&note, 5).unwrap()).unwrap();
    assert!(ledger.attach(one.witness(), &note).is_err(), "nobody cosigned it");
    assert!(ledger.attach(one.witness(), &of_two).is_err(), "somebody else did");
    let mut line = one.cosign(&note, 5).unwrap();
    line.bytes[20] ^= 1;
    assert!(ledger.attach(one.witness(), &note.clone().with(line).unwrap()).is_err(), "forged");
    let stranger = SigningKey::from_seed("else.example", &[1; 32]).unwrap();
    let other = Checkpoint::new("else.example", checkpoint.size, checkpoint.root);
    let other = other.sign(&stranger).unwrap();
    let other = other.clone().with(one.cosign(&other, 5).unwrap()).unwrap();
    assert!(ledger.attach(one.witness(), &other).is_err(), "of another log");
    assert_eq!(ledger.cosigned(one.witness()).unwrap(), None);
    assert_eq!(ledger.published().unwrap().1, note);
}

#[test]
fn growth_is_proved_from_every_size_to_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut seen: Vec<Checkpoint> = Vec::new();
    for round in 0..14 {
        calls(&ledger, round, if round == 9 { 300 } else { 3 });
        ledger.flush().unwrap();
        let now = ledger.published().unwrap().0;
        for old in &seen {
            let proof = ledger.prove_growth(old.size, now.size).unwrap();
            assert!(proof.len() <= remit_tlog::witness::MAX_PROOF);
            let (old, now) = ((old.size, old.root), (now.size, now.root));
            remit_tlog::tree::verify_consistency(old, now, &proof).unwrap();
        }
        seen.push(now);
    }
    assert!(ledger.prove_growth(9, 8).is_err());
}

#[test]
fn a_log_that_is_not_what_others_saw_is_convicted() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = witness(1);
    let ledger = open(dir.path());
    calls(&ledger, 1, 3);
    cosign(&ledger, &one, 100);
    ledger.close();
    copy(dir.path(), backup.path());
    let ledger = open(dir.path());
    calls(&ledger, 2, 5);
    let (size, held) = cosign(&ledger, &one, 200);
    ledger.close();
    verify_with(dir.path(), &holding(&held)).unwrap();

    // Rolled back: shorter than what was seen, until it has grown past it; then another.
    let lost = verify_with(backup.path(), &holding(&held)).unwrap_err();
    assert_eq!(lost.file, "elsewhere");
    assert!(lost.why.contains(&format!("speaks of {size} entries")), "{lost}");
    verify_with(backup.path(), &knowing(&[&one])).unwrap();
    let ledger = open(backup.path());
    calls(&ledger, 3, 20);
    ledger.close();
    let forked = verify_with(backup.path(), &holding(&held)).unwrap_err();
    assert!(forked.why.contains("have the root"), "{forked}");
    // The newer cosigned checkpoint beside it does not help, but convicts it as well.
    let name = |dir: &Path| fs::read_dir(dir.join("ledger/witnessed")).unwrap().next().unwrap();
    let (newer, older) = (name(dir.path()).unwrap().path(), name(backup.path()).unwrap().path());
    fs::copy(newer, &older).unwrap();
    let forked = verify_with(backup.path(), &Others::default()).unwrap_err();
    assert!(forked.file.starts_with("ledger/witnessed/"), "{forked}");
    let forked = published(&backup.path().join("ledger"), &Others::default()).unwrap_err();
    assert!(forked.file.starts_with("witnessed/"), "{forked}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_published_log_verifies_alone_and_every_flip_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let one = witness(1);
    let ledger = open(dir.path());
    calls(&ledger, 1, 160);
    cosign(&ledger, &one, 100);
    ledger.close();
    let (log, others) = (dir.path().join("ledger"), knowing(&[&one]));
    let found = published(&log, &others).unwrap();
    let whole = verify_with(dir.path(), &others).unwrap();
    assert_eq!((found.published, found.root), (whole.published, whole.root));
    assert_eq!((found.entries, found.tasks, found.open_calls), (321, 1, 0));
    assert_eq!(found.cosigned, whole.cosigned);
    for file in files(&log) {
        let good = fs::read(&file).unwrap();
        // A signature line that was made unreadable is one of somebody unknown, and counts for
        // nothing; what was signed is what must not change.
        let is_note = !file.starts_with(log.join("tile"));
        let text = good.windows(2).position(|pair| pair == b"\n\n").filter(|_| is_note);
        for at in (0..text.unwrap_or(good.len())).step_by(1 + good.len() / 5) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            let wrong = published(&log, &others).expect_err(&format!("{}, {at}", file.display()));
            // Of a bundle and the hashes of its entries, a copy cannot say which was changed.
            let bundle = file.starts_with(log.join("tile/entries"));
            assert!(bundle || log.join(&wrong.file) == file, "{}, {at}: {wrong}", file.display());
        }
        fs::write(&file, good).unwrap();
    }
    fs::write(log.join("notes.txt"), "x").unwrap();
    assert_eq!(published(&log, &others).unwrap_err().file, "notes.txt");
}

#[test]
fn a_copy_whose_tiles_are_newer_than_its_checkpoint_verifies() {
    for more in [3, 300] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        calls(&ledger, 1, 3);
        let (size, _) = cosign(&ledger, &witness(1), 100);
        let log = dir.path().join("ledger");
        let aside = fs::read(log.join("checkpoint")).unwrap();
        calls(&ledger, 2, more);
        ledger.close();
        fs::write(log.join("checkpoint"), aside).unwrap();
        let found = published(&log, &knowing(&[&witness(1)])).unwrap();
        assert_eq!((found.published, found.entries), (size, size), "{more}");
        // What the checkpoint does not cover may be anything; what it covers may not.
        let first = files(&log.join("tile/entries")).into_iter().filter(|file| {
            let name = file.strip_prefix(log.join("tile/entries")).unwrap();
            name.to_str().unwrap().starts_with("000")
        });
        let bundle = first.max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
        let mut bytes = fs::read(&bundle).unwrap();
        bytes[9] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        assert!(published(&log, &Others::default()).is_err(), "{}", bundle.display());
    }
}
