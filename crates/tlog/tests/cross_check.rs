#![cfg(test)]
//! Everything that has a second implementation is held against it: `tlog_tiles` and `signed_note`,
//! both ports of Go's `sumdb`. They use other paths, so bytes, hashes and proofs are compared.

use std::cell::RefCell;

use proptest::prelude::*;
use remit_tlog::tree::{
    Frontier, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};
use remit_tlog::{Checkpoint, Hash, Level, Node, Note, SigningKey, Tile, TreeError, bundle};
use tlog_tiles::{HashReader, tlog};

/// Their store: hashes in the order of `stored_hash_index`.
#[derive(Default)]
struct Theirs(RefCell<Vec<tlog::Hash>>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let stored = self.0.borrow();
        Ok(indexes.iter().map(|index| stored[usize::try_from(*index).unwrap()]).collect())
    }
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n} {}", "x".repeat(usize::try_from(n % 50).unwrap())).into_bytes()
}

/// The same log grown by both.
struct Both {
    theirs: Theirs,
    nodes: std::collections::BTreeMap<Node, Hash>,
    frontier: Frontier,
}

impl Both {
    fn grown(size: u64) -> Self {
        let (mut frontier, mut nodes) = (Frontier::default(), std::collections::BTreeMap::new());
        let theirs = Theirs::default();
        for n in 0..size {
            let hashes = tlog::stored_hashes(n, &entry(n), &theirs).unwrap();
            theirs.0.borrow_mut().extend(hashes);
            frontier
                .push(Hash::leaf(&entry(n)), |node, hash| {
                    nodes.insert(node, hash);
                })
                .unwrap();
        }
        Self { theirs, nodes, frontier }
    }

    fn read(&self) -> impl FnMut(Node) -> Result<Hash, TreeError> + '_ {
        |node| Ok(self.nodes[&node])
    }
}

fn bytes(hashes: &[Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| *hash.as_bytes()).collect()
}

fn their_bytes(hashes: &[tlog::Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

#[test]
fn roots_agree_at_every_size() {
    let mut frontier = Frontier::default();
    let both = Both::grown(700);
    for size in 1..=700 {
        frontier.push(Hash::leaf(&entry(size - 1)), |_, _| ()).unwrap();
        let theirs = tlog::tree_hash(size, &both.theirs).unwrap();
        assert_eq!(*frontier.root().as_bytes(), theirs.0, "size {size}");
    }
}

#[test]
fn tiles_hold_the_same_hashes_and_bundles_the_same_entries() {
    let size = 66_000;
    let both = Both::grown(size);
    for tile in Tile::written(0, size) {
        let Level::Hashes(level) = tile.level() else { continue };
        let theirs = tlog_tiles::Tile::new(8, level, tile.index(), tile.width().into(), false)
            .read_data(&both.theirs)
            .unwrap();
        let ours: Vec<u8> = (tile.start()..tile.end())
            .flat_map(|index| *both.nodes[&Node { level: level * 8, index }].as_bytes())
            .collect();
        assert_eq!(ours, theirs, "{tile}");
        assert_eq!(tile.hashes(&ours).unwrap().len(), usize::from(tile.width()));
    }
    // Theirs lists the same tiles, without the entries.
    let count = tlog_tiles::Tile::new_tiles(8, 0, size).len();
    let ours = Tile::written(0, size);
    assert_eq!(ours.filter(|tile| tile.level() != Level::Entries).count(), count);
    // Every hash a proof may need can be had from the tiles.
    for (node, hash) in both.nodes.iter().filter(|(node, _)| node.level > 0).step_by(97) {
        let tile = Tile::holding(*node, size).unwrap();
        let Level::Hashes(level) = tile.level() else { panic!("{tile}") };
        let bytes: Vec<u8> = (tile.start()..tile.end())
            .flat_map(|index| *both.nodes[&Node { level: level * 8, index }].as_bytes())
            .collect();
        assert_eq!(tile.hash_of(*node, &bytes).unwrap(), *hash, "{node:?}");
    }
    let mut packed = Vec::new();
    (0..256).for_each(|n| bundle::push(&mut packed, &entry(n)).unwrap());
    for (n, read) in (0_u64..).zip(bundle::entries(&packed, 256).unwrap()) {
        assert_eq!(
            tlog::record_hash(read),
            both.theirs.read_hashes(&[tlog::stored_hash_index(0, n)]).unwrap()[0]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_the_same_and_each_accepts_the_others(size in 1_u64..700, pick in any::<u64>()) {
        let both = Both::grown(size);
        let (index, from) = (pick % size, 1 + pick % size);
        let root = tlog::tree_hash(size, &both.theirs).unwrap();
        let ours = prove_inclusion(index, size, both.read()).unwrap();
        let theirs = tlog::prove_record(size, index, &both.theirs).unwrap();
        prop_assert_eq!(bytes(&ours), their_bytes(&theirs));
        let leaf = tlog::record_hash(&entry(index));
        tlog::check_record(&theirs, size, root, index, leaf).unwrap();
        verify_inclusion(Hash::from_bytes(leaf.0), index, size, Hash::from_bytes(root.0), &ours).unwrap();

        let ours = prove_consistency(from, size, both.read()).unwrap();
        let theirs = tlog::prove_tree(size, from, &both.theirs).unwrap();
        prop_assert_eq!(bytes(&ours), their_bytes(&theirs));
        let older = tlog::tree_hash(from, &both.theirs).unwrap();
        tlog::check_tree(&theirs, size, root, from, older).unwrap();
        verify_consistency((from, Hash::from_bytes(older.0)), (size, both.frontier.root()), &ours).unwrap();
    }
}

#[test]
fn they_verify_our_notes_and_checkpoints() {
    use signed_note::{StandardVerifier, VerifierList};

    let key = SigningKey::from_seed("log.example/remit", &[5; 32]).unwrap();
    let checkpoint = Checkpoint::new("log.example/remit", 1042, Hash::leaf(b"x"));
    let note = checkpoint.sign(&key).unwrap();
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let known = StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let (verified, _) = theirs.verify(&VerifierList::new(vec![Box::new(known)])).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!(theirs.to_bytes(), note.to_string().as_bytes());
    let body = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
    assert_eq!((body.origin(), body.size()), ("log.example/remit", 1042));
    assert_eq!(body.hash().0, *Hash::leaf(b"x").as_bytes());
}

#[test]
fn we_verify_their_notes() {
    use signed_note::{Signer, StandardSigner};

    // Their secret keys: PRIVATE+KEY+<name>+<id>+<base64(type, seed)>.
    let ours = SigningKey::from_seed("log.example/remit", &[5; 32]).unwrap();
    let id = data_encoding::HEXLOWER.encode(&ours.verifier().id());
    let secret = data_encoding::BASE64.encode(&[&[1][..], &[5; 32]].concat());
    let signer =
        StandardSigner::new(&format!("PRIVATE+KEY+log.example/remit+{id}+{secret}")).unwrap();
    let mut theirs = signed_note::Note::new(b"some text\n", &[]).unwrap();
    theirs.add_sigs(&[&signer as &dyn Signer]).unwrap();
    let note = Note::parse(&theirs.to_bytes()).unwrap();
    assert_eq!(note.verify(&[ours.verifier().clone()]).unwrap().0, "some text\n");
    assert_eq!(note, Note::sign("some text\n", &[&ours]).unwrap(), "Ed25519 is deterministic");
}
