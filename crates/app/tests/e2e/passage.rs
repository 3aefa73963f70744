//! Every client through Remit to every server: both eras, over HTTP and over stdio.

use serde_json::{Value, json};

use crate::peers::{
    Client, Conversation, Listening, everything_over_http, inspect, node, npm_server, peer,
    stateless_server, text_of,
};
use crate::stand::{Plan, Stand};

/// What the operator says of the tools here: these tests are about the passage, not the policies.
const HARMLESS: &str = "[server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\n\
    sensitivity = \"public\"\nreturns = \"trusted\"\n";

/// Six servers in one configuration, and the processes that serve two of them over HTTP.
struct Town {
    stand: Stand,
    files: String,
    _servers: [Listening; 2],
}

impl Town {
    async fn up() -> Self {
        let servers = [stateless_server().await, everything_over_http().await];
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("letter.txt"), "dear reader").unwrap();
        git(&files, &["init", "--quiet", "."]);
        git(
            &files,
            &[
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@localhost",
                "commit",
                "--quiet",
                "--allow-empty",
                "--message",
                "the first commit",
            ],
        );
        let files = files.to_str().unwrap().to_owned();
        let memory = folder.path().join("memory.jsonl");
        let memory =
            format!("env = {{ MEMORY_FILE_PATH = {:?} }}\n{HARMLESS}", memory.to_str().unwrap());
        let git = format!("shared = true\n{HARMLESS}");
        let plan = Plan::new()
            .stdio("everything", &[&node(), &npm_server("everything"), "stdio"], HARMLESS)
            .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], HARMLESS)
            .stdio("memory", &[&node(), &npm_server("memory")], &memory)
            .stdio("git", &[&peer(".venv/bin/mcp-server-git"), "--repository", &files], &git)
            .http("stateless", &servers[0].url, HARMLESS)
            .http("sessions", &servers[1].url, HARMLESS)
            .template("work", &["*"], "budget = { calls = 1000 }\ndeadline = \"1h\"");
        let state = folder.path().join("state");
        Self { stand: Stand::up(&plan, folder, state).await, files, _servers: servers }
    }
}

fn git(folder: &std::path::Path, args: &[&str]) {
    let status =
        std::process::Command::new("git").arg("-C").arg(folder).args(args).status().unwrap();
    assert!(status.success(), "git {args:?}");
}

/// What every client must be able to do with every server.
async fn tour(talk: &mut Conversation, files: &str) {
    let tools = talk.tools().await;
    for tool in [
        "everything__echo",
        "filesystem__read_text_file",
        "memory__read_graph",
        "git__git_status",
        "stateless__add",
        "sessions__echo",
    ] {
        assert!(tools.iter().any(|name| name == tool), "{tool} is not listed in {tools:?}");
    }
    assert_eq!(
        talk.text("everything__echo", &json!({"message": "aé\u{1F600}"})).await,
        "Echo: aé\u{1F600}"
    );
    assert_eq!(
        talk.text("sessions__echo", &json!({"message": "over HTTP"})).await,
        "Echo: over HTTP"
    );
    let letter = json!({"path": format!("{files}/letter.txt")});
    assert_eq!(talk.text("filesystem__read_text_file", &letter).await, "dear reader");
    let graph: Value =
        serde_json::from_str(&talk.text("memory__read_graph", &json!({})).await).unwrap();
    assert!(graph["entities"].is_array(), "{graph}");
    let status = talk.text("git__git_status", &json!({"repo_path": files})).await;
    assert!(status.contains("letter.txt"), "{status}");
    let sum = talk.call("stateless__add", &json!({"a": 40, "b": 2})).await;
    assert_eq!(sum["structuredContent"], json!({"result": 42}));
    resources_and_prompts(talk).await;
}

async fn resources_and_prompts(talk: &mut Conversation) {
    let listed = talk.result(&json!({"do": "resources/list"})).await;
    let uris: Vec<_> = listed["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["uri"].as_str().unwrap())
        .collect();
    let greeting = uris
        .iter()
        .find(|uri| uri.contains("note://greeting"))
        .unwrap_or_else(|| panic!("{uris:?}"));
    let read = talk.result(&json!({"do": "resources/read", "uri": greeting})).await;
    assert_eq!(read["contents"][0]["text"], "hello");
    let listed = talk.result(&json!({"do": "prompts/list"})).await;
    let names: Vec<_> = listed["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"everything__simple-prompt"), "{names:?}");
    let step = json!({"do": "prompts/get", "name": "stateless__summarise", "arguments": {"subject": "tides"}});
    let prompt = talk.result(&step).await;
    assert_eq!(prompt["messages"][0]["content"]["text"], "Summarise tides in one sentence.");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_reaches_every_server() {
    let town = Town::up().await;
    for client in Client::ALL {
        let grant = town.stand.open("work").await;
        let mut talk = client.connect(&grant).await;
        tour(&mut talk, &town.files).await;
        talk.end().await;

        let mut talk = client.connect_stdio(&town.stand.stdio_door("work")).await;
        tour(&mut talk, &town.files).await;
        talk.end().await;
    }
    let grant = town.stand.open("work").await;
    for era in ["legacy", "modern"] {
        let listed = inspect(&grant, era, &["--method", "tools/list"]).await;
        assert!(listed["tools"].as_array().unwrap().len() > 30, "{era}: {listed}");
        let call = [
            "--method",
            "tools/call",
            "--tool-name",
            "stateless__add",
            "--tool-args-json",
            "{\"a\":1,\"b\":2}",
        ];
        assert_eq!(text_of(&inspect(&grant, era, &call).await), "3", "{era}");
    }
    crate::proof::log_is_good(&town.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_its_own_endpoint_keeps_its_names_and_every_field() {
    let town = Town::up().await;
    let grant = town.stand.open("work").await;
    let direct = [node(), npm_server("everything"), "stdio".to_owned()];
    let mut bare = Client::TypeScriptOld.connect_stdio(&direct).await;
    let mut through = Client::TypeScriptOld
        .connect_to(&format!("{}/everything", grant.endpoint), &grant.token)
        .await;
    let all = |listed: &Value| -> Vec<Value> {
        // Which tools this server has depends on what its client can do; compare those in both lists.
        let mut tools = listed["tools"].as_array().unwrap().clone();
        tools.sort_by_key(|tool| tool["name"].to_string());
        tools
    };
    let listed = all(&through.result(&json!({"do": "tools/list"})).await);
    assert!(listed.len() >= 10, "{listed:?}");
    let original = all(&bare.result(&json!({"do": "tools/list"})).await);
    for tool in &listed {
        assert!(original.contains(tool), "not as the server wrote it: {tool}");
    }
    for (tool, arguments) in [
        ("get-tiny-image", json!({})),
        ("get-structured-content", json!({"location": "Chicago"})),
        ("get-annotated-message", json!({"messageType": "error", "includeImage": true})),
        ("get-resource-links", json!({"count": 3})),
        ("get-resource-reference", json!({"resourceType": "Text", "resourceId": 1})),
    ] {
        let (mine, theirs) =
            (through.call(tool, &arguments).await, bare.call(tool, &arguments).await);
        assert_eq!(without_clock(mine), without_clock(theirs), "{tool}");
    }
    bare.end().await;
    through.end().await;
}

/// Two of the answers carry the time of day in a resource's text.
fn without_clock(mut result: Value) -> Value {
    for part in result["content"].as_array_mut().unwrap() {
        if let Some(resource) = part.get_mut("resource") {
            resource["text"] = Value::Null;
        }
    }
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_arrives_and_a_cancelled_call_leaves_the_session_whole() {
    let town = Town::up().await;
    for client in Client::ALL {
        let grant = town.stand.open("work").await;
        let mut talk = client.connect(&grant).await;
        let long = json!({"do": "tools/call", "name": "everything__trigger-long-running-operation",
            "arguments": {"duration": 1, "steps": 4}, "progress": true});
        let done = talk.result(&long).await;
        assert!(text_of(&done).contains("completed"), "{client:?}: {done}");
        let progress: Vec<_> = talk
            .beside
            .iter()
            .filter(|line| line["notification"] == "notifications/progress")
            .map(|line| line["params"]["progress"].as_f64().unwrap())
            .collect();
        assert_eq!(progress, [1.0, 2.0, 3.0, 4.0], "{client:?}");
        let cancelled = json!({"do": "tools/call", "name": "everything__trigger-long-running-operation",
            "arguments": {"duration": 30, "steps": 4}, "cancel_after_ms": 300});
        assert_eq!(talk.step(&cancelled).await["cancelled"], true, "{client:?}");
        assert_eq!(
            talk.text("everything__echo", &json!({"message": "after"})).await,
            "Echo: after"
        );
        talk.end().await;
    }
}
