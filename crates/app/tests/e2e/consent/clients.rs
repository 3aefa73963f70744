//! Clients that nobody here wrote find their way from a challenge through the page to a call. The person
//! is played by `e2e/person.py`, which reads the pages with an HTML parser.

use serde_json::json;

use super::stand;
use crate::peers::{Client, Guided, certificate, peer, python};
use crate::stand::Plan;

#[tokio::test(flavor = "multi_thread")]
async fn sdk_clients_send_a_person_to_the_page_and_go_on_by_themselves() {
    // Grants that last for two seconds make them use what they got for going on.
    let (stand, notes) = stand(Plan::new().limits("grant = \"2s\"")).await;
    let url = format!("http://{}/mcp", stand.address());
    let passphrase = stand.passphrase_file();
    let guided =
        |bound| Guided { url: &url, client: "desk", passphrase: &passphrase, bound, key: None };
    for (client, bound) in [
        (Client::TypeScriptStateless, true),
        (Client::TypeScriptSessions, false),
        (Client::PythonStateless, false),
        (Client::PythonSessions, false),
    ] {
        let mut talk = client.connect_guided(&guided(bound)).await;
        for _ in 0..2 {
            let text = talk.text("notes__read_note", &json!({"title": "a"})).await;
            assert_eq!(text, "a note", "{client:?}, bound: {bound}");
            tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        }
        talk.end().await;
    }
    assert_eq!(notes.reached().len(), 8);
    let tasks = super::tasks(&stand).await;
    assert_eq!(tasks.len(), 4, "each client has one task: {tasks:?}");
    for task in &tasks {
        assert_eq!(task["consent"]["client"], "desk");
        assert_eq!(task["purpose"], "read the notes of today");
    }
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_is_heard_by_the_client() {
    let (stand, _) = stand(Plan::new()).await;
    let mut person = tokio::process::Command::new(python());
    person.arg(peer("person.py")).args(["--decide", "deny", "--passphrase-file"]);
    let ask = format!("http://{}{}", stand.address(), super::browser::ask(&[]));
    let run = person.arg(stand.passphrase_file()).arg(ask).output().await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(said.contains("error=access_denied"), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_page_holds_its_browser_by_a_cookie_of_this_host_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    certificate(&trusted, &key).await;
    let (stand, _) = stand(Plan::new().tls(&trusted, &key)).await;
    let ask = format!("https://{}{}", stand.address(), super::browser::ask(&[]));
    let mut person = tokio::process::Command::new(python());
    person.env("SSL_CERT_FILE", &trusted).env_remove("SSL_CERT_DIR");
    person.arg(peer("person.py")).arg("--passphrase-file").arg(stand.passphrase_file()).arg(ask);
    let run = person.output().await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(said.contains("code="), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("iss=https%3A%2F%2F"), "{said}");
    assert!(said.contains("\"cookie\": \"__Host-remit_consent\""), "{said}");
}
