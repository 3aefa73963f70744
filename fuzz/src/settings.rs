//! The configuration file: what does not pass says so in words, what passes names only what is
//! there.

use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::config::Config;
use crate::fixture::folder;

static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = folder();
    let file = folder.path().join("remit.toml");
    (folder, file)
});

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let file = &FOLDER.1;
    std::fs::write(file, data).unwrap();
    match Config::read(file) {
        Ok(read) => {
            let settings = read.settings();
            assert_eq!(settings.servers.len(), read.servers.len());
            assert_eq!(settings.templates.len(), read.templates.len());
            for template in settings.templates.values() {
                let known = |name| settings.agents.get(name).is_some();
                assert!(template.may_open.iter().all(known));
            }
            let _ = (read.protection(10), read.serves_other_users(10), read.policy_dir(file));
        }
        Err(why) => {
            let why = why.to_string();
            assert!(why.contains("remit.toml") && why.len() > 20, "{why}");
        }
    }
}
