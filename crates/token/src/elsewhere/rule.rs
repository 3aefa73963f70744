//! Which claims of a token say that it is about an agent: exact values, or texts with `*` in them.
//!
//! They are nested as in the token, so a name with dots in it needs no escape.

use remit_model::Value;

/// Claims that one rule may name (R13).
pub const MAX_CLAIMS: usize = 32;
/// Values that one claim may have (R13).
const MAX_VALUES: usize = 64;
/// Bytes of a text with `*` in it (R13).
const MAX_GLOB: usize = 256;

/// What claims must be, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Vec<(Vec<String>, Vec<Wanted>)>);

/// What a claim can be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// Just this.
    Exactly(Value),
    /// A text with these parts and anything between them.
    Parts(Vec<String>),
}

/// A value that cannot say what claims must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected claims as in the token, each a text, a number, a truth value or a list of some: {0}"
)]
pub struct RuleError(String);

impl Claims {
    /// Reads an object that is nested as the token is.
    ///
    /// Errors: it names no claim, too many, or a value that no claim can be compared with.
    pub fn read(rule: &Value) -> Result<Self, RuleError> {
        let mut claims = Vec::new();
        collect(rule, &mut Vec::new(), &mut claims)?;
        if claims.is_empty() || claims.len() > MAX_CLAIMS {
            return Err(RuleError(format!(
                "it names {} claims, not 1 to {MAX_CLAIMS}",
                claims.len()
            )));
        }
        Ok(Self(claims))
    }

    /// Whether a token with `claims` is so. A claim that is a list is what any of its elements is.
    pub fn fit(&self, claims: &Value) -> bool {
        self.0.iter().all(|(path, wanted)| {
            let found = path.iter().try_fold(claims, |at, name| at.member(name));
            found.is_some_and(|found| match found {
                Value::List(several) => several.iter().any(|one| is_one(wanted, one)),
                one => is_one(wanted, one),
            })
        })
    }

    /// Whether the claim at `path` is named, by exact texts alone.
    pub(super) fn has_exactly(&self, path: &[&str]) -> bool {
        let exact = |wanted: &Wanted| matches!(wanted, Wanted::Exactly(Value::Text(_)));
        self.0.iter().any(|(named, wanted)| named == path && wanted.iter().all(exact))
    }
}

fn collect(
    rule: &Value,
    path: &mut Vec<String>,
    claims: &mut Vec<(Vec<String>, Vec<Wanted>)>,
) -> Result<(), RuleError> {
    let Value::Record(members) = rule else {
        let listed = match rule {
            Value::List(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        if listed.is_empty() || listed.len() > MAX_VALUES {
            return Err(RuleError(format!("`{}` has {} values", path.join("`.`"), listed.len())));
        }
        let wanted = listed.iter().map(Wanted::read).collect::<Result<_, _>>()?;
        claims.push((path.clone(), wanted));
        return Ok(());
    };
    for (name, rule) in members {
        path.push(name.clone());
        collect(rule, path, claims)?;
        path.pop();
    }
    Ok(())
}

impl Wanted {
    fn read(value: &Value) -> Result<Self, RuleError> {
        match value {
            Value::Text(text) if text.is_empty() => Err(RuleError("a text is empty".to_owned())),
            Value::Text(text) if text.contains('*') && text.len() > MAX_GLOB => {
                Err(RuleError(format!("a text with `*` has more than {MAX_GLOB} bytes")))
            }
            Value::Text(text) if text.contains('*') => {
                Ok(Self::Parts(text.split('*').map(str::to_owned).collect()))
            }
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => Ok(Self::Exactly(value.clone())),
            Value::Null | Value::List(_) | Value::Record(_) => {
                Err(RuleError("a list holds something else".to_owned()))
            }
        }
    }
}

fn is_one(wanted: &[Wanted], claim: &Value) -> bool {
    wanted.iter().any(|wanted| match (wanted, claim) {
        (Wanted::Exactly(value), claim) => value == claim,
        (Wanted::Parts(parts), Value::Text(text)) => has_parts(parts, text),
        (Wanted::Parts(_), _) => false,
    })
}

/// Whether `text` begins with the first part, ends with the last, and has the others in order between.
/// The first place of each is enough, so the work is bounded.
fn has_parts(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Result<Claims, String> {
        Claims::read(&Value::parse(json).unwrap()).map_err(|why| why.to_string())
    }

    #[test]
    fn claims_fit_exactly_or_by_their_parts() {
        let token = Value::parse(
            r#"{"sub":"repo:acme/app:ref:refs/heads/main","n":7,"ok":true,"groups":["a","b"],
                "kubernetes.io":{"namespace":"prod","serviceaccount":{"name":"bot"}}}"#,
        )
        .unwrap();
        for (json, fits) in [
            (r#"{"sub":"repo:acme/app:ref:refs/heads/main"}"#, true),
            (r#"{"sub":"repo:acme/app:ref:refs/heads/mai"}"#, false),
            (r#"{"sub":"repo:acme/app:*"}"#, true),
            (r#"{"sub":"repo:acme/*:ref:*/main"}"#, true),
            (r#"{"sub":"*:ref:*:ref:*"}"#, false),
            (r#"{"sub":"*main*"}"#, true),
            (r#"{"sub":"*"}"#, true),
            (r#"{"sub":"Repo:*"}"#, false),
            (r#"{"sub":"repo:acme/app:ref:refs/heads/main*main"}"#, false),
            (r#"{"n":7,"ok":true}"#, true),
            (r#"{"n":"7"}"#, false),
            (r#"{"ok":false}"#, false),
            (r#"{"groups":"b"}"#, true),
            (r#"{"groups":["x","a"]}"#, true),
            (r#"{"groups":"c"}"#, false),
            (r#"{"kubernetes.io":{"namespace":"prod","serviceaccount":{"name":"bot"}}}"#, true),
            (r#"{"kubernetes.io":{"namespace":"prod","serviceaccount":{"name":"boss"}}}"#, false),
            (r#"{"kubernetes":{"io":{"namespace":"prod"}}}"#, false),
            (r#"{"kubernetes.io":"*"}"#, false),
            (r#"{"missing":"*"}"#, false),
        ] {
            assert_eq!(rule(json).unwrap().fit(&token), fits, "{json}");
        }
    }

    #[test]
    fn a_rule_that_says_nothing_is_none() {
        for (json, why) in [
            ("{}", "it names 0 claims"),
            (r#"{"a":{}}"#, "it names 0 claims"),
            (r#"{"a":[]}"#, "`a` has 0 values"),
            (r#"{"a":""}"#, "a text is empty"),
            (r#"{"a":null}"#, "something else"),
            (r#"{"a":[["b"]]}"#, "something else"),
        ] {
            let error = rule(json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
        let long = format!(r#"{{"a":"*{}"}}"#, "x".repeat(MAX_GLOB));
        assert!(rule(&long).unwrap_err().contains("256 bytes"));
        let many: Vec<_> = (0..=MAX_CLAIMS).map(|n| format!(r#""{n}":1"#)).collect();
        assert!(rule(&format!("{{{}}}", many.join(","))).unwrap_err().contains("33 claims"));
    }

    #[test]
    fn only_exact_texts_pin_somebody_down() {
        let exact = |json: &str| rule(json).unwrap().has_exactly(&["a", "b"]);
        assert!(exact(r#"{"a":{"b":["x","y"]}}"#) && exact(r#"{"a":{"b":"x","c":"*"}}"#));
        for json in
            [r#"{"a":"b"}"#, r#"{"a":{"b":"x*"}}"#, r#"{"a":{"b":["x","*"]}}"#, r#"{"b":"x"}"#]
        {
            assert!(!exact(json), "{json}");
        }
    }
}
