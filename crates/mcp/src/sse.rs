//! Server-sent events (WHATWG HTML, *Server-sent events*): an incremental reader and a writer.

use std::fmt::Write as _;

use crate::buffer::Buffer;

/// The longest id of an event that is kept. Every event carries the last one seen, so a long one
/// would be copied for each; servers use a number or a UUID, some with the name of a stream.
const MAX_EVENT_ID: usize = 1 << 10;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty means `message`.
    pub event: String,
    /// Its data, lines joined by `\n`.
    pub data: String,
    /// The last id seen on the stream; `None` if that had more than 1 KiB, and then the stream has
    /// no id to go on from.
    pub id: Option<String>,
}

/// Why a stream of events cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// More than allowed before the end of an event.
    #[error("expected an event of at most {max} bytes, got more")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8 in the event stream, got other bytes")]
    NotUtf8,
}

/// Cuts a stream of bytes into events, holding at most the bound of one event.
#[derive(Debug)]
pub struct Events {
    buffer: Buffer,
    /// The data lines so far; `None` if there were none.
    pending: Option<String>,
    event: String,
    id: Option<String>,
    started: bool,
    broken: bool,
    max: usize,
}

impl Events {
    /// Events of at most `max` bytes each.
    pub fn new(max: usize) -> Self {
        Self {
            buffer: Buffer::default(),
            pending: None,
            id: None,
            event: String::new(),
            started: false,
            broken: false,
            max,
        }
    }

    /// Takes in bytes as they come, in any pieces. Call [`Events::next_event`] until it is `None`
    /// before giving more.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.feed(bytes);
        }
    }

    /// The next complete event; events without data are left out. An error is given once; after it
    /// the stream cannot be read on.
    pub fn next_event(&mut self) -> Option<Result<Event, SseError>> {
        if self.broken {
            self.buffer.clear();
            return None;
        }
        let next = self.advance();
        self.broken = matches!(next, Some(Err(_)));
        next
    }

    fn advance(&mut self) -> Option<Result<Event, SseError>> {
        loop {
            let line = match self.next_line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if let Some(data) = self.pending.take() {
                    return Some(Ok(Event { event, data, id: self.id.clone() }));
                }
            } else if let Err(error) = self.field(&line) {
                return Some(Err(error));
            }
        }
    }

    fn field(&mut self, line: &str) -> Result<(), SseError> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                let so_far = self.pending.as_ref().map_or(0, String::len);
                if so_far + value.len() > self.max {
                    return Err(self.too_long());
                }
                match &mut self.pending {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.pending = Some(value.to_owned()),
                }
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => {
                self.id = (value.len() <= MAX_EVENT_ID).then(|| value.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a line of this many bytes is over the bound of its data and a field's name.
    fn is_over(&self, length: usize) -> bool {
        length > self.max.saturating_add(16)
    }

    fn too_long(&self) -> SseError {
        SseError::TooLong { max: self.max }
    }

    /// A line ends with `\n`, `\r\n` or `\r`; a `\r` at the end of what came so far waits for what
    /// follows.
    fn next_line(&mut self) -> Option<Result<String, SseError>> {
        let Some(end) = self.buffer.find(|byte| matches!(byte, b'\n' | b'\r')) else {
            return self.is_over(self.buffer.rest().len()).then_some(Err(self.too_long()));
        };
        // However the bytes arrive, the bound is the same.
        if self.is_over(end) {
            return Some(Err(self.too_long()));
        }
        let rest = self.buffer.rest();
        let width = match (rest.get(end), rest.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r'), None) => return None,
            _ => 1,
        };
        let mut line = self.buffer.take(end + width).to_vec();
        line.truncate(end);
        let Ok(mut text) = String::from_utf8(line) else { return Some(Err(SseError::NotUtf8)) };
        if !std::mem::replace(&mut self.started, true) && text.starts_with('\u{feff}') {
            text.remove(0);
        }
        Some(Ok(text))
    }
}

/// The bytes of an event with `data`, which may have several lines.
pub fn encode(data: &str, id: Option<&str>) -> String {
    let mut out = String::with_capacity(data.len() + 32);
    if let Some(id) = id {
        let id: String = id.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')).collect();
        // INVARIANT: writing to a `String` cannot fail.
        let _ = writeln!(out, "id: {id}");
    }
    out.push_str("event: message\n");
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}

/// A comment, which readers ignore: keeps a quiet stream open.
pub const KEEP_ALIVE: &str = ": keep-alive\n\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&str]) -> Vec<Result<Event, SseError>> {
        let mut events = Events::new(64);
        let mut got = Vec::new();
        for piece in pieces {
            events.feed(piece.as_bytes());
            got.extend(std::iter::from_fn(|| events.next_event()));
        }
        got
    }

    fn event(data: &str) -> Event {
        Event { data: data.to_owned(), ..Event::default() }
    }

    #[test]
    fn reads_what_the_standard_shows() {
        let got =
            read(&["\u{feff}: comment\n\ndata: a\ndata:b\n\nevent: ping\n\ndata\n\nretry: 1\n"]);
        assert_eq!(got, [Ok(event("a\nb")), Ok(event(""))]);
        let got = read(&["data: x\r", "\ndata: y\r\r", "id: 7\ndata: z\n\n"]);
        let last = Event { id: Some("7".to_owned()), ..event("z") };
        assert_eq!(got, [Ok(event("x\ny")), Ok(last)]);
    }

    #[test]
    fn is_bounded() {
        let long = "x".repeat(200);
        assert_eq!(read(&["data: ", &long]), [Err(SseError::TooLong { max: 64 })]);
        let comment = format!(": {long}\ndata: x\n\n");
        let (one, two) = comment.split_at(90);
        assert_eq!(read(&[&comment]), read(&[one, two]));
        let many = "data: 0123456789012345678901234567890\n".repeat(3);
        assert_eq!(read(&[&many]), [Err(SseError::TooLong { max: 64 })]);
    }

    #[test]
    fn many_short_events_in_one_piece_cost_no_more_each() {
        let count = 1 << 20;
        let mut events = Events::new(64);
        events.feed("data: x\n\n".repeat(count).as_bytes());
        assert_eq!(std::iter::from_fn(|| events.next_event()).count(), count);
    }

    #[test]
    fn a_long_id_is_not_carried_from_event_to_event() {
        let (longest, count) = ("x".repeat(MAX_EVENT_ID), 1 << 18);
        let mut events = Events::new(8 << 20);
        events.feed(format!("id: {longest}\ndata: x\n\n").as_bytes());
        assert_eq!(events.next_event().unwrap().unwrap().id, Some(longest));
        events.feed(format!("id: {}\n", "x".repeat(8 << 20)).as_bytes());
        events.feed("data: x\n\n".repeat(count).as_bytes());
        let got = std::iter::from_fn(|| events.next_event()).filter(|e| *e == Ok(event("x")));
        assert_eq!(got.count(), count);
        events.feed(b"id: 7\ndata: x\n\n");
        assert_eq!(events.next_event().unwrap().unwrap().id.as_deref(), Some("7"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(data in "[ -~\n\u{e9}]{0,40}", cut in 1_usize..9) {
            let text = encode(&data, Some("1"));
            let mut events = Events::new(1000);
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                events.feed(piece);
                got.extend(std::iter::from_fn(|| events.next_event()));
            }
            prop_assert_eq!(got.len(), 1);
            prop_assert_eq!(&got[0].as_ref().unwrap().data, &data);
        }
    }
}
