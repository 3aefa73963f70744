//! Every client through Remit to every server: both eras, over HTTP and over stdio.
//!
//! What each server is asked and has to give stands in `e2e/passage.json`. One case is a client, a
//! transport and a server: list, call, an error of the server's own, a refusal of ours, and what
//! else the server has.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::peers::{
    Client, Conversation, Listening, everything_over_http, everywhere, inspect, node, npm_server,
    peer, refusal_in, refusal_of, stateless_server, text_of,
};
use crate::stand::{Plan, Stand};

/// What the operator says of the tools here: these tests are about the passage, not the policies.
const HARMLESS: &str = "[server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\n\
    sensitivity = \"public\"\nreturns = \"trusted\"\n";

/// How often a client is looked at again for what it has yet to hand on.
const PUMPS: usize = 20;

/// Seven servers in one configuration, what they are asked, and what serves some of it.
struct Town {
    stand: Stand,
    cases: Value,
    _servers: [Listening; 2],
}

impl Town {
    async fn up() -> Self {
        let servers = [stateless_server().await, everything_over_http().await];
        let page = page().await;
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("letter.txt"), "dear reader").unwrap();
        git(&files, &["init", "--quiet", "."]);
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
        let commit = ["commit", "--quiet", "--allow-empty", "--message", "the first commit"];
        git(&files, &[&identity[..], &commit].concat());
        let files = files.to_str().unwrap().to_owned();
        let cases = std::fs::read_to_string(peer("passage.json")).unwrap();
        let cases = cases.replace("$FILES", &files).replace("$PAGE", &page);
        let cases: Value = serde_json::from_str(&cases).unwrap();
        let remit: Vec<_> = strings(&cases["remit"]);
        let memory = folder.path().join("memory.jsonl");
        let memory = format!(
            "shared = true\nenv = {{ MEMORY_FILE_PATH = {:?} }}\n{HARMLESS}",
            memory.to_str().unwrap()
        );
        let shared = format!("shared = true\n{HARMLESS}");
        let fetch = [&peer(".venv/bin/mcp-server-fetch"), "--allow-private-ips"];
        let plan = Plan::new()
            .stdio("everything", &[&node(), &npm_server("everything"), "stdio"], HARMLESS)
            .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], &shared)
            .stdio("memory", &[&node(), &npm_server("memory")], &memory)
            .stdio("git", &[&peer(".venv/bin/mcp-server-git"), "--repository", &files], &shared)
            .stdio("fetch", &fetch, &shared)
            .http("stateless", &servers[0].url, HARMLESS)
            .http("sessions", &servers[1].url, HARMLESS)
            .template("work", &remit, "budget = { calls = 1000 }\ndeadline = \"1h\"");
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        let known = |tools: &Value| {
            let tools = tools.as_array().unwrap();
            let listed = |name| tools.iter().any(|tool| tool["id"]["server"] == name);
            cases["servers"].as_object().unwrap().keys().map(String::as_str).all(listed)
        };
        stand.until("every server has been asked", &["tool", "list"], known).await;
        Self { stand, cases, _servers: servers }
    }

    /// Takes every case with a client that is connected.
    async fn tour(&self, mut talk: Conversation, who: &str) {
        for (server, steps) in self.cases["servers"].as_object().unwrap() {
            for step in steps.as_array().unwrap() {
                let heard = talk.beside.len();
                let line = talk.step(step).await;
                let mut given = gives(&line, &talk.beside[heard..], &step["gives"]);
                // The Rust SDK hands on a notification in its own time, also after the answer.
                for _ in 0..PUMPS {
                    if given.is_ok() || step["progress"] != true {
                        break;
                    }
                    talk.tools().await;
                    given = gives(&line, &talk.beside[heard..], &step["gives"]);
                }
                given.unwrap_or_else(|why| panic!("{who}, {server}: {step} gave {line}: {why}"));
            }
        }
        talk.end().await;
    }
}

fn git(folder: &std::path::Path, args: &[&str]) {
    let status =
        std::process::Command::new("git").arg("-C").arg(folder).args(args).status().unwrap();
    assert!(status.success(), "git {args:?}");
}

/// A web site of one page; gives its address.
async fn page() -> String {
    let page = "<html><body><p>a page of our own</p></body></html>";
    let text = axum::routing::get(move || async move { axum::response::Html(page) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = axum::Router::new().route("/page", text);
    tokio::spawn(async move { axum::serve(listener, site).await });
    format!("http://{address}")
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

/// Checks one answer, and what came beside it, against what a case gives.
///
/// Errors: what is missing, in words.
fn gives(line: &Value, beside: &[Value], wanted: &Value) -> Result<(), String> {
    let result = &line["result"];
    for (what, value) in wanted.as_object().ok_or("the case does not say what it gives")? {
        let text = value.as_str().unwrap_or_default();
        let holds = match what.as_str() {
            "names" => {
                let listed = names(result);
                strings(value).iter().all(|name| listed.iter().any(|one| one == name))
            }
            "text" => result["isError"] != true && texts(result).contains(text),
            "failed" => {
                result["isError"] == true
                    && refusal_in(result).is_none()
                    && texts(result).contains(text)
            }
            "refused" => refusal_of(result)["class"] == text,
            "error" => line["error"].to_string().contains(text) && line["error"].is_object(),
            "values" => result["completion"]["values"] == *value,
            "cancelled" => line["cancelled"] == true,
            "progress" => value.as_u64().is_some_and(|steps| progressed(beside, steps)),
            other => return Err(format!("a case cannot give `{other}`")),
        };
        if !holds {
            return Err(format!("expected {what} {value}; beside: {beside:?}"));
        }
    }
    Ok(())
}

/// Whether every one of `steps` steps of progress was reported. In what order, an SDK may not keep: the
/// Rust one hands each on in a task of its own, and the TypeScript ones handle an answer before a
/// notification that stands before it in the same read, and report that one as an error: it came.
fn progressed(beside: &[Value], steps: u64) -> bool {
    let late = |one: &&Value| {
        one["transport"].as_str().is_some_and(|it| it.contains("for an unknown token"))
    };
    let reports = beside.iter().filter(|one| one["notification"] == "notifications/progress");
    let mut reports: Vec<_> =
        reports.map(|one| one["params"]["progress"].as_f64().unwrap()).collect();
    reports.sort_by(f64::total_cmp);
    let on_time = usize::try_from(steps).unwrap() - beside.iter().filter(late).count();
    let numbers = (1..=u32::try_from(steps).unwrap()).map(f64::from);
    reports == numbers.take(on_time).collect::<Vec<_>>()
}

/// The names, URIs or templates of whatever was listed.
fn names(result: &Value) -> Vec<String> {
    let list = ["tools", "resources", "resourceTemplates", "prompts"];
    let items = list.iter().filter_map(|kind| result[kind].as_array()).flatten();
    let name = |item: &Value| {
        let name = ["uri", "uriTemplate", "name"].iter().find_map(|member| item[member].as_str());
        name.unwrap().to_owned()
    };
    items.map(name).collect()
}

/// Every text in a result, wherever its kind has it.
fn texts(result: &Value) -> String {
    match result {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) if name == "text" => format!("{text}\n"),
                other => texts(other),
            })
            .collect(),
        Value::Array(items) => items.iter().map(texts).collect(),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_reaches_every_server() {
    let town = Arc::new(Town::up().await);
    everywhere(
        &town,
        "work",
        |town| &town.stand,
        |town, talk, who| async move {
            town.tour(talk, &who).await;
        },
    )
    .await;
    let mut runs = JoinSet::new();
    for era in ["legacy", "modern"] {
        let town = Arc::clone(&town);
        runs.spawn(async move { inspected(&town, era).await });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
    crate::proof::log_is_good(&town.stand).await;
}

/// The inspector's command line makes one request a run: it lists and calls, over both transports.
async fn inspected(town: &Town, era: &str) {
    let grant = town.stand.open("work").await;
    let http = ["--url", &grant.endpoint, "--token", &grant.token];
    let door = town.stand.stdio_door("work");
    let stdio: Vec<_> = door.iter().flat_map(|word| ["--word", word]).collect();
    for place in [&http[..], &stdio] {
        let listed = names(&inspect(place, era, &["--method", "tools/list"]).await);
        assert!(listed.contains(&"stateless__add".to_owned()), "{era} {place:?}: {listed:?}");
        let call = ["--method", "tools/call", "--tool-name", "stateless__add"];
        let numbers = ["--tool-args-json", "{\"a\":1,\"b\":2}"];
        let sum = inspect(place, era, &[&call[..], &numbers].concat()).await;
        assert_eq!(text_of(&sum), "3", "{era} {place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_its_own_endpoint_keeps_its_names_and_every_field() {
    let direct = [node(), npm_server("everything"), "stdio".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    let command: Vec<_> = direct.iter().map(String::as_str).collect();
    let plan = Plan::new().stdio("everything", &command, HARMLESS).template("work", &["*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    let grant = stand.open("work").await;
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
