//! How far an effect reaches, who could have written what comes back, and how sensitive that is.

use remit_model::tool::{Known, Origin, Trust};
use remit_model::{Confidentiality, Effect, Reach};

use super::places as p;
use super::{Evidence, argument, effect, inferred, known, raise};

/// Arguments that name a place outside, or something that lies with somebody else.
const PLACES: &[&str] = &[
    "url", "urls", "uri", "uris", "href", "endpoint", "host", "hostname", "domain", "repo",
    "owner", "org", "bucket",
];

/// A sign that outsiders are involved.
fn outside(evidence: &Evidence) -> Option<Origin> {
    if let Some(word) = evidence.named(p::OUTSIDE) {
        return Some(inferred(format!("the name says `{word}`")));
    }
    if let Some(phrase) = evidence.described(p::SAYS_OUTSIDE) {
        return Some(inferred(format!("the description says `{phrase}`")));
    }
    evidence
        .arguments()
        .find(|(name, leaf)| {
            // What has an id of its own, apart from its name, lies in somebody's store.
            PLACES.contains(&name.as_str())
                || name.ends_with("_id")
                || matches!(leaf.format.as_str(), "uri" | "url" | "iri")
        })
        .map(|(name, _)| inferred(format!("the argument `{name}`")))
}

/// The reach by everything but annotations and configuration.
pub(super) fn infer(evidence: &Evidence) -> Known<Reach> {
    let word = |list: &[&str]| {
        evidence
            .named(list)
            .or_else(|| evidence.server.iter().map(String::as_str).find(|word| list.contains(word)))
    };
    let mut reach = if let Some(word) = word(p::LOCAL) {
        known(Reach::Local, inferred(format!("the name says `{word}`")))
    } else if let Some(word) = word(p::INTERNAL) {
        known(Reach::Internal, inferred(format!("the name says `{word}`")))
    } else {
        known(Reach::External, outside(evidence).unwrap_or(Origin::Assumed))
    };
    if effect::sends(evidence) {
        raise(&mut reach, Reach::External, || inferred("what is sent leaves"));
    }
    if reach.value < Reach::External
        && let Some(origin) = outside(evidence)
    {
        reach = known(Reach::External, origin);
    }
    reach
}

/// Whether an outsider could have written what comes back.
pub(super) fn returns(evidence: &Evidence, effect: Effect) -> Known<Trust> {
    if let Some(origin) = outside(evidence) {
        return known(Trust::Untrusted, origin);
    }
    let verb = evidence.name.first().map(String::as_str).unwrap_or_default();
    let mut object = evidence.name.iter().map(String::as_str).filter(|word| {
        p::OWN_STATE.contains(word) || !(*word == verb || p::FILLERS.contains(word))
    });
    match object.next() {
        Some(first)
            if effect == Effect::Read
                && p::OWN_STATE.contains(&first)
                && object.all(|word| p::OWN_STATE.contains(&word)) =>
        {
            known(Trust::Trusted, inferred(format!("`{first}` is the system's own state")))
        }
        _ => known(Trust::Untrusted, Origin::Assumed),
    }
}

/// How sensitive what comes back is. `named` is the effect by the name alone: were it the final one,
/// a description that raises a read to a write would lower this.
pub(super) fn sensitivity(evidence: &Evidence, named: Effect) -> Known<Confidentiality> {
    let mut sensitivity = known(Confidentiality::Internal, Origin::Assumed);
    by_fields(evidence, &mut sensitivity);
    // `update_password` is given a secret; it does not return one.
    let returns =
        matches!(named, Effect::Read | Effect::Execute) || evidence.named(p::MINTING).is_some();
    if !returns {
        return sensitivity;
    }
    if let Some(word) = evidence.named(p::CONFIDENTIAL) {
        let rule = || inferred(format!("the name says `{word}`"));
        raise(&mut sensitivity, Confidentiality::Confidential, rule);
    }
    let pair = evidence.name.windows(2).find_map(|pair| match pair {
        [a, b] => p::RESTRICTED_PAIRS.iter().find(|(x, y)| a == x && b == y),
        _ => None,
    });
    if let Some(word) = evidence.named(p::RESTRICTED) {
        let rule = || inferred(format!("the name says `{word}`"));
        raise(&mut sensitivity, Confidentiality::Restricted, rule);
    } else if let Some((first, second)) = pair {
        let rule = || inferred(format!("the name says `{first} {second}`"));
        raise(&mut sensitivity, Confidentiality::Restricted, rule);
    } else if let Some(phrase) = evidence.described(p::SAYS_RESTRICTED) {
        let rule = || inferred(format!("the description says `{phrase}`"));
        raise(&mut sensitivity, Confidentiality::Restricted, rule);
    }
    sensitivity
}

/// What the fields of the result are called, where the server says it.
fn by_fields(evidence: &Evidence, sensitivity: &mut Known<Confidentiality>) {
    for (path, leaf) in &evidence.returned {
        let name = argument::last(path);
        let field = || inferred(format!("the result has a field `{}`", name.join("_")));
        if name.iter().any(|word| p::CONFIDENTIAL.contains(&word.as_str())) {
            raise(sensitivity, Confidentiality::Confidential, field);
        }
        if argument::is_secret(&name, leaf) {
            raise(sensitivity, Confidentiality::Restricted, field);
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_model::Profile;

    use crate::definition::Definition;
    use crate::infer::infer;
    use crate::overrides::Overrides;

    fn profile(name: &str, description: &str, server: &str) -> Profile {
        let text = format!(
            r#"{{"name":"{name}","description":"{description}","inputSchema":{{"type":"object"}}}}"#
        );
        infer(&Definition::parse(&text).unwrap(), server, &Overrides::default())
    }

    #[test]
    fn reach_returns_and_sensitivity() {
        for (name, description, server, expected) in [
            ("read_file", "", "x", "Local Untrusted Internal"),
            ("read_file", "Reads from the cloud drive.", "x", "External Untrusted Internal"),
            ("share_file", "", "x", "External Untrusted Internal"),
            ("search_nodes", "", "memory", "Local Untrusted Internal"),
            ("describe_table", "", "x", "External Untrusted Internal"),
            ("query_database", "", "x", "Internal Untrusted Internal"),
            ("get_balance", "", "x", "External Trusted Internal"),
            ("get_current_day", "", "x", "External Trusted Internal"),
            ("get_day_calendar_events", "", "x", "External Untrusted Internal"),
            ("update_balance", "", "x", "External Untrusted Internal"),
            ("get_time", "Fetches it from the internet.", "x", "External Untrusted Internal"),
            ("ping", "", "x", "External Trusted Internal"),
            ("get", "", "x", "External Untrusted Internal"),
            ("get_secret", "", "x", "External Untrusted Restricted"),
            ("list_api_keys", "", "x", "External Untrusted Restricted"),
            ("create_api_key", "", "x", "External Untrusted Restricted"),
            ("update_password", "", "x", "External Untrusted Internal"),
            (
                "get_config",
                "Returns all environment variables.",
                "x",
                "External Untrusted Restricted",
            ),
            ("get_config", "Never returns credentials.", "x", "External Untrusted Internal"),
            ("list_salaries", "", "x", "External Untrusted Confidential"),
        ] {
            let found = profile(name, description, server);
            let got = format!(
                "{:?} {:?} {:?}",
                found.reach.value, found.returns.value, found.sensitivity.value
            );
            assert_eq!(got, expected, "{name}: {description}");
        }
    }

    #[test]
    fn the_fields_of_a_result_raise_its_sensitivity() {
        for (field, expected) in [
            ("title", "Internal"),
            ("next_page_token", "Internal"),
            ("salary", "Confidential"),
            ("password", "Restricted"),
            ("apiKey", "Restricted"),
        ] {
            let text = format!(
                r#"{{"name":"get_user","inputSchema":{{"type":"object"}},"outputSchema":
                {{"type":"object","properties":{{"rows":{{"type":"array","items":{{"type":"object",
                "properties":{{"{field}":{{"type":"string"}}}}}}}}}}}}}}"#
            );
            let definition = Definition::parse(&text).unwrap();
            let found = infer(&definition, "x", &Overrides::default()).sensitivity;
            assert_eq!(format!("{:?}", found.value), expected, "{field}: {}", found.origin);
        }
    }
}
