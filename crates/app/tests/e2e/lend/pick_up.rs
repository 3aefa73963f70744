//! A program that must hold a credential itself picks one up, once, as the run that it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CANARY, all_returned, assert_nowhere, told};
use crate::stand::{Plan, Stand};
use crate::svids::client;

async fn stand(more: &str) -> (Stand, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, CANARY).unwrap();
    let table = |name: &str, more: &str| {
        format!(
            "[[credential]]\nname = \"{name}\"\nkind = \"secret\"\nfile = \"{}\"\n{more}\n\n",
            key.display()
        )
    };
    let plan = Plan::new().with(&table("key", more)).with(&table("other", "")).template(
        "work",
        &["*"],
        "",
    );
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, key)
}

/// Asks for a credential with `token`; status and body.
async fn ask(stand: &Stand, credential: &str, token: &str) -> (u16, Value) {
    let request = format!(
        "POST /credentials/{credential} HTTP/1.1\r\nHost: {0}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        stand.address()
    );
    let mut stream = tokio::net::TcpStream::connect(stand.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let headers: BTreeMap<_, _> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    assert_eq!(headers["cache-control"], "no-store", "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// A JWT-SVID of the run of `task`, or of its agent, for this Remit or for somebody else.
async fn svid(stand: &Stand, task: Option<&str>, audience: &str) -> String {
    let own = "spiffe://remit.local/agent/worker";
    let id = task.map_or(own.to_owned(), |task| format!("{own}/task/{task}"));
    let id = spiffe::SpiffeId::new(id).unwrap();
    let svid = client(stand).await.fetch_jwt_svid([audience], Some(&id)).await.unwrap();
    svid.token().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_picks_up_a_credential_once_for_each_proof() {
    let (stand, key) = stand("pick_up = true").await;
    let task = stand.open("work").await.task;
    let ours = format!("http://{}", stand.address());
    let proof = svid(&stand, Some(&task), &ours).await;
    let (status, body) = ask(&stand, "key", &proof).await;
    assert_eq!((status, &body["fields"]["value"]), (200, &CANARY.into()), "{body}");
    let (status, body) = ask(&stand, "key", &proof).await;
    assert_eq!(
        (status, &body["error"]),
        (401, &"invalid_token".into()),
        "shown a second time: {body}"
    );
    assert!(!body.to_string().contains(CANARY), "{body}");
    let another = svid(&stand, Some(&task), &ours).await;
    assert_eq!(ask(&stand, "key", &another).await.0, 200, "another proof, another lease");
    let list = stand.ask(&["credential", "list"]).await;
    assert_eq!(list["leases"].as_array().unwrap().len(), 2, "{list}");
    assert_nowhere(&stand, CANARY, &key).await;
    let late = svid(&stand, Some(&task), &ours).await;
    stand.remit(&["task", "close", &task]).await;
    all_returned(&stand).await;
    let (status, body) = ask(&stand, "key", &late).await;
    assert_eq!((status, &body["error"]), (403, &"access_denied".into()), "{body}");
    let ends = ["lending", "lent", "lending", "lent", "returned", "returned"];
    assert_eq!(told(&stand, &task).await, ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_that_run_gets_nothing() {
    let (stand, _) = stand("pick_up = true").await;
    let task = stand.open("work").await.task;
    let ours = format!("http://{}", stand.address());
    let cases = [
        ("an agent is no run", svid(&stand, None, &ours).await, 401),
        ("for somebody else", svid(&stand, Some(&task), "bank").await, 401),
        ("no token", "not.a.token".to_owned(), 401),
        ("a grant is no SVID", stand.open("work").await.token, 401),
    ];
    for (what, token, expected) in cases {
        let (status, body) = ask(&stand, "key", &token).await;
        assert_eq!(status, expected, "{what}: {body}");
        assert!(!body.to_string().contains(CANARY), "{what}: {body}");
    }
    let proof = svid(&stand, Some(&task), &ours).await;
    let (status, body) = ask(&stand, "other", &proof).await;
    assert_eq!(status, 404, "not offered: {body}");
    let proof = svid(&stand, Some(&task), &ours).await;
    assert_eq!(ask(&stand, "nothing", &proof).await.0, 404);
    assert!(super::leases(&stand.ask(&["credential", "list"]).await).is_empty());
}
