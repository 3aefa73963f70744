//! Who signs the log, from which entry on: the log says so itself.
//!
//! A record that names signers ([`Signers`]) is in force for every checkpoint that covers it. So which
//! keys sign a checkpoint follows from the entries under it alone: for whoever publishes, for a start
//! after a crash, and for whoever verifies. The first key is named nowhere but as the one before.

use memchr::memmem;
use remit_ports::record::Signers;
use remit_tlog::VerifierKey;
use serde::Deserialize;

/// Keys that sign side by side: the old one and the new one.
const MAX_SIGNERS: usize = 2;

/// The member of an entry that names signers, as it is written: canonical JSON knows one spelling.
const MEMBER: &[u8] = b"\"signers\"";

#[derive(Deserialize)]
struct Brief {
    clear: Clear,
}

#[derive(Deserialize)]
struct Clear {
    #[serde(default)]
    signers: Option<Signers>,
}

/// Who signs from the `entry` on, if that changes. Most entries say nothing of it, which their bytes show.
///
/// Errors: it is no entry.
pub(crate) fn signers(entry: &[u8]) -> Result<Option<Signers>, String> {
    if memmem::find(entry, MEMBER).is_none() {
        return Ok(None);
    }
    let brief: Result<Brief, _> = serde_json::from_slice(entry);
    brief.map(|brief| brief.clear.signers).map_err(|why| format!("not an entry: {why}"))
}

/// The keys of one log, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// Who signs before the first change; nobody where that is not known.
    first: Vec<VerifierKey>,
    /// The entry that says so, and who signs from there on.
    changes: Vec<(u64, Vec<VerifierKey>)>,
}

impl Line {
    /// The line that begins with `first`.
    pub(crate) fn new(first: Option<VerifierKey>) -> Self {
        Self { first: first.into_iter().collect(), changes: Vec::new() }
    }

    /// Entry `index` says who signs.
    ///
    /// Errors: those before are others, or it names no keys of the log; the text says what does not hold.
    pub(crate) fn take(&mut self, index: u64, signers: &Signers) -> Result<(), String> {
        let (before, now) = (keys(&signers.before)?, keys(&signers.now)?);
        if self.first.is_empty() && self.changes.is_empty() {
            self.first.clone_from(&before);
        }
        if self.now() != before {
            return Err(format!(
                "it says that {} signed until here, the log says {}",
                shown(&before),
                shown(self.now())
            ));
        }
        self.changes.push((index, now));
        Ok(())
    }

    /// As [`Self::take`], of what the bytes of `entry` say. Whether they change who signs.
    ///
    /// Errors: it is no entry, or does not follow; in words.
    pub(crate) fn follow(&mut self, index: u64, entry: &[u8]) -> Result<bool, String> {
        let Some(signers) = signers(entry)? else { return Ok(false) };
        self.take(index, &signers).map(|()| true)
    }

    /// Who signs what comes next.
    pub(crate) fn now(&self) -> &[VerifierKey] {
        self.changes.last().map_or(&self.first, |(_, now)| now)
    }

    /// Who signs a checkpoint of `size` entries.
    pub(crate) fn at(&self, size: u64) -> &[VerifierKey] {
        let covered = self.changes.iter().rfind(|(index, _)| *index < size);
        covered.map_or(&self.first, |(_, now)| now)
    }

    /// Whether nobody ever took over.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// The entries under a checkpoint of `size` that change who signs.
    pub(crate) fn changes(&self, size: u64) -> impl Iterator<Item = u64> {
        self.changes.iter().map(|(index, _)| *index).filter(move |index| *index < size)
    }

    /// Everybody who signs or did.
    pub(crate) fn all(&self) -> impl Iterator<Item = &VerifierKey> {
        self.first.iter().chain(self.changes.iter().flat_map(|(_, now)| now))
    }
}

/// The keys that a record names.
///
/// Errors: it names none or too many, one twice, what is no key, or keys of several logs.
pub(crate) fn keys(texts: &[String]) -> Result<Vec<VerifierKey>, String> {
    if !(1..=MAX_SIGNERS).contains(&texts.len()) {
        let got = texts.len();
        return Err(format!("it names {got} signers of the log, expected 1 to {MAX_SIGNERS}"));
    }
    let parsed = |text: &String| {
        text.parse::<VerifierKey>().map_err(|why| format!("it names `{text}` as a signer: {why}"))
    };
    let keys = texts.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    match keys.as_slice() {
        [one, other] if one == other || one.name() != other.name() => {
            Err("the two signers it names are not two keys of one log".to_owned())
        }
        _ => Ok(keys),
    }
}

/// Keys in a text for people: their ids tell those of one log apart.
pub(crate) fn shown(keys: &[VerifierKey]) -> String {
    let one = |key: &VerifierKey| {
        format!("`{}+{}`", key.name(), data_encoding::HEXLOWER.encode(&key.id()))
    };
    if keys.is_empty() {
        return "nobody".to_owned();
    }
    keys.iter().map(one).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use remit_tlog::SigningKey;

    use super::*;

    fn key(seed: u8) -> VerifierKey {
        SigningKey::from_seed("log.example", &[seed; 32]).unwrap().verifier().clone()
    }

    fn signers(before: &[u8], now: &[u8]) -> Signers {
        let texts = |seeds: &[u8]| seeds.iter().map(|seed| key(*seed).to_string()).collect();
        Signers { before: texts(before), now: texts(now) }
    }

    #[test]
    fn each_checkpoint_has_the_signers_of_the_last_record_it_covers() {
        let mut line = Line::new(Some(key(1)));
        line.take(5, &signers(&[1], &[1, 2])).unwrap();
        line.take(9, &signers(&[1, 2], &[2])).unwrap();
        line.take(12, &signers(&[2], &[3])).unwrap();
        let expected: [(u64, &[u8]); 8] = [
            (0, &[1]),
            (5, &[1]),
            (6, &[1, 2]),
            (9, &[1, 2]),
            (10, &[2]),
            (12, &[2]),
            (13, &[3]),
            (99, &[3]),
        ];
        for (size, seeds) in expected {
            let keys: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
            assert_eq!(line.at(size), keys, "{size}");
        }
        assert_eq!(line.changes(10).collect::<Vec<_>>(), [5, 9]);
    }

    #[test]
    fn an_entry_that_names_no_signers_need_not_be_read_for_it() {
        let named = signers(&[1], &[1, 2]);
        let text = serde_json::json!({"clear": {"signers": named}, "v": 1}).to_string();
        assert_eq!(super::signers(text.as_bytes()).unwrap(), Some(named));
        for none in [r#"{"clear":{"what":"permit"}}"#, r#"{"clear":{},"tool":"\"signers\""}"#] {
            assert_eq!(super::signers(none.as_bytes()).unwrap(), None, "{none}");
        }
        assert!(super::signers(br#"{"clear":{"signers":7}}"#).is_err());
    }

    #[test]
    fn a_line_that_is_not_known_begins_with_what_the_first_record_says() {
        let mut line = Line::default();
        line.take(5, &signers(&[1], &[1, 2])).unwrap();
        assert_eq!(line.at(3), [key(1)]);
    }

    #[test]
    fn a_record_that_does_not_follow_is_refused() {
        let mut line = Line::new(Some(key(1)));
        let why = line.take(5, &signers(&[7], &[7, 2])).unwrap_err();
        assert!(why.contains("signed until here"), "{why}");
        let elsewhere = SigningKey::from_seed("else.example", &[1; 32]).unwrap();
        let mut foreign = signers(&[1], &[1]);
        foreign.now.push(elsewhere.verifier().to_string());
        let mut nonsense = signers(&[1], &[1]);
        nonsense.now = vec!["nonsense".to_owned()];
        for bad in [
            signers(&[1], &[]),
            signers(&[1], &[1, 1]),
            signers(&[1], &[1, 2, 3]),
            signers(&[], &[1]),
            foreign,
            nonsense,
        ] {
            assert!(line.take(5, &bad).is_err(), "{bad:?}");
        }
        assert_eq!(line.now(), [key(1)]);
    }
}
