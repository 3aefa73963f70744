//! `[[template]]`: what somebody allows in advance.

use std::fmt;
use std::time::Duration;

use remit_engine::Template;
use remit_model::{AgentName, Budget, Confidentiality, Foreseeable, ToolPattern, ToolRule};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{Config, Period};
use crate::fail::Fail;

/// What somebody allows in advance.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateTable {
    pub(super) name: String,
    #[serde(default)]
    may_open: Vec<AgentName>,
    purpose: Option<String>,
    #[serde(default)]
    known: Vec<String>,
    #[serde(default)]
    declare: bool,
    #[serde(default)]
    foreseen: Foreseeable,
    tools: Vec<ToolEntry>,
    #[serde(default = "internal")]
    ceiling: Confidentiality,
    #[serde(default)]
    budget: Budget,
    #[serde(default = "hour")]
    deadline: Period,
    idle: Option<Period>,
    #[serde(default)]
    delegation: u8,
}

fn internal() -> Confidentiality {
    Confidentiality::Confidential
}

fn hour() -> Period {
    Period(Duration::from_hours(1))
}

/// A tool pattern, alone or with constraints on arguments.
#[derive(Clone, Debug)]
struct ToolEntry(ToolRule);

impl<'de> Deserialize<'de> for ToolEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ToolEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool pattern like `mail/*`, or { tool = …, arguments = { … } }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ToolEntry, E> {
                let pattern: ToolPattern = text.parse().map_err(E::custom)?;
                Ok(ToolEntry(ToolRule::any_arguments(pattern)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ToolEntry, A::Error> {
                ToolRule::deserialize(MapAccessDeserializer::new(map)).map(ToolEntry)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl TemplateTable {
    /// What the engine needs of it.
    pub(super) fn template(&self) -> Template {
        Template {
            name: self.name.clone(),
            may_open: self.may_open.clone(),
            purpose: self.purpose.clone(),
            known: self.known.clone(),
            declare: self.declare,
            foreseen: self.foreseen.clone(),
            tools: self.tools.iter().map(|entry| entry.0.clone()).collect(),
            ceiling: self.ceiling,
            budget: self.budget,
            lasts: self.deadline.0,
            idle: self.idle.map(|idle| idle.0),
            delegation: self.delegation,
        }
    }
}

impl Config {
    pub(super) fn check_templates(&self) -> Result<(), Fail> {
        for template in &self.templates {
            for name in &template.may_open {
                if !self.agents.iter().any(|agent| agent.name == *name) {
                    return Err(Fail::new(format!(
                        "template `{}` may be opened by `{name}`, which is not an [[agent]]",
                        template.name
                    )));
                }
            }
        }
        Ok(())
    }
}
