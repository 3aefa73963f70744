//! `remit init`: a state directory with keys, a passphrase, a commented configuration, policies.
//!
//! Run again it changes nothing that is there, so it is safe in a script.

use std::path::Path;
use std::sync::Arc;

use remit_keys::{Doors, Guards, Keys, KeysError, Sealed, StateLock};
use remit_model::SecretName;
use remit_scan::Found;
use serde_json::json;
use zeroize::Zeroizing;

use super::import::Taken;
use super::lent::lend;
use super::{Context, import, scan};
use crate::client::read_passphrase;
use crate::config::{COMMENTED, Config, Secrets};
use crate::environment::{self, SystemClock, SystemEntropy};
use crate::fail::Fail;
use crate::out::{Lines, Out};
use crate::{cli, serve};

/// Makes what is missing, then imports what was asked for.
pub(crate) fn run(context: &Context, args: &cli::Init, out: &mut Out) -> Result<(), Fail> {
    if let Some(file) = &args.import {
        // A file that cannot be taken over must not cost the passphrase, which is shown once.
        import::read((file, &text_of(file)?), &Taken::default())?;
    }
    let made = make(context, args.origin.as_deref())?;
    let sealed = made.as_ref().map(|made| &made.sealed);
    let imported = args.import.as_deref().map(|file| import(context, file, sealed)).transpose()?;
    let (names, sealed) = imported
        .as_ref()
        .map(|taken| (taken.imported.names.clone(), taken.sealed.clone()))
        .unwrap_or_default();
    let value = json!({
        "state": context.state,
        "config": context.config(),
        "created": made.is_some(),
        "passphrase": made.as_ref().and_then(|made| made.shown.as_ref().map(|shown| shown.as_str())),
        "imported": names,
        "sealed": sealed,
        "warning": imported.as_ref().and_then(|taken| taken.warning.as_ref()),
    });
    out.say(&value, |_| {
        let mut lines = Vec::new();
        match &made {
            Some(made) => lines.extend(Lines::of_ours(&created(context, made))),
            None => lines.push(format!("{} is a state directory already", context.state.display())),
        }
        if let (Some(TakenOver { imported, warning, .. }), Some(file)) = (&imported, &args.import) {
            lines.extend(warning.clone());
            lines.push(format!("took over: {}", imported.names.join(", ")));
            if !sealed.is_empty() {
                let names: Vec<_> = sealed.iter().map(ToString::to_string).collect();
                lines.push(format!(
                    "moved into sealed storage, to be lent to these servers: {}; they stand in {} as \
                     before: point its client at Remit, and take them out",
                    names.join(", "),
                    file.display()
                ));
            }
            if !imported.secrets.is_empty() {
                lines.push(format!(
                    "these members look like secrets and stand in the clear in the configuration: {}",
                    imported.secrets.join(", ")
                ));
            }
        }
        lines.push(format!(
            "next: look at {}, then run `remit serve`",
            context.config().display()
        ));
        lines
    })
}

/// What a first run made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The passphrase, if it was generated here; shown this once.
    shown: Option<Zeroizing<String>>,
    sealed: Arc<Sealed>,
}

fn created(context: &Context, made: &Made) -> String {
    let passphrase = made.shown.as_ref().map_or_else(
        || "  operator's passphrase   the one you gave".to_owned(),
        |passphrase| {
            format!(
                "  operator's passphrase   {}\n\n  Keep it: approving and admitting needs it, it is \
                 shown only now and stored nowhere.",
                passphrase.as_str()
            )
        },
    );
    format!("made {}\n{passphrase}\n", context.state.display())
}

/// Makes the state directory with a log named `origin`, unless it is there; `None` if it was.
///
/// Errors: a file cannot be made, the passphrase cannot be read, the log there has another name, or
/// no log can have this one.
pub(crate) fn make(context: &Context, origin: Option<&str>) -> Result<Option<Made>, Fail> {
    let state = context.state.as_path();
    if serve::is_initialised(state) {
        let key = serve::log_key(state)?;
        return match origin.filter(|origin| *origin != key.name()) {
            None => Ok(None),
            Some(_) => Err(Fail::new(format!(
                "the log in {} is named `{}` for good: name another state directory",
                state.display(),
                key.name()
            ))),
        };
    }
    private_dir(state)?;
    let config = context.config();
    let guards = guards(&config)?;
    let keys = match Keys::open(state, guards.clone(), doors()) {
        Err(KeysError::Missing { .. }) => Keys::create(state, guards, doors())?,
        // A run that was interrupted goes on from here.
        opened => opened?,
    };
    let (passphrase, shown) = if let Some(file) = &context.passphrase_file {
        (read_passphrase(Some(file), "")?, None)
    } else {
        let generated = remit_keys::generate_passphrase(&SystemEntropy);
        (generated.clone(), Some(generated))
    };
    keys.operator().set_passphrase(&passphrase, &SystemEntropy)?;
    if !config.exists() {
        write_private(&config, COMMENTED)?;
    }
    write_policies(&state.join("policies"))?;
    // Last: its presence says that everything before it is there.
    let default = || format!("{}/remit", environment::host_name());
    serve::write_origin(state, &origin.map_or_else(default, str::to_owned), &keys)?;
    Ok(Some(Made { shown, sealed: keys.sealed() }))
}

/// What the configuration `file` has sealed storage closed with, if there is one already.
fn guards(file: &Path) -> Result<Guards, Fail> {
    let secrets = if file.exists() { Config::read(file)?.secrets } else { Secrets::default() };
    serve::guards(&secrets)
}

fn doors() -> Doors {
    (Arc::new(SystemClock::new()), Arc::new(SystemEntropy))
}

fn private_dir(dir: &Path) -> Result<(), Fail> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .map_err(|why| Fail::new(format!("cannot make {}: {why}", dir.display())))
}

/// Writes a file that only its owner may read: a configuration can hold secrets.
fn write_private(path: &Path, text: &str) -> Result<(), Fail> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn write_policies(dir: &Path) -> Result<(), Fail> {
    if dir.exists() {
        return Ok(());
    }
    std::fs::create_dir(dir)?;
    for (name, text) in remit_policy::CONTAINED {
        std::fs::write(dir.join(name), text)?;
    }
    Ok(())
}

fn text_of(file: &Path) -> Result<String, Fail> {
    std::fs::read_to_string(file)
        .map_err(|why| Fail::new(format!("cannot read {}: {why}", file.display())))
}

/// Takes over the servers of `file`, and their secrets into sealed storage, which is `open` after a first
/// run.
fn import(context: &Context, file: &Path, open: Option<&Arc<Sealed>>) -> Result<TakenOver, Fail> {
    let path = context.config();
    let config = Config::read(&path)?;
    let taken = Taken {
        servers: config.servers.iter().map(|server| server.name.to_string()).collect(),
        credentials: config.credentials.iter().map(|table| table.name.to_string()).collect(),
    };
    let text = text_of(file)?;
    // First what can be refused without having changed anything.
    import::read((file, &text), &taken)?;
    let (text, sealed) = seal((context, open), (&config, &taken), (file, text))?;
    let imported = import::read((file, &text), &taken)?;
    let old = std::fs::read_to_string(&path)?;
    let new = old.clone() + &imported.toml;
    // What is written must be readable before it takes the old file's place.
    Config::of(&path, &new)?;
    // Where it is a link, what it leads to is the configuration.
    let replaced = scan::replace(&path.canonicalize()?, (Some(&old), &new))?;
    Ok(TakenOver { imported, sealed, warning: replaced.warning(&path) })
}

/// What came of taking over servers.
struct TakenOver {
    imported: import::Imported,
    sealed: Vec<SecretName>,
    warning: Option<String>,
}

/// `text` with references in the place of the secrets that new servers can be lent, which are sealed then.
///
/// Errors: there are some, and a running Remit has sealed storage open.
fn seal(
    (context, open): (&Context, Option<&Arc<Sealed>>),
    (config, taken): (&Config, &Taken),
    (file, text): (&Path, String),
) -> Result<(String, Vec<SecretName>), Fail> {
    let found = remit_scan::find(&text, remit_scan::Form::Client).unwrap_or_default();
    let can_be_lent = |found: &Found| {
        let server = found.server.as_deref().map(import::plain).unwrap_or_default();
        if taken.servers.contains(&server) {
            return false;
        }
        let around = (found.before.as_str(), found.behind.as_str());
        let name: Option<SecretName> = found.suggested_name().parse().ok();
        name.is_some_and(|name| lend(&found.place, &found.name, &name, around).is_ok())
    };
    let found: Vec<Found> = found.into_iter().filter(can_be_lent).collect();
    if found.is_empty() {
        return Ok((text, Vec::new()));
    }
    let _lock = StateLock::acquire(&context.state).map_err(|why| {
        Fail::new(format!(
            "{} holds secrets in the clear, and {why}; or run `remit scan --import {}` first, then this \
             again",
            file.display(),
            file.display()
        ))
    })?;
    let store = match open {
        Some(open) => Arc::clone(open),
        None => Arc::new(Sealed::open(&context.state, serve::guards(&config.secrets)?, doors())?),
    };
    let mut names = store.list()?.into_iter().map(|about| about.name).collect();
    let named = scan::named(&found, &mut names)?;
    for (found, name) in &named {
        store.add(name, &found.secret, "remit init")?;
    }
    let names = named.iter().map(|(_, name)| name.clone()).collect();
    Ok((remit_scan::replaced(&text, &named), names))
}
