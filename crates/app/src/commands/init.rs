//! `remit init`: a state directory with keys, a passphrase, a commented configuration, policies.
//!
//! Run again it changes nothing that is there, so it is safe in a script.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use super::{Context, import};
use crate::client::read_passphrase;
use crate::config::{COMMENTED, Config};
use crate::environment::{self, SystemEntropy};
use crate::fail::Fail;
use crate::out::Out;
use crate::{cli, serve};

/// Makes what is missing, then imports what was asked for.
pub(crate) fn run(context: &Context, args: &cli::Init, out: &mut Out) -> Result<(), Fail> {
    if let Some(file) = &args.import {
        // A file that cannot be taken over must not cost the passphrase, which is shown once.
        import::read(file, &[])?;
    }
    let made = make(context, args.origin.as_deref())?;
    let imported = args.import.as_deref().map(|file| import(context, file)).transpose()?;
    let names = imported.as_ref().map(|imported| imported.names.clone()).unwrap_or_default();
    let value = json!({
        "state": context.state,
        "config": context.config(),
        "created": made.is_some(),
        "passphrase": made.as_ref().and_then(|made| made.shown.as_ref().map(|shown| shown.as_str())),
        "imported": names,
    });
    out.say(&value, |_| {
        let mut lines = Vec::new();
        match &made {
            Some(made) => lines.push(created(context, made)),
            None => lines.push(format!("{} is a state directory already", context.state.display())),
        }
        if let Some(imported) = &imported {
            lines.push(format!("took over: {}", imported.names.join(", ")));
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
        lines.join("\n")
    })
}

/// What a first run made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The passphrase, if it was generated here; shown this once.
    shown: Option<Zeroizing<String>>,
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
    let keys = match remit_keys::Keys::open(state, Arc::new(SystemEntropy)) {
        Err(remit_keys::KeysError::Missing { .. }) => {
            remit_keys::Keys::create(state, Arc::new(SystemEntropy))?
        }
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
    let config = context.config();
    if !config.exists() {
        write_private(&config, COMMENTED)?;
    }
    write_policies(&state.join("policies"))?;
    // Last: its presence says that everything before it is there.
    let default = || format!("{}/remit", environment::host_name());
    serve::write_origin(state, &origin.map_or_else(default, str::to_owned), &keys)?;
    Ok(Some(Made { shown }))
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
    for (name, text) in remit_policy::STARTER {
        std::fs::write(dir.join(name), text)?;
    }
    Ok(())
}

fn import(context: &Context, file: &Path) -> Result<import::Imported, Fail> {
    let path = context.config();
    let config = Config::read(&path)?;
    let taken: Vec<String> = config.servers.iter().map(|server| server.name.to_string()).collect();
    let imported = import::read(file, &taken)?;
    let mut text = std::fs::read_to_string(&path)?;
    text.push_str(&imported.toml);
    let beside = path.with_extension("toml.new");
    write_private(&beside, &text)?;
    // What was written must be readable before it takes the old file's place.
    Config::read(&beside)?;
    std::fs::rename(&beside, &path)?;
    Ok(imported)
}
