//! Who a process is, by what the kernel says of it. Each case is a process of its own.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use remit_model::Digest;
use spiffe::WorkloadApiClient;
use tokio::process::Command;
use tokio::time::timeout;

use super::{endpoint, open_to_all, stand};
use crate::stand::{PATIENCE, Stand};

/// What a process of these tests does in another process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    /// Fetches X.509-SVIDs and prints whose they are.
    Fetch,
}

/// Marks the line with the result among what the test harness prints.
const SAYS: &str = "says: ";

/// Runs a part of this test program as user `uid`, and what it says.
pub(super) async fn run_as(uid: u32, program: Program, stand: &Stand) -> String {
    let Program::Fetch = program;
    let name = "svids::selectors::fetches_as_whoever_it_runs_as";
    // By descriptor: another user need not be able to find the way to it.
    let own = OwnedFd::from(std::fs::File::open(std::env::current_exe().unwrap()).unwrap());
    let run = Command::new("/proc/self/fd/0")
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"])
        .env("SPIFFE_ENDPOINT_SOCKET", endpoint(stand))
        .current_dir("/")
        .stdin(Stdio::from(own))
        .uid(uid)
        .gid(uid)
        .output();
    let output = timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| Some(line.split_once(SAYS)?.1.to_owned()));
    said.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
#[ignore = "not a test: what other tests run as another user"]
async fn fetches_as_whoever_it_runs_as() {
    let fetched = async {
        let client = WorkloadApiClient::connect_env().await?;
        client.fetch_x509_context().await
    };
    let said = match fetched.await {
        Ok(context) => {
            let ids = context.svids().iter().map(|svid| svid.spiffe_id().to_string());
            ids.collect::<Vec<_>>().join(" ")
        }
        Err(why) => why.to_string(),
    };
    println!("{SAYS}{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_selectors_of_an_agent_have_to_fit() {
    let program = std::fs::canonicalize(std::env::current_exe().unwrap()).unwrap();
    let digest = Digest::of(&std::fs::read(&program).unwrap());
    let other = Digest::of(b"another program");
    let path = program.display();
    let agents = [
        ("by-path", format!("\"unix:uid:4711\", \"unix:path:{path}\"")),
        ("by-digest", format!("\"unix:uid:4711\", \"unix:sha256:{digest}\"")),
        ("by-group", "\"unix:uid:4711\", \"unix:gid:4711\"".to_owned()),
        ("wrong-path", "\"unix:uid:4711\", \"unix:path:/usr/bin/bot\"".to_owned()),
        ("wrong-digest", format!("\"unix:uid:4711\", \"unix:sha256:{other}\"")),
        ("wrong-group", "\"unix:uid:4711\", \"unix:gid:0\"".to_owned()),
        ("wrong-user", format!("\"unix:uid:4712\", \"unix:path:{path}\"")),
        ("one-of-two", format!("\"unix:uid:4711\", \"unix:path:{path}\", \"unix:gid:0\"")),
    ];
    let table = |(name, selectors): &(&str, String)| {
        format!("[[agent]]\nname = \"{name}\"\nowner = \"operators\"\nselectors = [{selectors}]\n")
    };
    let stand = stand(&agents.iter().map(table).collect::<String>()).await;
    open_to_all(stand.state());
    open_to_all(stand.state().parent().unwrap());
    let said = run_as(4711, Program::Fetch, &stand).await;
    let names: Vec<_> = said.split(' ').map(|id| id.rsplit_once('/').unwrap().1).collect();
    assert_eq!(names, ["by-digest", "by-group", "by-path"]);
}

/// The door where tasks are opened asks the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_opened_by_whom_all_selectors_fit() {
    let dir = tempfile::tempdir().unwrap();
    let remit = std::fs::canonicalize(crate::stand::REMIT).unwrap();
    let agents = format!(
        "[[agent]]\nname = \"right\"\nowner = \"operators\"\nselectors = [\"unix:path:{}\"]\n\
         [[agent]]\nname = \"wrong\"\nowner = \"operators\"\nselectors = [\"unix:path:/bin/bot\"]\n\
         [[template]]\nname = \"right\"\nmay_open = [\"right\"]\npurpose = \"x\"\ntools = [\"*\"]\n\
         [[template]]\nname = \"wrong\"\nmay_open = [\"wrong\"]\npurpose = \"x\"\ntools = [\"*\"]\n",
        remit.display()
    );
    let stand = super::up(&crate::stand::Plan::new().with(&agents), dir).await;
    assert!(!stand.open("right").await.token.is_empty());
    let refused = stand.remit(&["task", "open", "--template", "wrong"]).await;
    assert!(!refused.ok && refused.said().contains("may_open"), "{}", refused.said());
}
