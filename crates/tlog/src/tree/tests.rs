//! Known vectors of the certificate-transparency reference code, and properties over random sizes.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// A store of every complete subtree, and the frontier that made it.
struct Grown {
    nodes: BTreeMap<Node, Hash>,
    roots: Vec<Hash>,
}

impl Grown {
    fn of(leaves: impl Iterator<Item = Hash>) -> Self {
        let (mut nodes, mut frontier) = (BTreeMap::new(), Frontier::default());
        let mut roots = vec![frontier.root()];
        for leaf in leaves {
            frontier.push(leaf, |node, hash| assert!(nodes.insert(node, hash).is_none())).unwrap();
            roots.push(frontier.root());
        }
        Self { nodes, roots }
    }

    fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|n| Hash::leaf(&n.to_be_bytes())))
    }

    fn vectors() -> Self {
        Self::of(LEAVES.iter().map(|hex| Hash::leaf(&HEXLOWER.decode(hex.as_bytes()).unwrap())))
    }

    fn read(&self) -> impl FnMut(Node) -> Result<Hash, TreeError> + '_ {
        |node| Ok(self.nodes[&node])
    }
}

fn hex(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| format!("{hash:?}")).collect()
}

#[test]
fn roots_and_proofs_are_those_of_the_reference_code() {
    let grown = Grown::vectors();
    assert_eq!(hex(&grown.roots[1..]), ROOTS);
    assert_eq!(
        hex(&prove_inclusion(0, 8, grown.read()).unwrap()),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        hex(&prove_consistency(6, 8, grown.read()).unwrap()),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn every_pair_of_small_sizes_proves_and_verifies() {
    let grown = Grown::numbered(40);
    for size in 0..=40_u64 {
        let to = grown.roots[usize::try_from(size).unwrap()];
        assert_eq!(root(size, grown.read()).unwrap(), to);
        assert_eq!(Frontier::load(size, grown.read()).unwrap().root(), to);
        for n in 0..size {
            let leaf = grown.nodes[&Node { level: 0, index: n }];
            let proof = prove_inclusion(n, size, grown.read()).unwrap();
            verify_inclusion(leaf, n, size, to, &proof).unwrap();
        }
        for from in 0..=size {
            let older = (from, grown.roots[usize::try_from(from).unwrap()]);
            let proof = prove_consistency(from, size, grown.read()).unwrap();
            verify_consistency(older, (size, to), &proof).unwrap();
        }
    }
}

#[test]
fn asks_out_of_range_are_refused() {
    let grown = Grown::numbered(3);
    assert_eq!(
        prove_inclusion(3, 3, grown.read()).unwrap_err(),
        TreeError::Beyond { index: 3, size: 3 }
    );
    assert_eq!(
        prove_consistency(4, 3, grown.read()).unwrap_err(),
        TreeError::Shrunk { from: 4, to: 3 }
    );
    let hash = Hash::empty();
    assert!(verify_inclusion(hash, 0, 0, hash, &[]).is_err());
    assert!(verify_consistency((2, hash), (1, hash), &[]).is_err());
    // Sizes from an attacker must neither overflow nor loop.
    assert!(verify_inclusion(hash, u64::MAX - 1, u64::MAX, hash, &[hash; 64]).is_err());
    assert!(verify_consistency((u64::MAX - 1, hash), (u64::MAX, hash), &[hash; 70]).is_err());
    assert!(verify_consistency((1 << 63, hash), (u64::MAX, hash), &[]).is_err());
}

fn flip(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #[test]
    fn an_inclusion_proof_fails_when_any_part_changes(
        size in 1_u64..600, pick in any::<u64>(), bit in 0_usize..256, at in any::<usize>(),
    ) {
        let grown = Grown::numbered(size);
        let root = grown.roots[usize::try_from(size).unwrap()];
        let index = pick % size;
        let leaf = grown.nodes[&Node { level: 0, index }];
        let proof = prove_inclusion(index, size, grown.read()).unwrap();
        verify_inclusion(leaf, index, size, root, &proof).unwrap();
        prop_assert!(verify_inclusion(flip(leaf, bit), index, size, root, &proof).is_err());
        prop_assert!(verify_inclusion(leaf, index, size, flip(root, bit), &proof).is_err());
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify_inclusion(leaf, other, size, root, &proof).is_err());
        }
        if !proof.is_empty() {
            let mut changed = proof.clone();
            let at = at % proof.len();
            changed[at] = flip(changed[at], bit);
            prop_assert!(verify_inclusion(leaf, index, size, root, &changed).is_err());
            prop_assert!(verify_inclusion(leaf, index, size, root, &proof[1..]).is_err());
        }
        let longer: Vec<Hash> = proof.iter().copied().chain([root]).collect();
        prop_assert!(verify_inclusion(leaf, index, size, root, &longer).is_err());
    }

    #[test]
    fn a_consistency_proof_fails_when_any_part_changes(
        to in 1_u64..600, pick in any::<u64>(), bit in 0_usize..256, at in any::<usize>(),
    ) {
        let grown = Grown::numbered(to);
        let from = 1 + pick % to;
        let root = |size: u64| grown.roots[usize::try_from(size).unwrap()];
        let (older, newer) = ((from, root(from)), (to, root(to)));
        let proof = prove_consistency(from, to, grown.read()).unwrap();
        verify_consistency(older, newer, &proof).unwrap();
        prop_assert!(verify_consistency((from, flip(older.1, bit)), newer, &proof).is_err());
        prop_assert!(verify_consistency(older, (to, flip(newer.1, bit)), &proof).is_err());
        if !proof.is_empty() {
            let mut changed = proof.clone();
            let at = at % proof.len();
            changed[at] = flip(changed[at], bit);
            prop_assert!(verify_consistency(older, newer, &changed).is_err());
            prop_assert!(verify_consistency(older, newer, &proof[1..]).is_err());
        }
        let longer: Vec<Hash> = proof.iter().copied().chain([newer.1]).collect();
        prop_assert!(verify_consistency(older, newer, &longer).is_err());
    }
}
