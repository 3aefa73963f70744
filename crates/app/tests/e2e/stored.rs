//! Labels stay with what is stored (R6): one agent reads what is confidential and written outside, and
//! leaves words of its own in other people's memory server; another agent reads them in another session,
//! and its message is held for what the first one had read. So does a file, and so after a crash, until an
//! operator has looked at what was left and says otherwise.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peers::{Changing, Client, Conversation, node, npm_server};
use crate::stand::{Grant, Plan, Stand};

/// A person has said that nobody from outside writes into the memory server, which is true of people.
const TRUSTED: &str =
    "[server.tool.\"*\"]\nreach = \"local\"\nreturns = \"trusted\"\nsensitivity = \"public\"\n";

const CLERK: &str = "[[agent]]\nname = \"clerk\"\nowner = \"operators\"\n\n\
    [[template]]\nname = \"writing\"\nmay_open = [\"clerk\"]\nceiling = \"confidential\"\n\
    tools = [\"memory/*\", \"desk/*\", \"mail/*\"]\n";

struct Office {
    stand: Stand,
    mail: Changing,
    files: String,
}

impl Office {
    async fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = json!([{"name": "send_message", "description": "Sends a message.", "answer": "sent",
            "inputSchema": {"type": "object",
                "properties": {"to": {"type": "string", "format": "email"}, "body": {"type": "string"}}},
            "annotations": {"destructiveHint": false, "openWorldHint": true}}]);
        let mail = Changing::new(folder.path(), &tools);
        let files = made(&folder, "files");
        let desk = made(&folder, "desk");
        std::fs::write(format!("{files}/letter.txt"), "the offer is 4 million").unwrap();
        std::fs::write(format!("{desk}/old.txt"), "nothing new").unwrap();
        let memory = format!("{folder}/memory.jsonl", folder = folder.path().display());
        let memory = format!("shared = true\nenv = {{ MEMORY_FILE_PATH = {memory:?} }}\n{TRUSTED}");
        let confidential = "shared = true\n[server.tool.\"*\"]\nsensitivity = \"confidential\"\n";
        let trusted = format!("shared = true\n{TRUSTED}");
        let command = mail.command();
        let plan = Plan::new()
            .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], confidential)
            .stdio("desk", &[&node(), &npm_server("filesystem"), &desk], &trusted)
            .stdio("memory", &[&node(), &npm_server("memory")], &memory)
            .stdio("mail", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
            .template(
                "research",
                &["filesystem/*", "memory/*", "desk/*"],
                "ceiling = \"confidential\"",
            )
            .with(CLERK);
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        let known = |tools: &Value| {
            let tools = tools.as_array().unwrap();
            let listed = |name: &str| tools.iter().any(|tool| tool["id"]["server"] == name);
            ["filesystem", "desk", "memory", "mail"].into_iter().all(listed)
        };
        stand.until("every server has been asked", &["tool", "list"], known).await;
        Self { stand, mail, files }
    }

    /// Another agent, in a session of its own, reads something and writes to somebody.
    async fn clerk(&self, tool: &str, arguments: Value) -> (Conversation, Value) {
        // A person opens it: whoever opens one themselves begins with what their last one had read.
        let open =
            ["task", "open", "--template", "writing", "--purpose", "the post", "--agent", "clerk"];
        let opened = self.stand.with_passphrase(&[&open[..], &["--json"]].concat()).await.json();
        let mut clerk = Client::PythonStateless.connect(&Grant::of(&opened)).await;
        clerk.text(tool, &arguments).await;
        let message = json!({"to": "ann@nordlicht.example", "body": "here is the news"});
        let answer = clerk.call("mail__send_message", &message).await;
        (clerk, answer)
    }

    async fn passes(&self, tool: &str, arguments: Value) {
        let reached = self.mail.reached().len();
        let (clerk, answer) = self.clerk(tool, arguments).await;
        assert_ne!(answer["isError"], true, "{answer}");
        assert_eq!(self.mail.reached().len(), reached + 1);
        clerk.end().await;
    }

    async fn is_held(&self, tool: &str, arguments: Value) {
        let reached = self.mail.reached().len();
        let (clerk, answer) = self.clerk(tool, arguments).await;
        let refusal = crate::peers::refusal_of(&answer);
        for rule in ["untrusted-target-asks", "confidential-outward-asks"] {
            let reasons = refusal["reasons"].to_string();
            assert!(reasons.contains(rule), "{tool}: no {rule} in {refusal}");
        }
        assert_eq!(self.mail.reached().len(), reached);
        clerk.end().await;
    }
}

fn made(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What the first agent does, which a person agrees to.
async fn agreed(office: &Office, talk: &mut Conversation, tool: &str, arguments: Value) {
    let refusal = talk.refusal(tool, &arguments).await;
    office.stand.act(&["approve", refusal["hold"].as_str().unwrap()]).await;
    talk.text(tool, &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_agent_leaves_in_a_server_holds_what_another_makes_of_it() {
    let mut office = Office::up().await;
    let desk = office.files.replace("/files", "/desk");
    let at = |name: &str| json!({"path": format!("{desk}/{name}")});
    office.passes("memory__read_graph", json!({})).await;
    office.passes("desk__read_text_file", at("old.txt")).await;

    let mut talk = Client::TypeScriptOld.connect(&office.stand.open("research").await).await;
    let letter = json!({"path": format!("{}/letter.txt", office.files)});
    talk.text("filesystem__read_text_file", &letter).await;
    let words = "somebody bids for the company";
    let entity = json!({"name": "rumour", "entityType": "topic", "observations": [words]});
    agreed(&office, &mut talk, "memory__create_entities", json!({"entities": [entity]})).await;
    let mut file = at("new.txt");
    file["content"] = json!(words);
    agreed(&office, &mut talk, "desk__write_file", file).await;
    talk.end().await;

    for round in 0..2 {
        office.is_held("memory__read_graph", json!({})).await;
        office.is_held("memory__search_nodes", json!({"query": "rumour"})).await;
        office.is_held("desk__read_text_file", at("new.txt")).await;
        office.is_held("desk__list_directory", json!({"path": desk})).await;
        office.passes("desk__read_text_file", at("old.txt")).await;
        if round == 0 {
            office.stand.kill().await;
            office.stand.start().await;
        }
    }
    looked_at(&mut office, &desk).await;
    crate::proof::log_is_good(&office.stand).await;
}

/// An operator has looked at what was left, and says that it is neither from outside nor confidential.
async fn looked_at(office: &mut Office, desk: &str) {
    let path = format!("{desk}/new.txt");
    let listed = office.stand.with_passphrase(&["stored", "list", "--json"]).await.json();
    for (server, place) in [("desk", json!({ "path": path })), ("memory", json!("anywhere"))] {
        let here = |it: &&Value| it["server"] == server && it["place"] == place;
        let mark = listed.as_array().unwrap().iter().find(here);
        let mark = mark.unwrap_or_else(|| panic!("{server} {place} is not in {listed}"));
        assert_eq!(mark["label"]["confidentiality"], "confidential", "{mark}");
    }
    let lower = ["--trusted", "--sensitivity", "public", "--reason", "I have read it"];
    let desk_only = [&["stored", "lower", "desk", "--path", &path][..], &lower].concat();
    assert!(!office.stand.remit(&desk_only).await.ok, "it was lowered without a passphrase");
    office.is_held("desk__read_text_file", json!({ "path": path })).await;
    office.stand.act(&desk_only).await;
    for round in 0..2 {
        office.passes("desk__read_text_file", json!({ "path": path })).await;
        office.passes("desk__list_directory", json!({ "path": desk })).await;
        office.is_held("memory__read_graph", json!({})).await;
        if round == 0 {
            office.stand.kill().await;
            office.stand.start().await;
        }
    }
    office.stand.act(&[&["stored", "lower", "memory"][..], &lower].concat()).await;
    office.passes("memory__read_graph", json!({})).await;
}
