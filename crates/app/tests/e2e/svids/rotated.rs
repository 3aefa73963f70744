//! Keys that an operator replaces, also because somebody else may have them.

use serde_json::Value;
use spiffe::{JwtSvid, TrustDomain, X509Svid};
use tokio::time::timeout;

use super::{client, handshakes, pem, published, stand, worker, x509_source};
use crate::stand::{PATIENCE, Stand};

const ROTATE: [&str; 3] = ["keys", "rotate", "svid"];
const COMPROMISED: [&str; 4] = ["keys", "rotate", "svid", "--compromised"];

/// The names of the keys that sign `what`, in order.
async fn names(stand: &Stand, what: &str) -> Vec<String> {
    let keys = stand.ask(&["keys", "list"]).await;
    let keys = keys.as_array().unwrap().iter().filter(|key| key["signs"] == what);
    keys.map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

/// What `remit svid verify` says of a certificate.
async fn believed(stand: &Stand, svid: &X509Svid) -> bool {
    let file = stand.state().join("presented.pem");
    std::fs::write(&file, pem("CERTIFICATE", svid.leaf().as_bytes())).unwrap();
    stand.remit(&["svid", "verify", file.to_str().unwrap()]).await.ok
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_listed_and_none_is_shown() {
    let stand = stand("").await;
    let keys = stand.ask(&["keys", "list"]).await;
    let bundle = published(&stand).await;
    let signs: Vec<_> = keys.as_array().unwrap().iter().map(|key| &key["signs"]).collect();
    assert_eq!(signs, ["checkpoints", "grants", "x509-svids", "jwt-svids"], "{keys}");
    let kid = bundle["keys"].as_array().unwrap().iter().find_map(|key| key["kid"].as_str());
    assert_eq!(keys[3]["id"].as_str(), kid, "{keys} {bundle}");
    let log = stand.remit(&["audit", "key"]).await.stdout;
    assert!(log.contains(&format!("+{}+", keys[0]["id"].as_str().unwrap())), "{keys} {log}");
    let words = stand.remit(&["keys", "list"]).await.said();
    for key in keys.as_array().unwrap() {
        let file = key["file"].as_str().unwrap();
        let secret = std::fs::read(file).unwrap();
        assert!(words.contains(file) && words.contains(key["id"].as_str().unwrap()), "{words}");
        for tail in [data_encoding::BASE64.encode(&secret), data_encoding::HEXLOWER.encode(&secret)]
        {
            assert!(!words.contains(&tail) && !keys.to_string().contains(&tail), "{file} is shown");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_replaced_early_overlap_with_those_before() {
    // Those of the start sign from three seconds on.
    let stand = stand("[svid]\nlifetime = \"3s\"\nrotate = \"12s\"\n").await;
    let early = stand.with_passphrase(&ROTATE).await;
    assert!(!early.ok && early.said().contains("svid-1 was made at"), "{}", early.said());
    let token = client(&stand).await.fetch_jwt_svid(["bank"], None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    stand.act(&ROTATE).await;
    assert_eq!(names(&stand, "jwt-svids").await, ["svid-1", "svid-2"]);
    let again = client(&stand).await.fetch_jwt_svid(["bank"], None).await.unwrap();
    assert_eq!(again.key_id(), token.key_id(), "the new ones wait until everybody knows them");
    let bundles = client(&stand).await.fetch_jwt_bundles().await.unwrap();
    JwtSvid::parse_and_validate(again.token(), &bundles, &["bank"]).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let newer = client(&stand).await.fetch_jwt_svid(["bank"], None).await.unwrap();
    assert_ne!(newer.key_id(), token.key_id());
    JwtSvid::parse_and_validate(newer.token(), &bundles, &["bank"]).expect("known long before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_compromised_key_signed_is_believed_by_nobody_from_then_on() {
    let mut stand = stand("").await;
    let source = x509_source(&stand).await;
    let stolen = source.svid().unwrap();
    let token = client(&stand).await.fetch_jwt_token(["bank"], None).await.unwrap();
    let old = source.bundle_set().unwrap();
    handshakes::assert_verifies(&stolen, &old);
    assert!(believed(&stand, &stolen).await);
    let before = published(&stand).await;

    let mut updates = source.updated();
    stand.act(&COMPROMISED).await;
    timeout(PATIENCE, updates.changed()).await.expect("streams hear of it at once").unwrap();

    let (renewed, fresh) = (source.svid().unwrap(), source.bundle_set().unwrap());
    assert_ne!(stolen.leaf(), renewed.leaf());
    handshakes::assert_verifies(&renewed, &fresh);
    assert!(believed(&stand, &renewed).await);
    assert!(handshakes::verified(&stolen, &fresh).is_err(), "rustls with the fresh bundle");
    assert!(!believed(&stand, &stolen).await, "Remit itself");
    let bundle = fresh.get(&TrustDomain::new("remit.local").unwrap()).unwrap();
    assert_eq!(bundle.authorities().len(), 1);
    let bundles = client(&stand).await.fetch_jwt_bundles().await.unwrap();
    assert!(JwtSvid::parse_and_validate(&token, &bundles, &["bank"]).is_err());
    let error = client(&stand).await.validate_jwt_token("bank", &token).await.unwrap_err();
    assert!(error.to_string().contains("not in the bundle"), "{error}");
    let after = published(&stand).await;
    let sequence = |bundle: &Value| bundle["spiffe_sequence"].as_u64().unwrap();
    assert!(sequence(&after) > sequence(&before), "{before} {after}");
    assert_eq!(after["keys"].as_array().unwrap().len(), 2, "{after}");

    stand.kill().await;
    stand.start().await;
    assert_eq!(names(&stand, "x509-svids").await, ["svid-2"], "a restart brings nothing back");
    assert!(!believed(&stand, &stolen).await);
    let entries = stand.entries().await;
    let of_keys: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "key").collect();
    let what: Vec<_> =
        of_keys.iter().map(|entry| (&entry["clear"]["what"], &entry["clear"]["actor"])).collect();
    let expected: [(&Value, &Value); 4] = [
        (&"made".into(), &Value::Null),
        (&"made".into(), &Value::Null),
        (&"withdrawn".into(), &"operator".into()),
        (&"made".into(), &"operator".into()),
    ];
    assert_eq!(what, expected, "the first of grants and of SVIDs, then those anew");
    assert_eq!(source.svid().unwrap().spiffe_id(), &worker());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_operator_replaces_keys() {
    let stand = stand("").await;
    let before = published(&stand).await;
    let guessed = [stand.with_guess(&ROTATE).await, stand.with_guess(&COMPROMISED).await];
    let bare = [stand.remit(&ROTATE).await, stand.remit(&COMPROMISED).await];
    for ran in guessed.iter().chain(&bare) {
        assert!(!ran.ok && ran.said().contains("passphrase"), "{}", ran.said());
    }
    let grant = stand.open("work").await.token;
    for token in ["", "guess", &grant] {
        for body in [r#"{"compromised":true}"#, r#"{"compromised":false}"#] {
            let status = crate::operators::knock(&stand, "/v1/keys/svid/rotate", token, body).await;
            assert_eq!(status, 401, "with `{token}`");
        }
    }
    assert_eq!(published(&stand).await, before);
}
