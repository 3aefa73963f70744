//! `remit secret …`: values go in from standard input or a terminal, and none comes out.

use std::io::{IsTerminal as _, Read as _};

use remit_model::SecretName;
use remit_operator::wire::{Done, KeptSecret, NamedSecret, Value};
use zeroize::Zeroizing;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

/// The most that is read of a value (R13); sealed storage takes less.
const MAX_VALUE: u64 = 64 * 1024;

/// Runs one of the commands of secrets.
pub(crate) async fn run(context: &Context, args: cli::Secret, out: &mut Out) -> Result<(), Fail> {
    match args {
        cli::Secret::List => {
            let secrets: Vec<NamedSecret> = context.operator().await?.get("/v1/secrets").await?;
            out.say(&secrets, |secrets| list(secrets))
        }
        cli::Secret::Add(cli::SecretAdd { name, given }) => {
            give(context, (&name, "add"), &given).await?;
            say(
                out,
                format!("`{name}` is kept; it can be lent, replaced and removed, and not read"),
            )
        }
        cli::Secret::Rotate(cli::SecretRotate { name: Some(name), given, .. }) => {
            give(context, (&name, "rotate"), &given).await?;
            say(out, format!("`{name}` is another one from now on; what it was is gone"))
        }
        cli::Secret::Rotate(_) => {
            let client = context.operator().await?;
            let _: Done = client.post("/v1/secrets-key/rotate", &()).await?;
            say(
                out,
                "all secrets and signing keys are wrapped under a new key; the old one is gone"
                    .to_owned(),
            )
        }
        cli::Secret::Remove { name } => {
            let client = context.operator().await?;
            let _: Done = client.post(&format!("/v1/secrets/{name}/remove"), &()).await?;
            say(out, format!("`{name}` is gone"))
        }
    }
}

fn say(out: &mut Out, words: String) -> Result<(), Fail> {
    out.say(&Done {}, |_| words)
}

/// Reads a value and gives it to sealed storage, to `act` with as `name`.
async fn give(
    context: &Context,
    (name, act): (&SecretName, &str),
    given: &[String],
) -> Result<(), Fail> {
    if !given.is_empty() {
        return Err(Fail::new(format!(
            "a value on the command line can be read by everybody on this machine and stays in the \
             shell's history: give it on standard input, `remit secret {act} {name} < FILE`, or leave \
             it out to be asked for it; take the one you typed for known, and replace it"
        )));
    }
    // Before the question for the passphrase, which may use the same terminal.
    let value = read_value(name)?;
    let client = context.operator().await?;
    let value = Value { value: value.to_string() };
    let _: Done = client.post(&format!("/v1/secrets/{name}/{act}"), &value).await?;
    Ok(())
}

/// The value: from the terminal without showing it, else all of standard input but a line break at its
/// end, which editors and `echo` add and no secret has.
fn read_value(name: &SecretName) -> Result<Zeroizing<String>, Fail> {
    let failed =
        |why: std::io::Error| Fail::new(format!("cannot read the value of `{name}`: {why}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("Value of `{name}`: "))
            .map(Zeroizing::new)
            .map_err(failed);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(MAX_VALUE).read_to_string(&mut text).map_err(failed)?;
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(Fail::new(format!(
            "expected the value of `{name}` on standard input, got nothing"
        )));
    }
    Ok(Zeroizing::new(value.to_owned()))
}

fn list(secrets: &[NamedSecret]) -> Lines {
    if secrets.is_empty() {
        return "no secrets; keep one with `remit secret add NAME`".to_owned().into();
    }
    let row = |secret: &NamedSecret| {
        let NamedSecret { name, kept, lent_as, canary } = secret;
        let since = kept
            .as_ref()
            .map(|KeptSecret { made, changed, by }| [moment(*made), moment(*changed), by.clone()]);
        let [made, changed, by] = since.unwrap_or(["missing", "", ""].map(str::to_owned));
        let lent_as = lent_as.iter().map(ToString::to_string);
        let lent_as: Vec<_> = lent_as.chain(canary.then(|| "(a canary)".to_owned())).collect();
        vec![name.to_string(), made, changed, by, lent_as.join(",")]
    };
    let rows: Vec<_> = secrets.iter().map(row).collect();
    table(&["SECRET", "MADE", "CHANGED", "BY", "LENT AS"], &rows)
}
