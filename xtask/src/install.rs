//! Cargo subcommands that a machine may lack, in the versions their callers are written for.

use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::step::{command, say};

/// Makes sure that `cargo <name>` is there in exactly this version.
///
/// Errors: it cannot be installed.
pub(crate) fn ensure(root: &Path, name: &str, version: &str) -> Result<(), Failure> {
    let output = Command::new("cargo").args([name, "--version"]).current_dir(root).output();
    if output.is_ok_and(|output| says_version(&output.stdout, version)) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    say(&format!("installing {package} {version} (a few minutes, once per machine)"));
    // Without optimisation, which takes longer than all that these commands do afterwards.
    let install =
        ["cargo", "install", &package, "--locked", "--quiet", "--debug", "--version", version];
    command(root, &install, &[])
}

fn says_version(output: &[u8], version: &str) -> bool {
    String::from_utf8_lossy(output).split_whitespace().any(|word| word == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_does_not_count() {
        assert!(says_version(b"cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!says_version(b"cargo-deny 0.1.0\n", "0.20.2"));
        assert!(!says_version(b"", "0.20.2"));
    }
}
