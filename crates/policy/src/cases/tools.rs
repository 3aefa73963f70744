//! A tool in a case file: its profile in a few words.

use std::collections::BTreeMap;

use remit_model::tool::{ArgumentProfile, Known, Origin, Trust};
use remit_model::{
    Admission, ArgumentPath, Confidentiality, Digest, Effect, Profile, Reach, Resource,
    ResourceKind, Timestamp, Tool, ToolId, Value,
};
use serde::Deserialize;
use serde_json::json;

/// A tool of a case file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCase {
    /// `server/tool`
    pub id: String,
    /// What calling it does.
    #[serde(default = "read")]
    pub effect: Effect,
    /// Whether anybody said so; `false`: it was assumed.
    #[serde(default = "yes")]
    pub known: bool,
    /// How far that reaches.
    #[serde(default = "internal")]
    pub reach: Reach,
    /// How sensitive what it returns is.
    #[serde(default)]
    pub sensitivity: Confidentiality,
    /// Whether an outsider could have written what it returns.
    #[serde(default = "trusted")]
    pub returns: Trust,
    /// Whether calling it twice is the same as once.
    #[serde(default)]
    pub idempotent: bool,
    /// `admitted`, `quarantined` or `withdrawn`.
    #[serde(default = "admitted")]
    pub admission: String,
    /// The group that answers for its server.
    #[serde(default = "operators")]
    pub owner: String,
    /// The roles and kinds of its arguments, by path.
    #[serde(default)]
    pub arguments: BTreeMap<ArgumentPath, ArgumentProfile>,
    /// Its input: argument name → `string`, `boolean`, `integer`, `number`, or one of them with
    /// `[]` behind.
    #[serde(default)]
    pub input: BTreeMap<String, String>,
    /// Its input as a JSON Schema in full, instead of `input`.
    pub schema: Option<String>,
}

fn read() -> Effect {
    Effect::Read
}

fn internal() -> Reach {
    Reach::Internal
}

fn trusted() -> Trust {
    Trust::Trusted
}

fn yes() -> bool {
    true
}

fn admitted() -> String {
    "admitted".to_owned()
}

fn operators() -> String {
    crate::names::OPERATORS.to_owned()
}

impl ToolCase {
    /// The tool as the catalogue would keep it.
    ///
    /// Errors: a name, type or state that does not exist; in words.
    pub fn tool(&self) -> Result<Tool, String> {
        let definition = self.definition()?;
        Ok(Tool {
            id: id(&self.id)?,
            digest: Digest::of(definition.as_bytes()),
            definition,
            profile: self.profile(),
            flags: Vec::new(),
            admission: self.admission()?,
            owner: self.owner.clone(),
        })
    }

    fn definition(&self) -> Result<String, String> {
        let schema = if let Some(schema) = &self.schema {
            serde_json::from_str(schema)
                .map_err(|why| format!("tool `{}`: the schema is not JSON: {why}", self.id))?
        } else {
            let mut properties = serde_json::Map::new();
            for (name, kind) in &self.input {
                properties.insert(name.clone(), self.property(kind)?);
            }
            json!({ "type": "object", "properties": properties })
        };
        Ok(json!({ "name": self.id, "inputSchema": schema }).to_string())
    }

    fn property(&self, kind: &str) -> Result<serde_json::Value, String> {
        let scalar = kind.strip_suffix("[]").unwrap_or(kind);
        if !matches!(scalar, "string" | "boolean" | "integer" | "number") {
            return Err(format!(
                "tool `{}`: expected an input type `string`, `boolean`, `integer` or `number`, \
                 with or without `[]`, got `{kind}`",
                self.id
            ));
        }
        let scalar = json!({ "type": scalar });
        Ok(if kind.ends_with("[]") { json!({ "type": "array", "items": scalar }) } else { scalar })
    }

    fn profile(&self) -> Profile {
        let origin = if self.known { Origin::Configured } else { Origin::Assumed };
        let arguments = self.arguments.iter().map(|(path, argument)| {
            (path.clone(), Known { value: argument.clone(), origin: Origin::Configured })
        });
        Profile {
            effect: Known { value: self.effect, origin },
            reach: Known { value: self.reach, origin: Origin::Configured },
            sensitivity: Known { value: self.sensitivity, origin: Origin::Configured },
            returns: Known { value: self.returns, origin: Origin::Configured },
            idempotent: Known { value: self.idempotent, origin: Origin::Configured },
            arguments: arguments.collect(),
            undo: None,
        }
    }

    fn admission(&self) -> Result<Admission, String> {
        let (since, by) = (Timestamp(0), "case".to_owned());
        match self.admission.as_str() {
            "admitted" => Ok(Admission::Admitted { since, by }),
            "withdrawn" => Ok(Admission::Withdrawn { since, by }),
            "quarantined" => {
                Ok(Admission::Quarantined { since, why: "new".to_owned(), before: None })
            }
            other => Err(format!(
                "tool `{}`: expected `admitted`, `quarantined` or `withdrawn`, got `{other}`",
                self.id
            )),
        }
    }
}

/// Reads `server/tool`.
pub(crate) fn id(text: &str) -> Result<ToolId, String> {
    let (server, name) =
        text.split_once('/').ok_or_else(|| format!("expected `server/tool`, got `{text}`"))?;
    Ok(ToolId::new(&server.parse().map_err(|why| format!("{why}"))?, name))
}

/// What a call touches: the arguments whose kind the case file states, else the server.
pub(crate) fn touched(tool: &Tool, input: &Value) -> Vec<Resource> {
    let mut found = Vec::new();
    input.leaves(&mut |path, value| {
        let argument = tool.profile.arguments.get(&ArgumentPath::from(path));
        let kind = argument.and_then(|argument| argument.value.kind);
        if let (Some(kind), Some(text)) = (kind, value.as_text()) {
            let fold = matches!(kind, ResourceKind::Mailbox | ResourceKind::Host);
            let id = if fold { text.to_lowercase() } else { text.to_owned() };
            found.push(Resource { kind, id });
        }
    });
    if found.is_empty() {
        let id = tool.id.server.as_str().to_owned();
        found.push(Resource { kind: ResourceKind::Server, id });
    }
    found
}
