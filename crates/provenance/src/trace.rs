//! Tracing one value of a call to where it came from.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use remit_model::{Evidence, Label, Provenance, Role};

use crate::Index;
use crate::atom::{Atom, Form, RUN, atoms};
use crate::chunk::{Chunk, chunks, words};
use crate::column::{Column, mailbox};
use crate::decode::entities;
use crate::figure::{Figure, figure};
use crate::fold::{plain, strict};
use crate::given::{self, Asked};
use crate::origin::{self, Marks, excerpt};
use crate::read::Kept;
use crate::records::{Held, Named};
use crate::shape::{LONG, compact, host, is_mail};

/// The longest path or URL that is looked at part by part, and the most folders in it. Each beginning of it is
/// looked up, so that one of a million folders would take minutes under its task's lock.
const MAX_PATH: usize = 2048;
const MAX_FOLDERS: usize = 64;

/// Where a value came from.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) provenance: Provenance,
    pub(crate) label: Label,
    pub(crate) evidence: Option<Evidence>,
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) role: Role,
    pub(crate) text: &'a str,
    /// The words of the argument's name.
    pub(crate) argument: &'a Column,
    /// All that the argument holds, if it is a list.
    pub(crate) list: &'a List,
}

/// All that an argument holds that is a list, and what was found for it as a whole.
#[derive(Default)]
pub(crate) struct List {
    pub(crate) values: BTreeSet<Box<str>>,
    named: OnceCell<Option<Named>>,
}

/// What is looked for in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sought {
    /// What it names as a whole, and all that it is made of.
    Name,
    /// What it amounts to.
    Figure,
    /// What it quotes.
    Words,
}

/// What of a value stands in outside text.
#[derive(Default)]
struct Shared {
    /// The longest thing, and how long that is.
    longest: Option<(usize, origin::Place)>,
    marks: Marks,
    /// Whether all of the value does.
    whole: bool,
}

impl Shared {
    fn add(&mut self, length: usize, place: origin::Place, marks: Marks) {
        self.marks = self.marks.with(marks);
        if self.longest.is_none_or(|(longest, _)| longest < length) {
            self.longest = Some((length, place));
        }
    }
}

impl Index {
    /// Where a leaf came from.
    pub(crate) fn answer(&self, leaf: Leaf<'_>) -> Answer {
        let answer = match leaf.role {
            // It looks for everything, or it names nothing.
            Role::Selector if leaf.text.trim().is_empty() => Answer::default(),
            _ if leaf.text.trim().is_empty() => return Answer::made(Provenance::Given),
            Role::Target | Role::Secret | Role::Link => self.target(leaf, leaf.text),
            Role::Selector => self.selector(leaf),
            Role::Amount => self.amount(leaf),
            Role::Content | Role::Flag => self.content(leaf.text),
        };
        if self.is_blind() && answer.provenance > Provenance::Given {
            return self.unknown(answer);
        }
        answer
    }

    /// What can be taken from anything, whatever else is known of it.
    fn unknown(&self, answer: Answer) -> Answer {
        let origins = &self.kept.origins;
        let mut label = answer.label;
        label.raise(&origins.label(origins.entered()));
        Answer { provenance: Provenance::Tainted, label, ..answer }
    }

    /// Who or what an effect reaches: exactly what was given, or not.
    fn target(&self, leaf: Leaf<'_>, text: &str) -> Answer {
        let Some(decoded) = entities(text) else { return self.name(leaf, text) };
        // Nobody gave it in this form.
        let answer = self.name(leaf, &decoded);
        let provenance = answer.provenance.max(Provenance::Derived);
        Answer { provenance, ..answer }
    }

    fn name(&self, leaf: Leaf<'_>, text: &str) -> Answer {
        let text = text.trim();
        let text = text.strip_prefix("mailto:").unwrap_or(text);
        let nouns: Vec<String> = leaf.argument.nouns().map(str::to_owned).collect();
        let asked =
            if leaf.role == Role::Selector { Asked::Quantity } else { Asked::Which(&nouns) };
        if let Some(place) = self.given.whole(text, asked) {
            return self.given_at(place);
        }
        if let Some(named) = self.referenced(leaf, text) {
            return self.named(named);
        }
        let parts: Vec<&str> =
            text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 && figure(text).is_none() {
            let parts = parts.iter().map(|part| self.name(leaf, part));
            return parts.reduce(Answer::worse).unwrap_or_default();
        }
        if let Some((_, address)) = mailbox(text) {
            return self.name(leaf, address);
        }
        let shared = self.shared(text, Sought::Name);
        // What people said the parts of is theirs, unless somebody else may have said the whole.
        if !shared.whole
            && !self.is_blind()
            && let Some(place) = self.composed(text)
        {
            return self.given_at(place);
        }
        if shared.longest.is_some() {
            return self.tainted(&shared);
        }
        self.by_field(leaf, text)
    }

    /// What stands in no text: what fields say of it.
    fn by_field(&self, leaf: Leaf<'_>, text: &str) -> Answer {
        if let Some(place) = self.given.look_alike(text) {
            return Answer { provenance: Provenance::Tainted, ..self.given_at(place) };
        }
        let known = self.kept.records.assigned(text, leaf.argument);
        if let Some(tainted) = known.and_then(|_| self.titled_outside(leaf, text)) {
            return tainted;
        }
        if let Some(held) = known {
            let chooses = self.kept.records.fits(text, leaf.argument);
            return self
                .held(if chooses { Provenance::Assigned } else { Provenance::Identified }, held);
        }
        if let Some(held) = self.kept.records.identity(text) {
            return self.held(Provenance::Identified, held);
        }
        self.made(text)
    }

    /// A record of this id whose title an outsider's text has, which nobody pointed at: whoever wrote
    /// that can be the one who chose it.
    fn titled_outside(&self, leaf: Leaf<'_>, id: &str) -> Option<Answer> {
        let Kept { origins, outside, records, .. } = &self.kept;
        records.titled(id, leaf.argument).into_iter().find_map(|(record, title)| {
            let single = chunks(title).len() == 1;
            let (mut all, mut marks, mut elsewhere) = (true, None, None);
            atoms(&plain(title), &mut |atom: Atom<'_>| {
                let tells = match atom.form {
                    Form::Name(_) => single,
                    Form::Pair => !single,
                    _ => false,
                };
                if tells && !atom.decoded {
                    let entry = outside.find(&atom).filter(|entry| entry.is_beyond(record));
                    all &= entry.is_some();
                    let Some(entry) = entry else { return };
                    marks = Some(entry.marks.with(marks.unwrap_or_default()));
                    // What is in the record itself is no evidence of who chose it.
                    let beyond = Some(entry.place).filter(|place| !origins.is_of(*place, record));
                    elsewhere = elsewhere.or(beyond);
                }
            });
            Some(Answer {
                provenance: Provenance::Tainted,
                label: origins.label(marks.filter(|_| all)?),
                evidence: elsewhere.and_then(|place| origins.evidence(place)),
            })
        })
    }

    fn referenced(&self, leaf: Leaf<'_>, text: &str) -> Option<Named> {
        let records = &self.kept.records;
        if let Some(named) = records.referenced(text, leaf.argument) {
            return Some(named).filter(|_| records.fits(text, leaf.argument));
        }
        if let Some(named) = records.referenced_entry(text).filter(|_| leaf.argument.is_party()) {
            return Some(named);
        }
        if !leaf.argument.nouns().any(|noun| self.given.speaks_of(noun)) {
            return None;
        }
        let named = |all| records.referenced_parties(all, leaf.argument, &self.given);
        if leaf.list.values.is_empty() {
            return named(&BTreeSet::from([strict(text).into()]));
        }
        *leaf.list.named.get_or_init(|| named(&leaf.list.values))
    }

    /// A path or a URL all of whose parts were given.
    fn composed(&self, text: &str) -> Option<given::Place> {
        let separators = text.bytes().filter(|byte| matches!(byte, b'/' | b'\\')).count();
        if text.len() > MAX_PATH || separators > MAX_FOLDERS {
            return None;
        }
        let address = host(text).filter(|_| !is_mail(text));
        let (known, rest) = match address {
            Some(host) => {
                let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
                let bare = host.strip_prefix("www.").unwrap_or(host);
                let known = self.given.host(host).or_else(|| self.given.host(bare))?;
                let web =
                    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
                (Some(known).filter(|_| web)?, rest.strip_prefix(host)?)
            }
            None => self.folder(text)?,
        };
        let mut parts = rest.split(['/', '\\', '?', '&', '=']).filter(|part| !part.is_empty());
        let given = |part: &str| {
            part != "." && part != ".." && self.given.whole(part, Asked::Quantity).is_some()
        };
        parts.all(given).then_some(known)
    }

    /// The longest beginning of a path that was given, and what is behind it.
    fn folder<'t>(&self, path: &'t str) -> Option<(given::Place, &'t str)> {
        let ends = path.rmatch_indices(['/', '\\']).map(|(at, _)| at).filter(|at| *at > 0);
        let mut known = ends.filter_map(|at| {
            let (folder, rest) = path.split_at_checked(at)?;
            Some((self.given.whole(folder, Asked::Quantity)?, rest))
        });
        known.next()
    }

    /// What is looked for: words that people said, in whatever order.
    fn selector(&self, leaf: Leaf<'_>) -> Answer {
        let answer = self.target(leaf, leaf.text);
        match self.given.words(leaf.text) {
            Some(place) if answer.provenance > Provenance::Referenced => self.given_at(place),
            _ => answer,
        }
    }

    /// How much: any number that was given will do.
    fn amount(&self, leaf: Leaf<'_>) -> Answer {
        if let Some(place) = self.given.whole(leaf.text, Asked::Quantity) {
            return self.given_at(place);
        }
        if figure(leaf.text).is_none() {
            return self.content(leaf.text);
        }
        let shared = self.shared(leaf.text, Sought::Figure);
        if shared.longest.is_some() { self.tainted(&shared) } else { self.made(leaf.text) }
    }

    /// What is written: whether it quotes what an outsider wrote.
    fn content(&self, text: &str) -> Answer {
        if let Some(place) = self.given.whole(text, Asked::Quantity) {
            return self.given_at(place);
        }
        let shared = self.shared(text, Sought::Words);
        if shared.longest.is_some() { self.tainted(&shared) } else { self.made(text) }
    }

    /// What the agent made, or took from a field that says nothing by itself.
    fn made(&self, text: &str) -> Answer {
        let plain = plain(text);
        if !is_single(&plain) {
            return Answer::default();
        }
        let mut seen = None;
        atoms(&plain, &mut |atom: Atom<'_>| {
            let figure = matches!(atom.form, Form::Number | Form::Day | Form::Name(_) | Form::Word);
            let entry = figure.then(|| self.kept.scalars.find(&atom)).flatten();
            seen = seen.or(entry.map(|entry| Held { place: entry.place, marks: entry.marks }));
        });
        seen.map_or_else(Answer::default, |held| self.held(Provenance::Derived, held))
    }

    fn shared(&self, text: &str, sought: Sought) -> Shared {
        let exact = sought != Sought::Words;
        let plain = plain(text);
        let pieces = if is_single(&plain) { chunks(&plain) } else { Vec::new() };
        let only = pieces.first().filter(|_| pieces.len() == 1);
        let mut shared = Shared::default();
        let mut runs = Coverage::default();
        let mut pairs = Coverage::default();
        // A text of more than a few words is known by its runs of them.
        let pairs_count = exact || plain.len() < RUN * LONG;
        atoms(&plain, &mut |atom: Atom<'_>| {
            let counts =
                exact || atom.form.is_telling() || (pairs_count && atom.form == Form::Pair);
            if !counts {
                return;
            }
            let entry = self.kept.outside.find(&atom);
            match atom.form {
                Form::Pair if !atom.decoded => {
                    pairs.count(entry.map(|entry| (entry.place, entry.marks)));
                }
                Form::Run if !atom.decoded => {
                    runs.count(entry.map(|entry| (entry.place, entry.marks)));
                }
                _ => {}
            }
            let Some(entry) = entry else { return };
            let is_whole = only.is_some_and(|only| is_whole(&atom, only, sought));
            let told = atom.form.is_telling() && !self.was_given(&atom);
            if told || (exact && is_whole) {
                shared.whole |= is_whole;
                let length = if atom.form == Form::Run { LONG } else { atom.text.len() };
                shared.add(length, entry.place, entry.marks);
            }
        });
        // All words of it in the same order: a name of more words, an address that is spelt out.
        let spelt = exact && (only.is_none() || host(&plain).is_some());
        let quoted = !exact && only.is_none() && plain.len() >= LONG && runs.all == 0;
        if (spelt || quoted)
            && let Some((place, marks)) = pairs.whole()
        {
            shared.whole = true;
            shared.add(plain.len(), place, marks);
        }
        shared.whole |= runs.whole().is_some();
        shared
    }

    fn was_given(&self, atom: &Atom<'_>) -> bool {
        match atom.form {
            Form::Run => self.given.has_run(atom.key),
            Form::Host(_) => self.given.host(atom.text).is_some(),
            _ => self.given.whole(atom.text, Asked::Quantity).is_some(),
        }
    }

    fn tainted(&self, shared: &Shared) -> Answer {
        // What is not wholly explained by what it shares can be made of anything else.
        let rest = if shared.whole { Marks::default() } else { self.kept.origins.entered() };
        Answer {
            provenance: Provenance::Tainted,
            label: self.kept.origins.label(shared.marks.with(rest)),
            evidence: shared.longest.and_then(|(_, place)| self.kept.origins.evidence(place)),
        }
    }

    fn held(&self, provenance: Provenance, held: Held) -> Answer {
        let evidence = self.kept.origins.evidence(held.place);
        Answer { provenance, label: self.kept.origins.label(held.marks), evidence }
    }

    fn named(&self, named: Named) -> Answer {
        let answer = self.held(Provenance::Referenced, named.held);
        let words = self.given.place_of(named.mention).map(|place| self.given_at(place));
        match words.and_then(|words| words.evidence) {
            Some(words) if answer.evidence.is_none() => Answer { evidence: Some(words), ..answer },
            _ => answer,
        }
    }

    fn given_at(&self, place: given::Place) -> Answer {
        let text = self.given.text(place);
        Answer {
            provenance: Provenance::Given,
            label: text.map(|text| text.label.clone()).unwrap_or_default(),
            evidence: text.map(|text| Evidence {
                source: text.source.to_string(),
                decision: text.decision,
                field: None,
                pointed: false,
                excerpt: excerpt(&text.words, place.at as usize),
            }),
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::made(Provenance::Derived)
    }
}

impl Answer {
    fn made(provenance: Provenance) -> Self {
        Self { provenance, label: Label::default(), evidence: None }
    }

    /// The riskier of both, with the labels of both.
    pub(crate) fn worse(self, other: Self) -> Self {
        let label = self.label.clone().join(other.label.clone());
        let riskier = if other.provenance > self.provenance { other } else { self };
        Self { label, ..riskier }
    }
}

/// How much of a text is known.
#[derive(Default)]
struct Coverage {
    all: usize,
    known: usize,
    first: Option<(origin::Place, Marks)>,
}

impl Coverage {
    fn count(&mut self, seen: Option<(origin::Place, Marks)>) {
        self.all += 1;
        self.known += usize::from(seen.is_some());
        self.first = self.first.or(seen);
    }

    fn whole(&self) -> Option<(origin::Place, Marks)> {
        self.first.filter(|_| self.all == self.known)
    }
}

/// Whether a value can be one piece.
fn is_single(text: &str) -> bool {
    !text.trim().contains(char::is_whitespace)
}

/// Whether an atom is all of the one piece that a value is.
fn is_whole(atom: &Atom<'_>, only: &Chunk<'_>, sought: Sought) -> bool {
    let same = atom.text.len() == only.text.len() || compact(atom.text) == compact(only.text);
    match atom.form {
        Form::Name(_) | Form::Whole => same,
        Form::Word => same && words(only.text).count() == 1,
        // Digits alone name something, or amount to something.
        Form::Number => {
            let digits = matches!(figure(only.text), Some(Figure::Number { whole: true, .. }));
            !digits || sought == Sought::Figure
        }
        Form::Day => true,
        _ => false,
    }
}
