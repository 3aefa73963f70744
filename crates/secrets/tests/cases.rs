#![cfg(test)]
//! What is found where: `cases.toml`, a row each. And what must hold of every text.

use std::fmt::Write as _;

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use remit_model::{Secret, SecretName};
use remit_secrets::{Finding, Key, Lookout, MAX_FOUND, SEALED};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    what: String,
    text: String,
    found: Vec<String>,
}

/// Look random, and are nobody's.
const RANDOM: &str = "q7Zt3VbK9xWm2RdLp8YcJ5hNf4GsTa6EuQ1oBvXiMnPrUwDyHk0zCgFjSeAlO";
const HEX: &str = "3f9a1c7e5b2d8046e9c1f7a3b5d20846fa7c3e1b9d5820647c1ea9f3d5b26804";
const BASE32: &str = "K4QX7ZB2WM5NT6YRHJ3VDPLC";

/// `text` with what its `~N`, `~hN` and `~uN` stand for.
fn filled(text: &str) -> String {
    let mut parts = text.split('~');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let of = |kind, from| part.strip_prefix(kind).map(|part| (from, part));
        let (from, part) = of('h', HEX).or(of('u', BASE32)).unwrap_or((RANDOM, part));
        let (count, rest) = part.split_at(part.chars().take_while(char::is_ascii_digit).count());
        out.extend(from.chars().cycle().take(count.parse().unwrap()));
        out.push_str(rest);
    }
    out
}

fn cases() -> Vec<Case> {
    let cases: Cases = toml::from_str(include_str!("cases.toml")).unwrap();
    let filled = |case: Case| Case { text: filled(&case.text), ..case };
    cases.case.into_iter().map(filled).collect()
}

fn lookout() -> Lookout {
    Lookout::new(Key::new(&[7; 32]))
}

fn rules(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| &*finding.rule).collect()
}

/// A token whose last six characters are its checksum is one; made here, since none may stand in a file.
fn pat() -> String {
    format!("ghp_{}", RANDOM.chars().take(36).collect::<String>())
}

#[test]
fn each_text_gives_what_its_row_says() {
    let lookout = lookout();
    for case in cases() {
        let after = lookout.cut(&case.text).map_or_else(String::new, |cut| cut.text);
        assert_eq!(rules(&lookout.find(&case.text)), case.found, "{}: {after}", case.what);
    }
}

#[test]
fn texts_without_secrets_pass_untouched() {
    for text in [
        include_str!("../../../Cargo.lock"),
        include_str!("../../../e2e/package-lock.json"),
        include_str!("../../../docs/conformance.md"),
        include_str!("../../../docs/credentials.md"),
        include_str!("../../../ARCHITECTURE.md"),
        include_str!("../src/json.rs"),
    ] {
        assert_eq!(lookout().cut(text), None);
    }
}

#[test]
fn the_same_secret_has_the_same_placeholder_under_one_key_alone() {
    let text = format!("{0} and {0} and {1}", pat(), pat().replace("q7Z", "q7z"));
    let cut = lookout().cut(&text).unwrap();
    let [one, same, other] = &cut.found[..] else { panic!("{cut:?}") };
    assert_eq!(one.placeholder(), same.placeholder());
    assert_ne!(one.placeholder(), other.placeholder());
    assert_eq!(cut.text, format!("{0} and {0} and {1}", one.placeholder(), other.placeholder()));
    let elsewhere = Lookout::new(Key::new(&[8; 32])).cut(&text).unwrap();
    assert_ne!(elsewhere.found[0].fingerprint, one.fingerprint);
}

#[test]
fn a_cut_text_has_nothing_left_to_cut() {
    let lookout = lookout();
    for case in cases() {
        if let Some(cut) = lookout.cut(&case.text) {
            assert_eq!(lookout.cut(&cut.text), None, "{}: {}", case.what, cut.text);
        }
    }
}

#[test]
fn what_lies_in_sealed_storage_is_found_whatever_its_form() {
    let name: SecretName = "deploy".parse().unwrap();
    let value = "correct horse battery staple";
    let lookout = lookout().with(&name, &Secret::new(value.to_owned()));
    let cut = lookout.cut(&format!("say {value}, or almost: correct horse battery stapl")).unwrap();
    assert_eq!(rules(&cut.found), [SEALED]);
    assert!(!cut.text.contains(value));
    let text = format!("{lookout:?} {cut:?}");
    assert!(!text.contains("horse"), "{text}");
    assert_eq!(lookout.without(&name).cut(value), None);
}

#[test]
fn a_secret_too_short_to_be_told_from_a_word_is_not_looked_for() {
    let lookout = lookout().with(&"pin".parse().unwrap(), &Secret::new("1234567".to_owned()));
    assert_eq!(lookout.cut("call 1234567"), None);
}

#[test]
fn json_is_cut_within_its_strings() {
    let json = serde_json::json!({
        "content": [{ "type": "text", "text": format!("line\n\"{}\"\tñ {}", pat(), pat()) }],
        "structuredContent": { "n": 1, "db": { "password": "hunter2hunter2", "host": "db2.internal1" } },
    });
    let text = serde_json::to_string_pretty(&json).unwrap();
    let cut = lookout().cut_json(&text).unwrap();
    assert_eq!(rules(&cut.found), ["github-pat", "github-pat", "named-secret"]);
    let after: serde_json::Value = serde_json::from_str(&cut.text).unwrap();
    let [one, _, named] = &cut.found[..] else { panic!() };
    let token = one.placeholder();
    assert_eq!(after["content"][0]["text"], format!("line\n\"{token}\"\tñ {token}"));
    assert_eq!(after["structuredContent"]["db"]["password"], named.placeholder());
    assert_eq!(after["structuredContent"]["db"]["host"], "db2.internal1");
}

#[test]
fn json_that_is_written_in_escapes_hides_nothing() {
    let mut written = String::new();
    for c in pat().chars() {
        write!(written, "\\u{:04x}", u32::from(c)).unwrap();
    }
    let cut = lookout().cut_json(&format!(r#"{{"text":"😀 \ud83d\ude00 {written}!"}}"#)).unwrap();
    let placeholder = cut.found[0].placeholder();
    assert_eq!(cut.text, format!(r#"{{"text":"😀 \ud83d\ude00 {placeholder}!"}}"#));
}

#[test]
fn a_secret_that_goes_on_in_the_next_text_is_cut_from_both() {
    let token = pat();
    let (one, other) = token.split_at(20);
    let json = serde_json::json!({ "content": [
        { "type": "text", "text": format!("a {one}") },
        { "type": "text", "text": format!("{other} b") },
    ]});
    let cut = lookout().cut_json(&json.to_string()).unwrap();
    assert!(!cut.text.contains(one) && !cut.text.contains(other), "{}", cut.text);
    serde_json::from_str::<serde_json::Value>(&cut.text).unwrap();
}

#[test]
fn behind_too_many_secrets_nothing_is_shown() {
    let text = format!("{} ", pat()).repeat(3 * MAX_FOUND) + "the end";
    let cut = lookout().cut(&text).unwrap();
    assert_eq!(cut.found.len(), MAX_FOUND);
    assert!(!cut.text.contains("ghp_") && !cut.text.contains("the end"));
}

/// A token under HS256; each `which` has another.
fn jwt(which: usize) -> String {
    let claims = format!(r#"{{"sub":"user-{which:04}","name":"Ann","scope":"read write"}}"#);
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims), filled("~43"))
}

#[test]
fn however_many_short_ones_stand_together_each_is_found() {
    let key = |which: usize| {
        let body = format!("MC4CAQAwBQYDK2VwBCIEI{which:04}{}", filled("~39"));
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----")
    };
    for (rule, text) in [("jwt", jwt as fn(usize) -> String), ("private-key", key)] {
        let text: Vec<String> = (0..25).map(text).collect();
        assert_eq!(rules(&lookout().find(&text.join("\n"))), [rule; 25]);
    }
    let behind = format!("{}\n{}", "eyJpZCI6MTIzfQ\n".repeat(200), jwt(1));
    assert_eq!(rules(&lookout().find(&behind)), ["jwt"]);
}

#[test]
fn public_keys_and_ids_pass_however_many_stand_together() {
    let key = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", filled("~60"));
    assert_eq!(lookout().cut(&key.repeat(200)), None);
    assert_eq!(lookout().cut(&"eyJpZCI6MTIzfQ ".repeat(2000)), None);
    assert_eq!(lookout().cut(&r#"{"token":1,"b":2}"#.repeat(2000)), None);
}

#[test]
fn what_is_not_looked_at_for_all_that_stands_before_it_is_not_shown() {
    // Each of them could be a key as long as any.
    let flood = "-----BEGIN PRIVATE KEY-----. ".repeat(20);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{RANDOM}{RANDOM}\n");
    let text = format!("before {} {flood}{key}{} behind", "word ".repeat(60), "word ".repeat(8000));
    let cut = lookout().cut(&text).unwrap();
    assert!(!cut.text.contains(RANDOM), "{}", cut.text);
    assert!(cut.text.starts_with("before word") && cut.text.ends_with("word  behind"));
    let lookout = lookout();
    let mut pieces = lookout.stream();
    for piece in text.as_bytes().chunks(1000) {
        pieces.push(std::str::from_utf8(piece).unwrap());
    }
    assert_eq!(pieces.finish(), cut.found);
}

#[test]
fn however_many_of_sealed_storage_begin_alike_each_is_found() {
    let value = |which: usize| format!("sk-live-{}{which:04}", RANDOM.repeat(7));
    let mut lookout = lookout();
    for which in 0..300 {
        let name: SecretName = format!("key-{which}").parse().unwrap();
        lookout = lookout.with(&name, &Secret::new(value(which)));
    }
    let text = format!("{} {} {}", value(0), value(150), value(299));
    assert_eq!(rules(&lookout.find(&text)), [SEALED; 3]);
}

#[test]
fn behind_too_many_secrets_of_all_texts_no_text_is_shown() {
    let text = |text: String| serde_json::json!({ "text": text });
    let many = text(format!("{} ", pat()).repeat(2 * MAX_FOUND));
    let json = serde_json::json!([many, text(format!("{} the end", pat()))]);
    let cut = lookout().cut_json(&json.to_string()).unwrap();
    assert!(!cut.text.contains("the end"), "{}", cut.text);
}

#[test]
fn a_secret_that_is_spread_over_many_texts_is_cut_from_each() {
    let token = pat();
    let letters = token.chars().map(|c| serde_json::json!({ "text": c }));
    let words = std::iter::repeat_n(serde_json::json!({ "text": "\u{e9}, " }), 30_000);
    let all: Vec<serde_json::Value> = words.clone().chain(letters).chain(words).collect();
    let json = serde_json::Value::from(all).to_string();
    let cut = lookout().cut_json(&json).unwrap();
    assert_eq!(rules(&cut.found), vec!["github-pat"; token.len()]);
    assert_eq!(cut.text.matches("é").count(), 60_000);
    serde_json::from_str::<serde_json::Value>(&cut.text).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn wherever_a_text_is_split_the_same_is_found(
        cuts in proptest::collection::vec(0.0..1.0_f64, 0..12), case in 0..64_usize, before in 0..70_000_usize,
    ) {
        let cases = cases();
        let lookout = lookout().with(&"kept".parse().unwrap(), &Secret::new("sealed and kept".to_owned()));
        let case = &cases[case % cases.len()];
        let text = format!("{}{}\nsealed and kept.", "word ".repeat(before / 5), case.text);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a place in a short text")]
        let mut places: Vec<usize> = cuts.iter()
            .map(|cut| text.floor_char_boundary((text.len() as f64 * cut) as usize)).collect();
        places.sort_unstable();
        let mut stream = lookout.stream();
        let mut from = 0;
        for place in places.into_iter().chain([text.len()]) {
            stream.push(text.get(from..place).unwrap());
            from = place;
        }
        prop_assert_eq!(stream.finish(), lookout.find(&text));
    }

    #[test]
    fn no_text_of_any_kind_breaks_it(text in "[a-z\"\\\\{}:,u0-9 é\u{1F600}-]{0,200}") {
        let lookout = lookout();
        if let Some(cut) = lookout.cut(&text) {
            prop_assert!(!cut.found.is_empty());
        }
        let json = serde_json::to_string(&serde_json::json!({ "password": text, "text": [text] })).unwrap();
        if let Some(cut) = lookout.cut_json(&json) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&cut.text).is_ok());
        }
    }
}
