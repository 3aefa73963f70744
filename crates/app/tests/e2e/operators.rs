//! Operator acts need a person: a process of the same uid without the passphrase cannot approve or admit,
//! and the status says that such an installation is unprotected, and why.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::drift::{pull_the_rug, stand};
use crate::peers::Client;

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
async fn the_grant_of_an_agent_opens_no_operator_door() {
    let (stand, _notes) = stand().await;
    let grant = stand.open("reading").await;
    let sockets = sockets_under(stand.state());
    assert!(!sockets.is_empty(), "no socket under the state directory");
    for socket in sockets {
        for path in ["/v1/holds", "/v1/tools/admit", "/v1/approve", "/v1/task/freeze", "/"] {
            let status = knock(&socket, path, &grant.token).await;
            assert!(status >= 400, "POST {path} with an agent's grant gave {status}");
        }
    }
}

fn sockets_under(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(sockets_under(&entry.path()));
        } else if kind.is_socket() {
            found.push(entry.path());
        }
    }
    found
}

async fn knock(socket: &std::path::Path, path: &str, token: &str) -> u16 {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: remit\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
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
    let doctor = stand.remit(&["doctor"]).await;
    let said = doctor.said().to_lowercase();
    assert!(said.contains("unprotected"), "{said}");
    assert!(said.contains("uid") || said.contains("user"), "it does not say why: {said}");
}
