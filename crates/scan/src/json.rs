//! Values in the configuration of an MCP client: what its servers get as environment, headers,
//! arguments and address.

use jsonc_parser::ast::{self, Object};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::{Place, Unreadable, Value};

/// What clients call the object of their servers; the second one stands for itself only at the top or
/// under `mcp`, because everything has servers.
const SERVERS: [&str; 3] = ["mcpServers", "servers", "context_servers"];
/// How deep it may lie: some keep one for each of their projects.
const DEEPEST: usize = 6;

/// The values of all servers in `text`.
///
/// Errors: it is not JSON, also not with comments and trailing commas.
pub(crate) fn values(text: &str) -> Result<Vec<Value>, Unreadable> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    let parsed = parsed
        .map_err(|why| Unreadable { line: why.line_display(), expected: "JSON".to_owned() })?;
    let mut values = Vec::new();
    if let Some(ast::Value::Object(top)) = &parsed.value {
        look(top, ("", 0), &mut values);
    }
    Ok(values)
}

/// Looks for objects of servers in `object`, which is called `name`.
fn look(object: &Object<'_>, (name, depth): (&str, usize), values: &mut Vec<Value>) {
    for member in &object.properties {
        let ast::Value::Object(inner) = &member.value else { continue };
        let key = member.name.as_str();
        let plain = depth == 0 || name == "mcp";
        if SERVERS.contains(&key) && (key != "servers" || plain) {
            for server in &inner.properties {
                if let ast::Value::Object(entry) = &server.value {
                    Server { name: server.name.as_str(), values }.take(entry);
                }
            }
        } else if depth < DEEPEST {
            look(inner, (key, depth + 1), values);
        }
    }
}

/// A server whose values are taken down.
struct Server<'a> {
    name: &'a str,
    values: &'a mut Vec<Value>,
}

impl Server<'_> {
    fn take(&mut self, entry: &Object<'_>) {
        for member in &entry.properties {
            match (member.name.as_str(), &member.value) {
                ("env", ast::Value::Object(all)) => self.members(all, &Place::Variable),
                ("headers", ast::Value::Object(all)) => self.members(all, &Place::Header),
                ("args", ast::Value::Array(all)) => self.arguments(&all.elements),
                (name @ ("url" | "serverUrl"), ast::Value::StringLit(text)) => {
                    self.add(Place::Address, name, text);
                }
                _ => {}
            }
        }
    }

    fn members(&mut self, all: &Object<'_>, place: &Place) {
        for member in &all.properties {
            if let ast::Value::StringLit(text) = &member.value {
                self.add(place.clone(), member.name.as_str(), text);
            }
        }
    }

    /// An argument is called what comes before it: `--token`, `--token=`, `TOKEN=`, `Authorization:`.
    fn arguments(&mut self, all: &[ast::Value<'_>]) {
        let mut flag = None;
        for argument in all {
            let ast::Value::StringLit(text) = argument else { continue };
            let says: &str = text.value.as_ref();
            let named = says.split_once('=').or_else(|| says.split_once(':'));
            let named = named.filter(|(name, rest)| is_name(name) && !rest.starts_with("//"));
            match (named, flag) {
                (Some((name, rest)), _) => {
                    let name = name.trim_start_matches('-');
                    let at = says.len() - rest.trim_start().len();
                    self.part(name, text, at);
                }
                (None, Some(flag)) => self.add(Place::Argument, flag, text),
                (None, None) => self.add(Place::Argument, "args", text),
            }
            let plain = says.trim_start_matches('-');
            flag = (named.is_none() && plain.len() < says.len()).then_some(plain);
        }
    }

    /// What stands behind the first `at` bytes of `text`, which are its name.
    fn part(&mut self, name: &str, text: &ast::StringLit<'_>, at: usize) {
        let before = self.values.len();
        self.add(Place::Argument, name, text);
        if let Some(value) = self.values.get_mut(before)
            && value.span.len() == value.says.len()
        {
            value.span.start += at;
            value.says = value.says.split_off(at);
        }
    }

    fn add(&mut self, place: Place, name: &str, text: &ast::StringLit<'_>) {
        // Without the quotes.
        let (start, end) = (text.start() + 1, text.end().saturating_sub(1));
        self.values.push(Value {
            server: Some(self.name.to_owned()),
            place,
            name: name.to_owned(),
            says: text.value.to_string(),
            span: start..end.max(start),
            certain: true,
        });
    }
}

/// Whether this can be a flag, a variable or a header before its value.
fn is_name(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(part)
}
