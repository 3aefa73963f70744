#![cfg(test)]
//! SVIDs are lent that other people's software believes, and no longer than they may live.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use remit_issuers::svid::{Mint, Settings, Svid};
use remit_model::Timestamp;
use remit_ports::{Holder, Issued, Issuer as _, IssuerError, Lent, Revoked, Wanted};
use remit_spiffe::{Authority, Generation, trust_domain};
use remit_testkit::samples::NOW;
use remit_testkit::{ManualClock, SeededEntropy, samples};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);
const MINUTES: Duration = Duration::from_mins(5);

fn authority(generations: u64) -> Arc<Authority> {
    let domain = trust_domain("remit.local").unwrap();
    let generation = |number| {
        let kept =
            Generation::draw(number, &domain, DAY, NOW, &SeededEntropy::new(number)).unwrap();
        Arc::new(Generation::open(number, &kept).unwrap())
    };
    Arc::new(Authority::new(domain.clone(), (1..=generations).map(generation)))
}

fn mint(authority: &Arc<Authority>) -> Mint {
    let ours = Arc::clone(authority);
    Mint {
        authority: Arc::new(move || Arc::clone(&ours)),
        issuer: "https://remit.example".to_owned(),
        lifetime: MINUTES,
        entropy: Arc::new(SeededEntropy::new(7)),
        clock: Arc::new(ManualClock::default()),
    }
}

fn issuer(authority: &Arc<Authority>) -> Svid {
    let settings: Settings = toml::from_str("audience = [\"https://ledger.example\"]").unwrap();
    Svid::new(settings, mint(authority)).unwrap()
}

fn holder() -> Holder {
    samples::holder(&[])
}

fn wanted(issuer: &Svid, holder: Holder, until: Timestamp) -> Wanted {
    samples::wanted(issuer, 1, holder, until)
}

/// OpenSSL, at the moment when the samples are made.
fn openssl(folder: &Path, words: &[&str]) -> Output {
    Command::new("openssl").args(words).current_dir(folder).output().unwrap()
}

fn write(folder: &Path, issued: &Issued) {
    for field in ["certificate", "key", "bundle"] {
        std::fs::write(folder.join(field), issued.material.get(field).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn others_believe_what_is_lent() {
    let (authority, folder) = (authority(2), tempfile::tempdir().unwrap());
    let issuer = issuer(&authority);
    issuer.probe().await.unwrap();
    let issued = issuer.issue(wanted(&issuer, holder(), NOW.after(HOUR))).await.unwrap();
    assert_eq!(issued.until, NOW.after(MINUTES), "as long as an SVID may live");
    let id = format!("spiffe://remit.local/agent/bot/task/{}", samples::task_id(1));
    assert_eq!(issued.material.get("id"), Some(&*id));

    let token = issued.material.get("token").unwrap();
    let verified = authority.verify_jwt(token, "https://ledger.example", NOW).unwrap();
    assert_eq!(verified.id.to_string(), id);
    assert!(authority.verify_jwt(token, "https://other.example", NOW).is_err());

    write(folder.path(), &issued);
    let at = NOW.as_secs().to_string();
    let words = ["verify", "-attime", &at, "-CAfile", "bundle", "certificate"];
    let verified = openssl(folder.path(), &words);
    assert!(verified.status.success(), "{verified:?}");
    let names =
        openssl(folder.path(), &["x509", "-in", "certificate", "-noout", "-ext", "subjectAltName"]);
    assert!(String::from_utf8(names.stdout).unwrap().contains(&id));
    let public = |words: &[&str]| openssl(folder.path(), words).stdout;
    let (of_key, of_certificate) = (
        public(&["pkey", "-in", "key", "-pubout"]),
        public(&["x509", "-in", "certificate", "-noout", "-pubkey"]),
    );
    assert!(!of_key.is_empty() && of_key == of_certificate);
    let roots = issued.material.get("bundle").unwrap();
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2, "all that count");
    let shown = format!("{issued:?} {issuer:?}");
    assert!(issued.material.secrets().all(|secret| !shown.contains(secret.reveal())), "{shown}");
}

#[tokio::test]
async fn a_lease_that_ends_sooner_ends_them_sooner() {
    let issuer = issuer(&authority(1));
    let until = NOW.after(Duration::from_secs(30));
    let issued = issuer.issue(wanted(&issuer, holder(), until)).await.unwrap();
    assert_eq!(issued.until, until);
    let lease = "lse_00000000000000000000000001".parse().unwrap();
    let lent = Lent { lease, task: None, handle: None, until };
    assert_eq!(issuer.revoke(lent.clone()).await, Ok(Revoked::AtExpiry));
    assert_eq!(issuer.renew(lent, NOW.after(HOUR)).await, Err(IssuerError::NotRenewable));
    let over = issuer.issue(wanted(&issuer, holder(), NOW)).await.unwrap_err();
    assert!(matches!(over, IssuerError::Refused(_)), "{over}");
}

/// Remit itself asks a server what it offers, and is no agent.
#[tokio::test]
async fn remit_itself_has_a_name_of_its_own() {
    let authority = authority(1);
    let issuer = issuer(&authority);
    let scope = issuer.scope(&Holder::default()).unwrap();
    assert_eq!(scope, "spiffe://remit.local/remit for https://ledger.example");
    let wanted = wanted(&issuer, Holder::default(), NOW.after(HOUR));
    let issued = issuer.issue(wanted).await.unwrap();
    assert_eq!(issued.material.get("id"), Some("spiffe://remit.local/remit"));
}

#[tokio::test]
async fn without_keys_nothing_is_lent() {
    let issuer = issuer(&authority(0));
    for why in [
        issuer.issue(wanted(&issuer, holder(), NOW.after(HOUR))).await.map(drop).unwrap_err(),
        issuer.probe().await.unwrap_err(),
    ] {
        assert!(matches!(why, IssuerError::Unavailable(_)), "{why}");
    }
    let lent = |lease: &str| Lent {
        lease: lease.parse().unwrap(),
        task: None,
        handle: None,
        until: NOW.after(HOUR),
    };
    let refused = lent("lse_00000000000000000000000001");
    assert_eq!(issuer.revoke(refused).await, Ok(Revoked::Now), "nobody has one");
    let unknown = lent("lse_00000000000000000000000002");
    assert_eq!(issuer.revoke(unknown).await, Ok(Revoked::AtExpiry));
}

#[test]
fn audiences_that_no_token_has_are_refused() {
    let authority = authority(1);
    let remit = "https://remit.example".to_owned();
    for bad in
        [vec![], vec![String::new()], vec!["a".to_owned(); 9], vec!["a".repeat(513)], vec![remit]]
    {
        let why = Svid::new(Settings { audience: bad }, mint(&authority)).unwrap_err();
        assert!(why.contains("expected an `audience`"), "{why}");
    }
}
