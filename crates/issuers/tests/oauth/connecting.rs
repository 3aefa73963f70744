//! What must not come of a connection: another's account, a used step, another server's answer.

use std::time::Duration;

use remit_ports::{BroughtBack, ConnectError, Connections as _, SentOn};

use crate::peer::{Liar, Peer, json, metadata, parameters};
use crate::stand::{BACK, OWN, PLACE, SECRET, Stand, brought, connect, holder, person};

const OTHER_PLACE: &str = "http://127.0.0.1/oauth/callback/other";

fn table(issuer: &str) -> String {
    format!(
        "grant = \"refresh_token\"\nserver.issuer = \"{issuer}\"\nserver.client_id = \"remit\"\nserver.client_secret = \"client\"\n\
         server.scopes = [\"read\"]\n"
    )
}

async fn peer() -> Peer {
    Peer::start(&["--secret", SECRET, "--redirect", PLACE, "--redirect", OTHER_PLACE]).await
}

/// One way in which what a browser brings back is bent.
type Change = fn(&mut BroughtBack);

/// Begins for alice, and goes to the authorization server.
async fn sent(connecting: &remit_issuers::oauth::Connecting) -> SentOn {
    let begun = connecting.begin("api", Some(person("alice", "https://idp"))).await.unwrap();
    let ticket = begun.address.strip_prefix(OWN).unwrap().strip_prefix("/oauth/connect/").unwrap();
    let asked = connecting.asked(ticket).unwrap();
    assert_eq!(
        (asked.person.unwrap().subject.as_str(), asked.credential.as_str()),
        ("alice", "api")
    );
    let sent = connecting.send(ticket).unwrap();
    assert!(connecting.asked(ticket).is_none() && connecting.send(ticket).is_none(), "once");
    sent
}

#[tokio::test]
async fn what_is_sent_along_is_what_the_specifications_want() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer.url));
    let connecting = stand.connecting(&[&api]);
    let (one, two) = (sent(&connecting).await, sent(&connecting).await);
    let fields = parameters(&one.address);
    let value = |name: &str| {
        let found: Vec<_> = fields.iter().filter(|(it, _)| it == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].1.as_str()
    };
    assert_eq!(value("response_type"), "code");
    assert_eq!(value("redirect_uri"), BACK);
    assert_eq!(value("code_challenge_method"), "S256");
    assert_eq!((value("scope"), value("client_id")), ("read", "remit"));
    assert_eq!((value("state").len(), value("code_challenge").len()), (43, 43));
    let others = parameters(&two.address);
    assert!(fields.iter().any(|it| it.0 == "state" && !others.contains(it)));
    assert_ne!(one.browser, two.browser);
}

#[tokio::test]
async fn each_step_is_for_one_browser_one_credential_and_once() {
    let (stand, peer) = (Stand::new(), peer().await);
    let (api, other) =
        (stand.credential(&table(&peer.url)), stand.named("other", &table(&peer.url)));
    let connecting = stand.connecting(&[&api, &other]);
    let changes: [(&str, Change, ConnectError); 7] = [
        ("another browser", |it| "x".clone_into(&mut it.browser), ConnectError::Stale),
        ("no browser of ours", |it| it.browser.clear(), ConnectError::Stale),
        ("another credential", |it| "other".clone_into(&mut it.credential), ConnectError::Stale),
        ("another state", |it| it.state.push('x'), ConnectError::Stale),
        (
            "another server",
            |it| it.iss = Some("https://evil.example".to_owned()),
            ConnectError::Another,
        ),
        ("no server", |it| it.iss = None, ConnectError::Another),
        ("no code", |it| it.code = None, ConnectError::Stale),
    ];
    for (about, change, expected) in changes {
        let sent = sent(&connecting).await;
        let back = peer.sign_in(&sent.address, "alice").await;
        let good = brought("api", sent.browser.reveal(), &back);
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(connecting.end(bad).await, Err(expected), "{about}");
        if about != "another state" {
            assert_eq!(connecting.end(good).await, Err(ConnectError::Stale), "{about}: it is over");
        }
    }
    assert!(peer.seen().await.is_empty(), "none of these codes was shown to anybody");
    let once = sent(&connecting).await;
    let back = peer.sign_in(&once.address, "alice").await;
    let good = brought("api", once.browser.reveal(), &back);
    connecting.end(good.clone()).await.unwrap();
    assert_eq!(connecting.end(good).await, Err(ConnectError::Stale), "the state was used");
    // The code of another person's sign-in, under one's own state: PKCE.
    let (mine, theirs) = (sent(&connecting).await, sent(&connecting).await);
    let their_code = peer.sign_in(&theirs.address, "bob").await;
    let mut back = peer.sign_in(&mine.address, "alice").await;
    for (name, value) in &mut back {
        if name == "code" {
            *value = their_code.iter().find(|(it, _)| it == "code").unwrap().1.clone();
        }
    }
    let swapped = connecting.end(brought("api", mine.browser.reveal(), &back)).await;
    assert!(matches!(swapped, Err(ConnectError::Failed(_))), "{swapped:?}");
}

#[tokio::test]
async fn a_person_has_some_minutes() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer.url));
    let connecting = stand.connecting(&[&api]);
    let late = sent(&connecting).await;
    let back = peer.sign_in(&late.address, "alice").await;
    let begun = connecting.begin("api", None).await.unwrap();
    let ticket = begun.address.rsplit('/').next().unwrap();
    stand.clock.advance(Duration::from_mins(10));
    let end = connecting.end(brought("api", late.browser.reveal(), &back)).await;
    assert_eq!(end, Err(ConnectError::Stale));
    assert!(connecting.asked(ticket).is_none() && connecting.send(ticket).is_none());
}

#[tokio::test]
async fn of_those_under_way_the_first_gives_way() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer.url));
    let connecting = stand.connecting(&[&api]);
    let first = connecting.begin("api", None).await.unwrap();
    for _ in 0..64 {
        stand.clock.advance(Duration::from_millis(1));
        connecting.begin("api", None).await.unwrap();
    }
    assert!(connecting.asked(first.address.rsplit('/').next().unwrap()).is_none());
}

#[tokio::test]
async fn who_says_no_or_is_somebody_else_connects_nothing() {
    let (stand, peer) = (Stand::new(), peer().await);
    let api = stand.credential(&table(&peer.url));
    let connecting = stand.connecting(&[&api]);
    let sent = sent(&connecting).await;
    let denied = sent.address.replace("/authorize?", "/denied/authorize?");
    let back = peer.sign_in(&denied, "alice").await;
    let end = connecting.end(brought("api", sent.browser.reveal(), &back)).await;
    assert_eq!(end, Err(ConnectError::Denied("access_denied")));

    // The server is the very one whose word says who the person is.
    let openid = table(&peer.url).replace("[\"read\"]", "[\"openid\", \"read\"]");
    let named = |table: &str| {
        let api = stand.credential(table);
        (stand.connecting(&[&api]), api)
    };
    let alice = || Some(person("alice", &peer.url));
    let (connecting, _) = named(&table(&peer.url));
    let end = connect(&connecting, &peer, ("api", alice()), "alice").await.unwrap_err();
    assert!(end.to_string().contains("add `openid`"), "{end}");
    let (connecting, api) = named(&openid);
    let end = connect(&connecting, &peer, ("api", alice()), "mallory").await;
    assert_eq!(end, Err(ConnectError::SomebodyElse));
    let none = stand.issue(&api, holder(alice(), &[])).await.unwrap_err();
    assert!(none.to_string().contains("gave no consent yet"), "{none}");
    connect(&connecting, &peer, ("api", alice()), "alice").await.unwrap();
    stand.issue(&api, holder(alice(), &[])).await.unwrap();
}

#[tokio::test]
async fn nothing_begins_where_nobody_signs_in_or_codes_can_be_stolen() {
    let stand = Stand::new();
    let plain = Liar::start(|own, _, _| metadata(own).replace("S256", "plai")).await;
    let api = stand.credential(&table(&plain.url));
    let machine = table(&plain.url).replace("refresh_token", "client_credentials");
    let machine = stand.named("machine", &machine);
    let connecting = stand.connecting(&[&api, &machine]);
    let why = connecting.begin("api", None).await.unwrap_err();
    assert!(why.to_string().contains("code challenges"), "{why}");
    for nobody in ["machine", "nothing", "../x", ""] {
        let why = connecting.begin(nobody, None).await.unwrap_err();
        assert_eq!(why, ConnectError::Unknown(nobody.to_owned()));
    }
}

#[tokio::test]
async fn a_server_that_gives_nothing_to_keep_or_says_too_much_is_told_in_our_words() {
    let stand = Stand::new();
    for (answer, expected) in [
        (json(200, r#"{"access_token":"canary-9","token_type":"Bearer"}"#), "no refresh token"),
        (json(400, r#"{"error":"canary-9","error_description":"canary-9"}"#), "status 400"),
    ] {
        let liar = Liar::start(
            move |own, path, _| {
                if path == "/token" { answer.clone() } else { metadata(own) }
            },
        )
        .await;
        let api = stand.credential(&table(&liar.url));
        let connecting = stand.connecting(&[&api]);
        let sent = sent(&connecting).await;
        let state = parameters(&sent.address).into_iter().find(|(it, _)| it == "state").unwrap();
        let back = [state, ("code".to_owned(), "canary-9".to_owned())];
        let end = connecting.end(brought("api", sent.browser.reveal(), &back)).await.unwrap_err();
        assert!(end.to_string().contains(expected), "{end}");
        assert!(!format!("{end} {end:?} {connecting:?}").contains("canary-9"), "{end:?}");
    }
}
