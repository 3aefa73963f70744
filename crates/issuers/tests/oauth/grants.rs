//! Each way to a token, and how it ends.

use std::time::Duration;

use data_encoding::BASE64;
use remit_jose::{SigningKey, draw_es256};
use remit_model::Clock as _;
use remit_ports::{Issuer as _, IssuerError, Revoked};
use remit_testkit::SeededEntropy;
use serde_json::json;

use crate::peer::Peer;
use crate::stand::{SECRET, Stand, holder, on_record};

const CUT: &str = "
    [[allow]]
    tools = [\"files/read_*\"]
    scopes = [\"read\"]
    [[allow]]
    tools = [\"files/write\"]
    scopes = [\"read\", \"write\"]
";

fn table(peer: &Peer, lines: &str) -> String {
    format!("server.issuer = \"{}\"\nserver.client_id = \"remit\"\n{lines}", peer.url)
}

#[tokio::test]
async fn a_client_gets_what_the_remit_expresses_until_it_is_taken_back() {
    let (stand, peer) = (Stand::new(), Peer::start(&["--secret", SECRET]).await);
    for method in [
        "",
        "server.client_auth = \"client_secret_basic\"",
        "server.client_auth = \"client_secret_post\"",
    ] {
        let lines = format!(
            "grant = \"client_credentials\"\nserver.client_secret = \"client\"\n{method}\n{CUT}"
        );
        let api = stand.credential(&table(&peer, &lines));
        api.probe().await.unwrap();
        let lease = stand.lease();
        let wanted = holder(None, &["files/read_file", "files/write"]);
        let issued = stand.issue_as(&api, wanted, lease.clone()).await.unwrap();
        let token = issued.material.get("token").unwrap().to_owned();
        assert_eq!(issued.until, stand.clock.now().after(Duration::from_mins(5)));
        let known = peer.api(&token).await.unwrap();
        assert_eq!(known, ("client remit".to_owned(), "read write".to_owned()));
        let less = stand.issue(&api, holder(None, &["files/read_file"])).await.unwrap();
        let less = peer.api(less.material.get("token").unwrap()).await.unwrap();
        assert_eq!(less.1, "read");
        let none = api.scope(&holder(None, &["mail/send"])).unwrap_err();
        assert!(none.to_string().contains("covers no tool"), "{none}");

        let lent = on_record(lease, issued.until);
        for _ in 0..2 {
            assert_eq!(api.revoke(lent.clone()).await, Ok(Revoked::Now));
            assert_eq!(peer.api(&token).await, None);
        }
    }
}

#[tokio::test]
async fn what_this_process_no_longer_has_ends_by_itself() {
    let (stand, peer) = (Stand::new(), Peer::start(&["--secret", SECRET]).await);
    let lines = "grant = \"client_credentials\"\nserver.client_secret = \"client\"";
    let api = stand.credential(&table(&peer, lines));
    let lease = stand.lease();
    let issued = stand.issue_as(&api, holder(None, &[]), lease.clone()).await.unwrap();
    let lent = on_record(lease, issued.until);
    let later = stand.credential(&table(&peer, lines));
    assert_eq!(later.revoke(lent.clone()).await, Ok(Revoked::AtExpiry), "after a crash");
    assert!(peer.api(issued.material.get("token").unwrap()).await.is_some());
    let never = on_record(stand.lease(), issued.until);
    assert_eq!(api.revoke(never).await, Ok(Revoked::AtExpiry));
    let not_here = stand.credential(&format!("revoke = false\n{}", table(&peer, lines)));
    let lease = stand.lease();
    let kept = stand.issue_as(&not_here, holder(None, &[]), lease.clone()).await.unwrap();
    assert_eq!(not_here.revoke(on_record(lease, kept.until)).await, Ok(Revoked::AtExpiry));
    stand.clock.advance(Duration::from_mins(6));
    assert_eq!(later.revoke(lent).await, Ok(Revoked::Now), "it ran out");
}

#[tokio::test]
async fn a_key_signs_for_the_issuer_alone_also_one_that_the_resource_names() {
    let stand = Stand::new();
    let key = draw_es256(&SeededEntropy::new(1)).unwrap();
    let public = SigningKey::from_pkcs8(&key).unwrap().jwk("sig");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, json!({ "keys": [public] }).to_string()).unwrap();
    let peer = Peer::start(&["--jwks", file.to_str().unwrap()]).await;
    let pem = BASE64.encode(&key);
    stand.keep("key", &format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"));
    let lines = "grant = \"client_credentials\"\nserver.client_id = \"remit\"\nserver.client_secret = \"key\"\n\
                 server.client_auth = \"private_key_jwt\"\nserver.scopes = [\"read\"]";
    for from in
        [format!("server.issuer = \"{}\"", peer.url), format!("resource = \"{}/api\"", peer.url)]
    {
        let api = stand.credential(&format!("{from}\n{lines}"));
        let lease = stand.lease();
        let issued = stand.issue_as(&api, holder(None, &[]), lease.clone()).await.unwrap();
        let known = peer.api(issued.material.get("token").unwrap()).await.unwrap();
        assert_eq!(known, ("client remit".to_owned(), "read".to_owned()));
        assert_eq!(api.revoke(on_record(lease, issued.until)).await, Ok(Revoked::Now));
    }
    stand.keep("key", SECRET);
    let api = stand.credential(&table(&peer, &lines.replace("server.client_id = \"remit\"\n", "")));
    let why = api.probe().await.unwrap_err();
    assert!(matches!(&why, IssuerError::Refused(text) if text.contains("P-256")), "{why}");
    assert!(!why.to_string().contains(SECRET));
}

#[tokio::test]
async fn a_task_is_exchanged_by_its_own_name() {
    let (stand, peer) = (Stand::new(), Peer::start(&["--secret", SECRET]).await);
    let lines = "grant = \"token_exchange\"\nsubject = \"task\"\nserver.client_secret = \"client\"\n\
                 server.scopes = [\"read\"]\naudience = \"files\"";
    let api = stand.credential(&table(&peer, lines));
    let issued = stand.issue(&api, holder(None, &[])).await.unwrap();
    let (whose, _) = peer.api(issued.material.get("token").unwrap()).await.unwrap();
    assert_eq!(whose, format!("task bot/tsk_00000000000000000000000001@{}", peer.url));
    assert_eq!(peer.seen().await[0]["audience"], "files");
    let itself = remit_ports::Holder { agent: None, task: None, ..holder(None, &[]) };
    assert!(stand.issue(&api, itself).await.is_err());
}
