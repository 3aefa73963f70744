//! What Remit does by itself while it runs: end tasks in time, follow its files, ask its servers,
//! have its log cosigned, write its projection. Each is a loop of its own that ends with the process.

mod files;

use std::sync::Arc;
use std::time::Duration;

use remit_engine::Engine;
use remit_model::ServerName;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use files::{Followers, Following, Said};

const TICK: Duration = Duration::from_secs(1);
const PROJECTION: Duration = Duration::from_secs(30);
/// How many times a server that announces changes is asked without delay, so that its clients hear
/// of them at once.
const AT_ONCE: u32 = 8;
/// How long a server must have been quiet to be asked so again.
const QUIET: Duration = Duration::from_mins(1);
/// Between two questions to a server that keeps announcing changes, at most.
const SLOWEST_REPEAT: Duration = Duration::from_secs(15);
/// Between two attempts to ask a server that did not answer, at most.
const SLOWEST_RETRY: Duration = Duration::from_mins(1);

/// How long the first client waits for servers that have not said yet what they offer.
const FIRST_ANSWERS: Duration = Duration::from_secs(10);

/// Starts the loops. The future ends when every server was asked once, whether or not it answered,
/// or after [`FIRST_ANSWERS`]: until then a client would be shown too little, and a tool that
/// changed while nobody looked would still count as the one admitted.
pub(crate) fn start(
    engine: &Arc<Engine>,
    followers: Followers,
    every: Duration,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let servers: Vec<ServerName> = engine.settings().servers.keys().cloned().collect();
    let (asked, mut all_asked) = mpsc::channel::<()>(1);
    for server in servers {
        until(stop, ask((Arc::clone(engine), server), every, asked.clone()));
    }
    until(stop, expire(Arc::clone(engine)));
    until(stop, Arc::clone(engine).keep_returning());
    until(stop, Arc::clone(&followers.cosigning).run());
    until(stop, Arc::clone(&followers.checkpoints).run());
    until(stop, Arc::clone(&followers.tokens).run());
    until(stop, Arc::clone(&followers.svids).run());
    until(stop, followers.handed.clone().run());
    until(stop, files::follow(Arc::clone(engine), followers));
    until(stop, project(Arc::clone(engine)));
    drop(asked);
    async move {
        // Nothing is ever sent: it ends when the last sender is gone.
        if tokio::time::timeout(FIRST_ANSWERS, all_asked.recv()).await.is_err() {
            tracing::warn!("some servers have not said yet what they offer; going on without");
        }
    }
}

fn until(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

async fn expire(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(TICK).await;
        engine.expire();
    }
}

async fn project(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(PROJECTION).await;
        if let Err(why) = engine.project().await {
            tracing::warn!(%why, "the next start will take longer");
        }
    }
}

/// Asks a server what it offers: at the start until it answers, then whenever it says that its
/// lists changed, and `every` so often in case it does not say so. The first times after a quiet
/// minute it is asked at once; one that keeps saying so is asked ever more rarely, because each
/// question can put changes on record. Drops `first` when it was asked once.
async fn ask(
    (engine, server): (Arc<Engine>, ServerName),
    every: Duration,
    first: mpsc::Sender<()>,
) {
    let mut first = Some(first);
    let mut events = engine.ports().upstream.events();
    let (mut wait, mut at_once) = (Duration::ZERO, AT_ONCE);
    loop {
        let asked = engine.discover(&server).await;
        drop(first.take());
        wait = match &asked {
            Ok(changes) => {
                tracing::info!(%server, changes, "asked what it offers");
                at_once = at_once.saturating_sub(1);
                if at_once > 0 { Duration::ZERO } else { (wait * 2).clamp(TICK, SLOWEST_REPEAT) }
            }
            Err(why) => {
                tracing::warn!(%server, %why, "could not ask what it offers; trying again");
                (wait * 2).clamp(TICK, SLOWEST_RETRY)
            }
        };
        if asked.is_ok() {
            let since = engine.now();
            let told = tokio::time::timeout(every, told_to_ask(&mut events, &server)).await;
            if matches!(told, Ok(false)) {
                return;
            }
            if engine.now().since(since) >= QUIET {
                (wait, at_once) = (Duration::ZERO, AT_ONCE);
            }
        }
        tokio::time::sleep(wait).await;
    }
}

/// Waits for a change of the server's; `false` when there will be no more.
async fn told_to_ask(
    events: &mut tokio::sync::broadcast::Receiver<remit_ports::UpstreamEvent>,
    server: &ServerName,
) -> bool {
    loop {
        match events.recv().await {
            Ok(event) if event.server == *server && event.method.ends_with("/list_changed") => {
                return true;
            }
            // Having missed some, it may have been one of them.
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
            Ok(_) => {}
        }
    }
}
