//! Tile paths and entry bundles: one spelling for each tile, no path that leaves the log's folder,
//! and a bundle holds what was put into it.
//!
//! Input: a line with the path, then the bytes of the tile.

use remit_tlog::{Level, Node, Tile, bundle};

use crate::input::cut;

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (path, bytes) = cut(data);
    let Ok(path) = std::str::from_utf8(path) else { return };
    let Ok(tile) = path.parse::<Tile>() else { return };
    assert_eq!(tile.to_string(), path);
    assert!(path.starts_with("tile/") && !path.contains("..") && !path.contains("//"));
    assert!(tile.end() - tile.start() <= 256);
    match tile.level() {
        Level::Entries => {
            let Ok(entries) = bundle::entries(bytes, tile.width()) else { return };
            assert_eq!(entries.len(), usize::from(tile.width()));
            let mut again = Vec::new();
            for entry in entries {
                bundle::push(&mut again, entry).unwrap();
            }
            assert_eq!(again, bytes);
        }
        Level::Hashes(level) => {
            let Ok(hashes) = tile.hashes(bytes) else { return };
            assert_eq!(hashes.len(), usize::from(tile.width()));
            let Some(level) = level.checked_mul(8) else { return };
            let first = Node { level, index: tile.start() };
            assert_eq!(tile.hash_of(first, bytes).ok(), hashes.first().copied());
        }
    }
}
