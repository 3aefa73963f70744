//! The kinds of question that a proof goes through, and what holds of each.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, Policy, PolicyId, RequestEnv, Schema};

use crate::kinds::seen;
use crate::look::Looks;
use crate::standin::{ANY_REACH, REACHES, Stands};

/// A kind of question: an action on a kind of thing.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) env: RequestEnv,
    /// The action in words.
    pub(crate) words: String,
    /// What is fixed of its tool, as a `forbid` of everything else.
    pub(crate) fixed: Option<Policy>,
}

/// The kinds of question that have to be asked so that none is left out: everything but calls as it is,
/// each stand-in, and each tool that the policies can tell from its stand-in; of each action on one of
/// the kinds of thing that they do not tell apart.
///
/// Errors: a name that cannot be written in Cedar; none in practice.
pub(crate) fn environments(
    (schema, text): (&Schema, &str),
    stands: &BTreeMap<String, Stands>,
    looks: &Looks,
) -> Result<Vec<Environment>, String> {
    let kinds = seen(text, looks)?;
    let (mut asked, mut chosen) = (BTreeSet::new(), Vec::new());
    for env in schema.request_envs() {
        let action = env.action();
        let id: &str = action.id().as_ref();
        // It is in every group at once, so that policies validate; no call is.
        if id.starts_with('@') {
            continue;
        }
        let stands = stands.get(id);
        if stands.is_some_and(|stands| !is_told_apart(id, stands, looks)) {
            continue;
        }
        if !asked.insert((action.clone(), kinds.get(env.resource().basename()).cloned())) {
            continue;
        }
        let by_reach = looks.at_reaches();
        let fixed = stands.map(|stands| fixed(action, stands, by_reach)).transpose()?;
        chosen.push(Environment { words: words(id, stands, by_reach), fixed, env });
    }
    Ok(chosen)
}

/// Whether policies can tell a tool from those that are asked in its place. Of the stand-ins of one
/// effect, the one of the first reach is asked for all, unless policies tell groups of reaches apart.
fn is_told_apart(id: &str, stands: &Stands, looks: &Looks) -> bool {
    let named = |name: &str| looks.actions.contains(name);
    match &stands.tool {
        Some((server, _)) => named(id) || named(&format!("server:{server}")) || looks.at_input(),
        None => looks.at_reaches() || stands.reach == ANY_REACH,
    }
}

fn words(id: &str, stands: Option<&Stands>, by_reach: bool) -> String {
    match stands {
        Some(Stands { effect, reach, tool: None }) => {
            let reach = if by_reach { format!(" and reach `{reach}`") } else { String::new() };
            format!("a call of any tool with effect `{effect}`{reach}")
        }
        Some(_) => format!("a call of `{id}`"),
        None => format!("`{id}`"),
    }
}

fn fixed(action: &EntityUid, stands: &Stands, by_reach: bool) -> Result<Policy, String> {
    let Stands { effect, reach, tool } = stands;
    let mut holds = format!("context.tool.effect == {effect:?}");
    if tool.is_some() || by_reach {
        holds = format!("{holds} && context.tool.reach == {reach:?}");
    } else {
        holds =
            format!("{holds} && {:?}.contains(context.tool.reach)", REACHES.map(|(_, word)| word));
    }
    if let Some((server, name)) = tool {
        holds = format!(
            "{holds} && context.server == {server:?} && context.tool.server == {server:?} && \
             context.tool.name == {name:?}"
        );
    }
    let text = format!("forbid (principal, action == {action}, resource) unless {{ {holds} }};");
    let id = PolicyId::new("remit:tool");
    Policy::parse(Some(id), text).map_err(|why| format!("`{action}` cannot be written: {why}"))
}
