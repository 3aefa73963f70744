//! What the demo needs around it: how it is shown, and the configuration that Remit runs on.

use std::path::Path;
use std::time::Duration;

use crate::drift::Flag;
use crate::server::DemoServer;

/// The template of the demo's task.
pub const TEMPLATE: &str = "inbox";

/// What the person asks for. Whom to pay and where to write stand in it; how much to pay does not.
pub const PURPOSE: &str = "Read today's mail, pay invoice 4702 of Nordwind GmbH to \
                           DE02120300000000202051 and write a summary to summary.txt";

/// How fast the story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// No pauses.
    Fast,
    /// Slow enough to read along, well under a minute.
    Told,
}

impl Pace {
    /// After each line.
    pub(crate) fn line(self) -> Duration {
        Duration::from_millis(if self == Self::Fast { 0 } else { 80 })
    }

    /// After each sentence, time to read it.
    pub(crate) fn sentence(self) -> Duration {
        Duration::from_millis(if self == Self::Fast { 0 } else { 1500 })
    }
}

/// How and where the story is told.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Whether the page has colours: true only if it is a terminal that wants them.
    pub colour: bool,
    /// The page's width in columns.
    pub width: usize,
    /// How fast.
    pub pace: Pace,
    /// How long to wait for Remit to notice that a tool changed.
    pub patience: Duration,
    /// The flag that the web server was started with.
    pub drift: Flag,
}

/// The sections of the configuration that the demo adds: its four servers and its template.
///
/// `command` starts the binary's demo servers (`[exe, "demo-server"]`), `directory` is the file
/// server's folder. The remit is written as a careful person would: mail may go to one colleague
/// only, and there are two effects to spend.
pub fn configuration(command: &[String], directory: &Path, drift: &Flag) -> String {
    let servers: Vec<String> =
        DemoServer::ALL.iter().map(|kind| server(*kind, command, directory, drift)).collect();
    format!(
        "{PEOPLE}\n# What the demo's agent can reach: four small servers.\n{}{TASK}",
        servers.concat()
    )
}

fn server(kind: DemoServer, command: &[String], directory: &Path, drift: &Flag) -> String {
    let mut words = command.to_vec();
    words.push(kind.name().to_owned());
    match kind {
        DemoServer::Files => words.extend(option("--dir", directory)),
        DemoServer::Web => words.extend(option("--drift", drift.path())),
        DemoServer::Mail | DemoServer::Payments => {}
    }
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!(
        "\n[[server]]\nname = {}\nowner = \"platform\"\ncommand = [{}]\n",
        quote(kind.name()),
        quoted.join(", ")
    )
}

const PEOPLE: &str = r#"
# Who answers for the servers, and for the agent.
[[approver]]
group = "operators"

[[approver]]
group = "platform"

[[agent]]
name = "assistant"
owner = "operators"
"#;

const TASK: &str = r#"
# What one task of it may do, at most.
[[template]]
name = "inbox"
may_open = ["assistant"]
deadline = "10m"
budget = { calls = 40, effects = 2, bytes = 1000000 }
tools = [
  "mail/list_messages",
  "mail/read_message",
  { tool = "mail/send_message", arguments = { to = { one_of = ["jonas@nordlicht.example"] } } },
  "files/*",
  "payments/*",
  "web/fetch_page",
]
"#;

fn option(name: &str, path: &Path) -> [String; 2] {
    [name.to_owned(), path.display().to_string()]
}

/// A TOML basic string; the escapes of JSON are a subset of its own.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        let command = vec!["/opt/my \"remit\"".to_owned(), "demo-server".to_owned()];
        let text = configuration(&command, Path::new("/tmp/a\tb"), &Flag::new("/tmp/flag"));
        assert!(text.contains(
            r#"command = ["/opt/my \"remit\"", "demo-server", "files", "--dir", "/tmp/a\tb"]"#
        ));
        assert!(text.contains(r#""web", "--drift", "/tmp/flag"]"#), "{text}");
    }
}
