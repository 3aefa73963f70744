//! `cargo xtask dist`: the program as it is to be installed, laid out by what it does under load.
//!
//! Profile-guided optimization: a first build counts how often each path is taken while calls go through it, and a
//! second is made by these counts. It does the same as any release build, in less time, and takes three times
//! as long to make; so newcomers build without it, and no merge waits for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::step::{command, output, say, timed};

/// What is sent through the program while it counts: few and many callers at a time, short and long results, tasks
/// that have just begun and tasks at their bounds.
const LOAD: [&str; 8] = [
    "--setup",
    "contained:10:new,contained:10,1:10",
    "--connections",
    "1,16",
    "--bytes",
    "1024,16384",
    "--rounds",
    "1",
];

/// What is known of the compiler.
struct Compiler {
    /// The triple of this machine. Naming it keeps build scripts from being counted, too.
    target: String,
    /// Where its tools are.
    tools: PathBuf,
    /// The version of its LLVM, without what is behind the first dot.
    llvm: String,
}

/// Builds `target/dist/remit`.
///
/// Errors: a step fails, or there is no `llvm-profdata` of the compiler's version.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let compiler = Compiler::ask(root)?;
    let merge = compiler.merge()?;
    let folder = root.join("target/dist");
    let (counts, profile) = (folder.join("counts"), folder.join("load.profdata"));
    remove(&counts)?;
    let recording = text(&counts)?.to_owned();
    let counting = format!("-Cprofile-generate={recording}");
    let counted =
        timed("dist: a build that counts", || compiler.build(root, "counted", &counting))?;
    timed("dist: the load", || load(root, &counted))?;
    timed("dist: what was counted", || {
        command(root, &[&merge, "merge", "--output", text(&profile)?, &recording], &[])
    })?;
    let guided = format!("-Cprofile-use={}", text(&profile)?);
    // Cargo takes what was built by other counts for built, as long as they have the same name.
    remove(&folder.join("guided"))?;
    let built = timed("dist: the build", || compiler.build(root, "guided", &guided))?;
    let to = folder.join("remit");
    std::fs::copy(&built, &to).map_err(|why| format!("{} cannot be made: {why}", to.display()))?;
    say(&format!("{} is built", to.display()));
    Ok(())
}

/// Sends calls through `program` until each path of a call is taken often.
fn load(root: &Path, program: &Path) -> Result<(), Failure> {
    let folder = root.join("target");
    let line = ["cargo", "build", "--release", "-p", "remit-bench"];
    command(root, &line, &[("CARGO_TARGET_DIR", text(&folder)?)])?;
    let bench = folder.join("release/remit-bench");
    let named = format!("counted={}", text(program)?);
    let words = [text(&bench)?, "table", "--remit", &named];
    command(root, &[&words, &LOAD[..]].concat(), &[])
}

impl Compiler {
    fn ask(root: &Path) -> Result<Self, Failure> {
        let about = output(root, &["rustc", "--version", "--verbose"])?;
        let line = |name: &str| {
            let line = about.lines().find_map(|line| line.strip_prefix(name));
            line.ok_or_else(|| format!("expected `rustc --version --verbose` to say `{name}…`"))
        };
        let target = line("host: ")?.to_owned();
        let llvm = line("LLVM version: ")?.split('.').next().unwrap_or_default().to_owned();
        let sysroot = output(root, &["rustc", "--print", "sysroot"])?;
        let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(&target).join("bin");
        Ok(Self { target, tools, llvm })
    }

    /// The program that sums up counts: the compiler's own, or the system's of the same version.
    fn merge(&self) -> Result<String, Failure> {
        let own = self.tools.join("llvm-profdata").display().to_string();
        let names = [own, format!("llvm-profdata-{}", self.llvm)];
        let runs = |name: &String| Command::new(name).arg("--help").output().is_ok();
        names.into_iter().find(runs).ok_or_else(|| {
            let llvm = &self.llvm;
            format!(
                "expected llvm-profdata of LLVM {llvm}, found none: `rustup component add llvm-tools`, or the \
                 package `llvm-{llvm}` of the system"
            )
        })
    }

    /// Builds the program with these flags in a folder of its own.
    fn build(&self, root: &Path, name: &str, flags: &str) -> Result<PathBuf, Failure> {
        let folder = root.join("target/dist").join(name);
        let line = ["cargo", "build", "--release", "-p", "remit-app", "--target", &self.target];
        // Before all other ways to say them.
        let flags = ("CARGO_ENCODED_RUSTFLAGS", flags);
        let variables = [flags, ("CARGO_TARGET_DIR", text(&folder)?)];
        command(root, &line, &variables)?;
        Ok(folder.join(&self.target).join("release/remit"))
    }
}

/// Removes what an earlier run counted.
fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {why}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| format!("expected a path in UTF-8, got {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_known_and_a_missing_tool_is_named() {
        let compiler = Compiler::ask(&crate::workspace_root()).unwrap();
        assert!(compiler.target.contains('-') && compiler.llvm.parse::<u32>().is_ok());
        let other = Compiler { tools: "/nowhere".into(), llvm: "0".to_owned(), ..compiler };
        let missing = other.merge().unwrap_err();
        assert!(missing.contains("expected llvm-profdata of LLVM 0, found none"), "{missing}");
    }
}
