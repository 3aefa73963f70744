#![no_main]
//! The configuration file: what does not pass says so in words, what passes names only what is
//! there.

#[path = "../../crates/app/src/config.rs"]
#[expect(dead_code, unused_imports, reason = "the program uses more of it")]
mod config;
#[path = "../../crates/app/src/environment.rs"]
#[expect(dead_code, reason = "as above")]
mod environment;
#[path = "../../crates/app/src/fail.rs"]
#[expect(dead_code, reason = "as above")]
mod fail;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    let file = folder.path().join("remit.toml");
    (folder, file)
});

fuzz_target!(|data: &[u8]| {
    let file = &FOLDER.1;
    std::fs::write(file, data).unwrap();
    match config::Config::read(file) {
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
});
