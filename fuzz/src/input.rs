//! How an input is cut into the parts that a target needs.

/// What a target takes: bytes, or as much of them as is text.
pub(crate) trait Input<'a> {
    fn of(data: &'a [u8]) -> Self;
}

impl<'a> Input<'a> for &'a [u8] {
    fn of(data: &'a [u8]) -> Self {
        data
    }
}

impl<'a> Input<'a> for &'a str {
    fn of(data: &'a [u8]) -> Self {
        data.utf8_chunks().next().map_or("", |it| it.valid())
    }
}

/// The first line steers the target, the rest is what it reads.
pub(crate) fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n');
    at.map_or((&[], data), |at| (&data[..at], &data[at + 1..]))
}

/// As [`cut`], for texts; `None` if the input is not UTF-8.
pub(crate) fn cut_text(data: &[u8]) -> Option<(&str, &str)> {
    let (head, rest) = cut(data);
    Some((std::str::from_utf8(head).ok()?, std::str::from_utf8(rest).ok()?))
}

/// JSON that was believed, as another parser reads it; nothing, where a number that nobody asks for is larger than
/// that one can hold.
pub(crate) fn read_by_another(json: impl AsRef<[u8]>) -> Option<serde_json::Value> {
    match serde_json::from_slice(json.as_ref()) {
        Err(why) if why.to_string().starts_with("number out of range") => None,
        read => Some(read.expect("what was believed is JSON")),
    }
}

/// `data` in pieces of one to 16 bytes, as `sizes` says, as a network might deliver it.
pub(crate) fn pieces<'a>(data: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = data;
    std::iter::from_fn(move || {
        let size = usize::from(sizes.next().unwrap_or(0) % 16) + 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
