//! What is looked for: rules as data, and one of them at work.
//!
//! Most are Gitleaks' (`rules/gitleaks.toml`, as published). What is different here, and what is
//! looked for besides, is in `rules/remit.toml` with its reasons. A rule of Gitleaks' asks for its
//! keyword somewhere in a file; here the match begins with the keyword, so that 40 hex digits are
//! nobody's token because the text also speaks of somebody who has tokens of 40 hex digits.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

use memchr::memmem;
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use serde::Deserialize;

use crate::judge;
use crate::keyword::Keywords;
use crate::proof::{Proof, Verdict};
use crate::reader::Reader;

/// The longest secret of a form without a longest (R13): a private key, a token with many claims.
pub const MAX_SECRET: usize = 16 * 1024;
/// What is looked at before a keyword: a name, and whether it stands within something longer.
pub(crate) const BEHIND: usize = 256;
/// What is looked at behind the longest match: whether the secret ends there.
pub(crate) const AHEAD: usize = 256;
/// The longest keyword.
pub(crate) const MAX_KEYWORD: usize = 64;
/// What in an address is there so that whoever gets it can follow it: to confirm, to join, to begin anew.
/// Without it the link is worth nothing to the person it was sent to.
const LINKED: &str = "token";
/// The rule that finds a secret by what it is called, whoever gave it.
pub(crate) const NAMED: &str = "named-secret";
/// How large one compiled rule may be (R13): the largest needs a fifth of it.
const MAX_COMPILED: usize = 4 * 1024 * 1024;
/// How random a secret looks at least, in bits a byte, where its rule does not say: what stands for one
/// repeats itself.
const MIN_ENTROPY: f64 = 2.5;
/// How much of a run of base 64 stands around what is not a secret, but a part of something encoded.
const BLOB: usize = 40;

/// What gitleaks' rules by name begin with: more of the name.
const NAME: &str = r"[\w.-]{0,50}?";
/// How they end: what may follow a value.
const END: &str = r#"(?:[\x60'"\s;]|\\[nr]|$)"#;
/// How rules by form end here: a secret also ends a sentence, or an address.
const OPEN_END: &str = r"(?:[^\w-]|$)";

/// All that is looked for.
pub(crate) struct Rules {
    all: Vec<Rule>,
    /// None only if they could not be built, which a test rules out.
    keywords: Option<Keywords>,
    /// The rules of each keyword, by their places.
    of: Vec<Vec<usize>>,
}

/// One form of secrets.
pub(crate) struct Rule {
    id: Arc<str>,
    /// Its place among all.
    place: usize,
    form: Form,
    /// Whether a name says so, rather than the secret's own form.
    by_name: bool,
    compiled: OnceLock<Option<Compiled>>,
}

/// A rule as data.
#[derive(Clone, Debug, Default, Deserialize)]
struct Form {
    id: String,
    #[serde(default)]
    regex: String,
    #[serde(default)]
    keywords: Vec<String>,
    entropy: Option<f64>,
    /// Gitleaks' rules for files of certain names.
    path: Option<String>,
    /// Which group of the expression is the secret; else the first that takes part in a match, or all of it.
    #[serde(default, rename = "secretGroup")]
    group: Option<usize>,
    /// What is none, though it has the form.
    #[serde(default)]
    allowed: Vec<String>,
    #[serde(default)]
    proof: Proof,
    /// How far before its keyword a match begins at most.
    #[serde(default)]
    before: usize,
    /// Whether the name that stands before the value says what it is.
    #[serde(default)]
    named: bool,
    /// What the value is called, where no name stands before it.
    name: Option<String>,
}

/// What Gitleaks publishes.
#[derive(Deserialize)]
struct Published {
    rules: Vec<Form>,
}

/// What is different here.
#[derive(Deserialize)]
struct Ours {
    off: Vec<Off>,
    rule: Vec<Form>,
}

/// Rules that are not used.
#[derive(Deserialize)]
struct Off {
    ids: Vec<String>,
}

/// What a rule finds where one of its keywords stands.
pub(crate) struct Tried {
    /// The secret.
    pub(crate) secret: Option<Range<usize>>,
    /// How many bytes were read for that.
    pub(crate) read: usize,
}

struct Compiled {
    /// What says first whether it matches at all.
    reader: Reader,
    regex: Regex,
    reach: usize,
    allowed: Vec<Regex>,
}

impl Rules {
    /// Those that come with the program.
    pub(crate) fn standard() -> &'static Self {
        static STANDARD: LazyLock<Rules> = LazyLock::new(|| Rules::of(standard()));
        &STANDARD
    }

    fn of(forms: Vec<Form>) -> Self {
        let all: Vec<Rule> = forms.into_iter().enumerate().map(Rule::of).collect();
        let mut of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, rule) in all.iter().enumerate() {
            for keyword in &rule.form.keywords {
                of.entry(keyword.to_ascii_lowercase()).or_default().push(at);
            }
        }
        let keywords = Keywords::of(of.keys());
        Self { all, keywords, of: of.into_values().collect() }
    }

    /// How many rules there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The keywords in `text`, with the rules of each.
    pub(crate) fn keywords<'a, 't>(
        &'a self,
        text: &'t [u8],
    ) -> impl Iterator<Item = (Range<usize>, impl Iterator<Item = &'a Rule> + use<'a>)> + use<'a, 't>
    {
        let found = self.keywords.iter().flat_map(move |all| all.find(text));
        found.map(move |(keyword, at)| {
            let rules = self.of.get(keyword).map_or(&[][..], Vec::as_slice);
            (at, rules.iter().filter_map(|at| self.all.get(*at)))
        })
    }
}

/// Published and own rules, as they are used.
fn standard() -> Vec<Form> {
    // Both come with the program, and a test reads them.
    let published = toml::from_str(include_str!("../rules/gitleaks.toml"));
    let published = published.unwrap_or(Published { rules: Vec::new() });
    let ours = toml::from_str(include_str!("../rules/remit.toml"));
    let ours = ours.unwrap_or(Ours { off: Vec::new(), rule: Vec::new() });
    let is_off = |id: &String| ours.off.iter().any(|off| off.ids.contains(id));
    let replaced = |id: &String| ours.rule.iter().any(|rule| rule.id == *id);
    let kept = published.rules.into_iter().filter(|rule| {
        rule.path.is_none() && !rule.regex.is_empty() && !is_off(&rule.id) && !replaced(&rule.id)
    });
    kept.chain(ours.rule.iter().cloned()).collect()
}

impl Rule {
    fn of((place, mut form): (usize, Form)) -> Self {
        let by_name = form.named || form.regex.contains(NAME);
        let (from, to) = if by_name { (NAME, "") } else { (END, OPEN_END) };
        form.regex = form.regex.replace(from, to);
        form.keywords.retain(|keyword| keyword.len() <= MAX_KEYWORD);
        Self { id: Arc::from(form.id.as_str()), place, form, by_name, compiled: OnceLock::new() }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Whether the secret's own form says so, and not what stands around it.
    pub(crate) fn is_by_form(&self) -> bool {
        !self.by_name && self.form.name.is_none()
    }

    /// How far from its keyword a match can reach.
    pub(crate) fn reach(&self) -> usize {
        self.compiled().map_or(0, |compiled| compiled.reach)
    }

    fn compiled(&self) -> Option<&Compiled> {
        // Most rules are never needed, so each is compiled when its keyword comes up first.
        self.compiled.get_or_init(|| Compiled::of(&self.form)).as_ref()
    }

    /// The secret in `text` of which the keyword stands at `at`.
    pub(crate) fn secret(&self, text: &[u8], at: usize) -> Tried {
        let Some(compiled) = self.compiled() else { return Tried { secret: None, read: 0 } };
        let from = at.saturating_sub(self.form.before);
        let end = text.len().min(at + compiled.reach + 1);
        let walk = compiled.reader.walk(text, from, end);
        let anchored = if self.form.before == 0 { Anchored::Yes } else { Anchored::No };
        let input = Input::new(text).range(from..end).anchored(anchored);
        let groups = walk.matches.then(|| compiled.groups(&input)).flatten();
        let matched = groups.as_ref().and_then(Captures::get_match).map_or(0, |it| it.end());
        let secret = groups.and_then(|groups| self.secret_of(compiled, (text, at), &groups));
        Tried { secret, read: walk.read.max(matched).saturating_sub(from) }
    }

    /// The secret in `text` among the `groups` of a match around the keyword at `at`.
    fn secret_of(
        &self,
        compiled: &Compiled,
        (text, at): (&[u8], usize),
        groups: &Captures,
    ) -> Option<Range<usize>> {
        let whole = groups.get_match()?.range();
        if !(whole.start..whole.end).contains(&at) {
            return None;
        }
        let group = match self.form.group {
            Some(group) => groups.get_group(group),
            None => (1..groups.group_len()).find_map(|group| groups.get_group(group)),
        };
        let range = group.map_or(whole, |group| group.range());
        let range = if self.by_name { trimmed(text, range) } else { extended(text, range) };
        let secret = text.get(range.clone())?;
        let allowed = |regex: &Regex| regex.is_match(secret);
        (self.is_one(text, at, &range) && !compiled.allowed.iter().any(allowed)).then_some(range)
    }

    fn is_one(&self, text: &[u8], at: usize, range: &Range<usize>) -> bool {
        let Some(secret) = text.get(range.clone()) else { return false };
        match self.form.proof.of(secret) {
            Verdict::Proven => return true,
            Verdict::Refuted => return false,
            Verdict::Open => {}
        }
        let Ok(value) = std::str::from_utf8(secret) else { return false };
        let called = match self.by_name {
            true if is_in_link(text, at) => name(text, at, range.start).filter(|it| *it != LINKED),
            true => name(text, at, range.start),
            false => self.form.name.as_deref(),
        };
        if self.by_name || called.is_some() {
            return called.is_some_and(|name| judge::is_secret_in_text(name, value));
        }
        judge::entropy(secret) >= self.form.entropy.unwrap_or(MIN_ENTROPY)
            && !judge::stands_for(value)
            && !is_in_blob(text, range)
    }
}

impl Compiled {
    fn of(form: &Form) -> Option<Self> {
        // In the texts of its makers `\w` and the like are ASCII's, too.
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let build = |pattern: &str| {
            let config = Regex::config().nfa_size_limit(Some(MAX_COMPILED)).utf8_empty(false);
            Regex::builder().configure(config).syntax(syntax).build(pattern).ok()
        };
        let parsed = syntax::parse_with(&form.regex, &syntax).ok()?;
        let longest = parsed.properties().maximum_len().unwrap_or(MAX_SECRET);
        Some(Self {
            reader: Reader::of((&form.regex, form.before), syntax, MAX_COMPILED)?,
            regex: build(&form.regex)?,
            reach: longest.min(MAX_SECRET),
            allowed: form.allowed.iter().map(|it| build(it)).collect::<Option<_>>()?,
        })
    }

    fn groups(&self, input: &Input<'_>) -> Option<Captures> {
        let mut groups = self.regex.create_captures();
        self.regex.search_captures(input, &mut groups);
        groups.is_match().then_some(groups)
    }
}

/// What the value at `value` is called, if its keyword is at `keyword`. Between name and value stands a
/// sign; only an option of a command (`--token`) does without.
fn name(text: &[u8], keyword: usize, value: usize) -> Option<&str> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let before = text.get(keyword.saturating_sub(MAX_KEYWORD)..keyword)?;
    let more = before.iter().rev().take_while(|byte| part(byte)).count();
    let all = std::str::from_utf8(text.get(keyword - more..value)?).ok()?;
    let name = all.split(['=', ':', '>', '|', ',']).next()?;
    (name.len() < all.len() || all.starts_with("--")).then_some(name)
}

/// Whether what stands at `at` is a part of an address.
fn is_in_link(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(BEHIND)..at).unwrap_or_default();
    let part = |byte: &u8| byte.is_ascii_graphic() && !b"\"'<>()[]`".contains(byte);
    let word = before.iter().rev().take_while(|byte| part(byte)).count();
    before.get(before.len() - word..).is_some_and(|word| memmem::find(word, b"://").is_some())
}

/// Without what ends the sentence that a value stands in.
fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let secret = text.get(range.clone()).unwrap_or_default();
    let behind = secret.iter().rev().take_while(|byte| b".,:;!?".contains(byte)).count();
    // Three points stand for what was left out.
    if secret.ends_with(b"...") { range } else { range.start..range.end - behind }
}

/// To the end of the word: what is longer than its form is cut whole all the same.
fn extended(text: &[u8], range: Range<usize>) -> Range<usize> {
    let rest = text.get(range.end..).unwrap_or_default();
    let more = rest.iter().take(AHEAD).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    range.start..range.end + more
}

/// Whether it is part of something longer that is encoded, such as a picture.
fn is_in_blob(text: &[u8], range: &Range<usize>) -> bool {
    let encoded = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let secret = text.get(range.clone()).unwrap_or_default();
    if !secret.iter().all(|byte| encoded(&byte)) {
        return false;
    }
    let before = text.get(..range.start).unwrap_or_default();
    let behind = text.get(range.end..).unwrap_or_default();
    let before = before.iter().rev().take(BEHIND).take_while(encoded).count();
    let behind = behind.iter().take(AHEAD).take_while(encoded).count();
    before + behind >= BLOB
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.all.len())
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    use super::*;

    /// What in an expression says what stands around a secret, which a generator cannot make.
    const AROUND: [(&str, &str); 11] = [
        (r"(?:^|[^\w./-])", " "),
        ("xoxe.xox", r"xoxe\.xox"),
        ("hooks.slack.com", r"hooks\.slack\.com"),
        (r"|$|\b)", ")"),
        (r"\b", ""),
        (OPEN_END, ""),
        (END, ""),
        (r"(?:[^\w-]|\z)", ""),
        (r"(?:[^a-zA-Z0-9+/]|\z)", ""),
        (r#"(?:^|[\\'"\x60\s>=:(,)])"#, " "),
        (r#"(?:$|[\\'"\x60\s<),])"#, " "),
    ];
    /// More of the name, in the rules by name.
    const MORE: &str = r"(?:[ \t\w.-]{0,20})";
    /// Rules of which chance makes no example: the cases have some.
    const NOT_MADE: [&str; 4] = [NAMED, "curl-user", "jwt", "url-password"];
    /// How many texts of a rule's form are tried: not each looks random.
    const TRIES: usize = 64;

    fn made(rule: &Rule, runner: &mut TestRunner) -> Vec<u8> {
        let mut form = rule.form.regex.replace(MORE, "_api_token");
        for (around, instead) in AROUND {
            form = form.replace(around, instead);
        }
        form = form.replace("|$)", ")");
        let made = proptest::string::bytes_regex(&format!("(?-u){form}"))
            .unwrap_or_else(|why| panic!("{form}: {why}"));
        made.new_tree(runner).unwrap().current()
    }

    #[test]
    fn every_rule_can_be_used_and_finds_what_has_its_form() {
        let rules = Rules::standard();
        assert!(rules.keywords.is_some() && rules.all.len() > 190, "{rules:?}");
        let mut runner = TestRunner::deterministic();
        let mut dead = Vec::new();
        for rule in &rules.all {
            assert!(rule.compiled().is_some(), "{rule:?} does not compile");
            assert!(rule.form.before < BEHIND && !rule.form.keywords.is_empty(), "{rule:?}");
            let finds = |secret: &[u8]| {
                let text = [b" ", secret, b" "].concat();
                rules.keywords(&text).any(|(at, mut of)| {
                    of.any(|it| it.id == rule.id && it.secret(&text, at.start).secret.is_some())
                })
            };
            let skipped = NOT_MADE.contains(&&*rule.id);
            if !skipped && !(0..TRIES).any(|_| finds(&made(rule, &mut runner))) {
                dead.push(rule.id.to_string());
            }
        }
        assert_eq!(dead, Vec::<String>::new());
    }
}
