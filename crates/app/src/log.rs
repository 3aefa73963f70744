//! The log on standard error. An event is one line.
//!
//! Fields hold what servers, issuers and witnesses said: none of them writes a line of their own, or
//! one that has no end.

use std::fmt;
use std::io::IsTerminal as _;

use tracing::{Subscriber, field::Field};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::prelude::*;

use crate::environment;
use crate::out::one_line;

/// The most characters of one field that are logged: room for an error that quotes some lines of a
/// configuration or a policy, and no more for whoever wants to fill a disk.
const MAX_FIELD: usize = 4000;

/// Logs to standard error from now on.
pub(crate) fn to_stderr() {
    let filter = environment::variable("REMIT_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_default();
    let colours = std::io::stderr().is_terminal();
    // A second subscriber in one process is not an error worth ending for.
    drop(subscriber(filter, colours, std::io::stderr).try_init());
}

fn subscriber<W>(filter: EnvFilter, colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .fmt_fields(format::debug_fn(field).delimited(" "))
        .with_writer(writer)
        .finish()
}

fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let said = format!("{value:?}");
    let short: String = said.chars().take(MAX_FIELD).collect();
    let more = if short.len() < said.len() { "…" } else { "" };
    match field.name() {
        "message" => {}
        name => write!(writer, "{name}=")?,
    }
    write!(writer, "{}{more}", one_line(&short))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    use super::*;

    fn logged(why: &str) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let writer: Arc<File> = Arc::new(file.try_clone().unwrap());
        tracing::subscriber::with_default(
            subscriber(EnvFilter::new("info"), false, writer),
            || {
                tracing::warn!(%why, quoted = why, "could not ask");
            },
        );
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn an_event_is_one_line_whatever_a_server_said() {
        let text = logged("no\n2026-01-01T00:00:00Z  INFO remit: all is well\r\u{1b}[2J\u{9b}1A");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.contains("could not ask why=no<U+000A>2026-01-01T00:00:00Z"), "{text}");
        assert!(text.contains("<U+000D><U+001B>[2J<U+009B>1A quoted=\"no\\n2026"), "{text}");
    }

    #[test]
    fn a_field_has_an_end() {
        let text = logged(&"x".repeat(1 << 20));
        assert!(text.len() < 3 * MAX_FIELD, "{}", text.len());
        assert!(text.contains("x… quoted=\"x"), "{}", text.len());
    }
}
