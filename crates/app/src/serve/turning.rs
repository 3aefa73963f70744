//! What keys that are replaced in time have in common while Remit runs.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use remit_keys::KeysError;
use remit_operator::Failure;

use crate::fail::Fail;

/// How often it is asked whether keys are due, or over.
const TICK: Duration = Duration::from_secs(1);

/// Turns keys on and on; `whose` begins the sentence that is logged when that fails.
pub(crate) async fn turning<T: Future<Output = Result<(), Fail>>>(
    failing_is: &str,
    turn: impl Fn() -> T,
) {
    let mut failing = false;
    loop {
        tokio::time::sleep(TICK).await;
        match turn().await {
            Ok(()) => failing = false,
            // Once, not at every try.
            Err(why) if !failing => {
                failing = true;
                tracing::error!(%why, "{failing_is}; trying on");
            }
            Err(_) => {}
        }
    }
}

/// Off the event loop: it writes and syncs.
pub(crate) async fn off_the_loop<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, KeysError> + Send + 'static,
) -> Result<T, Fail> {
    let acted = tokio::task::spawn_blocking(act).await;
    Ok(acted.map_err(|why| Fail::new(why.to_string()))??)
}

/// What a failure to make keys is told with.
pub(crate) fn unavailable(why: &dyn fmt::Display) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, why)
}
