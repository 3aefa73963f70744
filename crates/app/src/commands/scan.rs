//! `remit scan`: secrets that stand in the clear; moves them into sealed storage and back.
//!
//! Looking needs no running Remit and shows no secret. What is moved is replaced by a reference, which
//! says where the secret went and is worth nothing; who needs the secret is lent it.

mod files;
mod moving;
mod report;

use std::process::ExitCode;

pub(crate) use self::files::replace;
pub(crate) use self::moving::named;
use super::Context;
use crate::cli;
use crate::fail::Fail;
use crate::out::Out;

/// What there is to say where nothing was found.
const NOTHING: &str = "no secret stands in the clear in what was looked at";

/// Looks, moves, or puts back.
///
/// Errors: something of that failed, or could not be looked at, so that nobody knows what stands there.
pub(crate) async fn run(
    context: &Context,
    args: &cli::Scan,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    if args.back.undo {
        return moving::undo(context, args, out).await.map(|()| ExitCode::SUCCESS);
    }
    let looked = files::look(&args.paths)?;
    for (path, why) in &looked.unreadable {
        out.remark(&format!("{}: not looked at: {why}", path.display()));
    }
    let found = if args.import {
        moving::import(context, &looked.files, out).await?;
        false
    } else {
        let rows = report::rows(&looked.files);
        out.say(&rows, |rows| report::words(rows))?;
        !rows.is_empty()
    };
    match looked.unreadable.first() {
        Some((path, why)) => Err(Fail::new(format!(
            "not looked at: {} files or folders, such as {}: {why}; whether a secret stands there is not \
             known",
            looked.unreadable.len(),
            path.display()
        ))),
        None if found => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}
