//! Tiles from entries: the one place where the public log's bytes are made. The publisher,
//! start-up and verification all feed it entries in order; they differ in what they do with a tile.

use remit_tlog::tile::WIDTH;
use remit_tlog::{BundleError, Frontier, Hash, Level, Tile, TreeError, bundle};

/// The right edge of the public log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    frontier: Frontier,
    /// The entries after the last full bundle.
    bundle: Vec<u8>,
    /// For each level, the hashes after its last full tile.
    rows: Vec<Vec<Hash>>,
}

/// An entry that no log can hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A tile and its bytes.
pub(crate) type Made = (Tile, Vec<u8>);

impl Builder {
    /// Entries so far.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends an entry and returns the tiles that it fills, the bundle first.
    pub(crate) fn push(&mut self, entry: &[u8]) -> Result<Vec<Made>, BuildError> {
        bundle::push(&mut self.bundle, entry)?;
        let mut hash = Hash::leaf(entry);
        self.frontier.push(hash, |_, _| ())?;
        let mut full = Vec::new();
        for level in 0_u8.. {
            if self.rows.len() <= usize::from(level) {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(usize::from(level)) else { break };
            row.push(hash);
            if row.len() < usize::from(WIDTH) {
                break;
            }
            let row = emptied(row);
            if level == 0 {
                let bundle = emptied(&mut self.bundle);
                full.extend(self.made(Level::Entries, bundle));
            }
            full.extend(self.made(Level::Hashes(level), concat(&row)));
            hash = root_of(&row);
        }
        Ok(full)
    }

    /// The partial tiles at the right edge, the bundle first.
    pub(crate) fn edge(&self) -> Vec<Made> {
        let mut made = Vec::new();
        if !self.bundle.is_empty() {
            made.extend(self.made(Level::Entries, self.bundle.clone()));
        }
        for (level, row) in (0_u8..).zip(&self.rows).filter(|(_, row)| !row.is_empty()) {
            made.extend(self.made(Level::Hashes(level), concat(row)));
        }
        made
    }

    /// Names the tile that ends at the right edge.
    fn made(&self, level: Level, bytes: Vec<u8>) -> Option<Made> {
        let shift =
            if let Level::Hashes(level) = level { u32::from(level).saturating_mul(8) } else { 0 };
        let last = self.size().checked_shr(shift)?.checked_sub(1)?;
        Some((Tile::in_tree(level, last / u64::from(WIDTH), self.size())?, bytes))
    }
}

/// What stands in `list`, and in its place nothing, with room for as much again.
fn emptied<T>(list: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(list.len());
    std::mem::replace(list, room)
}

fn concat(row: &[Hash]) -> Vec<u8> {
    row.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn root_of(row: &[Hash]) -> Hash {
    let mut row = row.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[left, right]| Hash::node(left, right)).collect();
    }
    row.first().copied().unwrap_or_else(Hash::empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_every_tile_of_the_tree_and_no_other() {
        let mut builder = Builder::default();
        let mut made = Vec::new();
        for n in 0..66_000_u64 {
            made.extend(builder.push(&n.to_be_bytes()).unwrap());
        }
        made.extend(builder.edge());
        let mut tiles: Vec<Tile> = made.iter().map(|(tile, _)| *tile).collect();
        let mut expected: Vec<Tile> = Tile::written(0, 66_000).collect();
        tiles.sort_unstable();
        expected.sort_unstable();
        assert_eq!(tiles, expected);
        // The hashes of each level-1 tile are the roots of level-0 tiles.
        let bytes = |text: &str| {
            let tile: Tile = text.parse().unwrap();
            (tile, &made.iter().find(|(made, _)| *made == tile).unwrap().1)
        };
        let (low, low_bytes) = bytes("tile/0/255");
        let (high, high_bytes) = bytes("tile/1/000");
        let node = remit_tlog::Node { level: 8, index: 255 };
        assert_eq!(
            high.hash_of(node, high_bytes).unwrap(),
            root_of(&low.hashes(low_bytes).unwrap())
        );
    }
}
