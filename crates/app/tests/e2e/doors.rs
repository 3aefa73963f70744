//! The doors for people and their clients: importing a client's configuration, a server that starts when it
//! is needed, one owner per state directory, no listener in the open.

use std::process::Stdio;

use serde_json::json;

use crate::drift::read_note;
use crate::peers::{Changing, Client};
use crate::stand::{Plan, Stand};

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_configuration_is_taken_over_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), &json!([read_note("Reads a note.")]));
    let [program, arguments @ ..] =
        notes.command().try_into().map(|words: [String; 4]| words).unwrap();
    let servers = folder.path().join("client.json");
    let text = json!({"mcpServers": {"notes": {"command": program, "args": arguments}}});
    std::fs::write(&servers, text.to_string()).unwrap();
    let state = folder.path().join("state");
    let plan = Plan::new().template("reading", &["*"], "");
    let mut stand = Stand::up(&plan, folder, state).await;
    stand.kill().await;
    stand.act(&["init", "--import", servers.to_str().unwrap()]).await;
    let imported = std::fs::read_to_string(stand.config()).unwrap();
    assert!(imported.contains("name = \"notes\""), "{imported}");
    stand.start().await;
    let mut talk = Client::TypeScriptOld.connect(&stand.open("reading").await).await;
    assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stdio_client_starts_the_server_it_needs() {
    let (mut stand, notes) = crate::drift::stand().await;
    stand.kill().await;
    let mut talk = Client::PythonSessions.connect_stdio(&stand.stdio_door("reading")).await;
    let owner = OwnerOfSocket::of(&stand).await;
    assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
    let mut second = Client::TypeScriptOld.connect_stdio(&stand.stdio_door("reading")).await;
    assert_eq!(second.text("notes__read_note", &json!({"title": "a"})).await, "a note");
    assert_eq!(OwnerOfSocket::of(&stand).await.0, owner.0, "a second server was started");
    talk.end().await;
    second.end().await;
    assert_eq!(notes.reached().len(), 2);
    crate::proof::log_is_good(&stand).await;
}

/// The process that listens on the state directory's socket; killed when dropped.
struct OwnerOfSocket(i32);

impl OwnerOfSocket {
    async fn of(stand: &Stand) -> Self {
        let socket = stand.state().join("remit.sock");
        let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
        Self(stream.peer_cred().unwrap().pid().expect("the kernel names the peer"))
    }
}

impl Drop for OwnerOfSocket {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill")
            .arg(self.0.to_string())
            .stderr(Stdio::null())
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_has_one_owner() {
    let (stand, _notes) = crate::drift::stand().await;
    let second = stand.remit(&["serve", "--json"]).await;
    assert!(!second.ok, "two servers own one state directory: {}", second.said());
    assert!(second.stderr.contains("serve"), "{}", second.said());
    assert!(stand.remit(&["status"]).await.ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_beyond_loopback_without_tls() {
    let (mut stand, _notes) = crate::drift::stand().await;
    stand.kill().await;
    let config = std::fs::read_to_string(stand.config()).unwrap();
    std::fs::write(stand.config(), config.replace("127.0.0.1:0", "0.0.0.0:0")).unwrap();
    let refused = stand.remit(&["serve", "--json"]).await;
    assert!(!refused.ok, "{}", refused.said());
    assert!(refused.stderr.contains("tls_certificate"), "{}", refused.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_is_safe_to_repeat_and_a_stranger_file_is_refused_with_a_reason() {
    let (stand, _notes) = crate::drift::stand().await;
    let before = std::fs::read_to_string(stand.config()).unwrap();
    let key = stand.remit(&["audit", "key"]).await.stdout;
    stand.act(&["init"]).await;
    assert_eq!(std::fs::read_to_string(stand.config()).unwrap(), before);
    assert_eq!(stand.remit(&["audit", "key"]).await.stdout, key);
    let refused = stand.with_passphrase(&["init", "--import", "/dev/null"]).await;
    assert!(!refused.ok && !refused.stderr.is_empty(), "{}", refused.said());
    assert_eq!(std::fs::read_to_string(stand.config()).unwrap(), before);
}
