#![cfg(test)]
//! The key of the log is replaced: whoever knows one of its keys follows to the others, whoever signs
//! without being named by the log is found, and no crash leaves a log that nobody can follow.

mod support;

use std::fs;
use std::path::Path;

use remit_ledger::{FileLedger, OpenError, Others, PublishError, Signing, Verified, VerifyError};
use remit_ports::record::Signers;
use remit_ports::{Draft, Kind};
use remit_tlog::{Checkpoint, CosigningKey, Hash, Note, SigningKey, VerifierKey};
use support::*;

const ORIGIN: &str = "remit.example/log/n1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn vkey(seed: u8) -> VerifierKey {
    key(seed).verifier().clone()
}

fn keys(seeds: &[u8]) -> Vec<SigningKey> {
    seeds.iter().map(|seed| key(*seed)).collect()
}

/// The keys at hand, all of which must be named; the first key of the log is number 1.
fn at_hand(seeds: &[u8]) -> Signing {
    let named = seeds.iter().map(|seed| vkey(*seed)).collect();
    let first = seeds.contains(&1).then(|| vkey(1));
    Signing { first, named, keys: keys(seeds) }
}

fn open_with(state: &Path, seeds: &[u8]) -> Result<FileLedger, OpenError> {
    FileLedger::open(config(state), at_hand(seeds), world().doors)
}

/// The record that from it on `now` sign, who come after `before`.
fn change(before: &[u8], now: &[u8]) -> Draft {
    let texts = |seeds: &[u8]| seeds.iter().map(|seed| vkey(*seed).to_string()).collect();
    let mut record = draft(Kind::Key, "made");
    record.clear.signers = Some(Signers { before: texts(before), now: texts(now) });
    record
}

/// Lets `now` sign after `before`, with `there` at hand; gives the entry that says so.
fn turn(ledger: &FileLedger, (before, now): (&[u8], &[u8]), there: &[u8]) -> u64 {
    ledger.sign_with(keys(there));
    let index = put(ledger, &change(before, now)).index();
    ledger.flush().unwrap();
    index
}

fn verify_by(state: &Path, seed: u8, others: &Others) -> Result<Verified, VerifyError> {
    let verified = remit_ledger::verify(state, &vkey(seed), others, &mut |_, _| ());
    let copy =
        remit_ledger::verify_published(&state.join("ledger"), &vkey(seed), others, &mut |_, _| ());
    assert_eq!(verified.is_ok(), copy.is_ok(), "{verified:?}\n{copy:?}");
    verified
}

fn sound(state: &Path, seeds: &[u8]) {
    for seed in seeds {
        verify_by(state, *seed, &Others::default()).unwrap_or_else(|why| panic!("{seed}: {why}"));
    }
}

fn refused(state: &Path, seed: u8, others: &Others) -> String {
    verify_by(state, seed, others).unwrap_err().to_string()
}

fn holding(note: &Note) -> Others {
    Others { witnesses: Vec::new(), held: vec![("elsewhere".to_owned(), note.clone())] }
}

/// How many of the log's keys signed the newest checkpoint.
fn signatures(state: &Path) -> usize {
    fs::read_to_string(state.join("ledger/checkpoint")).unwrap().matches("— ").count()
}

fn copy(from: &Path, to: &Path) {
    let _: std::io::Result<()> = fs::remove_dir_all(to);
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// A log whose key 1 was replaced by key 2: by an overlap from the entry that is given until the other.
fn replaced(state: &Path) -> (u64, u64) {
    let ledger = open_with(state, &[1]).unwrap();
    calls(&ledger, 1, 3);
    let made = turn(&ledger, (&[1], &[1, 2]), &[1, 2]);
    calls(&ledger, 2, 3);
    let retired = turn(&ledger, (&[1, 2], &[2]), &[1, 2]);
    calls(&ledger, 3, 3);
    ledger.flush().unwrap();
    (made, retired)
}

#[test]
fn whoever_knows_one_key_follows_to_all_others_at_every_moment() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let ledger = open_with(state, &[1]).unwrap();
    calls(&ledger, 1, 3);
    ledger.flush().unwrap();
    sound(state, &[1]);
    assert!(refused(state, 2, &Others::default()).contains("none of the known keys"));
    turn(&ledger, (&[1], &[1, 2]), &[1, 2]);
    assert_eq!(signatures(state), 2);
    sound(state, &[1, 2]);
    calls(&ledger, 2, 130);
    assert_eq!(ledger.signers(), [vkey(1), vkey(2)]);
    drop(ledger);
    let ledger = open_with(state, &[1, 2]).unwrap();
    turn(&ledger, (&[1, 2], &[2]), &[1, 2]);
    ledger.sign_with(keys(&[2]));
    calls(&ledger, 3, 3);
    ledger.flush().unwrap();
    assert_eq!(signatures(state), 1);
    turn(&ledger, (&[2], &[2, 3]), &[2, 3]);
    turn(&ledger, (&[2, 3], &[3]), &[2, 3]);
    drop(ledger);
    drop(open_with(state, &[3]).unwrap());
    sound(state, &[1, 2, 3]);
    assert!(refused(state, 4, &Others::default()).contains("none of the known keys"));
    assert_eq!(fs::read_dir(state.join("ledger/succession")).unwrap().count(), 4);
}

#[test]
fn a_successor_that_the_old_key_did_not_vouch_for_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    // A thief of the log, not of its key: goes on with a key of their own, which a record names.
    for now in [&[1, 9][..], &[9][..]] {
        let _: std::io::Result<()> = fs::remove_dir_all(&state);
        let ledger = open_with(&state, &[1]).unwrap();
        calls(&ledger, 1, 3);
        ledger.flush().unwrap();
        drop(ledger);
        let (checkpoint, entry) = {
            let mut tree = remit_tlog::Frontier::default();
            let entry = serde_json::json!({
                "clear": {"signers": change(&[1], now).clear.signers}, "kind": "key",
            });
            let entry = entry.to_string().into_bytes();
            tree.push(Hash::leaf(&entry), |_, _| ()).unwrap();
            (Checkpoint::new(ORIGIN, 1, tree.root()), entry)
        };
        let forged = |note: Note| remit_tlog::Proof {
            extra: Some(entry.clone()),
            index: 0,
            hashes: Vec::new(),
            checkpoint: note,
        };
        let theirs = checkpoint.sign(&key(9)).unwrap();
        let mut as_ours = theirs.signatures()[0].clone();
        as_ours.id = vkey(1).id();
        let with_ours = theirs.clone().with(as_ours).unwrap();
        fs::create_dir_all(state.join("ledger/succession")).unwrap();
        for note in [theirs.clone(), with_ours] {
            fs::write(state.join("ledger/succession/0"), forged(note).to_string()).unwrap();
            let why = refused(&state, 1, &Others::default());
            assert!(why.contains("succession/0") && why.contains("vouches for no key"), "{why}");
            let head = fs::read(state.join("ledger/checkpoint")).unwrap();
            fs::write(state.join("ledger/checkpoint"), theirs.to_string()).unwrap();
            let why = refused(&state, 1, &Others::default());
            assert!(why.contains("none of the known keys"), "{why}");
            fs::write(state.join("ledger/checkpoint"), head).unwrap();
        }
    }
}

#[test]
fn what_a_key_signs_before_it_is_named_or_after_it_is_retired_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (made, retired) = replaced(dir.path());
    sound(dir.path(), &[1, 2]);
    let ledger = open_with(dir.path(), &[2]).unwrap();
    let newest = ledger.published().unwrap().0;
    drop(ledger);
    let root = |size: u64| {
        let mut tree = remit_tlog::Frontier::default();
        let mut take = |one: remit_ports::Replayed| {
            let entry = serde_json::to_vec(&one.entry).unwrap();
            tree.push(Hash::leaf(&entry), |_, _| ()).unwrap();
        };
        let (key, doors) = ([vkey(2)], world().doors);
        let archive = remit_ledger::Archive::open(dir.path(), &key, doors.keys).unwrap();
        archive.entries(0..size, &mut take).unwrap();
        tree.root()
    };
    assert_eq!(root(newest.size), newest.root);
    let signed = |size: u64, seed| {
        holding(&Checkpoint::new(ORIGIN, size, root(size)).sign(&key(seed)).unwrap())
    };
    for (size, seed) in [(retired + 1, 1), (newest.size, 1), (made, 2), (1, 2)] {
        for by in [1, 2] {
            let why = refused(dir.path(), by, &signed(size, seed));
            assert!(why.contains("elsewhere") && why.contains("was replaced"), "{size}: {why}");
        }
    }
    for (size, seed) in [(1, 1), (retired, 1), (made + 1, 2), (newest.size, 2)] {
        verify_by(dir.path(), 1, &signed(size, seed)).unwrap();
    }
    // A fork under the retired key convicts it as any other does.
    let fork = Checkpoint::new(ORIGIN, 4, Hash::leaf(b"another story")).sign(&key(1)).unwrap();
    let why = refused(dir.path(), 2, &holding(&fork));
    assert!(why.contains("have the root"), "{why}");
    // On our own disk, too.
    let lie = Checkpoint::new(ORIGIN, newest.size, newest.root).sign(&key(1)).unwrap();
    fs::write(dir.path().join("ledger/checkpoint"), lie.to_string()).unwrap();
    let why = refused(dir.path(), 2, &Others::default());
    assert!(why.contains("was replaced"), "{why}");
    let opened = open_with(dir.path(), &[2]);
    assert!(matches!(opened, Err(OpenError::Publish(PublishError::Checkpoint(_)))), "{opened:?}");
}

/// Or whoever has the old key alone goes on as if it had not been retired, for those who know the new one.
#[test]
fn what_the_log_publishes_is_signed_by_all_who_sign() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_with(dir.path(), &[1]).unwrap();
    calls(&ledger, 1, 3);
    turn(&ledger, (&[1], &[1, 2]), &[1, 2]);
    calls(&ledger, 2, 3);
    ledger.flush().unwrap();
    let (newest, note) = ledger.published().unwrap();
    drop(ledger);
    let file = dir.path().join("ledger/checkpoint");
    for seed in [1, 2] {
        let alone = Checkpoint::new(ORIGIN, newest.size, newest.root).sign(&key(seed)).unwrap();
        fs::write(&file, alone.to_string()).unwrap();
        for by in [1, 2] {
            let why = refused(dir.path(), by, &Others::default());
            assert!(why.contains("checkpoint") && why.contains("was replaced"), "{why}");
        }
        fs::write(&file, note.to_string()).unwrap();
        verify_by(dir.path(), 3 - seed, &holding(&alone)).unwrap();
    }
}

#[test]
fn a_public_log_that_is_lost_is_made_again_and_its_old_proofs_come_from_a_copy() {
    let (dir, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (made, retired) = replaced(dir.path());
    let (ledger, copied) = (dir.path().join("ledger"), aside.path().join("ledger"));
    copy(&ledger, &copied);
    let proof = |index: u64| format!("succession/{index}");
    for lost in [&ledger, &ledger.join("checkpoint")] {
        if lost.is_dir() { fs::remove_dir_all(lost) } else { fs::remove_file(lost) }.unwrap();
        drop(open_with(dir.path(), &[2]).unwrap());
        let same = fs::read(copied.join(proof(retired))).unwrap();
        assert_eq!(fs::read(ledger.join(proof(retired))).unwrap(), same);
        if !ledger.join(proof(made)).exists() {
            assert!(refused(dir.path(), 2, &Others::default()).contains(&proof(made)));
            fs::copy(copied.join(proof(made)), ledger.join(proof(made))).unwrap();
        }
        sound(dir.path(), &[1, 2]);
    }
}

#[test]
fn a_key_that_was_taken_back_vouches_for_nothing_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_with(dir.path(), &[1]).unwrap();
    calls(&ledger, 1, 3);
    ledger.flush().unwrap();
    let witness = CosigningKey::from_seed("witness.example/w", &[7; 32]).unwrap();
    let (seen, note) = ledger.published().unwrap();
    let note = note.clone().with(witness.cosign(&note, 5).unwrap()).unwrap();
    ledger.attach(witness.witness(), &note).unwrap();
    let index = turn(&ledger, (&[1], &[3]), &[1, 3]);
    ledger.sign_with(keys(&[3]));
    calls(&ledger, 2, 3);
    ledger.flush().unwrap();
    let why = refused(dir.path(), 1, &Others::default());
    assert!(why.contains(&format!("entry {index} says that")), "{why}");
    assert!(why.contains("was taken back") && why.contains("remit audit key"), "{why}");
    // What was cosigned before goes on to count, and is held against the log.
    let others = Others { witnesses: vec![witness.witness().clone()], held: Vec::new() };
    let verified = verify_by(dir.path(), 3, &others).unwrap();
    assert_eq!(verified.cosigned[0].size, seen.size);
    assert_eq!(ledger.cosigned(witness.witness()).unwrap().unwrap().size, seen.size);
    drop(ledger);
    drop(open_with(dir.path(), &[3]).unwrap());
    let fork = Checkpoint::new(ORIGIN, 4, Hash::leaf(b"a thief's")).sign(&key(1)).unwrap();
    assert!(refused(dir.path(), 3, &holding(&fork)).contains("have the root"));
    let longer = Checkpoint::new(ORIGIN, 900, Hash::leaf(b"a thief's")).sign(&key(1)).unwrap();
    assert!(verify_by(dir.path(), 3, &holding(&longer)).is_err());
}

#[test]
fn a_log_from_before_the_change_is_not_continued() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, old) = (dir.path().join("state"), backup.path().join("state"));
    let ledger = open_with(&state, &[1]).unwrap();
    calls(&ledger, 1, 3);
    drop(ledger);
    copy(&state, &old);
    let ledger = open_with(&state, &[1]).unwrap();
    turn(&ledger, (&[1], &[1, 2]), &[1, 2]);
    turn(&ledger, (&[1, 2], &[2]), &[1, 2]);
    let (_, held) = ledger.published().unwrap();
    drop(ledger);
    copy(&old, &state);
    // The keys are not those of then.
    let opened = open_with(&state, &[1, 2]);
    assert!(matches!(opened, Err(OpenError::Unnamed(_))), "{opened:?}");
    for there in [&["checkpoint"][..], &[]] {
        let _: Vec<_> = there
            .iter()
            .map(|name| fs::remove_file(state.join("ledger").join(name)).unwrap())
            .collect();
        let opened = open_with(&state, &[2]);
        assert!(matches!(opened, Err(OpenError::Unnamed(_) | OpenError::Publish(_))), "{opened:?}");
        copy(&old, &state);
    }
    // They are, as from a whole backup: it goes on under the old key, and what somebody kept tells.
    let ledger = open_with(&state, &[1]).unwrap();
    calls(&ledger, 2, 1);
    drop(ledger);
    assert!(refused(&state, 1, &holding(&held)).contains("elsewhere"));
}

#[test]
fn without_the_key_that_signs_nothing_is_signed_and_the_text_says_which() {
    let dir = tempfile::tempdir().unwrap();
    replaced(dir.path());
    let id = vkey(2).to_string();
    let id = id.rsplit_once('+').unwrap().0;
    let why = open_with(dir.path(), &[1]).unwrap_err().to_string();
    assert!(why.contains(id) && why.contains("restore `keys/`"), "{why}");
    let none = FileLedger::open(config(dir.path()), at_hand(&[]), world().doors).unwrap_err();
    assert!(matches!(none, OpenError::NoKey), "{none}");
    sound(dir.path(), &[1, 2]);
}

#[test]
fn a_change_that_a_crash_interrupted_anywhere_is_finished_by_the_next_start() {
    let (dir, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, before) = (dir.path().join("state"), aside.path().join("ledger"));
    let ledger = open_with(&state, &[1]).unwrap();
    calls(&ledger, 1, 3);
    ledger.flush().unwrap();
    copy(&state.join("ledger"), &before);
    let made = turn(&ledger, (&[1], &[1, 2]), &[1, 2]);
    calls(&ledger, 2, 3);
    turn(&ledger, (&[1, 2], &[2]), &[1, 2]);
    calls(&ledger, 3, 3);
    drop(ledger);
    let after = aside.path().join("after");
    copy(&state.join("ledger"), &after);
    // Both records are on disk and nothing is published; the first is proved; nothing is there at all.
    let proof = format!("succession/{made}");
    for what in ["nothing", "proof", "empty"] {
        copy(&before, &state.join("ledger"));
        match what {
            "proof" => {
                fs::create_dir_all(state.join("ledger/succession")).unwrap();
                fs::copy(after.join(&proof), state.join("ledger").join(&proof)).unwrap();
            }
            "empty" => fs::remove_dir_all(state.join("ledger")).unwrap(),
            _ => {}
        }
        let ledger = open_with(&state, &[1, 2]).unwrap();
        assert_eq!(ledger.signers(), [vkey(2)], "{what}");
        drop(ledger);
        sound(&state, &[1, 2]);
        let same = fs::read(after.join(&proof)).unwrap();
        assert_eq!(fs::read(state.join("ledger").join(&proof)).unwrap(), same, "{what}");
    }
    // What vouches for the change cannot be made again once the old key is gone, and is missed by name.
    fs::remove_file(state.join("ledger").join(&proof)).unwrap();
    assert!(refused(&state, 1, &Others::default()).contains("none of the known keys"));
    assert!(refused(&state, 2, &Others::default()).contains(&proof));
}

#[test]
fn a_flipped_byte_of_what_vouches_for_a_change_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (made, retired) = replaced(dir.path());
    for index in [made, retired] {
        let file = dir.path().join(format!("ledger/succession/{index}"));
        let good = fs::read(&file).unwrap();
        // The new key's own line comes last; a name or id that is not a known key's is ignored there, and
        // nothing rests on it where the old key vouches.
        let end = String::from_utf8(good.clone()).unwrap().rfind("— ").unwrap();
        for at in (0..end).step_by(13) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            // Whoever does not know a key ignores its signature, so it takes both to find any.
            let found = [1, 2].map(|seed| verify_by(dir.path(), seed, &Others::default()).is_err());
            assert!(found.contains(&true), "byte {at} of {index}");
        }
        fs::write(&file, good).unwrap();
    }
    sound(dir.path(), &[1, 2]);
}
