//! What a piece of text is by its shape: an address, an account number, something that is not repeated
//! by accident.

use memchr::memchr;

/// The shortest account or phone number whose separators are passed over.
pub(crate) const SHORTEST_COMPACT: usize = 6;

/// From this length a name without any digit or mark is one that nobody repeats by accident.
pub(crate) const LONG: usize = 24;

/// Letters and digits alone.
pub(crate) fn compact(piece: &str) -> String {
    let mut compact = piece.to_owned();
    compact.retain(char::is_alphanumeric);
    compact
}

/// How long it is without anything but letters and digits.
pub(crate) fn compact_length(piece: &str) -> usize {
    if piece.is_ascii() {
        return piece.bytes().filter(u8::is_ascii_alphanumeric).count();
    }
    piece.chars().filter(|c| c.is_alphanumeric()).map(char::len_utf8).sum()
}

/// Whether a piece can be an account or phone number in groups. In any other piece the marks say where its
/// parts begin and end: `123456@7.example` is not `1234567@.example`, nor is one address of a network another.
pub(crate) fn is_grouped(piece: &str) -> bool {
    let figures = |marks: &str| piece.chars().all(|c| c.is_ascii_digit() || marks.contains(c));
    piece.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '(' | ')' | '+'))
        || figures("/+-")
        || (figures(".+") && host(piece).is_none())
}

/// The letters and digits of an account or phone number in groups; `None` of anything else.
pub(crate) fn ungrouped(piece: &str) -> Option<String> {
    is_grouped(piece).then(|| compact(piece)).filter(|number| is_number_like(number))
}

/// Whether what is left of a piece without its separators is an account or phone number.
pub(crate) fn is_number_like(compact: &str) -> bool {
    let digits = compact.bytes().filter(u8::is_ascii_digit).count();
    compact.len() >= SHORTEST_COMPACT && digits * 2 >= compact.len()
}

/// Whether a name is one that is not repeated by accident.
pub(crate) fn is_distinct(piece: &str) -> bool {
    let digits = || piece.bytes().filter(u8::is_ascii_digit).count();
    let inner = || piece.trim_matches(|c: char| !c.is_alphanumeric());
    let marked = |text: &str| text.bytes().any(|b| matches!(b, b'@' | b'/' | b'\\' | b'_'));
    piece.len() >= LONG
        || (marked(piece) && marked(inner()))
        || (digits() >= 2 && compact_length(piece) >= SHORTEST_COMPACT)
        || host(piece).is_some()
        || (piece.starts_with(['@', '#']) && !inner().is_empty())
}

/// The host of an address: of a URL, of an e-mail address, or a bare name with dots.
pub(crate) fn host(piece: &str) -> Option<&str> {
    memchr(b'.', piece.as_bytes())?;
    let scheme = if piece.contains(':') { piece.split_once("://") } else { None };
    let rest = scheme.map_or(piece, |(_, rest)| rest);
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\'));
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    let named = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = named.split_once(':').map_or(named, |(host, _)| host);
    let last = host.rsplit_once('.').map(|(_, last)| last)?;
    let top = || last.len() >= 2 && last.chars().all(char::is_alphabetic);
    let figures = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let address = || host.bytes().all(figures) && host.split('.').count() == 4;
    (has_labels(host) && (top() || address())).then_some(host)
}

/// Whether it consists of labels with a dot between each two.
fn has_labels(host: &str) -> bool {
    let mut before = '.';
    let fits = host.chars().all(|c| {
        let fits = c.is_alphanumeric() || matches!(c, '-' | '_') || (c == '.' && before != '.');
        before = c;
        fits
    });
    fits && before != '.'
}

/// Endings of bare names that are files' rather than hosts'.
const FILES: [&str; 24] = [
    "txt", "md", "csv", "tsv", "json", "xml", "yaml", "yml", "toml", "pdf", "doc", "docx", "odt",
    "xls", "xlsx", "ppt", "pptx", "png", "jpg", "jpeg", "gif", "svg", "zip", "log",
];

/// Whether people or programs would follow it: a URL, or a host that is no file's name.
pub(crate) fn is_link(piece: &str) -> bool {
    let Some(host) = host(piece).filter(|_| !is_mail(piece)) else { return false };
    let ending = host.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let file = piece == host && ending.is_some_and(|ending| FILES.contains(&ending.as_str()));
    !file
}

/// Whether it is an address of e-mail.
pub(crate) fn is_mail(piece: &str) -> bool {
    piece.split_once('@').is_some_and(|(name, rest)| {
        !name.is_empty() && !name.contains('/') && host(rest) == Some(rest)
    })
}

/// Whether it has the form of an IBAN: country, check digits, up to thirty letters and digits.
pub(crate) fn is_account(piece: &str) -> bool {
    let (country, rest) = piece.split_at_checked(2).unwrap_or_default();
    let (check, rest) = rest.split_at_checked(2).unwrap_or_default();
    let upper =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    country.bytes().all(|byte| byte.is_ascii_uppercase())
        && check.len() == 2
        && check.bytes().all(|byte| byte.is_ascii_digit())
        && (11..=30).contains(&rest.len())
        && upper(rest)
}

/// Whether it names one thing and says nothing: one piece without blanks, or a few capitalised or
/// plain words, as names of people and places are written.
pub(crate) fn is_name(text: &str) -> bool {
    const MAX_PIECES: usize = 5;
    const MAX_LENGTH: usize = 128;
    let mark = |c: char| c.is_alphanumeric() || " .'’-_&".contains(c);
    let pieces = text.split_whitespace().count();
    text.len() <= MAX_LENGTH
        && (pieces == 1 || (pieces <= MAX_PIECES && text.chars().all(mark)))
        && (pieces == 1 || !text.contains(". "))
}
