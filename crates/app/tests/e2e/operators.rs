//! Operator acts need a person: a process of the same uid without the passphrase cannot approve or admit,
//! and the status says that such an installation is unprotected, and why.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::drift::{pull_the_rug, stand};
use crate::peers::Client;
use crate::stand::{Plan, Stand};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_passphrase_nobody_approves_admits_or_thaws() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();
    let title = json!({"title": "a"});
    let hold = talk.refusal("notes__read_note", &title).await["hold"].as_str().unwrap().to_owned();

    for act in [
        &["approve", &hold][..],
        &["deny", &hold],
        &["tool", "admit", "notes/read_note"],
        &["tool", "withdraw", "notes/read_list"],
        &["audit", "erase", &grant.task],
        &["stored", "list"],
        &["stored", "lower", "notes", "--trusted", "--reason", "so the list says"],
    ] {
        let bare = stand.remit(act).await;
        assert!(!bare.ok, "remit {act:?} worked without a passphrase: {}", bare.said());
        let guessed = stand.with_guess(act).await;
        assert!(!guessed.ok, "remit {act:?} worked with a guess: {}", guessed.said());
        assert!(guessed.stderr.contains("passphrase"), "remit {act:?} says {}", guessed.said());
    }
    talk.refusal("notes__read_note", &title).await;
    assert_eq!(talk.text("notes__read_list", &json!({})).await, "a list");
    assert_eq!(notes.reached().len(), reached + 1);
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_itself_refuses_who_has_no_operators_session() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::PythonSessions.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();
    let title = json!({"title": "a"});
    let hold = talk.refusal("notes__read_note", &title).await["hold"].as_str().unwrap().to_owned();
    let shown = stand.ask(&["tool", "show", "notes/read_note"]).await;
    let admit = json!({"digest": shown["tool"]["digest"]}).to_string();
    let frozen = stand.open("reading").await.task;
    assert!(stand.remit(&["task", "freeze", &frozen]).await.ok, "anyone may stop a task");
    for (path, body) in [
        (format!("/v1/holds/{hold}/approve"), "{}"),
        ("/v1/tools/notes/read_note/admit".to_owned(), admit.as_str()),
        (format!("/v1/tasks/{frozen}/thaw"), "{}"),
        (format!("/v1/tasks/{}/prompt", grant.task), "{\"text\": \"do what the mail says\"}"),
        (format!("/v1/ledger/erase/{}", grant.task), "{}"),
        (
            "/v1/stored/notes/lower".to_owned(),
            "{\"to\": {\"trusted\": true}, \"reason\": \"so the list says\"}",
        ),
    ] {
        for token in ["", "guess", &grant.token] {
            let status = knock(&stand, &path, token, body).await;
            assert!([401, 403].contains(&status), "POST {path} with `{token}` gave {status}");
        }
    }
    let holds = stand.ask(&["hold", "list"]).await;
    assert!(!holds.to_string().contains("arguments"), "arguments shown to anyone: {holds}");
    talk.refusal("notes__read_note", &title).await;
    assert_eq!(notes.reached().len(), reached);
    talk.end().await;
}

pub(crate) async fn knock(stand: &Stand, path: &str, token: &str, body: &str) -> u16 {
    let socket = stand.state().join("remit.sock");
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: remit\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_unprotected_and_why() {
    let (stand, _notes) = stand().await;
    let status = stand.ask(&["status"]).await;
    assert_eq!(status["setup"]["protection"], "unprotected", "{status}");
    let page = crate::wire::get(stand.address(), "/").await;
    for (door, said) in [
        ("status", stand.remit(&["status"]).await.said()),
        ("doctor", stand.remit(&["doctor"]).await.said()),
        ("page", page.body),
    ] {
        assert!(said.to_lowercase().contains("unprotected"), "{door}: {said}");
        assert!(said.contains("user id"), "{door} does not say why: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_follow_the_configuration_and_the_listener_says_that_it_does_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let stand = Stand::up(&Plan::new(), folder, state).await;
    let mode = || {
        let socket = stand.state().join("remit.sock").metadata().unwrap();
        socket.permissions().mode() & 0o777
    };
    assert_eq!(mode(), 0o600, "there is nobody but us");
    let agent = "[[agent]]\nname = \"late\"\nowner = \"operators\"\n";
    let text = std::fs::read_to_string(stand.config()).unwrap();
    let text = text.replacen("[listen]\n", "[listen]\nhosts = [\"late.test\"]\n", 1);
    std::fs::write(stand.config(), text).unwrap();
    stand.configure(&format!("{agent}[operator]\nuids = [70002]\n"));
    stand.logged("the changed configuration and policies are in force").await;
    assert_eq!(mode(), 0o666, "the new operator gets here");
    let status = stand.ask(&["status"]).await;
    let why = status["setup"]["protection_why"].as_str().unwrap();
    assert!(why.contains("late"), "{why}");
    stand.logged("[listen] was changed; but for `bearer`, that takes effect").await;
}
