//! What stands in the clear is found, moved, lent, and put back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::{lent, stand};
use crate::peers::{peer, python};
use crate::stand::{Plan, Stand};

/// Looks random, and is nobody's.
const TOKEN: &str = "q7Zt3VbK9xWm2RdLp8YcJ5hNf4GsTa6EuQ1o";

/// A person's home with a client's configuration and a dotenv file.
struct Home {
    folder: TempDir,
    client: PathBuf,
    dotenv: PathBuf,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = folder.path().join("claude_desktop_config.json");
        let text = json!({"mcpServers": {"holding": {
            "command": python(), "args": [peer("servers/holding.py")],
            "env": {"SERVER_KEY": format!("ghp_{TOKEN}"), "LOG_LEVEL": "debug"}}}});
        fs::write(&client, format!("{text:#}\n")).unwrap();
        let dotenv = folder.path().join(".env");
        fs::write(&dotenv, format!("# ours\nAPI_KEY='{TOKEN}' # live\nPORT=1\n")).unwrap();
        fs::set_permissions(&dotenv, fs::Permissions::from_mode(0o640)).unwrap();
        Self { folder, client, dotenv }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

async fn empty_stand() -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    Stand::up(&Plan::new(), folder, state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_clear_is_named_and_not_shown() {
    let (stand, home) = (empty_stand().await, Home::new());
    let scan = stand.remit(&["scan", home.path()]).await;
    assert!(!scan.ok, "something was found");
    for (place, what) in [
        (format!("{}:2 ", home.dotenv.display()), "secret by its name  API_KEY "),
        (format!("{}:9 ", home.client.display()), "github-pat          holding.SERVER_KEY "),
    ] {
        let row = scan.stdout.lines().find(|row| row.starts_with(&place));
        assert!(row.is_some_and(|row| row.contains(what)), "{place}{what}: {}", scan.stdout);
    }
    assert!(!scan.said().contains(TOKEN), "{}", scan.said());
    let rows = stand.remit(&["scan", home.path(), "--json"]).await;
    assert!(!rows.said().contains(TOKEN), "{}", rows.said());
    let rows: serde_json::Value = serde_json::from_str(&rows.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    let nothing = tempfile::tempdir().unwrap();
    assert!(stand.remit(&["scan", nothing.path().to_str().unwrap()]).await.ok);
    let none = stand.remit(&["scan", "/etc/hostname"]).await;
    assert!(none.stderr.contains("dotenv"), "{}", none.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_looked_at_is_not_clean() {
    let (stand, home) = (empty_stand().await, Home::new());
    fs::write(&home.client, "{").unwrap();
    let client = home.client.to_str().unwrap();
    for args in [&["scan", client][..], &["scan", client, "--json"], &["scan", "--import", client]]
    {
        let scan = stand.remit(args).await;
        let said = "whether a secret stands there is not known";
        assert!(!scan.ok && scan.stderr.contains(said), "{args:?}: {}", scan.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_tell_the_meaning_of_is_left_and_named() {
    let (stand, home) = (empty_stand().await, Home::new());
    let unit = home.folder.path().join("agent.service");
    fs::write(&unit, format!("Environment=API_KEY={TOKEN}\\x21\n")).unwrap();
    let before = text(&unit);
    let left = stand.with_passphrase(&["scan", "--import", unit.to_str().unwrap()]).await;
    let said = format!("`API_KEY` at {}:1; take them out by hand", unit.display());
    assert!(!left.ok && left.stderr.contains(&said), "{}", left.said());
    assert_eq!(text(&unit), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_leaves_a_reference_and_comes_back_byte_for_byte() {
    let (stand, home) = (empty_stand().await, Home::new());
    let (client, dotenv) = (text(&home.client), text(&home.dotenv));
    let bare = stand.remit(&["scan", "--import", home.path()]).await;
    assert!(!bare.ok && text(&home.dotenv) == dotenv, "{}", bare.said());
    let moved = stand.with_passphrase(&["scan", "--import", home.path()]).await;
    assert!(moved.ok && !moved.said().contains(TOKEN), "{}", moved.said());
    for line in [
        "secret = \"holding-server-key\"",
        "lend = [{ credential = \"holding-server-key\", variable = { \"SERVER_KEY\" = \"{value}\" } }]",
    ] {
        assert!(moved.stdout.contains(line), "{}", moved.stdout);
    }
    assert_eq!(text(&home.dotenv), "# ours\nAPI_KEY='remit:secret/api-key' # live\nPORT=1\n");
    assert_eq!(
        text(&home.client),
        client.replace(&format!("ghp_{TOKEN}"), "remit:secret/holding-server-key")
    );
    let mode = home.dotenv.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "it can be read by whoever could read it");
    assert!(stand.remit(&["scan", home.path()]).await.ok, "nothing is left");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "no draft either");

    // Somebody writes into one of them.
    fs::write(&home.dotenv, text(&home.dotenv) + "MORE=1\n").unwrap();
    let files = [home.client.to_str().unwrap(), home.dotenv.to_str().unwrap()];
    let undone = stand.with_passphrase(&["scan", "--undo", files[0], files[1]]).await;
    assert!(!undone.ok && undone.stderr.contains("was changed since"), "{}", undone.said());
    assert!(undone.stderr.contains("--force") && text(&home.dotenv).ends_with("MORE=1\n"));
    assert_eq!(text(&home.client), client);
    let undone = stand.with_passphrase(&["scan", "--undo", "--force", files[1]]).await;
    assert!(undone.ok, "{}", undone.said());
    assert_eq!(text(&home.dotenv), dotenv);
    let again = stand.with_passphrase(&["scan", "--undo", files[0]]).await;
    assert!(!again.ok && again.stderr.contains("never imported"), "{}", again.said());
    let entries = stand.entries().await;
    let count = |what: &str| entries.iter().filter(|entry| entry["clear"]["what"] == what).count();
    assert_eq!((count("file_kept"), count("secret_added"), count("file_given_back")), (2, 2, 3));
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_imported_twice_is_undone_twice() {
    let (stand, home) = (empty_stand().await, Home::new());
    let dotenv = home.dotenv.to_str().unwrap();
    let first = text(&home.dotenv);
    stand.act(&["scan", "--import", dotenv]).await;
    let second = text(&home.dotenv) + "API_KEY=ghp_" + TOKEN + "\n";
    fs::write(&home.dotenv, &second).unwrap();
    stand.act(&["scan", "--import", dotenv]).await;
    assert!(text(&home.dotenv).ends_with("API_KEY=remit:secret/api-key-2\n"));
    stand.act(&["scan", "--undo", dotenv]).await;
    assert_eq!(text(&home.dotenv), second);
    stand.act(&["scan", "--undo", "--force", dotenv]).await;
    assert_eq!(text(&home.dotenv), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_taken_over_are_lent_what_they_had() {
    let mut stand = stand().await;
    let home = Home::new();
    let client = home.client.to_str().unwrap();
    fs::write(stand.config(), text(&stand.config()).split("[[credential]]").next().unwrap())
        .unwrap();
    let running = stand.with_passphrase(&["init", "--import", client]).await;
    assert!(!running.ok && running.stderr.contains("remit scan --import"), "{}", running.said());
    stand.kill().await;
    // Its configuration is kept elsewhere, for a group to read.
    let kept = home.folder.path().join("remit.toml");
    fs::copy(stand.config(), &kept).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(stand.config()).unwrap();
    symlink(&kept, stand.config()).unwrap();
    let taken = stand.with_passphrase(&["init", "--import", client]).await;
    assert!(taken.ok && !taken.said().contains(TOKEN), "{}", taken.said());
    assert!(taken.stdout.contains("holding-server-key"), "{}", taken.stdout);
    let config = text(&stand.config());
    assert!(!config.contains(TOKEN) && !config.contains("remit:secret"), "{config}");
    assert!(config.contains("LOG_LEVEL = \"debug\""), "{config}");
    assert!(text(&kept) == config && stand.config().is_symlink(), "the link stays");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    stand.configure(
        "[[template]]\nname = \"reading\"\nmay_open = [\"worker\"]\npurpose = \"p\"\n\
         tools = [\"holding/*\"]\n",
    );
    stand.start().await;
    assert_eq!(lent(&stand).await, format!("ghp_{TOKEN}"));
}
