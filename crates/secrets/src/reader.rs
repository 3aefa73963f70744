//! Whether an expression matches, and how much of a text was read to know it.
//!
//! Nearly every place that a keyword leads to is none after a few bytes. Only where reading stopped says what
//! a place has cost, so the automaton is walked here.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// How much memory the states of one expression take in one thread (R13): they are made as texts need them, some
/// hundred KiB for the longest value of a name, and forgotten beyond.
const MAX_STATES: usize = 2 * 1024 * 1024;

type New =
    Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>;

/// An expression, walked from a place.
pub(crate) struct Reader {
    dfa: DFA,
    caches: Pool<Cache, New>,
}

/// What a walk came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Whether there is a match.
    pub(crate) matches: bool,
    /// Up to where the text was read to know that.
    pub(crate) read: usize,
}

impl Reader {
    /// Of `pattern`, which takes no more than `limit` bytes; a match begins at most `before` bytes behind
    /// the place where a walk does. `None` if it cannot be built.
    pub(crate) fn of(
        (pattern, before): (&str, usize),
        syntax: syntax::Config,
        limit: usize,
    ) -> Option<Self> {
        // So that it is over as soon as nothing that began there can match any more.
        let pattern = match before {
            0 => pattern.to_owned(),
            before => format!(r"[\s\S]{{0,{before}}}?(?:{pattern})"),
        };
        let nfa = thompson::Config::new().nfa_size_limit(Some(limit)).utf8(false);
        let dfa = DFA::builder()
            .configure(DFA::config().cache_capacity(MAX_STATES).skip_cache_capacity_check(true))
            .thompson(nfa)
            .syntax(syntax)
            .build(&pattern)
            .ok()?;
        let made = dfa.clone();
        let new: New = Box::new(move || made.create_cache());
        Some(Self { dfa, caches: Pool::new(new) })
    }

    /// Reads `text` from `from`, and no further than `to`.
    pub(crate) fn walk(&self, text: &[u8], from: usize, to: usize) -> Walk {
        let mut cache = self.caches.get();
        // An automaton of an expression without Unicode does not fail. If it did, all would count as read.
        let whole = Walk { matches: true, read: to };
        self.walked(&mut cache, (text, from, to)).unwrap_or(whole)
    }

    fn walked(&self, cache: &mut Cache, (text, from, to): (&[u8], usize, usize)) -> Option<Walk> {
        let input = Input::new(text).range(from..to).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).ok()?;
        for (at, byte) in text.get(from..to)?.iter().enumerate() {
            state = self.dfa.next_state(cache, state, *byte).ok()?;
            if let Some(matches) = known(state) {
                return Some(Walk { matches, read: from + at + 1 });
            }
        }
        // A match is known one byte later.
        state = match text.get(to) {
            Some(byte) => self.dfa.next_state(cache, state, *byte),
            None => self.dfa.next_eoi_state(cache, state),
        }
        .ok()?;
        Some(Walk { matches: known(state).unwrap_or(false), read: to })
    }
}

/// Whether there is a match, if `state` tells. Where the automaton gives up there may be one.
fn known(state: LazyStateID) -> Option<bool> {
    match state {
        state if !state.is_tagged() => None,
        state if state.is_match() || state.is_quit() => Some(true),
        state => state.is_dead().then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(pattern: &str, before: usize, text: &str, from: usize) -> Walk {
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let reader = Reader::of((pattern, before), syntax, 1 << 20).unwrap();
        reader.walk(text.as_bytes(), from, text.len())
    }

    #[test]
    fn no_more_is_read_than_tells_whether_there_is_a_match() {
        let (yes, no) = (|read| Walk { matches: true, read }, |read| Walk { matches: false, read });
        assert_eq!(walk("ab+c", 0, "xabbbd and more", 1), no(6));
        assert_eq!(walk("ab+c", 0, "xabbbcd and more", 1), yes(7));
        assert_eq!(walk("ab+c", 0, "xabbbc", 1), yes(6));
        assert_eq!(walk("ab+", 0, "xa", 1), no(2));
        assert_eq!(walk(r"ab\b", 0, "ab", 0), yes(2));
        assert_eq!(walk(r"\bab", 0, "xab", 1), no(2));
    }

    #[test]
    fn a_match_may_begin_a_little_later_and_no_further() {
        assert!(walk("ab", 2, "xxab", 0).matches);
        assert_eq!(walk("ab", 2, "xxxab and more", 0), Walk { matches: false, read: 3 });
    }
}
