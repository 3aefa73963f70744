//! `remit witness …`: a process of its own that watches other people's logs.
//!
//! It shares nothing with `remit serve` but the binary: its own state directory, key and listener.
//! The list of logs is read at the start; a restart costs a witness nothing, since whoever submits
//! comes again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_keys::{KeysError, StateLock, WitnessKeys};
use remit_tlog::{CosigningKey, VerifierKey};
use remit_witness::{Witness, http};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::environment::{self, SystemClock, SystemEntropy};
use crate::fail::Fail;
use crate::out::{Lines, Out};
use crate::{cli, log, serve};

/// `witness.toml`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    listen: SocketAddr,
    #[serde(default, rename = "log")]
    logs: Vec<Log>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    key: String,
}

impl Config {
    fn read(state: &Path) -> Result<Self, Fail> {
        let path = config_file(state);
        let text = std::fs::read_to_string(&path).map_err(|why| {
            Fail::new(format!(
                "cannot read {}: {why}; `remit witness init` makes one",
                path.display()
            ))
        })?;
        toml::from_str(&text).map_err(|why| Fail::new(format!("{}: {why}", path.display())))
    }

    fn trusted(&self) -> Result<Vec<VerifierKey>, Fail> {
        self.logs.iter().map(|log| serve::parsed_key(&log.key)).collect()
    }
}

fn config_file(state: &Path) -> PathBuf {
    state.join("witness.toml")
}

/// Runs one of the witness commands.
pub(crate) async fn run(
    state: Option<PathBuf>,
    args: cli::Witness,
    out: &mut Out,
) -> Result<(), Fail> {
    let state = state
        .or_else(|| environment::default_state("remit-witness"))
        .ok_or_else(|| Fail::new("no state directory: name one with --state"))?;
    match args {
        cli::Witness::Init { name, logs, listen } => {
            let logs = logs.into_iter().map(|key| Log { key }).collect();
            init(&state, &Config { name, listen, logs }, out)
        }
        cli::Witness::Serve => serve(&state, out).await,
        cli::Witness::Key => {
            out.line(&cosigner(&state, &Config::read(&state)?)?.witness().to_string())
        }
    }
}

fn cosigner(state: &Path, config: &Config) -> Result<CosigningKey, Fail> {
    let keys = WitnessKeys::open(state).map_err(|why| match why {
        KeysError::Missing { dir } => {
            let dir = dir.display();
            Fail::new(format!("there is no key under {dir}: run `remit witness init` first"))
        }
        why => why.into(),
    })?;
    Ok(keys.cosigner(&config.name)?)
}

/// Makes what is missing; run again it changes nothing that is there.
fn init(state: &Path, config: &Config, out: &mut Out) -> Result<(), Fail> {
    if serve::is_initialised(state) {
        return Err(Fail::new(format!(
            "{} is the state directory of a log: a witness beside it would prove nothing; name \
             another with --state, better on another machine",
            state.display()
        )));
    }
    config.trusted()?;
    match WitnessKeys::open(state) {
        Err(KeysError::Missing { .. }) => {
            WitnessKeys::create(state, &SystemEntropy)?;
        }
        opened => drop(opened?),
    }
    let path = config_file(state);
    if !path.exists() {
        // A name that no key can have must not get into the file.
        cosigner(state, config)?;
        serve::write_whole(&path, &commented(config))?;
    }
    let key = cosigner(state, &Config::read(state)?)?.witness().to_string();
    let value = json!({ "state": state, "config": path, "key": key });
    out.say(&value, |_| {
        Lines::of_ours(&format!(
            "made {}\n\nthe witness's key, for whoever verifies and for the logs it watches:\n\n  \
             {key}\n\nnext: name the logs in {}, then run `remit witness serve`",
            state.display(),
            path.display()
        ))
    })
}

fn commented(config: &Config) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "# A witness's configuration, read at its start.\n\n\
         # The name it cosigns under. Its key is for this name: with another it is another witness.\n\
         name = {:?}\n\n\
         # Where logs submit their checkpoints. What passes is signed and public; for https and\n\
         # bounds by address, put it behind a web server.\n\
         listen = \"{}\"\n\n\
         # A log that it watches: what its operator gave you (`remit audit key`).\n",
        config.name, config.listen
    );
    for log in &config.logs {
        // Writing into a string does not fail.
        let _: std::fmt::Result = write!(text, "[[log]]\nkey = {:?}\n\n", log.key);
    }
    if config.logs.is_empty() {
        text.push_str("# [[log]]\n# key = \"log.example/remit+…\"\n");
    }
    text
}

/// Watches until a signal ends it.
async fn serve(state: &Path, out: &mut Out) -> Result<(), Fail> {
    log::to_stderr();
    let config = Config::read(state)?;
    let lock = StateLock::acquire(state)?;
    let key = cosigner(state, &config)?;
    let clock = Arc::new(SystemClock::new());
    let witness = Witness::open(&state.join("logs"), key, config.trusted()?, clock)?;
    for (origin, size) in witness.logs().map_err(Fail::new)? {
        tracing::info!(%origin, size, "watches");
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|why| Fail::new(format!("cannot listen on {}: {why}", config.listen)))?;
    let address = listener.local_addr()?;
    let ready = json!({ "event": "ready", "address": address, "key": witness.key().to_string() });
    out.say(&ready, |_| format!("{} listens for logs at http://{address}", witness.key()))?;
    let stop = CancellationToken::new();
    let served = tokio::spawn(http::serve(listener, http::router(Arc::new(witness)), stop.clone()));
    serve::signalled().await?;
    stop.cancel();
    served.await?;
    drop(lock);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_could_not_be_written_whole_is_not_there_and_made_the_next_time() {
        let state = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = Config { name: "witness.example/w1".to_owned(), listen, logs: Vec::new() };
        // In the place of what is written first.
        let draft = state.path().join("witness.toml.new");
        std::fs::create_dir(&draft).unwrap();
        init(state.path(), &config, &mut Out::new(true)).unwrap_err();
        assert!(!config_file(state.path()).exists());
        std::fs::remove_dir(&draft).unwrap();
        std::fs::write(&draft, "name = \"half a na").unwrap();
        init(state.path(), &config, &mut Out::new(true)).unwrap();
        assert_eq!(Config::read(state.path()).unwrap().name, config.name);
        assert!(!draft.exists());
    }
}
