//! Rows about files and command lines: configurations, policies, what a task is opened with. What
//! is wrong is said with its place, and changes nothing.

use serde::Deserialize;

use super::fill::Names;
use super::{Surprises, rows};
use crate::stand::Stand;

/// A file that cannot be used, and what is said about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    text: String,
    says: String,
}

/// A command that is refused, and what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    about: String,
    run: Vec<String>,
    says: String,
}

async fn refused(stand: &Stand, names: &Names, run: &[&str]) -> String {
    let ran = stand.remit(run).await;
    let said =
        if ran.ok { format!("nothing: it was accepted\n{}", ran.stdout) } else { ran.stderr };
    // What the server logs on its way to the refusal has a time of day.
    let said = said.find("remit: ").and_then(|start| said.get(start..)).unwrap_or(&said);
    names.blank(said.trim_end())
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations() {
    let (mut stand, _notes) = crate::drift::stand().await;
    let good = std::fs::read_to_string(stand.config()).unwrap();
    stand.kill().await;
    let path = stand.state().join("bad.toml");
    let names = Names::default().with("file", path.to_str().unwrap()).with("good", &good);
    let folder = stand.state().to_str().unwrap().to_owned();
    let mut surprises = Surprises::default();
    for row in rows::<File>(include_str!("../../input/configurations.toml")) {
        std::fs::write(&path, names.fill(&row.text)).unwrap();
        let blank = Names::default().with("file", path.to_str().unwrap()).with("state", &folder);
        let run = ["serve", "--config", path.to_str().unwrap()];
        let said = refused(&stand, &blank, &run).await;
        surprises.check(&row.about, "says", &said, row.says.trim_end());
    }
    surprises.end();
    stand.start().await;
    assert!(stand.remit(&["status"]).await.ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies() {
    let (stand, _notes) = crate::drift::stand().await;
    let folder = stand.state().join("bad");
    std::fs::create_dir(&folder).unwrap();
    let names = Names::default().with("folder", folder.to_str().unwrap());
    let mut surprises = Surprises::default();
    for row in rows::<File>(include_str!("../../input/policies.toml")) {
        std::fs::write(folder.join("bad.cedar"), names.fill(&row.text)).unwrap();
        let said = refused(&stand, &names, &["policy", "check", folder.to_str().unwrap()]).await;
        surprises.check(&row.about, "says", &said, row.says.trim_end());
    }
    surprises.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands() {
    let (stand, notes) = crate::drift::stand().await;
    let grant = stand.open("reading").await;
    let names = Names::default().with("task", &grant.task);
    let mut surprises = Surprises::default();
    for row in rows::<Command>(include_str!("../../input/commands.toml")) {
        let run: Vec<String> = row.run.iter().map(|word| names.text(word)).collect();
        let run: Vec<&str> = run.iter().map(String::as_str).collect();
        let said = refused(&stand, &names, &run).await;
        surprises.check(&row.about, "says", &said, row.says.trim_end());
    }
    surprises.end();
    assert!(notes.reached().is_empty());
    let listed = stand.ask(&["task", "list"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}
