//! The words of requests: English verbs by what they ask for, and the things that they are asked of.
//! No product, server or tool is named.
//!
//! A missing word costs a person an approval; a wrong one lets a call that nobody asked for be asked
//! about instead of refused. Neither permits anything by itself.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a verb asks for, whether it stands in a purpose or in the name of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// To say something to somebody.
    Tell,
    /// To let others see or take part.
    Share,
    /// To move money.
    Pay,
    /// To make something that was not there.
    Create,
    /// To change something that was.
    Change,
    /// To put something out where anybody finds it.
    Publish,
    /// To have something kept, or to buy it.
    Book,
    /// To take something away.
    Delete,
    /// To set something going.
    Run,
}

use Act::{Book, Change, Create, Delete, Pay, Publish, Run, Share, Tell};

/// A verb.
#[derive(Debug)]
pub(super) struct Verb {
    /// Its base form.
    pub(super) word: &'static str,
    /// What it asks for.
    pub(super) acts: &'static [Act],
    /// The thing that it implies; with a `?` only where nothing else is spoken of.
    implies: &'static str,
    /// Whether it is a noun as often, so that it counts only where nothing but a verb can stand.
    pub(super) noun: bool,
}

impl Verb {
    /// The thing that it implies where another is spoken of, or not.
    pub(super) fn implied(&self, other: bool) -> Option<&'static str> {
        match self.implies.strip_suffix('?') {
            Some(thing) => Some(thing).filter(|_| !other),
            None => Some(self.implies).filter(|thing| !thing.is_empty()),
        }
    }
}

/// A row of verbs: what they ask for, what they imply, plain verbs, and those that are nouns, too.
type Row = (&'static [Act], &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        &[Tell],
        "",
        "send forward tell inform notify remind respond getback writeto ask thank congratulate greet welcome",
        "reply answer contact",
    ),
    (&[Tell], "email", "", "email mail"),
    (&[Tell], "message", "dm", "message text ping"),
    (&[Tell], "dm", "", "direct"),
    (&[Tell, Create, Change], "", "write", ""),
    (&[Tell, Publish], "", "announce broadcast submit", ""),
    (&[Publish, Create], "", "publish upload", ""),
    (&[Publish, Create], "post", "", "tweet"),
    (&[Publish, Tell, Create], "", "", "post"),
    (&[Publish, Tell, Create], "comment", "", "comment"),
    (&[Pay], "payment", "pay refund reimburse repay remit donate", "tip settle"),
    (&[Pay], "payment?", "", "wire transfer deposit return"),
    (&[Share], "", "give allow", "share grant"),
    (&[Share, Create], "people", "invite", ""),
    (&[Share, Change], "", "add", ""),
    (&[Change], "", "put enter", ""),
    (
        &[Create],
        "",
        "create make generate compose prepare arrange organize organise insert save register build \
         produce import export download",
        "draft schedule plan open record log note start block copy store file clone fork duplicate",
    ),
    (
        &[Change],
        "",
        "append edit modify adjust fix rename replace reduce postpone extend rewrite revise amend \
         correct assign enable disable toggle complete increase decrease fill archive restore \
         resolve reopen unarchive lower raise rotate refresh merge",
        "update change set reset move shift switch mark close label tag star pin link patch commit push",
    ),
    (&[], "", "attach handle get", "report"),
    (&[Delete, Tell], "", "drop", ""),
    (&[Change], "event?", "reschedule", ""),
    (&[Create], "", "setup", ""),
    (
        &[Delete],
        "",
        "delete remove cancel erase discard purge wipe unsubscribe revoke uninvite uninstall \
         deactivate clear ban kick expel",
        "trash",
    ),
    (&[Book], "", "rent hire", "book reserve place"),
    (&[Book], "order?", "purchase buy", "order"),
    (&[Run], "", "execute install deploy launch restart invoke rerun trigger", "run test"),
];

/// Whether `word` is one of a list between blanks.
pub(super) fn is_in(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|other| other == word)
}

/// Every verb, by its base form.
static VERBS: LazyLock<BTreeMap<&str, Verb>> = LazyLock::new(|| {
    let rows = ROWS.iter().flat_map(|(acts, implies, plain, nouns)| {
        let of = |noun: bool| move |word| (word, Verb { word, acts, implies, noun });
        plain.split_whitespace().map(of(false)).chain(nouns.split_whitespace().map(of(true)))
    });
    rows.collect()
});

/// The verb with this base form.
pub(super) fn verb(word: &str) -> Option<&'static Verb> {
    VERBS.get(word)
}

/// Words for the same thing, the first of which stands for all. A word may stand for several.
const THINGS: &[&str] = &[
    "email mail inbox newsletter mailbox",
    "message notification announcement dm",
    "channel chat thread conversation room",
    "dm sms",
    "event meeting appointment calendar lunch dinner breakfast brunch session checkup followup \
     interview party visit class call invitation agenda slot standup reunion birthday trip",
    "people participant attendee guest invitee member user person colleague teammate collaborator \
     reviewer friend him her everybody \
     everyone",
    "file document doc docs spreadsheet sheet pdf presentation slide report folder directory list \
     drive draft paper transcript minutes readme proposal contract letter essay cv resume plan \
     chapter manual backup photo picture image video screenshot",
    "payment transaction money bill invoice rent fee amount difference fund due debt euro dollar \
     pound eur usd gbp chf loan installment transfer share",
    "profile account user address phone street postcode",
    "password passcode passphrase pin credential login",
    "reservation booking",
    "hotel room stay accommodation lodging reservation booking",
    "restaurant table lunch dinner cuisine reservation booking",
    "car vehicle rental taxi reservation booking",
    "flight plane seat reservation booking",
    "train ticket reservation booking",
    "issue ticket bug defect story",
    "task todo reminder",
    "note memo memory knowledge observation",
    "page webpage website site article blog wiki",
    "post article tweet",
    "repository repo project",
    "pull pr merge",
    "table row database record",
    "order cart product item purchase",
    "contact phonebook",
    "label tag",
    "summary overview",
    "comment feedback review",
];

/// The first words of the groups in which a word stands.
static KINDS: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for group in THINGS {
        let first = group.split_whitespace().next().unwrap_or_default();
        group.split_whitespace().for_each(|word| kinds.entry(word).or_default().push(first));
    }
    kinds
});

/// The things that `word` stands for, in singular or plural; itself if it stands for none.
pub(super) fn things(word: &str) -> impl Iterator<Item = &str> {
    let one = singular(word);
    let known = KINDS.get(word).or_else(|| KINDS.get(one));
    let itself = known.is_none().then_some(one);
    known.into_iter().flatten().copied().chain(itself)
}

/// Whether `thing` is one of those that stand for others.
pub(super) fn is_known(thing: &str) -> bool {
    KINDS.get(thing).is_some_and(|kinds| kinds.contains(&thing))
}

fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(one) if one.len() > 2 && !one.ends_with('s') => one,
        _ => word,
    }
}
