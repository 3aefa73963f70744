//! Whether a person left it to a document what is to be done: `do what the letter says`.

use super::lexicon::is_in;
use super::speech::PAUSE;

/// What one does with somebody's instructions.
const VERBS: &str = "follow do perform complete execute handle process implement obey finish solve act \
                     fulfil fulfill apply observe";

/// What says by itself that others say what to do.
const INSTRUCTIONS: &str = "instruction instructions directions guidelines guidance";

/// What says so if a word tells whose or from where.
const TASKS: &str = "action actions step steps task tasks todo todos request requests item items \
                     checklist orders assignment assignments everything anything whatever what as all \
                     things";

/// Words that tell it.
const REFERENCES: &str = "in from on at specified listed described mentioned given outlined assigned \
                          requested contained says say said asks ask asked wants tells told instructs \
                          needs requires required by of";

/// What points at the person's own words instead.
const OWN: &str = "following these below";

/// Before the verb: it is not asked of us.
const DENIED: &str = "not dont never without they he she who how";

/// Right before the verb: it is not asked of us, or is no verb.
const TOLD: &str = "i we it the did what which when where why a";

/// Right after the verb: it helps another (`do I have`, `do not`).
const HELPED: &str = "i you we they not people any";

/// How far a reference may stand from its verb, and what is referred to.
const NEAR: (usize, usize) = (8, 4);

/// Whether one of `sentences` hands the choice over.
pub(super) fn is_open(sentences: &[Vec<String>]) -> bool {
    sentences.iter().any(|words| (0..words.len()).any(|at| opens(words, at)))
}

fn opens(words: &[String], at: usize) -> bool {
    let (before, rest) = words.split_at_checked(at).unwrap_or_default();
    let Some((verb, rest)) = rest.split_first().filter(|(verb, _)| is_in(VERBS, verb)) else {
        return false;
    };
    let close = |list| before.iter().rev().take(3).any(|word| is_in(list, word));
    let asked = !close(DENIED)
        && !before.last().is_some_and(|word| is_in(TOLD, word))
        && !rest.first().is_some_and(|word| is_in(HELPED, word));
    if verb == "act" {
        return asked && rest.first().is_some_and(|word| is_in("on upon accordingly", word));
    }
    asked && refers(rest)
}

/// Whether words speak of what somebody else says is to be done.
fn refers(words: &[String]) -> bool {
    let end = words.iter().take(NEAR.0).take_while(|word| !is_in(OWN, word)).count();
    let words = words.get(..end).unwrap_or_default();
    let near = words.iter().take(NEAR.1).take_while(|word| *word != PAUSE);
    near.enumerate().any(|(nth, word)| {
        let referred = || words.iter().skip(nth + 1).any(|word| is_in(REFERENCES, word));
        is_in(INSTRUCTIONS, word) || (is_in(TASKS, word) && referred())
    })
}
