//! A person's words, taken apart: sentences of plain lower-case words.
//!
//! What stands in quotes is a name or somebody's text, not a request; of it, and of addresses, links,
//! file names and amounts, only what they are is kept, as the word for it.

use super::lexicon::is_in;
use crate::invisible;

/// How much of what people said is looked at (R13). What stands beyond it calls for nothing.
const MAX_SAID: usize = 64 * 1024;

/// How long a quotation may be; one that does not end by then is an apostrophe.
const MAX_QUOTED: usize = 400;

/// How long a sentence may be, in words (R13): the rules look back and forth within one. A longer one
/// is read as several.
const MAX_SENTENCE: usize = 200;

/// Something that was said and is not looked into.
pub(super) const NAME: &str = "_";

/// A pause within a sentence.
pub(super) const PAUSE: &str = ",";

/// The endings of names of files.
const FILES: &str = "txt md pdf doc docx odt rtf xls xlsx ods csv tsv ppt pptx json xml yaml yml toml \
    html htm log zip tar gz png jpg jpeg gif svg mp3 mp4 ics eml py js ts rs go c h java \
    sh sql ipynb tex";

/// Two words that are one.
const PAIRS: &[(&str, &str, &str)] = &[
    ("sign", "up", "register"),
    ("carry", "out", "perform"),
    ("get", "rid", "delete"),
    ("get", "back", "getback"),
    ("write", "to", "writeto"),
    ("guest", "list", "participants"),
    ("direct", "message", "dm"),
    ("direct", "messages", "dm"),
    ("in", "touch", "contact"),
    ("my", "details", "profile"),
    ("my", "information", "profile"),
    ("my", "data", "profile"),
    ("take", "care", "handle"),
    ("make", "sure", "ensure"),
    ("pull", "request", "pr"),
    ("pull", "requests", "pr"),
    ("standing", "order", "payment"),
    ("standing", "orders", "payment"),
    ("direct", "debit", "payment"),
    ("web", "page", "webpage"),
];

/// Two words that are one verb, with what it is done to between them; the second may be any of several.
const PARTED: &[(&str, &str, &str)] = &[
    ("let", "know", "tell"),
    ("let", "see view read edit access use", "share"),
    ("set", "up", "setup"),
    ("call", "off", "cancel"),
    ("push", "back", "postpone"),
    ("throw", "away out", "delete"),
    ("clean", "up", "clear"),
];

/// How many words may stand between the two.
const PARTED_BY: usize = 4;

/// The sentences of `said`.
pub(super) fn sentences(said: &str) -> Vec<Vec<String>> {
    let mut end = said.len().min(MAX_SAID);
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    let said: Vec<char> = said
        .get(..end)
        .unwrap_or_default()
        .chars()
        .filter(|c| invisible::kind(*c).is_none())
        .map(plain_quote)
        .collect();
    let mut reader = Reader::default();
    for chunk in unquoted(&said).split_whitespace() {
        reader.chunk(chunk);
    }
    reader.end();
    reader.sentences
}

fn plain_quote(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '`' => '"',
        c => c,
    }
}

/// `said` with what it quotes replaced by the word for it, and with a full stop where a list or a
/// paragraph begins.
fn unquoted(said: &[char]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = said.get(at).copied() {
        let before = at.checked_sub(1).and_then(|at| said.get(at));
        let opens = before.is_none_or(|c| !c.is_alphanumeric()) && matches!(c, '\'' | '"');
        if opens && let Some(length) = quoted(said.get(at + 1..).unwrap_or_default(), c) {
            let name: String = said.iter().skip(at + 1).take(length).collect();
            out.push_str(if is_file(&name) { " document " } else { " _ " });
            at += length + 2;
            continue;
        }
        let item =
            |c: &char| matches!(c, '\n' | '-' | '*' | '\u{2022}' | '#') || c.is_ascii_digit();
        if c == '\n' && said.get(at + 1).is_none_or(item) {
            out.push_str(" . ");
        }
        out.push(c);
        at += 1;
    }
    out
}

/// How many characters stand before the closing `quote`.
fn quoted(rest: &[char], quote: char) -> Option<usize> {
    let mut at = 0;
    while at < rest.len().min(MAX_QUOTED) {
        let after = rest.get(at + 1);
        if rest.get(at) == Some(&quote) && after.is_none_or(|c| !c.is_alphanumeric()) {
            return (at > 0).then_some(at);
        }
        at += 1;
    }
    None
}

fn is_file(name: &str) -> bool {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_lowercase());
    end.is_some_and(|end| is_in(FILES, &end))
}

#[derive(Default)]
struct Reader {
    sentences: Vec<Vec<String>>,
    words: Vec<String>,
}

impl Reader {
    fn end(&mut self) {
        if !self.words.is_empty() {
            self.sentences.push(std::mem::take(&mut self.words));
        }
    }

    fn chunk(&mut self, chunk: &str) {
        let bare = chunk.trim_matches(|c: char| !c.is_alphanumeric() && !"_$€£".contains(c));
        let after = chunk.rsplit_once(bare).map_or(chunk, |(_, after)| after);
        if chunk.starts_with('(') {
            self.pause();
        }
        if !bare.is_empty() {
            self.word(bare);
        }
        if after.contains(['.', '!', '?', ';', ':']) {
            self.end();
        } else if after.contains([',', ')', '\u{2013}', '\u{2014}']) || after == "-" {
            self.pause();
        }
    }

    fn pause(&mut self) {
        if self.words.last().is_some_and(|word| word != PAUSE) {
            self.words.push(PAUSE.to_owned());
        }
    }

    fn word(&mut self, bare: &str) {
        let digits = bare.chars().filter(char::is_ascii_digit).count();
        let cents = bare.rsplit_once('.').is_some_and(|(whole, cents)| {
            cents.len() == 2 && digits + 1 == bare.len() && !whole.is_empty()
        });
        if bare == NAME {
            self.push(NAME);
        } else if bare.contains('@') {
            self.push("person");
        } else if bare.contains(['$', '€', '£']) || cents {
            self.push("money");
        } else if is_file(bare) {
            self.push("document");
        } else if bare.contains("://") || (bare.contains('.') && digits < bare.len() / 2) {
            self.push("website");
        } else {
            for part in bare.split('/') {
                let part = part.to_lowercase().replace("'s", "");
                let joined: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
                self.push(&joined);
            }
        }
    }

    fn push(&mut self, word: &str) {
        if self.words.len() >= MAX_SENTENCE {
            self.end();
        }
        let parts = PARTED.iter().filter(|(_, second, _)| is_in(second, word));
        let parted = parts.into_iter().find_map(|(first, _, one)| {
            let near =
                self.words.iter().rev().take(PARTED_BY + 1).position(|word| word == first)?;
            Some((self.words.len() - 1 - near, *one))
        });
        match parted.and_then(|(at, one)| self.words.get_mut(at).map(|word| (word, one))) {
            Some((verb, one)) => one.clone_into(verb),
            None if word.is_empty() => {}
            None => join(&mut self.words, word),
        }
    }
}

/// Adds a word, which with the last can be one.
pub(super) fn join(words: &mut Vec<String>, word: &str) {
    let pair = words
        .last()
        .and_then(|last| PAIRS.iter().find(|(first, second, _)| last == first && word == *second));
    if let Some((.., one)) = pair {
        words.pop();
        words.push((*one).to_owned());
    } else {
        words.push(word.to_owned());
    }
}
