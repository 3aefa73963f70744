//! Whether a value is a secret by its name and its looks, where it has no form that says so.

/// Words of a name that say that its value is secret.
const TELLING: [&str; 18] = [
    "accesskey",
    "accesstoken",
    "authtoken",
    "clientsecret",
    "secretkey",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "apikey",
    "credential",
    "credentials",
    "authorization",
    "bearer",
    "pat",
    "cookie",
];
/// Words that stand before `key` where that is secret.
const KEYS: [&str; 11] = [
    "api",
    "access",
    "secret",
    "private",
    "signing",
    "encryption",
    "master",
    "service",
    "auth",
    "account",
    "license",
];
/// Last words of names whose value is something about a secret.
const ABOUT: [&str; 27] = [
    "file",
    "path",
    "dir",
    "url",
    "uri",
    "endpoint",
    "id",
    "name",
    "host",
    "type",
    "expiry",
    "ttl",
    "limit",
    "max",
    "length",
    "count",
    "header",
    "command",
    "scope",
    "scopes",
    "user",
    "prefix",
    "algorithm",
    "hash",
    "policy",
    "version",
    "ref",
];
/// Words of names whose value is meant to be passed on, though they speak of tokens and keys: where a
/// list goes on, what was signed, digests.
const OPEN: [&str; 18] = [
    "public",
    "next",
    "page",
    "pagination",
    "continuation",
    "cursor",
    "sync",
    "resume",
    "progress",
    "csrf",
    "xsrf",
    "sha1",
    "sha256",
    "digest",
    "checksum",
    "fingerprint",
    "placeholder",
    "verification",
];
/// Names of what people choose, which need not look random.
const CHOSEN: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];
/// What stands for a value in examples.
const STANDS_FOR: [&str; 16] = [
    "your",
    "example",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "dummy",
    "xxxx",
    "...",
    "redacted",
    "insert",
    "replace",
    "sample",
    "****",
    "abcdefgh",
    "12345678",
];
/// What begins a reference to something kept elsewhere.
const ELSEWHERE: [&str; 12] = [
    "remit:secret/",
    "$",
    "%",
    "{{",
    "<",
    "op://",
    "vault:",
    "file:",
    "env:",
    "ref:",
    "keychain:",
    "@",
];
/// What begins a digest that says so.
const DIGESTS: [&str; 6] = ["sha1", "sha256", "sha384", "sha512", "md5", "$2"];

/// The shortest value that counts by its name.
const MIN_LENGTH: usize = 8;
/// The longest: what is longer is a document.
const MAX_LENGTH: usize = 1024;
/// How much a value that counts by its name must hold, in bits, as its characters look.
const MIN_BITS: f64 = 36.0;
/// The same for a password, whose name says more.
const MIN_CHOSEN: f64 = 24.0;
/// From which length on one class of characters is enough, if they look random.
const LONG: usize = 20;
/// How random that is, in bits a character.
const RANDOM: f64 = 3.2;

/// Whether `value`, which stands alone under this `name` in a configuration, looks like a secret: not
/// like a word, a path or an address.
pub fn looks_random(value: &str) -> bool {
    let path = ["/", "./", "../", "~"].iter().any(|begins| value.starts_with(begins));
    if value.len() < MIN_LENGTH
        || path
        || value.contains("://")
        || value.contains(char::is_whitespace)
    {
        return false;
    }
    let random = entropy(value.as_bytes());
    let classes: [fn(char) -> bool; 3] =
        [|c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase(), |c| c.is_ascii_digit()];
    let classes = classes.iter().filter(|class| value.contains(**class)).count();
    bits(value) >= MIN_BITS && (classes >= 2 || (value.len() >= LONG && random >= RANDOM))
}

/// Whether `value`, which stands behind this `name` somewhere in a text, is a secret. In text, code
/// comes after names, too: an identifier is no secret, however long it is.
pub fn is_secret_in_text(name: &str, value: &str) -> bool {
    let words = words(name);
    let one_of = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if !tells(&words) || one_of(&OPEN) || stands_for(value) || value.len() > MAX_LENGTH {
        return false;
    }
    let digest = DIGESTS.iter().any(|begins| value.starts_with(begins));
    let mixed = value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| c.is_ascii_alphabetic());
    if digest || !mixed || is_address(value) {
        return false;
    }
    if one_of(&CHOSEN) {
        return value.len() >= MIN_LENGTH && bits(value) >= MIN_CHOSEN && !is_expression(value);
    }
    !is_wordy(value) && looks_random(value)
}

/// Whether a name says that its value is secret.
pub fn is_telling(name: &str) -> bool {
    tells(&words(name))
}

fn tells(words: &[String]) -> bool {
    let (Some(last), before) = (words.last(), words.len().checked_sub(2)) else { return false };
    if ABOUT.contains(&last.as_str()) || words.iter().any(|word| word == "public") {
        return false;
    }
    let before = before.and_then(|at| words.get(at)).map_or("", String::as_str);
    words.iter().any(|word| TELLING.contains(&word.as_str()))
        || (last == "key" && KEYS.contains(&before))
}

/// Whether `value` stands for another, as in an example.
pub fn stands_for(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    is_elsewhere(value) || STANDS_FOR.iter().any(|word| small.contains(word))
}

/// Whether `value` says where the value is.
pub fn is_elsewhere(value: &str) -> bool {
    value.is_empty()
        || ELSEWHERE.iter().any(|begins| value.starts_with(begins))
        || value.contains("${")
}

/// Shannon's entropy of the bytes of `text`, in bits a byte.
pub fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>().max(1));
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total);
    shares.map(|share| -share * share.log2()).sum()
}

fn bits(value: &str) -> f64 {
    let length = u32::try_from(value.len()).map_or(f64::MAX, f64::from);
    entropy(value.as_bytes()) * length
}

/// A place in a file system, on a network or in a program.
fn is_address(value: &str) -> bool {
    let begins = ["/", "./", "../", "~", "http"].iter().any(|begins| value.starts_with(begins));
    begins || value.contains("://") || value.contains("::") || value.contains("->")
}

/// What code writes where a configuration has the password: `config.db2`, `DB_PASSWORD2`.
fn is_expression(value: &str) -> bool {
    is_wordy(value) && (value.contains('.') || is_telling(value))
}

/// Whether it is made of words and short numbers: a name such as `prod-db-credentials-v2`.
fn is_wordy(value: &str) -> bool {
    value.split(|c: char| !c.is_ascii_alphanumeric()).all(|part| {
        let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - letters.len();
        let word = letters.chars().all(|c| c.is_ascii_alphabetic()) && digits <= 4;
        word || letters.is_empty()
    })
}

/// The words of a name, whether they are told apart by signs or by capitals. Capitals in a row are one word
/// with what follows, as the lists above have it (`APIKey`), other than for the names that `remit_catalogue`
/// takes apart.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        let begins = !c.is_ascii_alphanumeric() || (small && c.is_ascii_uppercase());
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        small = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_looks_make_a_secret() {
        for (name, value) in [
            ("api_key", "q7Zt3VbK9xWm2RdLp8Yc"),
            ("Authorization", "q7Zt3VbK9xWm2RdLp8Yc"),
            ("adafruit_api_token", "5f4dcc3b5aa765d61d8327deb882cf99"),
            ("db.password", "hunter2hunter2"),
            ("clientSecret", "0e37df36-f698-11e6-8dd4-cb9ced3df976"),
        ] {
            assert!(is_secret_in_text(name, value), "{name}");
        }
    }

    #[test]
    fn what_only_speaks_of_one_is_none() {
        for (name, value) in [
            ("commit", "5f4dcc3b5aa765d61d8327deb882cf99"),
            ("token", "getAccessTokenFromCache2"),
            ("secret", "prod-db-credentials-v2"),
            ("token", "self.tokens.first"),
            ("nextPageToken", "q7Zt3VbK9xWm2RdLp8Yc"),
            ("token_id", "q7Zt3VbK9xWm2RdLp8Yc"),
            ("password_hash", "5f4dcc3b5aa765d61d8327deb882cf99"),
            ("publicKeyToken", "b77a5c561934e089"),
            ("secret", "sha256:5f4dcc3b5aa765d61d8327deb882cf99"),
            ("API_KEY", "your-api-key-123456"),
            ("password", "correcthorse"),
            ("token", "/run/secrets/token2"),
        ] {
            assert!(!is_secret_in_text(name, value), "{name} {value}");
        }
    }
}
