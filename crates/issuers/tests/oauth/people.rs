//! Each person's own consent, and nobody else's.

use remit_model::Named;
use remit_ports::{Issuer as _, IssuerError, Revoked};
use remit_testkit::Fault;

use crate::peer::Peer;
use crate::stand::{PLACE, SECRET, Stand, connect, holder, on_record, person};

const IDP: &str = "https://idp.example";

fn table(peer: &Peer) -> String {
    format!(
        "grant = \"refresh_token\"\nserver.issuer = \"{}\"\nserver.client_id = \"remit\"\nserver.client_secret = \"client\"\n\
         [[allow]]\ntools = [\"files/*\"]\nscopes = [\"read\"]\n",
        peer.url
    )
}

async fn peer() -> Peer {
    Peer::start(&["--secret", SECRET, "--redirect", PLACE]).await
}

fn of(subject: &str) -> Named {
    person(subject, IDP)
}

#[tokio::test]
async fn two_people_have_two_tokens_and_never_the_others() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer));
    let connecting = stand.connecting(&[&api]);
    for (whom, user) in [("alice@idp", "alice"), ("bob@idp", "bob")] {
        let done = connect(&connecting, &peer, ("api", Some(of(whom))), user).await.unwrap();
        assert_eq!(done.person, Some(of(whom)));
    }
    // Again and again: each use brings the next refresh token, and the old one is dead.
    for _ in 0..3 {
        for (whom, user) in [("alice@idp", "alice"), ("bob@idp", "bob")] {
            let (whom, lease) = (holder(Some(of(whom)), &["files/read"]), stand.lease());
            let issued = stand.issue_as(&api, whom, lease.clone()).await.unwrap();
            let token = issued.material.get("token").unwrap();
            assert_eq!(peer.api(token).await.unwrap(), (user.to_owned(), "read".to_owned()));
            assert_eq!(api.revoke(on_record(lease, issued.until)).await, Ok(Revoked::Now));
            assert_eq!(peer.api(token).await, None);
        }
    }
    for nobody in [of("carol@idp"), person("alice@idp", "https://other.example")] {
        let why = stand.issue(&api, holder(Some(nobody), &["files/read"])).await.unwrap_err();
        assert!(why.to_string().contains("remit credential connect api --as "), "{why}");
    }
    let why = api.scope(&holder(None, &["files/read"])).unwrap_err();
    assert!(why.to_string().contains("this task has none"), "{why}");
    let kept = stand.secrets.all();
    assert_eq!(kept.keys().filter(|name| name.as_str().starts_with("consent-")).count(), 2);
}

#[tokio::test]
async fn uses_of_one_consent_at_once_are_no_theft() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer));
    connect(&stand.connecting(&[&api]), &peer, ("api", Some(of("alice"))), "alice").await.unwrap();
    let one = || stand.issue(&api, holder(Some(of("alice")), &["files/read"]));
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    for issued in [a, b, c, d] {
        assert!(peer.api(issued.unwrap().material.get("token").unwrap()).await.is_some());
    }
}

#[tokio::test]
async fn a_refresh_token_is_kept_before_its_access_token_is_used() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer));
    connect(&stand.connecting(&[&api]), &peer, ("api", Some(of("alice"))), "alice").await.unwrap();
    stand.secrets.fail_next(Fault::After);
    let why = stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap_err();
    assert!(matches!(&why, IssuerError::Unavailable(text) if text.contains("kept")), "{why}");
    stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap();
    // Where it could not be kept, the server takes the old one for stolen, and says so by refusing it.
    stand.secrets.fail_next(Fault::Before);
    stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap_err();
    let why = stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap_err();
    assert!(why.to_string().contains("no longer good"), "{why}");
    // What becomes of a call is on record in the clear.
    assert!(why.to_string().contains("`remit credential connect api --as "), "{why}");
    assert!(!why.to_string().contains("alice") && !why.to_string().contains(IDP), "{why}");
}

#[tokio::test]
async fn nobody_who_waits_is_needed_for_the_next_token_to_be_kept() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer));
    connect(&stand.connecting(&[&api]), &peer, ("api", Some(of("alice"))), "alice").await.unwrap();
    let mut asked = Box::pin(stand.issue(&api, holder(Some(of("alice")), &["files/read"])));
    let waited = std::future::poll_fn(|context| {
        let pending = Future::poll(asked.as_mut(), context).is_pending();
        std::task::Poll::Ready(pending)
    });
    assert!(waited.await, "it takes its time");
    drop(asked);
    for _ in 0..2 {
        stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap();
    }
}

#[tokio::test]
async fn a_consent_is_for_one_credential_and_one_server() {
    let (stand, one, two) = (Stand::new(), peer().await, peer().await);
    let api = stand.credential(&table(&one));
    connect(&stand.connecting(&[&api]), &one, ("api", Some(of("alice"))), "alice").await.unwrap();
    let other = stand.named("other", &table(&one));
    let why = stand.issue(&other, holder(Some(of("alice")), &["files/read"])).await.unwrap_err();
    assert!(why.to_string().contains("gave no consent yet"), "{why}");
    let moved = stand.credential(&table(&two));
    let why = stand.issue(&moved, holder(Some(of("alice")), &["files/read"])).await.unwrap_err();
    assert!(why.to_string().contains("at another authorization server"), "{why}");
    assert!(!why.to_string().contains("alice"), "{why}");
    assert!(two.seen().await.is_empty(), "it is not shown to whoever the configuration names now");
    // Somebody who can write into storage cannot make one person's consent another's.
    let kept = stand.secrets.all();
    let (_, alices) = kept.iter().find(|(name, _)| name.as_str().starts_with("consent-")).unwrap();
    connect(&stand.connecting(&[&api]), &one, ("api", Some(of("bob"))), "bob").await.unwrap();
    let kept_now = stand.secrets.all();
    let bobs = kept_now.keys().find(|name| !kept.contains_key(*name)).unwrap();
    stand.keep(bobs.as_str(), alices.reveal());
    let why = stand.issue(&api, holder(Some(of("bob")), &["files/read"])).await.unwrap_err();
    assert!(why.to_string().contains("at another authorization server"), "{why}");
    assert!(!why.to_string().contains("alice") && !why.to_string().contains("bob"), "{why}");
}

#[tokio::test]
async fn the_word_of_the_identity_provider_is_enough() {
    let stand = Stand::new();
    let idp = peer().await;
    let api_server = Peer::start(&["--secret", SECRET, "--trusts", &idp.url]).await;
    for (grant, scopes) in
        [("id_jag", "[\"openid\", \"offline_access\"]"), ("id_jag", "[\"offline_access\"]")]
    {
        let api = stand.credential(&format!(
            "grant = \"{grant}\"\nserver.issuer = \"{}\"\nserver.client_id = \"remit\"\nserver.client_secret = \"client\"\n\
             resource = \"https://files.example/mcp\"\n\
             [[allow]]\ntools = [\"files/*\"]\nscopes = [\"read\"]\n\
             [identity]\nissuer = \"{}\"\nclient_id = \"remit\"\nclient_secret = \"client\"\nscopes = {scopes}\n",
            api_server.url, idp.url
        ));
        let connecting = stand.connecting(&[&api]);
        for user in ["alice", "bob"] {
            let whom = person(user, "https://elsewhere.example");
            connect(&connecting, &idp, ("api", Some(whom)), user).await.unwrap();
        }
        for user in ["alice", "bob", "alice"] {
            let whom = person(user, "https://elsewhere.example");
            let issued = stand.issue(&api, holder(Some(whom), &["files/read"])).await.unwrap();
            let known = api_server.api(issued.material.get("token").unwrap()).await.unwrap();
            assert_eq!(known, (user.to_owned(), "read".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_persons_token_is_exchanged_for_another() {
    let (stand, peer) = (Stand::new(), peer().await);
    let lines = table(&peer)
        .replace("refresh_token", "token_exchange")
        .replace("[[allow]]", "server.scopes = [\"write\"]\n[[allow]]");
    let api = stand.credential(&lines);
    connect(&stand.connecting(&[&api]), &peer, ("api", Some(of("alice"))), "alice").await.unwrap();
    let issued = stand.issue(&api, holder(Some(of("alice")), &["files/read"])).await.unwrap();
    let known = peer.api(issued.material.get("token").unwrap()).await.unwrap();
    assert_eq!(known, ("alice".to_owned(), "read write".to_owned()));
    let seen = peer.seen().await;
    assert_eq!(
        seen.last().unwrap()["subject_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
}
