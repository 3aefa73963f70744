//! Server-sent events: how the bytes arrive does not matter, no event is over its bound, and what
//! is written reads back.

use remit_mcp::sse::{Event, Events, SseError, encode};

use crate::input::{cut, pieces};

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>, max: usize) -> Vec<Result<Event, SseError>> {
    let mut events = Events::new(max);
    let mut found = Vec::new();
    for part in parts {
        events.feed(part);
        found.extend(std::iter::from_fn(|| events.next_event()));
    }
    found
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (head, data) = cut(data);
    let max = usize::from(head.first().copied().unwrap_or(200));
    let whole = read([data].into_iter(), max);
    assert_eq!(read(pieces(data, head), max), whole);
    for event in whole.iter().flatten() {
        assert!(event.data.len() <= 2 * max + 1, "bounded");
        let again =
            read([encode(&event.data, event.id.as_deref()).as_bytes()].into_iter(), 1 << 20);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].as_ref().unwrap().data, event.data);
    }
}
