//! Mail addresses out of whatever people, models and attackers write into a `to` field.
//!
//! RFC 5322 lists, display names, groups, comments and quoted strings; `mailto:` URIs with further
//! recipients in their headers (RFC 6068); and line breaks, which a careless server would turn into
//! header lines of their own. Every address that any of these readings yields is named.

use super::host::percent_decoded;

/// Every address in `text`, in lower case; a part without one stands for itself in lower case.
pub(super) fn addresses(text: &str) -> Vec<String> {
    let text = text.trim();
    let list = match text.split_once(':') {
        Some((scheme, rest)) if is_mailto(scheme) => from_mailto(rest),
        _ => text.to_owned(),
    };
    split_list(&list).iter().flat_map(|part| one(part)).filter(|found| !found.is_empty()).collect()
}

fn is_mailto(scheme: &str) -> bool {
    scheme.trim().eq_ignore_ascii_case("mailto")
}

/// Whether the whole text is one plain address.
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && domain.contains('.')
        && text.len() <= 320
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'))
}

/// `a@x?cc=b@x&bcc=c@x`, as it follows `mailto:`, as the list `a@x,b@x,c@x`.
fn from_mailto(rest: &str) -> String {
    let (to, headers) = rest.split_once('?').unwrap_or((rest, ""));
    let mut list = percent_decoded(to);
    for header in headers.split('&') {
        let (name, value) = header.split_once('=').unwrap_or((header, ""));
        let name = percent_decoded(name).to_ascii_lowercase();
        if matches!(name.as_str(), "to" | "cc" | "bcc") {
            list.push(',');
            list.push_str(&percent_decoded(value));
        }
    }
    list
}

/// Splits at commas, semicolons and line ends outside quotes, angle brackets and comments; drops
/// comments.
fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut angle, mut depth, mut escaped) = (false, false, 0_usize, false);
    // A quote that never closes would hide what follows it.
    let balanced = text.matches('"').count().is_multiple_of(2);
    for c in text.chars() {
        let literal = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !literal => escaped = true,
            '"' if balanced && depth == 0 && !literal => quoted = !quoted,
            '\n' | '\r' => {
                (quoted, angle, depth) = (false, false, 0);
                parts.push(String::new());
                continue;
            }
            '(' if !quoted && text.contains(')') => depth += 1,
            ')' if !quoted && depth > 0 => {
                depth -= 1;
                continue;
            }
            '<' if !quoted && depth == 0 && text.contains('>') => angle = true,
            '>' if !quoted && depth == 0 => angle = false,
            ',' | ';' if !quoted && !angle && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0
            && let Some(part) = parts.last_mut()
        {
            part.push(c);
        }
    }
    parts
}

/// The address of one list member: what stands in the last angle brackets, else after a group's
/// name, else all of it. Addresses that stand in the display name are named, too: some readers take
/// every address they see.
fn one(part: &str) -> Vec<String> {
    let part = part.trim();
    let (display, inner) = match part.rsplit_once('<') {
        Some((display, rest)) => (display, rest.split('>').next().unwrap_or(rest)),
        None => ("", part),
    };
    let shown = display
        .split(|c: char| c.is_whitespace() || "\"'<>,;()".contains(c))
        .filter(|word| is_address(word))
        .map(str::to_lowercase);
    let mut found: Vec<String> = shown.collect();
    match inner.split_once(':') {
        Some((scheme, rest)) if is_mailto(scheme) => found.extend(addresses(&from_mailto(rest))),
        Some((label, rest)) if !label.contains(['"', '@', '[']) => found.push(bare(rest)),
        _ => found.push(bare(inner)),
    }
    found
}

fn bare(address: &str) -> String {
    address.trim().trim_end_matches('.').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_is_found() {
        for (text, expected) in [
            ("A@X.example", &["a@x.example"][..]),
            ("Ann <a@x.example>", &["a@x.example"]),
            (
                r#""boss@good.example" <evil@bad.example>"#,
                &["boss@good.example", "evil@bad.example"],
            ),
            (r#""x, evil@bad.example" <a@x.example>"#, &["evil@bad.example", "a@x.example"]),
            (
                "b@x.example, <mailto:a@x.example?bcc=c@x.example>",
                &["b@x.example", "a@x.example", "c@x.example"],
            ),
            (r#""Doe, Ann" <a@x.example>, b@x.example"#, &["a@x.example", "b@x.example"]),
            ("a@x.example;b@x.example", &["a@x.example", "b@x.example"]),
            ("a@x.example\r\nBcc: evil@bad.example", &["a@x.example", "evil@bad.example"]),
            ("mailto:a@x.example?cc=b%40x.example&subject=s", &["a@x.example", "b@x.example"]),
            ("Team: a@x.example, b@x.example;", &["a@x.example", "b@x.example"]),
            ("a@x.example (Ann, really)", &["a@x.example"]),
            ("a@x.example.", &["a@x.example"]),
            (r#"a@x.example" , evil@bad.example"#, &[r#"a@x.example""#, "evil@bad.example"]),
            ("a@x.example (, evil@bad.example", &["a@x.example (", "evil@bad.example"]),
            ("<a@x.example, evil@bad.example", &["a@x.example", "evil@bad.example"]),
            ("everyone", &["everyone"]),
            ("", &[]),
            (" , ;", &[]),
        ] {
            assert_eq!(addresses(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_whole_address_is_one() {
        assert!(is_address("a.b+c@x.example"));
        for other in ["a@b", "write to a@x.example", "@x.example", "https://a@x.example/", "a"] {
            assert!(!is_address(other), "{other}");
        }
    }
}
