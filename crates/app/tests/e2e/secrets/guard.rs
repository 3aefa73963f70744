//! Whoever has a copy of the state directory, where the key lies elsewhere or nowhere: they open no secret,
//! sign nothing and read no record's body.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use remit_keys::Guard;

use super::{CANARY, kept, lent, stand, value};
use crate::stand::{Plan, Stand};
use crate::thief::{body_key, signing_key};

/// A signing key of each sort.
const SIGNING: [&str; 4] = ["log-1.key", "token-1.key", "svid-1.signer", "svid-1.jwt"];

/// The state directory as it is, in a place of its own; nobody may serve it.
fn copied(stand: &Stand) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let done = std::process::Command::new("cp").arg("-a").arg(stand.state()).arg(&state).status();
    assert!(done.unwrap().success());
    Stand::left_behind(folder, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_state_directory_opens_nothing_without_the_key_file() {
    let mut stand = stand().await;
    kept(&stand, &["secret", "add", "key"], CANARY).await;
    let status = stand.remit(&["status"]).await.stdout;
    assert!(status.contains("1 kept, UNPROTECTED"), "{status}");
    for name in SIGNING {
        assert!(signing_key(stand.state(), name).is_some(), "{name}: a copy is enough so far");
    }
    assert!(body_key(stand.state()).is_some(), "likewise");
    let elsewhere = tempfile::tempdir().unwrap();
    let key = elsewhere.path().join("remit.key");
    stand.kill().await;
    stand.configure(&format!("[secrets]\nkey_file = \"{}\"\n", key.display()));
    let why = stand.fails_to_start().await;
    assert!(why.contains("head -c 32 /dev/urandom"), "{why}");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let why = stand.fails_to_start().await;
    assert!(why.contains("chmod 600"), "{why}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let link = elsewhere.path().join("link");
    symlink(&key, &link).unwrap();
    let config = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), config.replace("remit.key", "link")).unwrap();
    let why = stand.fails_to_start().await;
    assert!(why.contains("not a link"), "{why}");
    fs::write(stand.config(), &config).unwrap();
    stand.start().await;
    let status = stand.remit(&["status"]).await.stdout;
    assert!(status.contains("1 kept, closed by a key from elsewhere"), "{status}");
    assert_eq!(lent(&stand).await, CANARY, "what the key beside it opened before is there");
    stand.kill().await;

    let copy = copied(&stand);
    for name in SIGNING {
        assert!(signing_key(copy.state(), name).is_none(), "{name} is in the copy");
    }
    assert!(body_key(copy.state()).is_none(), "keys of bodies are in the copy");
    fs::remove_file(&key).unwrap();
    let why = copy.fails_to_start().await;
    assert!(why.contains("there is no"), "{why}");
    fs::write(&key, [8; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let why = copy.fails_to_start().await;
    assert!(why.contains("closed with another key") && !why.contains(CANARY), "{why}");
    let bare = fs::read_to_string(copy.config()).unwrap();
    fs::write(copy.config(), bare.split("[secrets]").next().unwrap()).unwrap();
    let why = copy.fails_to_start().await;
    assert!(why.contains("[secrets] has no `key_file`"), "{why}");
    crate::proof::log_is_good(&copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_configuration_closes_from_the_first_moment_never_lay_open() {
    let place = tempfile::tempdir().unwrap();
    let (state, key) = (place.path().join("state"), place.path().join("remit.key"));
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    fs::create_dir(&state).unwrap();
    let mut stand = Stand::left_behind(place, state);
    let config = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[secrets]\nkey_file = \"{}\"\n",
        key.display()
    );
    fs::write(stand.config(), config).unwrap();
    fs::write(stand.passphrase_file(), "an operator's passphrase").unwrap();
    let init = stand.with_passphrase(&["init"]).await;
    assert!(init.ok, "{}", init.said());
    assert!(signing_key(stand.state(), "log-1.key").is_none());
    assert!(body_key(stand.state()).is_none());
    stand.start().await;
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_typed_at_the_start_and_stands_nowhere() {
    const PASSPHRASE: &str = "four words that nobody-guesses";
    let mut stand = stand().await;
    stand.kill().await;
    stand.configure("[secrets]\npassphrase = \"ask\"\n");
    let why = stand.fails_to_start().await;
    assert!(why.contains("12 characters"), "{why}");
    stand.types(PASSPHRASE);
    stand.start().await;
    kept(&stand, &["secret", "add", "key"], CANARY).await;
    let status = stand.remit(&["status"]).await.stdout;
    assert!(status.contains("1 kept, closed by a passphrase"), "{status}");
    stand.act(&["secret", "rotate", "--key"]).await;
    assert_eq!(lent(&stand).await, CANARY, "nobody had to type it again");
    crate::lend::assert_nowhere(&stand, PASSPHRASE, std::path::Path::new("")).await;
    stand.kill().await;
    stand.types("four words that somebody guesses");
    let why = stand.fails_to_start().await;
    assert!(why.contains("closed with another passphrase"), "{why}");
    stand.types(PASSPHRASE);
    stand.start().await;
    assert_eq!(lent(&stand).await, CANARY);
    stand.kill().await;
    let guard = Guard::passphrase(PASSPHRASE.to_owned().into()).unwrap();
    assert_eq!(value(stand.state(), guard, "key").as_deref(), Some(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_can_hand_the_key_over() {
    let handed = tempfile::tempdir().unwrap();
    let key = handed.path().join("remit.key");
    fs::write(&key, [7; 32]).unwrap();
    // As systemd leaves it: read by its owner, and by whom an access list names.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let folder = handed.path().to_str().unwrap();
    let plan = Plan::new()
        .environment(&[("CREDENTIALS_DIRECTORY", folder)])
        .with("[secrets]\nkey_file = \"$CREDENTIALS_DIRECTORY/remit.key\"\n");
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let mut stand = Stand::up(&plan, place, state).await;
    kept(&stand, &["secret", "add", "key"], CANARY).await;
    let status = stand.remit(&["status"]).await.stdout;
    assert!(status.contains("1 kept, closed by a key from elsewhere"), "{status}");
    stand.kill().await;
    let why = copied(&stand).fails_to_start().await;
    assert!(why.contains("LoadCredential"), "{why}");
    let guard = Guard::key_file(&key).unwrap();
    assert_eq!(value(stand.state(), guard, "key").as_deref(), Some(CANARY));
}
