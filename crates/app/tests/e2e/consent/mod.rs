//! A person says in a browser what a client is to do: the page, the code, the grant, and whoever tries to
//! get one without the person.

mod attacks;
mod browser;
mod clients;
mod confidential;
mod documents;
mod flows;
mod page;
mod tokens;

use serde_json::{Value, json};

use crate::drift::read_note;
use crate::peers::Changing;
use crate::stand::{Plan, Stand};
use crate::wire::Answer;

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where `desk` gets its answers.
const CALLBACK: &str = "http://127.0.0.1:5050/callback";

/// The clients `desk`, and `other`, which is the same agent.
const CLIENTS: &str = r#"
[[client]]
id = "desk"
name = "The desk"
redirect_uris = ["http://127.0.0.1/callback", "https://desk.example/callback"]
agent = "worker"

[[client]]
id = "other"
redirect_uris = ["http://127.0.0.1/callback"]
agent = "worker"

[[agent]]
name = "boss"
owner = "operators"

[[template]]
name = "ruling"
may_open = ["boss"]
tools = ["*"]
"#;

/// A server with one tool, a template of `worker`'s that may use it, and one of `boss`'s.
async fn stand(plan: Plan) -> (Stand, Changing) {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), &json!([read_note("Reads a note.")]));
    let command = notes.command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let more = "budget = { calls = 50, effects = 5 }\ndeadline = \"1h\"";
    let plan =
        plan.stdio("notes", &command, "").template("reading", &["notes/*"], more).with(CLIENTS);
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, notes)
}

fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.body))
}

/// The error in the answer of the token endpoint.
fn error(answer: &Answer) -> String {
    assert!((400..500).contains(&answer.status), "{}", answer.body);
    read(answer)["error"].as_str().unwrap().to_owned()
}

async fn tasks(stand: &Stand) -> Vec<Value> {
    stand.ask(&["task", "list"]).await.as_array().unwrap().clone()
}
