//! Names taken apart into words.
//!
//! Not as `remit_provenance` does it for columns (singulars, without digits) nor `remit_secrets` for what tells
//! of a secret (`APIKey` is one word there): a change of one of the three rules is none of the others.

/// The lower-case words of a name: split at anything that is no letter or digit and at changes of
/// case, so `send_email`, `send-email`, `sendEmail` and `SENDEmail` read alike.
pub(crate) fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let lower = |c: Option<&char>| c.is_some_and(|c| c.is_lowercase());
        let upper = |c: Option<&char>| c.is_some_and(|c| c.is_uppercase());
        let digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
        let starts =
            c.is_uppercase() && (lower(before) || digit(before) || (upper(before) && lower(after)));
        if !c.is_alphanumeric() || starts {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_alike() {
        for name in ["send_email_now", "send-email.now", "sendEmailNow", "SENDEmailNow"] {
            assert_eq!(words(name), ["send", "email", "now"], "{name}");
        }
        assert_eq!(words("getURL"), ["get", "url"]);
        assert_eq!(words("to[]"), ["to"]);
        assert!(words("__").is_empty());
    }
}
