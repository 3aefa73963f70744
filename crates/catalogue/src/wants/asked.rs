//! Whether a verb stands where a request stands.
//!
//! | said | is |
//! |---|---|
//! | `please send`, `and send`, `I need to send`, `by sending`, `should be sent` | a request |
//! | `they sent`, `who sends`, `did I send`, `they need to send`, `the link to reset` | not |
//! | `do not send`, `without sending`, `never send` | a request not to |
//! | `do not forget to send` | a request |
//! | `the order`, `my last email` | not a verb |

use super::lexicon::{self, is_in};
use super::speech::PAUSE;

/// Before a verb: whatever comes next is to be done.
const OPENERS: &str = "please to and or then you can could should must will would let lets me us but so get \
    not dont never kindly just also ,";

/// Before a word: it is a noun.
const ARTICLES: &str = "the a an my your his her their our its this that these those any each every some no \
    which what last next first latest of in on for from with about via per";

/// Whoever does something that is not asked for.
const OTHERS: &str = "they he she it who which that someone somebody people everyone i we whom";

/// Between somebody and a verb.
const BETWEEN: &str = "to need needs want wants have has had going supposed will would should must can \
    could may might usually often always still like normally did do does never not already \
    sometimes are is were was am";

/// After `I`: whatever comes next is asked for.
const WISHES: &str = "need want like would should must have wish ask going";

/// Before `to`: what comes next says what that is for.
const MEANS: &str = "link links way button form url page time option ability code email message how what \
    where when who whom which instruction instructions step steps request requests offer \
    invitation him her them he she they it money hard easy possible able";

/// What turns a request round, up to the end of its clause.
const DENIALS: &str = "not dont doesnt never without avoid cannot cant wont shouldnt mustnt no instead \
    rather neither nor refrain stop";

/// After a denial: nothing is denied.
const AFFIRMED: &str = "forget hesitate fail only miss matter later worry";

/// Where a denial ends.
const TURNS: &str = "but then please just only by";

/// Before a verb that ends in `ing`.
const BY: &str = "by with before after try consider start begin and also without avoid of than not or \
    from stop ,";

/// First words of a question about what is.
const QUESTIONS: &str = "what which who whose how where when why did does is are was were has have";

/// After a question, where a request can begin.
const BREAKS: &str = "please and then to ,";

/// Participles that no rule makes.
const PARTICIPLES: &[(&str, &str)] = &[
    ("sent", "send"),
    ("paid", "pay"),
    ("written", "write"),
    ("made", "make"),
    ("given", "give"),
    ("set", "set"),
    ("put", "put"),
    ("run", "run"),
    ("bought", "buy"),
    ("told", "tell"),
];

/// The base form of the verb at `at`, if it stands where a request stands.
pub(super) fn verb(words: &[String], at: usize) -> Option<String> {
    let word = words.get(at)?;
    let (back, before) = before(words, at);
    if let Some(verb) = lexicon::verb(word) {
        let opened = before.is_none_or(|word| is_in(OPENERS, word));
        let possible = if verb.noun { opened } else { before.is_none_or(|w| !is_in(ARTICLES, w)) };
        let from =
            words.get(at + 1).is_some_and(|next| matches!(next.as_str(), "from" | "is" | "are"));
        let wanted = possible && !(verb.noun && from) && is_asked(words, back);
        return wanted.then(|| word.clone());
    }
    if let Some(base) = base(word, "ing") {
        let by = before.is_none_or(|word| is_in(BY, word));
        return by.then_some(base);
    }
    if before == Some("be")
        && let Some(base) = participle(word)
    {
        let due = words
            .iter()
            .take(at)
            .rev()
            .skip(1)
            .take(4)
            .any(|word| matches!(word.as_str(), "should" | "must" | "to" | "needs" | "shall"));
        return due.then_some(base);
    }
    let unknown = before.is_none_or(|word| matches!(word, "please" | "kindly" | "then" | PAUSE))
        && words.len() > 1
        && !is_function_word(word);
    unknown.then(|| word.clone())
}

/// The last word before `at` that is no adverb, and where it stands.
fn before(words: &[String], at: usize) -> (usize, Option<&str>) {
    let adverb = |word: &str| word.ends_with("ly") && word.len() > 4 && word != "reply";
    let mut back = at;
    while let Some(word) = back.checked_sub(1).and_then(|at| words.get(at)) {
        if !(adverb(word) || matches!(word.as_str(), "also" | "just" | "now" | "kindly" | "first"))
        {
            return (back, Some(word));
        }
        back -= 1;
    }
    (0, None)
}

/// Whether it is asked of us, by what stands before `at`.
fn is_asked(words: &[String], at: usize) -> bool {
    let said = words.get(..at).unwrap_or_default();
    let means = matches!(said, [.., means, to] if to == "to" && is_in(MEANS, means));
    !means && !is_question(said) && !is_anothers(said)
}

/// Whether the verb after `said` belongs to a question about what is.
fn is_question(said: &[String]) -> bool {
    let turns = |word: &String| matches!(word.as_str(), "please" | "then");
    let did = said.iter().rposition(|word| matches!(word.as_str(), "did" | "does"));
    let did = did.and_then(|at| said.get(at..));
    did.is_some_and(|rest| !rest.iter().any(turns))
        || said.first().is_some_and(|word| is_in(QUESTIONS, word))
            && !said.iter().any(|word| is_in(BREAKS, word))
}

/// Whether the verb after `said` says what somebody does: `they need to`, `I usually`, not `I want to`.
fn is_anothers(said: &[String]) -> bool {
    let mut wish = false;
    let mut back = said.iter().rev();
    while let Some(word) = back.next() {
        if is_in(OTHERS, word) {
            let asks = back.next().is_some_and(|word| is_in("did do does can how", word));
            return !(wish && !asks && is_in("i we", word));
        }
        if !is_in(BETWEEN, word) {
            return false;
        }
        wish |= is_in(WISHES, word);
    }
    false
}

/// Whether the verb at `at` stands under a denial.
pub(super) fn is_denied(words: &[String], at: usize) -> bool {
    let mut or = words.get(at..).unwrap_or_default().iter().any(|word| word == "or");
    let mut next = None;
    for word in words.iter().take(at).rev() {
        let word = word.as_str();
        or |= word == "or";
        if is_in(TURNS, word) || (word == PAUSE && !or) {
            return false;
        }
        if is_in(DENIALS, word) {
            return next.is_none_or(|next| !is_in(AFFIRMED, next));
        }
        next = Some(word);
    }
    false
}

fn participle(word: &str) -> Option<String> {
    let irregular = PARTICIPLES.iter().find(|(form, _)| *form == word);
    irregular.map(|(_, base)| (*base).to_owned()).or_else(|| base(word, "ed"))
}

/// The verb that `word` is a form of: `sharing`, `planned`, `copied`.
fn base(word: &str, ending: &str) -> Option<String> {
    let stem = word.strip_suffix(ending)?;
    let doubled = stem.char_indices().last().and_then(|(at, last)| {
        let short = stem.get(..at)?;
        short.ends_with(last).then_some(short)
    });
    let y = stem.strip_suffix('i').map(|stem| format!("{stem}y"));
    [Some(stem.to_owned()), Some(format!("{stem}e")), doubled.map(str::to_owned), y]
        .into_iter()
        .flatten()
        .find(|base| lexicon::verb(base).is_some())
}

fn is_function_word(word: &str) -> bool {
    const WORDS: &str = "i we you he she it they the a an my our if when what who where why how which is are \
    am was were do does did can could would will should there this that these those in \
    on at for from with as by to of please and or but not no yes hi hello hey thanks let \
    id _ ,";
    is_in(WORDS, word)
}
