//! What Remit does by itself while it runs: end tasks in time, follow its files, ask its servers,
//! have its log cosigned, write its projection. Each is a loop of its own that ends with the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_consent::Clients;
use remit_engine::{Engine, Settings};
use remit_federation::Federation;
use remit_model::{Digest, ServerName};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Listen, Server};
use crate::fail::Fail;
use crate::serve::{Checkpoints, Cosigning, Handed, Operators, Sealing, Svids, Tokens};

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

/// What follows the configuration, beside the engine.
#[derive(Debug)]
pub(crate) struct Followers {
    /// The file.
    pub(crate) config_file: PathBuf,
    /// Who cosigns the log.
    pub(crate) cosigning: Arc<Cosigning>,
    /// Who may send people to the consent page.
    pub(crate) clients: Arc<Clients>,
    /// What signs the log.
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// What signs grants.
    pub(crate) tokens: Arc<Tokens>,
    /// What signs SVIDs.
    pub(crate) svids: Arc<Svids>,
    /// The keys of those elsewhere who vouch.
    pub(crate) federation: Arc<Federation>,
    /// What a Workload API elsewhere hands out.
    pub(crate) handed: Handed,
    /// Where canaries lie.
    pub(crate) sealing: Arc<Sealing>,
    /// Who may act as operator.
    pub(crate) operators: Operators,
    /// What does not follow.
    pub(crate) start: AtStart,
}

/// What of the configuration is in force as it was at the start, each part as one digest.
#[derive(Debug)]
pub(crate) struct AtStart {
    /// What is lent and where it goes.
    lending: Digest,
    /// Where clients connect and how.
    listening: Digest,
}

impl AtStart {
    pub(crate) fn of(config: &Config) -> Self {
        let deliveries: Vec<_> = config.servers.iter().map(Server::deliveries).collect();
        // Whether bearer grants are taken is a setting, which follows.
        let listen = Listen { bearer: None, ..config.listen.clone() };
        Self {
            lending: Digest::of(format!("{:?} {deliveries:?}", config.credentials).as_bytes()),
            listening: Digest::of(format!("{listen:?}").as_bytes()),
        }
    }
}

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
    until(stop, follow_files(Arc::clone(engine), followers));
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

/// What the files say, as one digest; a file that cannot be read counts as its absence.
fn fingerprint(config_file: &Path) -> Digest {
    let config = std::fs::read(config_file).unwrap_or_default();
    let read = Config::read(config_file);
    let sources = read
        .and_then(|config| {
            let keys = (config.thumbprints(), config.sources()?);
            Ok((config.policy_sources(config_file)?, keys))
        })
        .map_or_else(|why| why.to_string(), |sources| format!("{sources:?}"));
    Digest::of_parts(&[&config, sources.as_bytes()])
}

async fn follow_files(engine: Arc<Engine>, followers: Followers) {
    let mut seen = fingerprint(&followers.config_file);
    loop {
        tokio::time::sleep(TICK).await;
        let now = fingerprint(&followers.config_file);
        if now == seen {
            continue;
        }
        seen = now;
        match apply(&engine, &followers).await {
            Ok(()) => tracing::info!("the changed configuration and policies are in force"),
            Err(why) => tracing::error!(%why, "nothing was changed"),
        }
    }
}

async fn apply(engine: &Arc<Engine>, followers: &Followers) -> Result<(), Fail> {
    let config_file = &followers.config_file;
    let config = Config::read(config_file).map_err(|why| refuse(engine, why))?;
    let sources = config.policy_sources(config_file).map_err(|why| refuse(engine, why))?;
    let clients = config.clients().map_err(|why| refuse(engine, why))?;
    let before = engine.settings();
    // What is lent is delivered by what was put together at the start.
    let (lends, pick_ups) = (before.lends.clone(), before.pick_ups.clone());
    let (changed, start) = (config.settings(), AtStart::of(&config));
    if start.lending != followers.start.lending {
        tracing::warn!("what is lent was changed; that takes effect at the next start");
    }
    let settings = Settings { lends, pick_ups, ..changed };
    if before.servers.keys().ne(settings.servers.keys()) {
        tracing::warn!("servers were added or removed; that takes effect at the next start");
    }
    if config.source()? != followers.handed.source {
        tracing::warn!("[spiffe] was changed; what it adds takes effect at the next start");
    }
    if start.listening != followers.start.listening {
        tracing::warn!(
            "[listen] was changed; but for `bearer`, that takes effect at the next start"
        );
    }
    engine.reload(settings, sources).await?;
    followers.operators.configure(&config);
    followers.sealing.miss_canaries();
    followers.cosigning.configure(&config.witnesses);
    followers.clients.configure(clients);
    followers.tokens.configure(config.token.rotate.0);
    followers.svids.configure(config.svid.rotate.0);
    followers.federation.configure(config.sources()?, &followers.svids.watch());
    Ok(())
}

/// Shows in status why the files on disk are not in force.
fn refuse(engine: &Engine, why: Fail) -> Fail {
    engine.note_refused(why.to_string());
    why
}
