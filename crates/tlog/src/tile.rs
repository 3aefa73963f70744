//! Tiles (C2SP tlog-tiles): a tree cut into files of up to 256 hashes that never change.
//!
//! Tile (L, N) holds the hashes of the complete subtrees of 256^L leaves with the numbers
//! 256·N up to 256·N + 255. A partial tile holds the first ones and names how many in its path.

use std::fmt;
use std::str::FromStr;

use crate::{Hash, Node};

/// Hashes, or entries, in a full tile.
pub const WIDTH: u16 = 256;

/// [`WIDTH`] as entries are counted.
const ITEMS: u64 = WIDTH as u64;

/// The highest level the specification allows in a path.
const MAX_LEVEL: u8 = 63;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The entries themselves: `tile/entries/…`.
    Entries,
    /// Hashes of subtrees of 256^L leaves: `tile/<L>/…`.
    Hashes(u8),
}

/// A tile's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    level: Level,
    index: u64,
    width: u16,
}

/// Why a text or a byte string is not a tile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path that a log of this format writes.
    #[error(
        "expected a tile path such as `tile/0/x001/234` or `tile/entries/005.p/17`, got `{got}`"
    )]
    Path {
        /// The path.
        got: String,
    },
    /// The file has another length than its path says.
    #[error("`{tile}` should have {expected} bytes ({width} hashes of 32), it has {got}")]
    Length {
        /// Which tile.
        tile: String,
        /// Hashes it should hold.
        width: u16,
        /// Bytes it should have.
        expected: usize,
        /// Bytes it has.
        got: usize,
    },
    /// The tile does not hold the subtree asked for.
    #[error("`{tile}` does not hold the hash of subtree {index} of level {level}")]
    Elsewhere {
        /// Which tile.
        tile: String,
        /// Level of the subtree.
        level: u8,
        /// Index of the subtree.
        index: u64,
    },
}

impl Level {
    /// How many items of this level a tree of `size` entries has.
    fn items(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => {
                size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0)
            }
        }
    }
}

impl Tile {
    /// Tile `index` of `level` with `width` items; `None` unless that is 1 to 256.
    pub fn new(level: Level, index: u64, width: u16) -> Option<Self> {
        (1..=WIDTH).contains(&width).then_some(Self { level, index, width })
    }

    /// Tile `index` of `level` in a tree of `size` entries, partial if the tree ends in it; `None`
    /// if the tree does not reach it.
    pub fn in_tree(level: Level, index: u64, size: u64) -> Option<Self> {
        let left = level.items(size).checked_sub(index.checked_mul(ITEMS)?)?;
        let width = u16::try_from(left).unwrap_or(WIDTH).min(WIDTH);
        (width > 0).then_some(Self { level, index, width })
    }

    /// The tile of the tree of `size` entries that holds the hash of `node`, or the hashes it is
    /// made of; `None` if `node` is not complete in that tree.
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let level = node.level / 8;
        let (first, count) = within(node)?;
        let tile = Self::in_tree(Level::Hashes(level), first / ITEMS, size)?;
        let end = (first % ITEMS).checked_add(count)?;
        (end <= u64::from(tile.width)).then_some(tile)
    }

    /// Every tile that the growth of a tree from `from` to `to` entries writes: those of the tree
    /// of `to` entries that the tree of `from` entries did not have, entries first, then from the
    /// leaves up. From 0, these are all tiles of a tree. One at a time: a checkpoint may claim any size.
    pub fn written(from: u64, to: u64) -> impl Iterator<Item = Self> {
        let levels = [Level::Entries].into_iter().chain((0..8).map(Level::Hashes));
        levels.flat_map(move |level| {
            let (old, new) = (level.items(from), level.items(to));
            let first = old / ITEMS;
            let end = if new > old { new.div_ceil(ITEMS) } else { first };
            (first..end).filter_map(move |index| Self::in_tree(level, index, to))
        })
    }

    /// What it holds.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its number within its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many items it holds, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The number, within its level, of its first item; for a bundle, the index of its first entry.
    pub fn start(&self) -> u64 {
        self.index.saturating_mul(ITEMS)
    }

    /// The number after that of its last item.
    pub fn end(&self) -> u64 {
        self.start().saturating_add(u64::from(self.width))
    }

    /// Whether it is full, so that it never grows.
    pub fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// Whether a tree of `size` entries contains all it holds.
    pub fn is_within(&self, size: u64) -> bool {
        self.end() <= self.level.items(size)
    }

    /// The folder of its partial versions, relative to the log's prefix.
    pub fn partials(&self) -> String {
        format!("{}.p", Self { width: WIDTH, ..*self })
    }

    /// Reads a tile of hashes.
    ///
    /// Errors: [`TileError::Length`].
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LENGTH }>();
        if hashes.len() != usize::from(self.width) || !rest.is_empty() {
            return Err(TileError::Length {
                tile: self.to_string(),
                width: self.width,
                expected: usize::from(self.width).saturating_mul(Hash::LENGTH),
                got: bytes.len(),
            });
        }
        Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
    }

    /// The hash of `node` from this tile's bytes.
    ///
    /// Errors: the length is wrong, or `node` lies elsewhere.
    pub fn hash_of(&self, node: Node, bytes: &[u8]) -> Result<Hash, TileError> {
        let hashes = self.hashes(bytes)?;
        let elsewhere = || TileError::Elsewhere {
            tile: self.to_string(),
            level: node.level,
            index: node.index,
        };
        let (first, count) = within(node).ok_or_else(elsewhere)?;
        let start = first.checked_sub(self.start()).ok_or_else(elsewhere)?;
        let end = start.saturating_add(count);
        let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let items = bounds.and_then(|(start, end)| hashes.get(start..end));
        match (self.level == Level::Hashes(node.level / 8), items) {
            (true, Some(items)) => fold(items.to_vec()).ok_or_else(elsewhere),
            _ => Err(elsewhere()),
        }
    }
}

/// The number of the first item of `node` at its tile's level, and how many items it is made of.
fn within(node: Node) -> Option<(u64, u64)> {
    let height = u32::from(node.level % 8);
    let count = 1_u64.wrapping_shl(height);
    Some((node.index.checked_mul(count)?, count))
}

/// The root of a complete subtree from its bottom row.
fn fold(mut row: Vec<Hash>) -> Option<Hash> {
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[left, right]| Hash::node(left, right)).collect();
    }
    row.first().copied()
}

impl fmt::Display for Tile {
    /// The path relative to the log's prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Entries => f.write_str("tile/entries/")?,
            Level::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        while let Some(group) = groups.pop() {
            let (mark, slash) = if groups.is_empty() { ("", "") } else { ("x", "/") };
            write!(f, "{mark}{group:03}{slash}")?;
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    /// Reads the one path that names a tile.
    fn from_str(text: &str) -> Result<Self, TileError> {
        let tile = parse(text).filter(|tile| tile.to_string() == text);
        tile.ok_or_else(|| TileError::Path { got: text.chars().take(120).collect() })
    }
}

/// Reads a path leniently; that it is the canonical one is checked by printing it.
fn parse(text: &str) -> Option<Tile> {
    let (level, number) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = match level {
        "entries" => Level::Entries,
        digits => Level::Hashes(digits.parse().ok().filter(|level| *level <= MAX_LEVEL)?),
    };
    let (number, width) = match number.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok().filter(|w| (1..WIDTH).contains(w))?),
        None => (number, WIDTH),
    };
    let index = number.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let digits: u64 = digits.parse().ok().filter(|digits| *digits < 1000)?;
        index.checked_mul(1000)?.checked_add(digits)
    })?;
    Some(Tile { level, index, width })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tile(text: &str) -> Tile {
        text.parse().unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile("tile/0/005"), Tile { level: Level::Hashes(0), index: 5, width: 256 });
        assert_eq!(tile("tile/63/x001/x234/067").index(), 1_234_067);
        let partial = tile("tile/entries/x001/000.p/255");
        assert_eq!((partial.level(), partial.width()), (Level::Entries, 255));
        assert_eq!(partial.partials(), "tile/entries/x001/000.p");
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for bad in [
            "",
            "tile/0",
            "tile/0/5",
            "tile/00/005",
            "tile/64/005",
            "tile/+1/005",
            "tile/0/x000/005",
            "tile/0/001/005",
            "tile/0/x001/x005",
            "tile/0/005/",
            "tile/0/005.p/0",
            "tile/0/005.p/256",
            "tile/0/005.p/007",
            "tile/0/005.p",
            "tile/0/../../etc",
            "/tile/0/005",
            "tile/8/0/005",
            "tile/data/005",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            let error = bad.parse::<Tile>().unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn growth_writes_what_the_old_tree_did_not_have() {
        let paths = |from, to| -> Vec<String> {
            Tile::written(from, to).map(|tile| tile.to_string()).collect()
        };
        assert!(paths(0, 0).is_empty() && paths(7, 7).is_empty());
        assert_eq!(paths(0, 1), ["tile/entries/000.p/1", "tile/0/000.p/1"]);
        assert_eq!(paths(255, 256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(256, 300), ["tile/entries/001.p/44", "tile/0/001.p/44"]);
        assert_eq!(
            paths(250, 70_000).len(),
            274 + 274 + 2 + 1,
            "273 full and one partial, twice; one full and one partial of level 1; one of level 2"
        );
    }

    #[test]
    fn a_wrong_length_is_named() {
        let error = tile("tile/0/005.p/2").hashes(&[0; 63]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tile/0/005.p/2` should have 64 bytes (2 hashes of 32), it has 63"
        );
    }

    #[test]
    fn subtrees_are_found_in_their_tile() {
        let leaves: Vec<Hash> = (0..4_u8).map(|n| Hash::leaf(&[n])).collect();
        let bytes: Vec<u8> = leaves.iter().flat_map(|hash| *hash.as_bytes()).collect();
        let node = Node { level: 1, index: 1 };
        let tile = Tile::holding(node, 4).unwrap();
        assert_eq!(tile.to_string(), "tile/0/000.p/4");
        assert_eq!(tile.hash_of(node, &bytes).unwrap(), Hash::node(&leaves[2], &leaves[3]));
        assert!(tile.hash_of(Node { level: 1, index: 2 }, &bytes).is_err());
        assert!(tile.hash_of(Node { level: 8, index: 0 }, &bytes).is_err());
        assert_eq!(Tile::holding(Node { level: 1, index: 1 }, 3), None);
        assert_eq!(Tile::holding(Node { level: 8, index: 0 }, 255), None);
        assert_eq!(Tile::holding(Node { level: 8, index: 0 }, 256).unwrap().width(), 1);
        assert_eq!(Tile::holding(Node { level: 200, index: u64::MAX }, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_prints(index in any::<u64>(), width in 1_u16..=256, level in 0_u8..64) {
            for level in [Level::Entries, Level::Hashes(level)] {
                let tile = Tile { level, index, width };
                prop_assert_eq!(tile.to_string().parse::<Tile>().unwrap(), tile);
            }
        }

        #[test]
        fn growth_in_steps_writes_every_tile_of_the_whole(steps in prop::collection::vec(0_u64..900, 1..6)) {
            let mut size = 0;
            let mut seen = Vec::new();
            for step in steps {
                seen.extend(Tile::written(size, size + step));
                size += step;
            }
            for tile in Tile::written(0, size) {
                prop_assert!(seen.contains(&tile), "{tile}");
                prop_assert!(tile.is_within(size));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "tile/[0-9a-z]{0,8}/[x0-9./p]{0,40}") {
            if let Ok(tile) = text.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), text);
            }
        }
    }
}
