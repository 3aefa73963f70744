//! Texts in which other people's secrets are looked for: wherever a text is split the same is found, what is
//! cut is gone, and JSON stays JSON.

use std::sync::LazyLock;

use remit_secrets::{Key, Lookout, MAX_FOUND};

static LOOKOUT: LazyLock<Lookout> = LazyLock::new(|| {
    let sealed = remit_model::Secret::new("sealed away".to_owned());
    Lookout::new(Key::new(&[1; 32])).with(&"kept".parse().expect("a name"), &sealed)
});

/// One input.
pub(crate) fn hold(text: &str) {
    let found = LOOKOUT.find(text);
    assert!(found.len() <= MAX_FOUND);
    let mut end = 0;
    for finding in &found {
        assert!(end <= finding.at.start && finding.at.start < finding.at.end);
        end = finding.at.end;
    }
    assert!(end <= text.len());
    for part in 1..4 {
        let (one, other) = text.split_at(text.floor_char_boundary(text.len() * part / 4));
        let mut stream = LOOKOUT.stream();
        stream.push(one);
        stream.push(other);
        assert_eq!(stream.finish(), found);
    }
    let cut = LOOKOUT.cut(text);
    assert_eq!(cut.is_some(), !found.is_empty());
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        && let Some(cut) = LOOKOUT.cut_json(text)
    {
        serde_json::from_str::<&serde_json::value::RawValue>(&cut.text).expect("JSON as before");
    }
}
