//! The life of a child: what it sees, how it ends, which file may be started.

use remit_model::Digest;
use remit_ports::{Upstream, UpstreamError};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::delivery::Equipment;
use crate::stdio::Handed;

fn running(pid: u64) -> bool {
    // A process that ended but was not yet waited for is no longer running.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim().starts_with('Z'))
}

#[tokio::test]
async fn a_child_inherits_no_secret() {
    let mut config = python(&[&script("stdio_server.py"), "sessions"]);
    config.env.insert("TOKEN".to_owned(), "given-by-configuration".to_owned());
    let servers = servers(Transport::Stdio(config), false, limits());
    let (ended, _) = carry(&servers, "env", "{}").await;
    let seen: BTreeMap<String, String> = serde_json::from_str(&text(&ended)).unwrap();
    assert_eq!(seen.get("TOKEN").map(String::as_str), Some("given-by-configuration"));
    assert_eq!(seen.get("HOME").map(String::as_str), Some("/tmp"));
    assert!(!seen.contains_key("AWS_SECRET_ACCESS_KEY"));
    assert!(!seen.contains_key("CARGO_MANIFEST_DIR"), "nothing of this process: {seen:?}");
}

#[tokio::test]
async fn what_it_says_on_standard_error_is_kept_without_secrets() {
    let mut config = python(&[&script("stdio_server.py"), "sessions"]);
    config.env.insert("TOKEN".to_owned(), "given-by-configuration".to_owned());
    let servers = servers(Transport::Stdio(config), false, limits());
    let (ended, _) = carry(&servers, "late", "{}").await;
    assert_eq!(text(&ended), "done", "an answer before the end counts");
    eventually(|| !servers.status()[0].stderr.is_empty()).await;
    assert_eq!(servers.status()[0].stderr, ["secret is [secret]"]);
    eventually(|| servers.status()[0].alive == 0).await;
}

#[tokio::test]
async fn a_released_task_takes_its_whole_process_group_with_it() {
    let config = stdio(&[&script("stdio_server.py"), "sessions"]);
    let servers = servers(config, false, limits());
    let (ended, _) = carry(&servers, "spawn", "{}").await;
    let pids: Vec<u64> = serde_json::from_str(&text(&ended)).unwrap();
    assert!(pids.iter().all(|pid| running(*pid)));
    servers.release(&task(2));
    assert_eq!(servers.status()[0].alive, 1, "another task's end is not ours");
    servers.release(&task(1));
    eventually(|| pids.iter().all(|pid| !running(*pid))).await;
    assert_eq!(servers.status()[0].restarts, 0, "an end we asked for is no failure");
}

#[tokio::test]
async fn dropping_everything_leaves_no_process_behind() {
    let config = stdio(&[&script("stdio_server.py"), "sessions"]);
    let servers = servers(config, true, limits());
    let (ended, _) = carry(&servers, "spawn", "{}").await;
    let pids: Vec<u64> = serde_json::from_str(&text(&ended)).unwrap();
    drop(servers);
    eventually(|| pids.iter().all(|pid| !running(*pid))).await;
}

#[tokio::test]
async fn a_changed_executable_does_not_start_until_it_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("server.py");
    let original = std::fs::read_to_string(script("stdio_server.py")).unwrap();
    std::fs::write(&copy, &original).unwrap();
    let config = stdio(&[copy.to_str().unwrap(), "sessions"]);
    let servers = servers(config, false, limits());
    let first = servers.discover(&name(), Vec::new()).await.unwrap().executable.unwrap();
    std::fs::write(&copy, format!("{original}\n# and now something else\n")).unwrap();
    let (ended, opened) = carry(&servers, "echo", "{}").await;
    assert!(matches!(&ended, Ended::Unsent(why) if why.contains("admit it first")), "{ended:?}");
    assert_eq!(opened, 0);
    let error = servers.discover(&name(), Vec::new()).await.unwrap_err();
    let UpstreamError::ExecutableChanged { pinned, found, .. } = error else { panic!("{error}") };
    assert_eq!(pinned, first);
    assert_ne!(found, first);
    servers.pin(&name(), found);
    let (ended, _) = carry(&servers, "echo", "{}").await;
    assert!(text(&ended).contains("arguments"));
    servers.pin(&name(), Digest::of(b"what somebody admitted earlier"));
    servers.release(&task(1));
    let (ended, _) = carry(&servers, "echo", "{}").await;
    assert!(matches!(ended, Ended::Unsent(_)), "a pin from the catalogue binds at once");
}

#[tokio::test]
async fn a_server_that_cannot_start_is_not_tried_in_a_loop() {
    let servers = servers(stdio(&["-c", "raise SystemExit(7)"]), false, limits());
    let mut waits = 0;
    for _ in 0..12 {
        let (ended, opened) = carry(&servers, "echo", "{}").await;
        let Ended::Unsent(why) = ended else { panic!("{ended:?}") };
        assert_eq!(opened, 0, "nothing was sent");
        waits += usize::from(why.contains("the next attempt is in"));
    }
    assert!(waits >= 3, "the waits grow until calls fail at once");
    let missing = StdioServer { program: "/no/such/program".to_owned(), ..python(&[]) };
    let servers = self::servers(Transport::Stdio(missing), false, limits());
    let error = servers.discover(&name(), Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("no executable `/no/such/program`"), "{error}");
}

/// What is lent is in a descriptor of the process that it is lent to, and in no other that starts beside it.
#[tokio::test]
async fn a_descriptor_is_inherited_by_the_process_that_it_is_for_alone() {
    let lend = |value: &str| {
        let secret = remit_model::Secret::new(value.to_owned());
        let mut equipment = Equipment::default();
        equipment.descriptors.insert("KEY_FD".to_owned(), secret);
        Handed::of(&equipment, &std::env::temp_dir()).unwrap()
    };
    let look = "import os\nfds = [f'/dev/fd/{fd}' for fd in os.listdir('/dev/fd')]\n\
                lent = [fd for fd in fds if os.path.exists(fd) and 'memfd' in os.readlink(fd)]\n\
                print(os.environ.get('KEY_FD'), [open(fd).read() for fd in lent])";
    let (env, base) = (Path::new("/usr/bin/env"), base(limits()));
    let mut config = python(&["python3", "-c", look]);
    config.program = "env".to_owned();
    // All of them are open here when the first is started.
    let lent = [lend("the first key"), lend("the second key"), Handed::default()];
    for (handed, expected) in
        lent.into_iter().zip(["3 ['the first key']", "3 ['the second key']", "None []"])
    {
        let mut process = crate::stdio::start(&config, env, &base, handed).unwrap();
        let mut said = String::new();
        process.stdout.read_to_string(&mut said).await.unwrap();
        assert_eq!(said.trim(), expected);
    }
}
