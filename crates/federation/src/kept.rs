//! What is kept of somebody's keys, and when they are asked for again. Pure.

use std::sync::Arc;
use std::time::Duration;

use remit_jose::KeySet;
use remit_model::Timestamp;

/// Between two attempts to ask somebody, at least (R13): tokens can name keys that nobody has, and
/// whoever sends them need not be anybody.
pub const AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// After how long keys are asked for again when a token comes; a bundle may say something else, up to
/// [`KEPT_FOR`]. A key that was taken back is believed for so long.
pub const REFRESH: Duration = Duration::from_mins(5);
/// For how long keys are believed after they were last fetched. An issuer that does not answer for longer
/// may have taken any of them back.
pub const KEPT_FOR: Duration = Duration::from_hours(1);

/// The keys of somebody, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    known: Option<Known>,
    asked: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    pub(crate) failed: Option<String>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<KeySet>,
    fetched: Timestamp,
    refresh: Duration,
}

impl Kept {
    /// The keys that are believed at `now`.
    pub(crate) fn good(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let known = self.known.as_ref().filter(|known| now.since(known.fetched) < KEPT_FOR)?;
        Some(Arc::clone(&known.keys))
    }

    /// Whether a token under `key_id` can be checked with what is known, so that nobody need wait.
    pub(crate) fn has(&self, key_id: Option<&str>, now: Timestamp) -> bool {
        self.good(now).is_some_and(|keys| key_id.is_none_or(|id| keys.has(id)))
    }

    /// Whether they should be asked for: they are not there, or old, or a key has come to them.
    pub(crate) fn is_wanting(&self, key_id: Option<&str>, now: Timestamp) -> bool {
        let is_old = |known: &Known| now.since(known.fetched) >= known.refresh;
        self.known.as_ref().is_none_or(is_old) || !self.has(key_id, now)
    }

    /// Whether they may be asked for, which counts as having been done.
    pub(crate) fn ask(&mut self, now: Timestamp) -> bool {
        let may = self.asked.is_none_or(|asked| now.since(asked) >= AT_MOST_EVERY);
        if may {
            self.asked = Some(now);
        }
        may
    }

    /// They came, with how long to wait before they are asked for again, if their owner says so.
    pub(crate) fn came(&mut self, keys: Arc<KeySet>, refresh: Option<Duration>, now: Timestamp) {
        let refresh = refresh.unwrap_or(REFRESH).clamp(AT_MOST_EVERY, KEPT_FOR);
        self.known = Some(Known { keys, fetched: now, refresh });
        self.failed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_model::Value;

    fn keys() -> Arc<KeySet> {
        let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        Arc::new(KeySet::published(&Value::parse(set).unwrap(), &[""]).unwrap())
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    #[test]
    fn a_flood_of_unknown_keys_asks_once_in_a_while() {
        let mut kept = Kept::default();
        assert!(kept.ask(at(0)));
        kept.came(keys(), None, at(0));
        assert!(kept.has(Some("a"), at(1)) && !kept.is_wanting(Some("a"), at(1)));
        assert!(kept.is_wanting(Some("b"), at(1)));
        let asked = (1..=100).filter(|secs| kept.ask(at(*secs))).count();
        assert_eq!(asked, 10, "in a hundred seconds");
    }

    #[test]
    fn keys_are_refreshed_and_at_last_not_believed() {
        let mut kept = Kept::default();
        assert!(kept.is_wanting(None, at(0)) && kept.good(at(0)).is_none());
        kept.came(keys(), None, at(0));
        let (refresh, end) = (REFRESH.as_secs(), KEPT_FOR.as_secs());
        assert!(!kept.is_wanting(None, at(refresh - 1)) && kept.is_wanting(None, at(refresh)));
        assert!(kept.has(Some("a"), at(end - 1)), "its owner is down");
        assert!(!kept.has(Some("a"), at(end)) && kept.good(at(end)).is_none(), "for too long");
    }

    #[test]
    fn a_hint_counts_within_bounds() {
        for (hint, wanting) in [(0, 10), (60, 60), (86_400, 3600)] {
            let mut kept = Kept::default();
            kept.came(keys(), Some(Duration::from_secs(hint)), at(0));
            assert!(!kept.is_wanting(None, at(wanting - 1)), "{hint}");
            assert!(kept.is_wanting(None, at(wanting)), "{hint}");
        }
    }
}
