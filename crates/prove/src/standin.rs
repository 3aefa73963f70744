//! Tools that stand for all others.
//!
//! Policies see of a tool its groups (effect, reach, server), its facts and its typed input. So a tool
//! that no policy names, whose server no policy names and whose input no policy looks at is decided
//! like any other of its effect and reach: one stand-in for each pair is proven in the place of all of
//! them, whatever servers connect tomorrow. Nothing else is assumed of a stand-in; it can touch every
//! kind of thing.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::{Effect, Reach, ResourceKind, ServerName, Tool};
use remit_policy::cases::ToolCase;
use serde_json::json;

const EFFECTS: [(Effect, &str); 5] = [
    (Effect::Read, "read"),
    (Effect::Write, "write"),
    (Effect::Send, "send"),
    (Effect::Execute, "execute"),
    (Effect::Destroy, "destroy"),
];
/// Each reach with its word.
pub(crate) const REACHES: [(Reach, &str); 3] =
    [(Reach::Local, "local"), (Reach::Internal, "internal"), (Reach::External, "external")];
/// The reach whose stand-ins stand for all where policies do not name the groups of reaches.
pub(crate) const ANY_REACH: &str = "external";

/// What is fixed of a tool's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stands {
    pub(crate) effect: &'static str,
    pub(crate) reach: &'static str,
    /// Its server and its name there; `None` of a stand-in.
    pub(crate) tool: Option<(String, String)>,
}

/// One tool for each effect and reach, of a server whose name none of `tools` has; and what is fixed of
/// each of those and of `tools`, by action.
///
/// Errors: none in practice; the texts are constants.
pub(crate) fn with_stand_ins(
    tools: &[Tool],
) -> Result<(Vec<Tool>, BTreeMap<String, Stands>), String> {
    let server = unused(&tools.iter().map(|tool| &tool.id.server).collect());
    let (mut all, mut stands) = (tools.to_vec(), BTreeMap::new());
    for tool in tools {
        let profile = &tool.profile;
        let named = (tool.id.server.to_string(), tool.id.name.clone());
        let known = Stands {
            effect: word(&EFFECTS, &profile.effect.value),
            reach: word(&REACHES, &profile.reach.value),
            tool: Some(named),
        };
        stands.insert(tool.id.to_string(), known);
    }
    for (_, effect) in EFFECTS {
        for (_, reach) in REACHES {
            let tool = stand_in(&server, effect, reach)?;
            stands.insert(tool.id.to_string(), Stands { effect, reach, tool: None });
            all.push(tool);
        }
    }
    Ok((all, stands))
}

fn word<T: PartialEq>(words: &[(T, &'static str)], value: &T) -> &'static str {
    words.iter().find(|(known, _)| known == value).map_or("", |(_, word)| word)
}

fn unused(taken: &BTreeSet<&ServerName>) -> String {
    let names = std::iter::once("any".to_owned()).chain((1..).map(|n| format!("any-{n}")));
    names
        .into_iter()
        .find(|name| taken.iter().all(|server| server.as_str() != name))
        .unwrap_or_default()
}

fn stand_in(server: &str, effect: &str, reach: &str) -> Result<Tool, String> {
    let kinds: BTreeMap<String, _> = ResourceKind::ALL
        .into_iter()
        .filter(|kind| *kind != ResourceKind::Server)
        .map(|kind| {
            let word = kind.entity_type().to_lowercase();
            let argument = json!({ "role": "target", "kind": word });
            (word, argument)
        })
        .collect();
    let id = format!("{server}/{effect}-{reach}");
    let case = json!({ "id": id, "effect": effect, "reach": reach, "arguments": kinds });
    let case: ToolCase = serde_json::from_value(case).map_err(|why| why.to_string())?;
    case.tool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_for_each_effect_and_reach_beside_the_tools() {
        let taken = stand_in("any", "send", "local").unwrap();
        let (all, stands) = with_stand_ins(std::slice::from_ref(&taken)).unwrap();
        assert_eq!((all.len(), stands.len()), (16, 16));
        assert_eq!(stands["any/send-local"].tool, Some(("any".into(), "send-local".into())));
        assert_eq!(stands["any-1/destroy-external"].tool, None);
        assert_eq!(stands["any-1/destroy-external"].effect, "destroy");
    }
}
