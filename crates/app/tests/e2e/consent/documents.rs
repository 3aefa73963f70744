//! Clients that a document of their own introduces, and documents that would make this server reach where
//! others cannot.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::browser::{Browser, ask, code, redeem};
use super::error;
use crate::drift::read_note;
use crate::grants::{Holder, JWT_BEARER};
use crate::peers::{Changing, Client, Guided, Listening, certificate, documents};
use crate::stand::{Plan, Stand};
use crate::wire::get;

struct Elsewhere {
    stand: Stand,
    server: Listening,
    notes: Changing,
    journal: PathBuf,
    /// Whose keys those of its clients are that have some.
    app: Holder,
}

impl Elsewhere {
    /// A Remit that fetches the documents at `paths`, and a host that has them.
    async fn up(paths: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (trusted, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
        certificate(&trusted, &key).await;
        let journal = folder.path().join("documents");
        std::fs::write(&journal, "").unwrap();
        let (app, keys) = (Holder::new(), folder.path().join("app.jwks"));
        std::fs::write(&keys, json!({ "keys": [app.jwk()] }).to_string()).unwrap();
        let server = documents((&trusted, &key), (&journal, &keys)).await;
        let mut tables = String::new();
        for path in paths {
            let id = format!("{}{path}", server.url);
            writeln!(
                tables,
                "[[client]]\nid = \"{id}\"\nagent = \"worker\"\nfetch_from_private_addresses = true"
            )
            .unwrap();
        }
        let notes = Changing::new(folder.path(), &json!([read_note("Reads a note.")]));
        let command = notes.command();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let plan = Plan::new()
            .environment(&[("SSL_CERT_FILE", trusted.to_str().unwrap())])
            .limits("grant = \"2s\"")
            .stdio("notes", &command, "")
            .template("reading", &["notes/*"], "")
            .with(&tables);
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        Self { stand, server, notes, journal, app }
    }

    fn id(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// What the page says to a request of the client at `id`.
    async fn said(&self, id: &str) -> (u16, String) {
        let answer = get(self.stand.address(), &ask(&[("client_id", id)])).await;
        assert_eq!(answer.header("location"), "", "{id}: nobody is sent anywhere");
        (answer.status, answer.body)
    }

    /// The paths that were asked for.
    fn asked(&self) -> Vec<String> {
        read(&self.journal)
    }
}

fn read(journal: &Path) -> Vec<String> {
    std::fs::read_to_string(journal).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_nobody_registered_gets_in_by_its_document() {
    let elsewhere = Elsewhere::up(&["/client.json"]).await;
    let id = elsewhere.id("/client.json");
    let browser = Browser::sign_in(&elsewhere.stand, &ask(&[("client_id", &id)])).await;
    let host = elsewhere.server.url.trim_start_matches("https://");
    for part in ["An app from elsewhere", "introduces itself from", host, "its own word"] {
        assert!(browser.page.contains(part), "{part}: {}", browser.page);
    }
    let url = format!("http://{}/mcp", elsewhere.stand.address());
    let passphrase = elsewhere.stand.passphrase_file();
    let who = Guided { url: &url, client: &id, passphrase: &passphrase, bound: false, key: None };
    for client in [Client::TypeScriptStateless, Client::PythonStateless] {
        let mut talk = client.connect_guided(&who).await;
        assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
        talk.end().await;
    }
    assert_eq!(elsewhere.notes.reached().len(), 2);
    assert_eq!(elsewhere.asked(), ["/client.json"], "fetched once, and kept");
    for task in super::tasks(&elsewhere.stand).await {
        assert_eq!(task["consent"]["client"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_signs_with_the_keys_of_its_document() {
    let elsewhere = Elsewhere::up(&["/signing.json", "/inline.json"]).await;
    let url = format!("http://{}/mcp", elsewhere.stand.address());
    let passphrase = elsewhere.stand.passphrase_file();
    let key = elsewhere.journal.with_extension("pem");
    std::fs::write(&key, elsewhere.app.pem()).unwrap();
    for path in ["/signing.json", "/inline.json"] {
        let id = elsewhere.id(path);
        let key = Some(key.as_path());
        let who = Guided { url: &url, client: &id, passphrase: &passphrase, bound: false, key };
        let mut talk = Client::TypeScriptStateless.connect_guided(&who).await;
        assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
        talk.end().await;
        let code = code(&elsewhere.stand, &ask(&[("client_id", &id)])).await;
        let unproved = redeem(&elsewhere.stand, &code, &[("client_id", &id)], None).await;
        assert_eq!(error(&unproved), "invalid_client", "{}", unproved.body);
    }
    assert_eq!(elsewhere.notes.reached().len(), 2);
    assert_eq!(elsewhere.asked(), ["/signing.json", "/keys.json", "/inline.json"], "and kept");
    // Whoever names a client that nobody mapped to an agent makes nothing be fetched.
    let issuer = format!("http://{}", elsewhere.stand.address());
    let stranger = elsewhere.app.assertion((&elsewhere.id("/other.json"), &issuer), &json!({}));
    let shown =
        [("client_id", ""), ("client_assertion_type", JWT_BEARER), ("client_assertion", &stranger)];
    let refused = redeem(&elsewhere.stand, "guessed", &shown, None).await;
    assert!(refused.body.contains("No agent is configured"), "{}", refused.body);
    assert_eq!(elsewhere.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_none_introduces_nobody() {
    let bad = [
        ("/other.json", "its `client_id` is not its own address"),
        ("/secret.json", "client_secret"),
        ("/redirect.json", "answered with status 302"),
        ("/large.json", "larger than 16384 bytes"),
        ("/slow.json", "did not come within 5 s"),
        ("/page.json", "not of the type `application/json`"),
        ("/broken.json", "not JSON as expected"),
        ("/gone.json", "answered with status 404"),
        ("/foreign.json", "no https address on its own host"),
        ("/keyless.json", "at its `jwks_uri`, its host answered with status 404"),
    ];
    let elsewhere = Elsewhere::up(&bad.map(|(path, _)| path)).await;
    for (path, why) in bad {
        let (status, page) = elsewhere.said(&elsewhere.id(path)).await;
        assert_eq!(status, 400, "{path}");
        assert!(page.contains(why), "{path}: {page}");
    }
    assert_eq!(elsewhere.asked().len(), bad.len() + 1, "but keys, no redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_that_everybody_could_not_reach() {
    let elsewhere = Elsewhere::up(&["/client.json"]).await;
    let (_, port) = elsewhere.server.url.rsplit_once(':').unwrap();
    let private = [
        "https://127.0.0.1/client.json".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://localhost/client.json".to_owned(),
        format!("https://localhost:{port}/client.json"),
        format!("https://127.0.0.1:{port}/pattern/client.json"),
        "https://10.0.0.1/client.json".to_owned(),
        "https://100.64.0.1/client.json".to_owned(),
        "https://0.0.0.0/client.json".to_owned(),
        "https://2130706433/client.json".to_owned(),
        "https://0x7f.1/client.json".to_owned(),
    ];
    let table = |id: &String| format!("[[client]]\nid = \"{id}\"\nagent = \"worker\"\n");
    elsewhere.stand.configure(&private.iter().map(table).collect::<String>());
    elsewhere.stand.logged("are in force").await;
    for id in &private {
        let (status, page) = elsewhere.said(id).await;
        assert_eq!(status, 400, "{id}");
        let refused = page.contains("none that everybody reaches") || page.contains("is not found");
        assert!(refused, "{id}: {page}");
    }
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
    // Whoever was not mapped to an agent is not even looked up.
    let (_, page) = elsewhere.said(&elsewhere.id("/other.json")).await;
    assert!(page.contains("No agent is configured for the client"), "{page}");
    assert!(elsewhere.asked().is_empty());
}
