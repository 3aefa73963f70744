//! A refusal as an answer that a model and a person can act on (promise R11).
//!
//! For `tools/call` it is a result with `isError`, which clients show to the model; for every other
//! method a JSON-RPC error outside the reserved range, so that it is never mistaken for a failure
//! of the protocol.

use serde::Serialize;
use serde_json::json;

use crate::error::RpcError;
use crate::method;
use crate::raw::Raw;
use crate::revision::{Era, Revision};

/// The `_meta` key of the details where `structuredContent` belongs to the tool.
pub const META_KEY: &str = "remit/refusal";

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It will be refused every time.
    Structural,
    /// A person must approve.
    NeedsApproval,
    /// The budget is used up.
    Budget,
    /// Not now.
    Transient,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The policy, or the check.
    pub policy: String,
    /// In words.
    pub text: String,
    /// The controls it serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
}

/// A refusal, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// What kind.
    pub class: Class,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What to do next.
    pub remedy: String,
    /// The held call, where a person can approve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

impl Class {
    /// The JSON-RPC code of a refusal of this class.
    pub fn code(self) -> i64 {
        match self {
            Self::Structural => 40_300,
            Self::NeedsApproval => 40_301,
            Self::Budget => 40_302,
            Self::Transient => 50_300,
        }
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::NeedsApproval => "needs_approval",
            Self::Budget => "budget",
            Self::Transient => "transient",
        }
    }
}

impl Refused {
    /// What the model reads: class, reasons, what to do.
    pub fn text(&self) -> String {
        let mut text = format!("Refused by Remit ({}).", self.class.as_str());
        for reason in &self.reasons {
            text.push_str("\n- ");
            text.push_str(&reason.text);
        }
        if !self.remedy.is_empty() {
            text.push_str("\nWhat to do: ");
            text.push_str(&self.remedy);
        }
        if let Some(hold) = &self.hold {
            text.push_str("\nHeld as: ");
            text.push_str(hold);
        }
        text
    }

    /// The details as an object: `class`, `reasons`, `remedy`, `hold`.
    pub fn details(&self) -> Raw {
        json!(self).into()
    }

    /// The result of a refused `tools/call`.
    ///
    /// The details are the `structuredContent` from 2025-06-18 on. Where the tool declares an
    /// `outputSchema` they stand in `_meta` instead: clients validate structured content against
    /// that schema even in an error, and would break on ours.
    pub fn tool_result(&self, revision: Revision, declares_output: bool) -> Raw {
        let mut result = json!({
            "content": [{ "type": "text", "text": self.text() }],
            "isError": true,
        });
        if let Some(members) = result.as_object_mut() {
            if declares_output || !revision.has_structured_content() {
                members.insert("_meta".to_owned(), json!({ META_KEY: self }));
            } else {
                members.insert("structuredContent".to_owned(), json!(self));
            }
            if revision.era() == Era::Stateless {
                members.insert("resultType".to_owned(), json!("complete"));
            }
        }
        result.into()
    }

    /// The error of a refused request other than `tools/call`.
    pub fn error(&self) -> RpcError {
        RpcError::new(self.class.code(), self.text(), Some(self.details()))
    }

    /// The answer to a request of `method`: its result, or its error.
    pub fn answer(
        &self,
        method: &str,
        revision: Revision,
        declares_output: bool,
    ) -> Result<Raw, RpcError> {
        if method == method::TOOLS_CALL {
            Ok(self.tool_result(revision, declares_output))
        } else {
            Err(self.error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;

    fn refused() -> Refused {
        Refused {
            class: Class::NeedsApproval,
            reasons: vec![Reason {
                policy: "send-outside".to_owned(),
                text: "the recipient came from an e-mail".to_owned(),
                controls: vec!["ASI01".to_owned()],
            }],
            remedy: "ask the finance group".to_owned(),
            hold: Some("hld_1".to_owned()),
        }
    }

    #[test]
    fn says_class_reason_remedy_and_hold() {
        let text = refused().text();
        for part in ["needs_approval", "came from an e-mail", "ask the finance group", "hld_1"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn details_never_break_an_output_schema() {
        let parse = |raw: &Raw| Object::parse(raw).unwrap();
        let plain = parse(&refused().tool_result(Revision::V2025_06_18, false));
        assert_eq!(plain.get("isError").unwrap().as_str(), "true");
        assert!(plain.object("structuredContent").unwrap().has("remedy"));
        assert!(!plain.has("resultType") && !plain.has("_meta"));
        let declared = parse(&refused().tool_result(Revision::LATEST, true));
        assert!(!declared.has("structuredContent"));
        assert_eq!(declared.text("resultType").as_deref(), Some("complete"));
        assert!(declared.object("_meta").unwrap().object(META_KEY).unwrap().has("class"));
        assert!(
            !parse(&refused().tool_result(Revision::V2025_03_26, false)).has("structuredContent")
        );
    }

    #[test]
    fn other_methods_get_an_error_outside_the_reserved_range() {
        for class in [Class::Structural, Class::NeedsApproval, Class::Budget, Class::Transient] {
            let error = Refused { class, ..refused() }.error();
            assert!(!(-32768..=-32000).contains(&error.code));
            assert!(error.data.unwrap().as_str().contains(class.as_str()));
        }
        assert!(refused().answer(method::PROMPTS_GET, Revision::LATEST, false).is_err());
        assert!(refused().answer(method::TOOLS_CALL, Revision::LATEST, false).is_ok());
    }
}
