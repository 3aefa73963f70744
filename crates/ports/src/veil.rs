//! What keeps a lent secret out of what comes back (promise R12).
//!
//! A server can say what it was given: in an answer, a message, an error. A veil knows the secrets that
//! it may not say, in the forms in which they travel, and cuts them out. It does not find what was
//! changed on purpose; it finds what leaks by accident, which is the rule.

use std::fmt;
use std::ops::Range;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use memchr::memmem;
use remit_model::Secret;
use remit_model::escape::{Writing, said};
use zeroize::Zeroizing;

/// What stands where a secret was.
pub const CUT: &str = "[credential cut by remit]";

/// The shortest secret, or line of one, that is looked for: a shorter one would be found by accident.
const MIN_SECRET: usize = 8;
/// The shortest line of a secret of several lines that is looked for by itself, and how many of them (R13:
/// each is a pass over every answer).
const MIN_LINE: usize = 24;
const MAX_LINES: usize = 64;
/// How many strings within one another are read as what they say (R13: each is a pass over the answer): one is
/// the message's own, one a server's JSON in it, one that of somebody whom the server asked.
const DEEPEST: usize = 4;

/// The secrets that may not be seen.
#[derive(Clone, Default)]
pub struct Veil(Vec<Zeroizing<String>>);

impl Veil {
    /// A veil over `secrets`.
    pub fn over<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut veil = Self::default();
        for secret in secrets {
            veil.hide(secret.reveal());
        }
        veil.0.sort_unstable_by(|one, other| one.as_str().cmp(other));
        veil.0.dedup();
        veil
    }

    /// Hides what `other` hides, too.
    pub fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    fn hide(&mut self, secret: &str) {
        if secret.len() < MIN_SECRET {
            return;
        }
        let bytes = secret.as_bytes();
        let (json, percent) = (escaped(secret), percent(bytes));
        // As PHP and others write a slash, and as JSON within JSON.
        let (slashed, twice) = (json.replace('/', "\\/").into(), escaped(&json));
        self.0.extend([slashed, twice, lower_escapes(&percent), HEXUPPER.encode(bytes).into()]);
        self.0.extend([
            BASE64.encode(bytes).into(),
            BASE64_NOPAD.encode(bytes).into(),
            BASE64URL_NOPAD.encode(bytes).into(),
            HEXLOWER.encode(bytes).into(),
            percent,
            json,
            Zeroizing::new(secret.to_owned()),
        ]);
        let lines = secret.lines().filter(|line| line.len() >= MIN_LINE && *line != secret);
        let lines = lines.filter(|line| !line.starts_with("-----")).take(MAX_LINES);
        self.0.extend(lines.map(|line| Zeroizing::new(line.to_owned())));
    }

    /// `text` without them; `None` if none is in it.
    pub fn cut(&self, text: &str) -> Option<String> {
        let found = self.places(text, DEEPEST);
        if found.is_empty() {
            return None;
        }
        let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
        for range in found {
            kept.push_str(text.get(from..range.start).unwrap_or_default());
            kept.push_str(CUT);
            from = range.end;
        }
        kept.push_str(text.get(from..).unwrap_or_default());
        Some(kept)
    }

    /// Where they stand in `text`, in order, none within another.
    ///
    /// Which letters of a string are escapes is up to who writes it, so where there are `\\u`s they are also
    /// looked for in what it says. Elsewhere the forms know all that writers do.
    fn places(&self, text: &str, deep: usize) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        if self.0.is_empty() {
            return found;
        }
        for form in &self.0 {
            let places = memmem::find_iter(text.as_bytes(), form.as_bytes());
            found.extend(places.map(|at| at..at + form.len()));
        }
        if deep > 0 && memmem::find(text.as_bytes(), b"\\u").is_some() {
            let mut writing = Writing::of(text);
            let written = |at: Range<usize>| writing.place(at.start)..writing.place(at.end);
            found.extend(self.places(&said(text), deep - 1).into_iter().map(written));
        }
        found.sort_unstable_by_key(|range| range.start);
        found.dedup_by(|next, before| {
            let overlap = next.start < before.end;
            before.end = if overlap { before.end.max(next.end) } else { before.end };
            overlap
        });
        found
    }

    /// `text`, without them.
    pub fn cleaned(&self, text: String) -> String {
        self.cut(&text).unwrap_or(text)
    }
}

/// As in a URL: everything but RFC 3986's unreserved characters.
fn percent(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.push_str(&HEXUPPER.encode(&[*byte]));
        }
    }
    text
}

/// The same with escapes in lower case.
fn lower_escapes(percent: &str) -> Zeroizing<String> {
    let mut left = 0;
    let lower = |c: char| {
        left = if c == '%' { 3 } else { usize::saturating_sub(left, 1) };
        if left > 0 || c == '%' { c.to_ascii_lowercase() } else { c }
    };
    Zeroizing::new(percent.chars().map(lower).collect())
}

/// As within a JSON string.
fn escaped(secret: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::to_string(secret).unwrap_or_default());
    Zeroizing::new(quoted.trim_start_matches('"').trim_end_matches('"').to_owned())
}

/// Says how many forms it looks for.
impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Veil({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veil(secret: &str) -> Veil {
        Veil::over([&Secret::new(secret.to_owned())])
    }

    #[test]
    fn a_secret_is_cut_in_every_form_in_which_it_travels() {
        let secret = "s3cr\"t/va+lue\n0";
        let veil = veil(secret);
        let forms = [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap(),
            BASE64.encode(secret.as_bytes()),
            BASE64URL_NOPAD.encode(secret.as_bytes()),
            HEXLOWER.encode(secret.as_bytes()),
            "s3cr%22t%2Fva%2Blue%0A0".to_owned(),
            "s3cr%22t%2fva%2blue%0a0".to_owned(),
            HEXUPPER.encode(secret.as_bytes()),
            "s3cr\\\"t\\/va+lue\\n0".to_owned(),
            "s3cr\\\\\\\"t/va+lue\\\\n0".to_owned(),
        ];
        for form in forms {
            let cut = veil.cut(&format!("before {form} after {form}")).unwrap();
            assert!(!cut.contains(&form), "{form}: {cut}");
            assert!(cut.starts_with("before ") && cut.contains(" after "), "{cut}");
            assert_eq!(cut.matches(CUT).count(), 2, "{form}: {cut}");
        }
        assert_eq!(veil.cut("nothing here"), None);
        assert_eq!(veil.cut(""), None);
    }

    #[test]
    fn whoever_writes_the_json_chooses_which_letters_are_escapes() {
        let secret = "p&ss<w0rd>=é+\u{1f600}/1";
        let veil = veil(secret);
        let all = |hex: fn(u16) -> String| secret.encode_utf16().map(hex).collect::<String>();
        let forms = [
            // As Go, Gson and .NET, Python.
            r"p\u0026ss\u003cw0rd\u003e=é+😀/1".to_owned(),
            r"p\u0026ss\u003cw0rd\u003e\u003dé\u002B😀\/1".to_owned(),
            r"p&ss<w0rd>=\u00e9+\ud83d\ude00/1".to_owned(),
            all(|unit| format!("\\u{unit:04x}")),
            all(|unit| format!("\\u{unit:04X}")),
            r"p&ss<w0r\u0064>=é+😀/1".to_owned(),
            BASE64.encode(secret.as_bytes()).replace('+', r"\u002b").replace('=', r"\u003D"),
        ];
        for form in forms {
            let spelled: String = serde_json::from_str(&format!("\"{form}\"")).unwrap();
            assert!(spelled == secret || spelled == BASE64.encode(secret.as_bytes()), "{form}");
            let mut text = format!("{{\"a\":\"\\u00e9 {form} \\n\"}}");
            for _ in 1..DEEPEST {
                let cut = veil.cut(&text).unwrap();
                assert_eq!(cut.matches(CUT).count(), 1, "{text}: {cut}");
                let read: serde_json::Value = serde_json::from_str(&cut).unwrap();
                assert!(cut.contains(&format!(" {CUT} ")) && read.is_object(), "{text}: {cut}");
                text = serde_json::json!({ "text": text }).to_string();
            }
        }
        assert_eq!(veil.cut(r"p\u0026ss\u003cw0rd\u003e=é+"), None);
    }

    #[test]
    fn lines_of_a_key_are_cut_and_its_armour_is_not() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQg\n                   -----END PRIVATE KEY-----\n";
        let veil = veil(key);
        let cut =
            veil.cut("-----BEGIN PRIVATE KEY-----|MIGHAgEAMBMGByqGSM49AgEGCCqGSM49|").unwrap();
        assert_eq!(cut, format!("-----BEGIN PRIVATE KEY-----|{CUT}|"));
    }

    #[test]
    fn a_secret_too_short_to_be_told_from_a_word_is_left() {
        assert_eq!(veil("secret").cut("no secret here"), None);
        assert_eq!(format!("{:?}", veil("hunter2-hunter2")), "Veil(4)");
    }

    #[test]
    fn a_secret_within_another_goes_with_it() {
        let pair = [
            Secret::new("user:hunter2hunter2".to_owned()),
            Secret::new("hunter2hunter2".to_owned()),
        ];
        let veil = Veil::over(&pair);
        assert_eq!(
            veil.cut("x user:hunter2hunter2 y hunter2hunter2").unwrap(),
            format!("x {CUT} y {CUT}")
        );
    }
}
