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

/// Looks, moves, or puts back.
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
    if args.import {
        return moving::import(context, &looked.files, out).await.map(|()| ExitCode::SUCCESS);
    }
    let rows = report::rows(&looked.files);
    out.say(&rows, |rows| report::words(rows))?;
    Ok(if rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
