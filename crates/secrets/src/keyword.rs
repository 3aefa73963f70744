//! All keywords of a text, in one pass over it.

use std::ops::Range;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, StartKind};

/// Words that are looked for at once, whatever their case.
pub(crate) struct Keywords(DFA);

impl Keywords {
    /// `None` if they cannot be looked for, as if there are too many.
    pub(crate) fn of<'w>(words: impl Iterator<Item = &'w String>) -> Option<Self> {
        // Less than a MiB for these few words, and a third faster than the smaller kinds.
        let all = DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .build(words);
        all.ok().map(Self)
    }

    /// Where in `text` each of them stands, by its place among them, in the order of their ends.
    ///
    /// As the library's own search of what overlaps, but nothing is looked at where no word ends: that is at
    /// nearly every byte, and this is asked for each byte that passes through.
    pub(crate) fn find(&self, text: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
        let Self(all) = self;
        let mut from = all.start_state(Anchored::No).ok().map(|start| (start, 0));
        let ends = std::iter::from_fn(move || {
            let (state, at) = from?;
            from = self.end(state, text.get(at..)?).map(|(state, read)| (state, at + read));
            from
        });
        ends.flat_map(move |(state, end)| {
            (0..all.match_len(state)).map(move |which| {
                let word = all.match_pattern(state, which);
                (word.as_usize(), end.saturating_sub(all.pattern_len(word))..end)
            })
        })
    }

    /// How much of `text` is read up to the next end of a word, and the state then.
    fn end(&self, mut state: StateID, text: &[u8]) -> Option<(StateID, usize)> {
        let Self(all) = self;
        for (at, byte) in text.iter().enumerate() {
            state = all.next_state(Anchored::No, state, *byte);
            if all.is_special(state) && all.is_match(state) {
                return Some((state, at + 1));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_word_is_found_wherever_it_stands(
            words in proptest::collection::btree_set("[ab_]{1,4}", 1..8), text in "[abAB_é]{0,40}",
        ) {
            let words: Vec<String> = words.into_iter().collect();
            let mut found: Vec<_> = Keywords::of(words.iter()).unwrap().find(text.as_bytes()).collect();
            prop_assert!(found.is_sorted_by_key(|(_, at)| at.end));
            found.sort_by_key(|(word, at)| (*word, at.start));
            let lower = text.to_ascii_lowercase();
            let here = |word: &String| {
                let word = word.clone();
                (0..lower.len()).filter(|at| lower.as_bytes()[*at..].starts_with(word.as_bytes()))
                    .map(|at| at..at + word.len()).collect::<Vec<_>>()
            };
            let all = words.iter().enumerate();
            let all: Vec<_> =
                all.flat_map(|(place, word)| here(word).into_iter().map(move |at| (place, at))).collect();
            prop_assert_eq!(found, all);
        }
    }
}
