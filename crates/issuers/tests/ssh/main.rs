#![cfg(test)]
//! Certificates open a real server for what they say, and nothing once they are returned.

mod client;
mod sshd;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use futures_util::future::join_all;
use remit_issuers::ssh::{Settings, Ssh};
use remit_model::Timestamp;
use remit_ports::{Holder, Issuer as _, IssuerError, Lent, Revoked, Wanted};
use remit_testkit::samples::{holder, lease_id as lease, lent};
use remit_testkit::{MemorySecrets, SeededEntropy, samples};
use sshd::{Sshd, keygen, user};

/// Long past, and long to come, whatever the server's clock says.
const PAST: Timestamp = Timestamp::from_secs(1_000_000_000);
const LATER: Timestamp = Timestamp::from_secs(4_000_000_000);

fn issuer(ca: &str, revoked: &Path, more: &str) -> Ssh {
    let allow = format!(
        r#"
        ca = "ssh-ca"
        revoked = "{}"
        {more}
        [[allow]]
        tools = ["host/run"]
        principals = ["{user}"]
        [[allow]]
        tools = ["host/status"]
        principals = ["{user}"]
        command = "echo status of $SSH_ORIGINAL_COMMAND"
        [[allow]]
        tools = ["host/other"]
        principals = ["somebody-else"]
        "#,
        revoked.display(),
        user = user(),
    );
    let settings: Settings = toml::from_str(&allow).unwrap();
    let secrets = Arc::new(MemorySecrets::with("ssh-ca", ca).unwrap());
    Ssh::new(settings, secrets, Arc::new(SeededEntropy::new(7))).unwrap()
}

fn wanted(issuer: &Ssh, n: u32, tools: &[&str]) -> Wanted {
    samples::wanted(issuer, n, holder(tools), LATER)
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

fn is_refused(output: &Output) -> bool {
    !output.status.success()
        && String::from_utf8_lossy(&output.stderr).contains("Permission denied")
}

#[tokio::test]
async fn a_certificate_opens_the_server_until_it_is_returned() {
    let sshd = Sshd::start().await;
    let issuer = issuer(&sshd.ca(), &sshd.revoked(), "");
    issuer.probe().await.unwrap();
    let issued = issuer.issue(wanted(&issuer, 1, &["host/run", "mail/send"])).await.unwrap();
    assert_eq!(issued.material.get("user"), Some(&*user()));
    assert_eq!(said(&sshd.run(&issued, &[], "echo hello").await), "hello");
    let other = issuer.issue(wanted(&issuer, 2, &["host/run"])).await.unwrap();

    assert_eq!(issuer.revoke(lent(1, &issued)).await, Ok(Revoked::Now));
    assert!(is_refused(&sshd.run(&issued, &[], "echo hello").await));
    assert_eq!(said(&sshd.run(&other, &[], "echo hello").await), "hello", "only what was returned");
    assert_eq!(issuer.revoke(lent(1, &issued)).await, Ok(Revoked::Now), "returned twice");
    assert_eq!(fs::read_to_string(sshd.revoked()).unwrap().lines().count(), 1);
    let log = sshd.log();
    let id = format!("{} {} bot", lease(1), samples::task_id(1));
    assert!(
        log.contains(&format!("ID {id}")),
        "the server's log names lease, task and agent: {log}"
    );
}

#[tokio::test]
async fn a_command_is_forced_and_nothing_else_is_permitted() {
    let sshd = Sshd::start().await;
    let issuer = issuer(&sshd.ca(), &sshd.revoked(), "");
    let issued = issuer.issue(wanted(&issuer, 1, &["host/status"])).await.unwrap();
    assert_eq!(said(&sshd.run(&issued, &[], "rm -rf x; id").await), "status of rm -rf x; id");
    let terminal = sshd.run(&issued, &["-tt"], "x").await;
    assert!(String::from_utf8_lossy(&terminal.stderr).contains("PTY allocation request failed"));
    let tunnel = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"];
    assert!(!sshd.run(&issued, &tunnel, "x").await.status.success());
    let described = sshd.describe(&issued);
    for part in [
        "user certificate",
        "force-command echo status",
        "Extensions: (none)",
        &lease(1).to_string(),
    ] {
        assert!(described.contains(part), "{part}: {described}");
    }
}

#[tokio::test]
async fn what_is_configured_stands_in_the_certificate() {
    let sshd = Sshd::start().await;
    let more = "source_address = [\"127.0.0.0/8\", \"::1\"]\nextensions = [\"permit-pty\"]";
    let issuer = issuer(&sshd.ca(), &sshd.revoked(), more);
    let issued = issuer.issue(wanted(&issuer, 1, &["host/run"])).await.unwrap();
    assert_eq!(said(&sshd.run(&issued, &["-tt"], "echo hello").await), "hello");
    let described = sshd.describe(&issued);
    assert!(described.contains("source-address 127.0.0.0/8,::1"), "{described}");
    assert!(described.contains("permit-pty") && !described.contains("forwarding"), "{described}");
}

#[tokio::test]
async fn elsewhere_later_and_as_somebody_else_it_opens_nothing() {
    let sshd = Sshd::start().await;
    let here = issuer(&sshd.ca(), &sshd.revoked(), "");
    let elsewhere = issuer(&sshd.ca(), &sshd.revoked(), "source_address = [\"10.0.0.0/8\"]");
    let away = elsewhere.issue(wanted(&elsewhere, 1, &["host/run"])).await.unwrap();
    let over = Wanted { now: PAST, until: PAST, ..wanted(&here, 2, &["host/run"]) };
    let over = here.issue(over).await.unwrap();
    let other = here.issue(wanted(&here, 3, &["host/other"])).await.unwrap();
    for issued in [away, over, other] {
        assert!(is_refused(&sshd.run(&issued, &[], "echo hello").await), "{issued:?}");
    }
    let log = sshd.log();
    for why in ["not from a permitted source", "expired", "not a listed principal"] {
        assert!(log.contains(why), "{why}: {log}");
    }
}

/// Remit itself asks a server what it offers: the server has its files, and they open nothing.
#[tokio::test]
async fn a_certificate_of_no_task_opens_nothing() {
    let sshd = Sshd::start().await;
    let issuer = issuer(&sshd.ca(), &sshd.revoked(), "");
    let remit = Holder::default();
    let scope = issuer.scope(&remit).unwrap();
    assert_eq!(scope, "as nobody");
    let (now, until) = (samples::NOW, LATER);
    let wanted = Wanted { lease: lease(1), holder: remit, scope, now, until };
    let issued = issuer.issue(wanted).await.unwrap();
    assert!(is_refused(&sshd.run(&issued, &[], "echo hello").await));
    assert!(sshd.log().contains("not a listed principal"), "{}", sshd.log());
}

#[tokio::test]
async fn one_certificate_holds_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer("", &folder.path().join("revoked"), "");
    let scope = |tools: &[&str]| issuer.scope(&holder(tools));
    assert_eq!(scope(&["host/run", "host/other"]).unwrap(), format!("as {},somebody-else", user()));
    for none in [&["host/run", "host/status"][..], &["mail/send"], &[]] {
        assert!(matches!(scope(none), Err(IssuerError::Refused(_))), "{none:?}");
    }
}

#[tokio::test]
async fn the_list_keeps_what_others_wrote_and_forgets_what_ran_out() {
    let folder = tempfile::tempdir().unwrap();
    let (list, ca) = (folder.path().join("revoked"), folder.path().join("ca"));
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &ca);
    let issuer = issuer(&fs::read_to_string(&ca).unwrap(), &list, "");
    fs::write(&list, "# ours since 2019\nssh-ed25519 AAAAtheirs\n").unwrap();
    let issued = join_all((0..16).map(async |n| {
        let issued = issuer.issue(wanted(&issuer, n, &["host/run"])).await.unwrap();
        let lent = lent(n, &issued);
        issuer.revoke(Lent { until: samples::NOW, ..lent }).await.unwrap();
        issued
    }));
    let issued = issued.await;
    let text = fs::read_to_string(&list).unwrap();
    assert!(text.starts_with("# ours since 2019\nssh-ed25519 AAAAtheirs\n"), "{text}");
    assert!(issued.iter().all(|it| text.contains(it.handle.as_deref().unwrap())), "{text}");

    let tomorrow = samples::NOW.after(std::time::Duration::from_hours(24));
    let wanted = Wanted { now: tomorrow, ..wanted(&issuer, 20, &["host/run"]) };
    issuer.issue(wanted).await.unwrap();
    let text = fs::read_to_string(&list).unwrap();
    assert_eq!(text, "# ours since 2019\nssh-ed25519 AAAAtheirs\n");
}

#[tokio::test]
async fn what_was_never_issued_is_returned() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revoked");
    let issuer = issuer("", &list, "");
    let lent = Lent { lease: lease(1), task: None, handle: None, until: LATER };
    assert_eq!(issuer.revoke(lent).await, Ok(Revoked::Now));
    assert!(!list.exists());
    // Nor does what is no key get into the list, which would shut everybody out.
    for bad in ["canary", "ssh-ed25519 AAAA", ""] {
        let lent = Lent { lease: lease(1), task: None, handle: Some(bad.to_owned()), until: LATER };
        assert!(matches!(issuer.revoke(lent).await, Err(IssuerError::Refused(_))), "{bad}");
    }
    assert!(!list.exists());
}

#[tokio::test]
async fn nothing_is_lent_that_cannot_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (list, ca) = (folder.path().join("revoked"), folder.path().join("ca"));
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &ca);
    let ca = fs::read_to_string(&ca).unwrap();
    let said = async |list: &Path| {
        let issuer = issuer(&ca, list, "");
        issuer.issue(wanted(&issuer, 1, &["host/run"])).await.unwrap_err().to_string()
    };
    let nowhere = said(Path::new("/nonexistent/revoked")).await;
    assert!(nowhere.contains("/nonexistent/revoked cannot be kept"), "{nowhere}");
    fs::write(&list, b"SSHKRL\n\0binary").unwrap();
    let binary = said(&list).await;
    assert!(binary.contains("expected a list of public keys"), "{binary}");
    assert_eq!(fs::read(&list).unwrap(), b"SSHKRL\n\0binary", "left as it is");
}

#[tokio::test]
async fn an_authority_that_cannot_sign_says_why_and_nothing_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let said = async |ca: &str| {
        let issuer = issuer(ca, &folder.path().join("revoked"), "");
        format!("{issuer:?} {}", issuer.probe().await.unwrap_err())
    };
    let garbage = said("canary").await;
    assert!(garbage.contains("ssh-keygen -t ed25519") && !garbage.contains("canary"), "{garbage}");
    for (name, words, says) in [
        ("locked", ["-t", "ed25519", "-N", "passphrase"], "ssh-keygen -p"),
        ("other", ["-t", "ecdsa", "-N", ""], "no Ed25519 private key"),
    ] {
        let path = folder.path().join(name);
        keygen(&[&words[..], &["-q", "-f"]].concat(), &path);
        let why = said(&fs::read_to_string(&path).unwrap()).await;
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_key() {
    let sshd = Sshd::start().await;
    let issuer = issuer(&sshd.ca(), &sshd.revoked(), "");
    let issued = issuer.issue(wanted(&issuer, 1, &["host/run"])).await.unwrap();
    let key = issued.material.get("key").unwrap().lines().nth(3).unwrap().to_owned();
    let shown = format!("{issued:?} {issuer:?} {}", fs::read_to_string(sshd.revoked()).unwrap());
    assert!(key.len() > 20 && !shown.contains(&key), "{shown}");
    assert!(!issued.handle.unwrap().contains(&key));
}

#[test]
fn settings_that_name_nobody_are_refused() {
    let parse = |text: &str| toml::from_str::<Settings>(text);
    let everybody =
        "ca = \"a\"\nrevoked = \"r\"\n[[allow]]\ntools = [\"host/run\"]\ncommand = \"x\"";
    let secrets = Arc::new(MemorySecrets::default());
    let entropy = Arc::new(SeededEntropy::new(7));
    let why = Ssh::new(parse(everybody).unwrap(), secrets, entropy).unwrap_err();
    assert!(why.contains("`principals`"), "{why}");
    for bad in [
        "principals = [\"a,root\"]",
        "principals = [\"\"]",
        "principals = [\"a\"]\ncommand = \"a\\nb\"",
    ] {
        let text = format!("ca = \"a\"\nrevoked = \"r\"\n[[allow]]\ntools = [\"host/run\"]\n{bad}");
        assert!(parse(&text).unwrap_err().to_string().contains("expected"), "{bad}");
    }
    let text = "ca = \"a\"\nrevoked = \"r\"\nallow = []\n";
    for bad in ["source_address = [\"10.0.0.1/8\"]", "extensions = [\"permit-everything\"]"] {
        assert!(parse(&format!("{bad}\n{text}")).is_err(), "{bad}");
    }
}
