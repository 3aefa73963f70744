//! RFC 6962 trees: an append-only frontier, and proofs built from any store of hashes.
//!
//! A store is a function from [`Node`] to its hash; only complete subtrees are ever asked for, so
//! tiles can answer (see [`crate::Tile::holding`]). Verification follows RFC 9162 sections 2.1.3.2
//! and 2.1.4.2, construction RFC 6962 sections 2.1.1 and 2.1.2.

use crate::Hash;

/// A complete subtree: 2^`level` leaves, the `index`-th of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its height; 0 for a leaf.
    pub level: u8,
    /// Its place among the subtrees of that height.
    pub index: u64,
}

/// Why a proof cannot be built or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The entry is not in the tree.
    #[error("entry {index} is not in a tree of {size} entries: ask for a larger tree")]
    Beyond {
        /// The entry asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The newer tree is smaller.
    #[error("a tree of {to} entries cannot extend one of {from}: a log never shrinks")]
    Shrunk {
        /// Size of the older tree.
        from: u64,
        /// Size of the newer tree.
        to: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has {got} hashes, which does not fit the sizes it claims")]
    Length {
        /// How many it has.
        got: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to the root {got:?}, expected {expected:?}")]
    Root {
        /// The root the proof leads to.
        got: Hash,
        /// The root it should lead to.
        expected: Hash,
    },
    /// The tree cannot grow further.
    #[error("the tree is full: it holds 2^64 - 1 entries")]
    Full,
}

/// The right edge of a tree: enough to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees, largest first; one for each bit set in `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` entries, from a store of its hashes.
    ///
    /// Errors: only what `read` returns.
    pub fn load<E>(size: u64, mut read: impl FnMut(Node) -> Result<Hash, E>) -> Result<Self, E> {
        let mut peaks = Vec::new();
        let mut start = 0_u64;
        for level in (0..64_u8).rev() {
            let width = 1_u64.wrapping_shl(u32::from(level));
            if size & width != 0 {
                peaks.push(read(Node { level, index: start.wrapping_shr(u32::from(level)) })?);
                start = start.saturating_add(width);
            }
        }
        Ok(Self { size, peaks })
    }

    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let fold = |right: Hash, left: &Hash| Hash::node(left, &right);
        let mut peaks = self.peaks.iter().rev();
        peaks.next().copied().map_or_else(Hash::empty, |last| peaks.fold(last, fold))
    }

    /// Appends a leaf and hands every subtree that it completes to `completed`, the leaf first.
    ///
    /// Errors: [`TreeError::Full`]; nothing was appended.
    pub fn push(
        &mut self,
        leaf: Hash,
        mut completed: impl FnMut(Node, Hash),
    ) -> Result<(), TreeError> {
        let grown = self.size.checked_add(1).ok_or(TreeError::Full)?;
        let (mut index, mut hash, mut level) = (self.size, leaf, 0_u8);
        completed(Node { level, index }, hash);
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = Hash::node(&left, &hash);
            (index, level) = (index.wrapping_shr(1), level.saturating_add(1));
            completed(Node { level, index }, hash);
        }
        self.peaks.push(hash);
        self.size = grown;
        Ok(())
    }
}

/// The largest power of two below `n`; 0 for `n` of at most 1.
fn split(n: u64) -> u64 {
    n.saturating_sub(1).checked_ilog2().map_or(0, |bits| 1_u64.wrapping_shl(bits))
}

/// The root of the subtree over the entries from `start` to before `end`, as RFC 6962 splits them.
///
/// `start` must be a multiple of the smallest power of two that is not below the length.
fn range<E>(
    start: u64,
    end: u64,
    read: &mut impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let length = end.saturating_sub(start);
    if length == 0 {
        return Ok(Hash::empty());
    }
    if length.is_power_of_two() {
        let bits = length.trailing_zeros();
        let level = u8::try_from(bits).unwrap_or(u8::MAX);
        return read(Node { level, index: start.wrapping_shr(bits) });
    }
    let middle = start.saturating_add(split(length));
    let left = range(start, middle, read)?;
    Ok(Hash::node(&left, &range(middle, end, read)?))
}

/// The root of the tree of `size` entries.
///
/// Errors: only what `read` returns.
pub fn root<E>(size: u64, mut read: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    range(0, size, &mut read)
}

/// The proof that entry `index` is in the tree of `size` entries, leaf sibling first.
///
/// Errors: [`TreeError::Beyond`], or what `read` returns.
pub fn prove_inclusion<E: From<TreeError>>(
    index: u64,
    size: u64,
    mut read: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if index >= size {
        return Err(TreeError::Beyond { index, size }.into());
    }
    let (mut start, mut end) = (0_u64, size);
    let mut path = Vec::new();
    while end.saturating_sub(start) > 1 {
        let middle = start.saturating_add(split(end.saturating_sub(start)));
        if index < middle {
            path.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            path.push(range(start, middle, &mut read)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `to` entries extends the tree of `from` entries.
///
/// Errors: [`TreeError::Shrunk`], or what `read` returns.
pub fn prove_consistency<E: From<TreeError>>(
    from: u64,
    to: u64,
    mut read: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if from > to {
        return Err(TreeError::Shrunk { from, to }.into());
    }
    let mut path = Vec::new();
    if from == 0 {
        return Ok(path);
    }
    let (mut start, mut end, mut whole) = (0_u64, to, true);
    while end != from {
        let middle = start.saturating_add(split(end.saturating_sub(start)));
        if from <= middle {
            path.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            path.push(range(start, middle, &mut read)?);
            (start, whole) = (middle, false);
        }
    }
    if !whole {
        path.push(range(start, end, &mut read)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the entry with hash `leaf` is entry `index` of the tree of `size` entries and root
/// `root`.
///
/// Errors: what does not fit.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::Beyond { index, size });
    }
    let length = TreeError::Length { got: proof.len() };
    let (mut at, mut last, mut hash) = (index, size.saturating_sub(1), leaf);
    for sibling in proof {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            hash = Hash::node(sibling, &hash);
            (at, last) = climb(at, last);
        } else {
            hash = Hash::node(&hash, sibling);
        }
        (at, last) = (at.wrapping_shr(1), last.wrapping_shr(1));
    }
    if last != 0 {
        return Err(length);
    }
    same(hash, root)
}

/// Skips the levels at which the rightmost path has no sibling.
fn climb(mut at: u64, mut last: u64) -> (u64, u64) {
    while at & 1 == 0 && at != 0 {
        (at, last) = (at.wrapping_shr(1), last.wrapping_shr(1));
    }
    (at, last)
}

fn same(got: Hash, expected: Hash) -> Result<(), TreeError> {
    if got == expected { Ok(()) } else { Err(TreeError::Root { got, expected }) }
}

/// Checks that the tree `to` (size and root) extends the tree `from`.
///
/// Errors: what does not fit.
pub fn verify_consistency(
    from: (u64, Hash),
    to: (u64, Hash),
    proof: &[Hash],
) -> Result<(), TreeError> {
    if from.0 > to.0 {
        return Err(TreeError::Shrunk { from: from.0, to: to.0 });
    }
    let length = TreeError::Length { got: proof.len() };
    if from.0 == 0 || from.0 == to.0 {
        if !proof.is_empty() {
            return Err(length);
        }
        return same(from.1, if from.0 == 0 { Hash::empty() } else { to.1 });
    }
    let (first, rest) = if from.0.is_power_of_two() {
        (from.1, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(length)?;
        (*first, rest)
    };
    let (mut at, mut last) = (from.0.saturating_sub(1), to.0.saturating_sub(1));
    while at & 1 == 1 {
        (at, last) = (at.wrapping_shr(1), last.wrapping_shr(1));
    }
    let (mut older, mut newer) = (first, first);
    for hash in rest {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            (older, newer) = (Hash::node(hash, &older), Hash::node(hash, &newer));
            (at, last) = climb(at, last);
        } else {
            newer = Hash::node(&newer, hash);
        }
        (at, last) = (at.wrapping_shr(1), last.wrapping_shr(1));
    }
    if last != 0 {
        return Err(length);
    }
    same(older, from.1)?;
    same(newer, to.1)
}

#[cfg(test)]
mod tests;
