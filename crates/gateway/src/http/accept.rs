//! Which media types a client takes and sends.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// What the client takes as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepts {
    /// `application/json`
    pub(crate) json: bool,
    /// `text/event-stream`
    pub(crate) events: bool,
}

impl Accepts {
    /// What `Accept` says; everything if it is missing (RFC 9110 section 12.5.1).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT) {
            return Self { json: true, events: true };
        }
        let mut accepts = Self { json: false, events: false };
        for range in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
            for range in range.split(',').filter(|range| !is_refused(range)) {
                match essence(range).as_str() {
                    "*/*" => accepts = Self { json: true, events: true },
                    "application/json" | "application/*" => accepts.json = true,
                    "text/event-stream" | "text/*" => accepts.events = true,
                    _ => {}
                }
            }
        }
        accepts
    }

    /// Whether neither is taken.
    pub(crate) fn is_none(self) -> bool {
        !self.json && !self.events
    }
}

/// Whether the body is said to be JSON.
pub(crate) fn sends_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| essence(value) == "application/json")
}

fn essence(range: &str) -> String {
    range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the range has a weight of zero, which means that it is not wanted.
fn is_refused(range: &str) -> bool {
    range.split(';').skip(1).any(|parameter| {
        let weight = parameter.trim().strip_prefix("q=").map(str::parse::<f32>);
        matches!(weight, Some(Ok(weight)) if weight <= 0.0)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(text: &'static str) -> (bool, bool) {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(text))]);
        let accepts = Accepts::of(&headers);
        (accepts.json, accepts.events)
    }

    #[test]
    fn reads_media_ranges() {
        assert_eq!(Accepts::of(&HeaderMap::new()), Accepts { json: true, events: true });
        assert_eq!(accepts("application/json, text/event-stream"), (true, true));
        assert_eq!(accepts("Application/JSON;charset=utf-8"), (true, false));
        assert_eq!(accepts("text/event-stream;q=0.5, */*;q=0"), (false, true));
        assert_eq!(accepts("*/*"), (true, true));
        assert_eq!(accepts("text/html, application/jsonx"), (false, false));
    }
}
