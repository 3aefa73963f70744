//! The Cedar schema of a catalogue of tools.
//!
//! Entity types, action groups and the context are fixed; each tool adds one action with its typed
//! input. The text form is generated, not written by hand, so names from outside are escaped by
//! Cedar's own printer. One more action, [`ANY`], belongs to every group and touches every kind of
//! resource: it lets a rule about groups validate before the first tool is known.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Schema, SchemaFragment};
use remit_model::tool::Admission;
use remit_model::{Effect, Reach, ResourceKind, Tool, ToolId};
use serde_json::{Map, Value, json};

use crate::declared::Declared;
use crate::names::{NAMESPACE, TOOLS};
use crate::shape::Attributes;

/// How many tools a catalogue may have (R13).
pub(crate) const MAX_TOOLS: usize = 4096;

/// The action that stands for tools not known yet; no server can have this name.
const ANY: &str = "@any/tool";

const EFFECTS: [Effect; 5] =
    [Effect::Read, Effect::Write, Effect::Send, Effect::Execute, Effect::Destroy];
const REACHES: [Reach; 3] = [Reach::Local, Reach::Internal, Reach::External];

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) schema: Schema,
    pub(crate) text: String,
    pub(crate) inputs: BTreeMap<ToolId, Declared>,
}

/// The schema of `tools` and approver `groups`.
///
/// Errors: too many tools, or a schema that Cedar refuses; in words.
pub(crate) fn compile(tools: &[Tool], groups: &BTreeSet<String>) -> Result<Compiled, String> {
    if tools.len() > MAX_TOOLS {
        return Err(format!("expected at most {MAX_TOOLS} tools, got {}", tools.len()));
    }
    let inputs: BTreeMap<ToolId, Declared> =
        tools.iter().map(|tool| (tool.id.clone(), declared(tool))).collect();
    let document = json!({
        NAMESPACE: {
            "commonTypes": common_types(),
            "entityTypes": entity_types(groups),
            "actions": actions(tools, &inputs),
        }
    });
    let fragment = SchemaFragment::from_json_value(document).map_err(|why| why.to_string())?;
    let text = fragment.to_cedarschema().map_err(|why| why.to_string())?;
    let schema = Schema::from_schema_fragments([fragment]).map_err(|why| why.to_string())?;
    Ok(Compiled { schema, text, inputs })
}

/// What a tool declares of its input. A tool in quarantine keeps the definition it was admitted
/// with, so that a change at a server cannot invalidate the policies in force.
fn declared(tool: &Tool) -> Declared {
    match &tool.admission {
        Admission::Quarantined { before: Some(before), .. } => Declared::of_definition(before),
        _ => Declared::of_definition(&tool.definition),
    }
}

/// The group of an effect.
pub(crate) fn effect_group(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "effect:read",
        Effect::Write => "effect:write",
        Effect::Send => "effect:send",
        Effect::Execute => "effect:execute",
        Effect::Destroy => "effect:destroy",
    }
}

/// The group of a reach.
pub(crate) fn reach_group(reach: Reach) -> &'static str {
    match reach {
        Reach::Local => "reach:local",
        Reach::Internal => "reach:internal",
        Reach::External => "reach:external",
    }
}

/// The group of a server.
pub(crate) fn server_group(server: &str) -> String {
    format!("server:{server}")
}

fn common_types() -> Value {
    json!({
        "RoleFlow": record(&[
            ("provenance", text()),
            ("pointed", flag()),
            ("integrity", text()),
            ("confidentiality", long()),
            ("secrets", texts()),
        ]),
        "Flow": record(&crate::flow::ROLES.map(|(name, _)| (name, common("RoleFlow")))),
        "TaskFacts": record(&[
            ("id", text()),
            ("template", text()),
            ("sealed", flag()),
            ("integrity", text()),
            ("confidentiality", long()),
            ("confidentiality_name", text()),
            ("sources", texts()),
            ("tags", texts()),
            ("opened", datetime()),
            ("deadline", datetime()),
            ("calls", long()),
            ("effects", long()),
            ("bytes", long()),
            ("ceiling", long()),
            ("delegation", long()),
            ("lineage", texts()),
            ("suspicions", long()),
            ("destroyed", long()),
            ("on_behalf", optional(common("Named"))),
        ]),
        "ToolFacts": record(&[
            ("name", text()),
            ("server", text()),
            ("owner", entity("ApproverGroup")),
            ("effect", text()),
            ("known", flag()),
            ("reach", text()),
            ("sensitivity", long()),
            ("sensitivity_name", text()),
            ("returns", text()),
            ("admission", text()),
            ("idempotent", flag()),
        ]),
        "ApprovalFact": record(&[
            ("group", entity("ApproverGroup")),
            ("by", text()),
            ("at", datetime()),
        ]),
        "AttestationFact": record(&[
            ("method", text()),
            ("at", datetime()),
            ("lapsed", flag()),
            ("named", optional(common("Named"))),
        ]),
        "Named": record(&[("issuer", text()), ("subject", text())]),
    })
}

fn entity_types(groups: &BTreeSet<String>) -> Value {
    let mut types = Map::new();
    for name in ["Team", "Zone"] {
        types.insert(name.to_owned(), json!({}));
    }
    types.insert("ApproverGroup".to_owned(), json!({ "enum": groups }));
    types.insert("Task".to_owned(), json!({ "shape": record(&[("template", text())]) }));
    let agent = record(&[
        ("name", text()),
        ("owner", text()),
        ("autonomy", text()),
        ("zone", optional(entity("Zone"))),
        ("model", optional(text())),
        ("prompt", optional(text())),
        ("toolset", optional(text())),
    ]);
    let agent = json!({ "memberOfTypes": ["Zone", "Team"], "shape": agent });
    types.insert("Agent".to_owned(), agent);
    for kind in ResourceKind::ALL {
        let mut shape = vec![("value", text()), ("server", entity("Server"))];
        match kind {
            ResourceKind::Server => shape = vec![("name", text())],
            ResourceKind::Mailbox => shape.push(("domain", text())),
            ResourceKind::Host => shape.push(("name", text())),
            ResourceKind::File => shape.push(("traverses", flag())),
            _ => {}
        }
        let parents = if kind == ResourceKind::Server { vec![] } else { vec!["Server"] };
        let kind_type = json!({ "memberOfTypes": parents, "shape": record(&shape) });
        types.insert(kind.entity_type().to_owned(), kind_type);
    }
    Value::Object(types)
}

fn actions(tools: &[Tool], inputs: &BTreeMap<ToolId, Declared>) -> Value {
    let mut actions = Map::new();
    let mut groups: Vec<String> = vec![TOOLS.to_owned()];
    groups.extend(EFFECTS.map(|effect| effect_group(effect).to_owned()));
    groups.extend(REACHES.map(|reach| reach_group(reach).to_owned()));
    let servers: BTreeSet<&str> = tools.iter().map(|tool| tool.id.server.as_str()).collect();
    groups.extend(servers.into_iter().map(server_group));
    for group in &groups {
        actions.insert(group.clone(), json!({}));
    }
    let every = ResourceKind::ALL.map(ResourceKind::entity_type);
    let none = Attributes::default();
    actions.insert(ANY.to_owned(), action(&groups, &every, &tool_context(&none)));
    for tool in tools {
        let parents = [
            TOOLS.to_owned(),
            effect_group(tool.profile.effect.value).to_owned(),
            reach_group(tool.profile.reach.value).to_owned(),
            server_group(tool.id.server.as_str()),
        ];
        let input = inputs.get(&tool.id).map_or(&none, |declared| &declared.attributes);
        let context = tool_context(input);
        actions.insert(tool.id.to_string(), action(&parents, &kinds(tool), &context));
    }
    for (name, resources, extra) in [
        ("readResource", every.as_slice(), Some("uri")),
        ("getPrompt", &["Server"], Some("name")),
        ("complete", &["Server"], Some("reference")),
        ("listTool", &["Server"], None),
        ("openTask", &["Task"], None),
        ("continueTask", &["Task"], None),
        ("lend", &["Secret"], None),
        ("keepLent", &["Secret"], None),
    ] {
        let mut context = base_context();
        match extra {
            Some(extra) => {
                context.extend(call_context());
                context.push(("tool", optional(common("ToolFacts"))));
                context.push((extra, text()));
            }
            None if name == "listTool" => context.push(("tool", common("ToolFacts"))),
            None if matches!(name, "lend" | "keepLent") => {
                context.extend([("kind", text()), ("server", text()), ("lifetime", long())]);
            }
            None => {}
        }
        actions.insert(name.to_owned(), action(&[], resources, &record(&context)));
    }
    Value::Object(actions)
}

/// The kinds of resource that a tool's arguments can name, URLs and addresses in any of them
/// included, and its server.
fn kinds(tool: &Tool) -> Vec<&'static str> {
    let named = tool.profile.arguments.values().filter_map(|argument| argument.value.kind);
    let always = [ResourceKind::Server, ResourceKind::Host, ResourceKind::Mailbox];
    let kinds: BTreeSet<_> = named.chain(always).collect();
    kinds.into_iter().map(ResourceKind::entity_type).collect()
}

fn tool_context(input: &Attributes) -> Value {
    let mut context = base_context();
    context.extend(call_context());
    context.push(("tool", common("ToolFacts")));
    context.push(("input", input.schema()));
    record(&context)
}

fn base_context() -> Vec<(&'static str, Value)> {
    vec![
        ("task", common("TaskFacts")),
        ("attestation", common("AttestationFact")),
        ("door", text()),
        ("possession", text()),
        ("now", datetime()),
    ]
}

fn call_context() -> Vec<(&'static str, Value)> {
    vec![
        ("flow", common("Flow")),
        ("wanted", text()),
        ("approval", optional(common("ApprovalFact"))),
        ("server", text()),
    ]
}

fn action(parents: &[String], resources: &[&str], context: &Value) -> Value {
    let parents: Vec<Value> = parents.iter().map(|id| json!({ "id": id })).collect();
    json!({
        "memberOf": parents,
        "appliesTo": {
            "principalTypes": ["Agent"],
            "resourceTypes": resources,
            "context": context,
        },
    })
}

fn record(members: &[(&str, Value)]) -> Value {
    let members: Map<String, Value> =
        members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({ "type": "Record", "attributes": members })
}

fn text() -> Value {
    json!({ "type": "String" })
}

fn texts() -> Value {
    json!({ "type": "Set", "element": text() })
}

fn long() -> Value {
    json!({ "type": "Long" })
}

fn flag() -> Value {
    json!({ "type": "Boolean" })
}

fn datetime() -> Value {
    json!({ "type": "Extension", "name": "datetime" })
}

fn entity(name: &str) -> Value {
    json!({ "type": "Entity", "name": name })
}

fn common(name: &str) -> Value {
    json!({ "type": name })
}

fn optional(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("required".to_owned(), json!(false));
    }
    schema
}

#[cfg(test)]
mod tests {
    use remit_model::Digest;

    use super::*;

    fn tool(name: &str, definition: &str) -> Tool {
        let case: crate::cases::ToolCase = serde_json::from_value(json!({ "id": name })).unwrap();
        let definition = definition.to_owned();
        let digest = Digest::of(definition.as_bytes());
        Tool { definition, digest, ..case.tool().unwrap() }
    }

    fn schema(tools: &[Tool]) -> Compiled {
        compile(tools, &BTreeSet::from(["operators".to_owned()])).unwrap()
    }

    #[test]
    fn names_from_outside_are_escaped() {
        let odd = [
            "plain",
            "a\"b",
            "a\\b",
            "a\nb",
            "a/b",
            "::",
            "\u{202e}",
            "Action::\"x\"",
            "__cedar",
            "in",
            "if",
            "",
            " ",
            "*",
            "a;} action evil",
        ];
        let properties: Map<String, Value> =
            odd.iter().map(|name| ((*name).to_owned(), text())).collect();
        let schema_of = json!({ "type": "object", "properties": properties });
        let definition = json!({ "name": "x", "inputSchema": schema_of }).to_string();
        let tools: Vec<Tool> =
            odd.iter().map(|name| tool(&format!("s/{name}"), &definition)).collect();
        let compiled = schema(&tools);
        let (again, _) = Schema::from_cedarschema_str(&compiled.text).unwrap();
        let names = |schema: &Schema| -> BTreeSet<String> {
            schema.actions().map(ToString::to_string).collect()
        };
        assert_eq!(names(&again), names(&compiled.schema));
        // The tools, `@any/tool`, the eight other actions, and the groups of effects, reaches, the
        // server and all tools.
        assert_eq!(names(&again).len(), odd.len() + 1 + 8 + 5 + 3 + 1 + 1);
    }

    #[test]
    fn a_definition_that_cannot_be_read_has_no_input() {
        let long = "x".repeat(100_000);
        for definition in ["", "[]", "{\"inputSchema\":1}", "{\"a\":1,\"a\":2}", &long] {
            assert_eq!(schema(&[tool("s/t", definition)]).inputs.len(), 1);
        }
    }

    #[test]
    fn a_tool_in_quarantine_keeps_the_input_it_was_admitted_with() {
        let with = |name: &str| {
            let properties = json!({ name: text_property() });
            json!({ "inputSchema": { "type": "object", "properties": properties } }).to_string()
        };
        let mut changed = tool("s/t", &with("new"));
        let sees = |tool: &Tool, name: &str| {
            format!("{:?}", schema(std::slice::from_ref(tool)).inputs).contains(name)
        };
        assert!(sees(&changed, "\"new\"") && !sees(&changed, "\"old\""));
        changed.admission = Admission::Quarantined {
            since: remit_model::Timestamp(1),
            why: "changed".into(),
            before: Some(with("old")),
        };
        assert!(sees(&changed, "\"old\"") && !sees(&changed, "\"new\""));
    }

    fn text_property() -> Value {
        json!({ "type": "string" })
    }

    #[test]
    fn too_many_tools_are_refused() {
        let one = tool("s/t", "{}");
        let many: Vec<Tool> = (0..=MAX_TOOLS)
            .map(|n| Tool { id: ToolId::new(&one.id.server, &n.to_string()), ..one.clone() })
            .collect();
        assert!(compile(&many, &BTreeSet::from(["operators".to_owned()])).is_err());
    }
}
