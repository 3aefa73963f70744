//! Entry bundles (C2SP tlog-tiles): up to 256 entries, each after its length as two big-endian
//! bytes.

/// Bytes an entry may have.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Why bytes are not an entry bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is larger than its length field can say.
    #[error("an entry may have at most 65535 bytes, this one has {got}")]
    TooLarge {
        /// Bytes it has.
        got: usize,
    },
    /// The bundle ends within an entry.
    #[error("the bundle ends within its entry number {entry} (counted from 0)")]
    Short {
        /// Which entry of the bundle.
        entry: usize,
    },
    /// The bundle holds another number of entries than its path says.
    #[error("the bundle should hold {expected} entries, it holds {got}")]
    Count {
        /// How many it should hold.
        expected: u16,
        /// How many it holds.
        got: usize,
    },
}

/// Appends `entry` to `bundle`.
///
/// Errors: [`BundleError::TooLarge`]; nothing was appended.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length =
        u16::try_from(entry.len()).map_err(|_| BundleError::TooLarge { got: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle that should hold `width` of them.
///
/// Errors: it ends within an entry, or holds another number.
pub fn entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bundle;
    while !rest.is_empty() {
        let (entry, after) = split(rest).ok_or(BundleError::Short { entry: entries.len() })?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() != usize::from(width) {
        return Err(BundleError::Count { expected: width, got: entries.len() });
    }
    Ok(entries)
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_big_endian_and_bounded() {
        let mut bundle = Vec::new();
        push(&mut bundle, b"").unwrap();
        push(&mut bundle, &[7; 258]).unwrap();
        assert_eq!(bundle[..5], [0, 0, 1, 2, 7]);
        assert_eq!(entries(&bundle, 2).unwrap(), [&b""[..], &[7; 258]]);
        assert_eq!(
            push(&mut bundle, &vec![0; 65536]).unwrap_err(),
            BundleError::TooLarge { got: 65536 }
        );
        push(&mut bundle, &vec![0; 65535]).unwrap();
        assert_eq!(entries(&bundle, 2).unwrap_err(), BundleError::Count { expected: 2, got: 3 });
        bundle.pop();
        assert_eq!(entries(&bundle, 3).unwrap_err(), BundleError::Short { entry: 2 });
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut bundle = Vec::new();
            for entry in &list {
                push(&mut bundle, entry).unwrap();
            }
            let width = u16::try_from(list.len()).unwrap();
            prop_assert_eq!(entries(&bundle, width).unwrap(), list);
        }
    }
}
