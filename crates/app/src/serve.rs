//! `remit serve`: everything in one process, put together here and nowhere else.
//!
//! One process owns a state directory: it takes the lock, opens keys, ledger and projection, folds
//! the state back, and only then listens.

mod bundle;
mod checkpoints;
mod cosign;
mod documents;
mod files;
mod handed;
mod lending;
mod minting;
mod operators;
#[cfg(test)]
pub(crate) mod place;
mod ring;
mod sealing;
mod servers;
mod svids;
mod tokens;
mod turning;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use remit_engine::{Engine, Ports, Trust};
use remit_federation::Federation;
use remit_gateway::Gateway;
use remit_keys::{Keyring, Keys, StateLock};
use remit_model::{Clock, Timestamp};
use remit_operator::Authority;
use remit_spiffe::trust_domain;
use remit_store::RedbStore;
use remit_token::{Minter, Realm};
use remit_upstream::Servers;
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use crate::commands::Context;
use crate::config::Config;
use crate::environment::{self, SystemClock, SystemEntropy};
use crate::fail::Fail;
use crate::out::Out;
use crate::{cli, log, network, socket, tls, watch};

pub(crate) use bundle::{Believed, Presented, VERIFY};
pub(crate) use checkpoints::Checkpoints;
pub(crate) use cosign::{Cosigning, fetch};
pub(crate) use files::{
    Against, entries, is_initialised, last_catalogue, log_key, parsed_key, size, verifier_key,
    verify, write_origin, write_whole,
};
pub(crate) use handed::Handed;
use minting::Minting;
pub(crate) use operators::Operators;
pub(crate) use sealing::{Sealing, guards};
pub(crate) use svids::Svids;
pub(crate) use tokens::Tokens;
use turning::{off_the_loop, turning, unavailable};

/// The path of the endpoint of all servers.
pub(crate) const PATH: &str = "/mcp";

/// How long a stop waits for what is under way: several times what most calls take, and with
/// [`LAST_RETURNS`] well within what service managers give a process to end.
const UNDER_WAY: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a stop waits for what is lent to be taken back; the next start goes on with the rest.
const LAST_RETURNS: std::time::Duration = std::time::Duration::from_secs(5);

/// A Remit that runs in this process.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where MCP clients connect.
    pub(crate) endpoint: String,
    engine: Arc<Engine>,
    served: Served,
    ledger: Arc<remit_ledger::FileLedger>,
    _lock: StateLock,
}

impl Running {
    /// Stops listening, lets calls settle, ends the tasks of those who are attached, publishes the log
    /// and writes the projection.
    pub(crate) async fn stop(mut self) {
        self.served.end().await;
        self.engine.return_all(LAST_RETURNS).await;
        let ledger = Arc::clone(&self.ledger);
        let written = tokio::task::spawn_blocking(move || {
            if let Err(why) = ledger.flush() {
                tracing::warn!(%why, "the log was not published; the next start does it");
            }
        });
        drop(written.await);
        if let Err(why) = self.engine.project().await {
            tracing::warn!(%why, "the next start will take longer");
        }
    }
}

/// Serves until a signal ends it.
pub(crate) async fn run(context: &Context, args: &cli::Serve, out: &mut Out) -> Result<(), Fail> {
    log::to_stderr();
    let config = args.config.clone().unwrap_or_else(|| context.config());
    let running = start(&context.state, &config).await?;
    let socket = socket::path(&context.state);
    let ready = serde_json::json!({
        "event": "ready",
        "address": running.address.to_string(),
        "endpoint": running.endpoint,
        "socket": socket,
    });
    out.say(&ready, |_| {
        vec![
            format!("remit listens for MCP clients at {}", running.endpoint),
            format!("and for operators at {}", socket.display()),
        ]
    })?;
    signalled().await?;
    running.stop().await;
    Ok(())
}

pub(crate) async fn signalled() -> Result<(), Fail> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Starts everything for `state` under the configuration in `config_file`.
///
/// Errors: another process owns the state directory, something in it or in the configuration is
/// wrong, or it cannot listen; the text says what to do.
pub(crate) async fn start(state: &Path, config_file: &Path) -> Result<Running, Fail> {
    check_initialised(state)?;
    // Whatever is written from here on is followed: what comes now can wait for a person to type.
    let (following, said) = watch::Following::begin(config_file)?;
    let watch::Said { config, policies, .. } = said;
    let lock = StateLock::acquire(state)?;
    let listener = listen(&config).await?;
    let address = listener.local_addr()?;
    let endpoint = endpoint(&config, address);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let keys = opened_keys(state, &config, Arc::clone(&clock))?;
    let parts = Parts::open(state, (&config, &endpoint), (&keys, Arc::clone(&clock)))?;
    let (ledger, connections) = (Arc::clone(&parts.ledger), Arc::clone(&parts.lending.connections));
    let later = parts.later.clone();
    let minter = minter(&keys, &config, &endpoint, clock.now())?;
    let handed = Handed::new(&config, &clock)?;
    let federation = Arc::new(Federation::new(Arc::clone(&clock), Arc::clone(&handed.api)));
    let ports = parts.ports(Arc::clone(&federation));
    let engine = Engine::start(ports, config.settings(), policies, minter).await?;
    let (mut served, clients) = (Served::new(), documents::clients(&config)?);
    let cosigning = Cosigning::new(Arc::clone(&ledger), Arc::clone(&clock), &config.witnesses);
    let tokens = Tokens::open(keys.tokens(), config.token.rotate.0, Arc::clone(&engine)).await;
    let svids = opened_svids(&keys, &config, &handed, &engine).await?;
    let trust = Trust { ours: svids.watch(), others: handed.api.roots() };
    later.by(&engine, &trust);
    federation.configure(config.sources()?, &trust.ours);
    let checkpoints = Checkpoints::open(keys.log(), state, &ledger, &engine).await?;
    let ring = ring::Ring::new(Arc::clone(&checkpoints), Arc::clone(&tokens), &svids);
    let sealing = Sealing::new(keys.sealed(), Arc::clone(&engine), lending::lent(&config));
    let (operators, people, setup) = operators::opened((state, config_file), &config, &keys);
    let followers = watch::Followers {
        following,
        cosigning: Arc::clone(&cosigning),
        clients: Arc::clone(&clients),
        checkpoints,
        tokens,
        svids,
        federation,
        handed: handed.clone(),
        sealing: Arc::clone(&sealing),
        operators,
    };
    watch::start(&engine, followers, config.limits.ask.0, &served.stop).await;
    handed.answered().await;
    let gateway = Gateway::new(Arc::clone(&engine), gateway_config(&config, address));
    let consent = (Arc::clone(&engine), Arc::clone(&people), Arc::clone(&clients));
    let pages = pages(&gateway, consent, Arc::clone(&connections));
    let door = remit_operator::Door {
        engine: Arc::clone(&engine),
        authority: people,
        endpoint: endpoint.clone(),
        setup,
        witnesses: cosigning,
        keys: Arc::new(ring),
        connections,
        secrets: sealing,
    };
    let others = config.serves_other_users(environment::own_uid());
    let verifying = bundle::door(Arc::clone(&engine), trust.clone());
    served.socket(state, others, (door.clone(), Arc::clone(&gateway), verifying))?;
    let mut router = public(&config, gateway, door, (clients, trust.ours.clone())).merge(pages);
    if handed.is_ours() {
        let (engine, authority) = (Arc::clone(&engine), trust.ours.clone());
        router = router.merge(bundle::public(Arc::clone(&engine), authority.clone()));
        served.workloads(state, others, remit_workload_api::Door { engine, authority })?;
    }
    let tls = listening_tls(&config, &handed, tls::Clients { engine: Arc::clone(&engine), trust })?;
    served.network(listener, network::Service { tls, router, bounds: network::BOUNDS });
    Ok(Running { address, endpoint, engine, served, ledger, _lock: lock })
}

/// This server's address without a path, as it calls itself.
fn own(endpoint: &str) -> &str {
    endpoint.strip_suffix(PATH).unwrap_or(endpoint)
}

/// The keys of `state`, closed as `config` says.
fn opened_keys(state: &Path, config: &Config, clock: Arc<dyn Clock>) -> Result<Keys, Fail> {
    Ok(Keys::open(state, guards(&config.secrets)?, (clock, Arc::new(SystemEntropy)))?)
}

/// The keys of SVIDs, if this Remit issues any.
async fn opened_svids(
    keys: &Keys,
    config: &Config,
    handed: &Handed,
    engine: &Arc<Engine>,
) -> Result<Arc<Svids>, Fail> {
    let domain = trust_domain(&config.trust_domain)?;
    let turns = (config.svid.rotate.0, handed.is_ours());
    Svids::open(keys.svids(), &domain, turns, Arc::clone(engine)).await
}

/// What makes grants for `endpoint`.
fn minter(keys: &Keys, config: &Config, endpoint: &str, now: Timestamp) -> Result<Minter, Fail> {
    let realm = Realm::new(own(endpoint), endpoint, &config.trust_domain)?;
    Ok(Minter::new(keys.tokens().load(now)?, realm))
}

fn check_initialised(state: &Path) -> Result<(), Fail> {
    if is_initialised(state) {
        return Ok(());
    }
    let text =
        format!("{} is no state directory of Remit: run `remit init` first", state.display());
    Err(Fail::new(text))
}

/// What is served to whoever reaches the listener.
fn public(
    config: &Config,
    gateway: Arc<Gateway>,
    door: remit_operator::Door,
    (clients, authority): (
        Arc<dyn remit_token_api::Clients>,
        Receiver<Arc<remit_spiffe::Authority>>,
    ),
) -> axum::Router {
    let desk = remit_token_api::Desk {
        engine: Arc::clone(&door.engine),
        clients,
        authority,
        certificates: config.listen.asks_for_certificates(),
    };
    remit_gateway::router(gateway)
        .merge(remit_token_api::router(desk))
        .merge(remit_operator::public(door))
}

/// What people see in a browser, under this server's own names alone.
fn pages(
    gateway: &Arc<Gateway>,
    (engine, people, clients): (Arc<Engine>, Arc<Authority>, Arc<remit_consent::Clients>),
    connections: Arc<dyn remit_ports::Connections>,
) -> axum::Router {
    let door = remit_consent::Door::new(engine, people, clients);
    let secure = door.is_secure();
    let connect = remit_consent::connect(remit_consent::Connect { connections, secure });
    let pages = remit_consent::router(door).merge(connect);
    remit_gateway::by_our_names(Arc::clone(gateway), pages)
}

/// The adapters.
struct Parts {
    ledger: Arc<remit_ledger::FileLedger>,
    store: Arc<RedbStore>,
    upstream: Arc<Servers>,
    keys: Arc<Keyring>,
    lending: lending::Lending,
    later: Later,
    clock: Arc<dyn Clock>,
}

/// What is opened before what it needs: those who lend take part in the start of the engine, which puts what
/// they are owed on record, and the keys of SVIDs are opened by the engine.
#[derive(Clone)]
struct Later {
    minting: Arc<Minting>,
    vouching: tls::Vouching,
    watched: Arc<sealing::Watched>,
}

impl Later {
    /// By this engine and these keys from now on.
    fn by(&self, engine: &Arc<Engine>, trust: &Trust) {
        self.minting.by(trust.ours.clone());
        self.vouching.by(trust.clone());
        self.watched.by(engine);
    }
}

impl Parts {
    fn open(
        state: &Path,
        (config, endpoint): (&Config, &str),
        (keys, clock): (&Keys, Arc<dyn Clock>),
    ) -> Result<Self, Fail> {
        let doors = remit_ledger::Doors {
            clock: Arc::clone(&clock),
            entropy: Arc::new(SystemEntropy),
            keys: keys.bodies(),
            files: Arc::new(remit_ledger::files::Disk),
        };
        let node = config.node();
        let signing = files::signing(state, keys)?;
        let options = remit_ledger::Config::new(state.to_owned(), &node);
        let ledger = remit_ledger::FileLedger::open(options, signing, doors)?;
        tracing::info!(report = ?ledger.report(), "the ledger is open");
        let base = servers::base(config, lending::folder(state)?);
        let vouching = tls::Vouching::default();
        let servers = servers::configured(config, (&vouching, &clock))?;
        let upstream = Servers::new(servers, base, Arc::clone(&clock));
        let store = RedbStore::new(state);
        let watched = Arc::new(sealing::Watched::new(keys.sealed()));
        let minting = Minting::new(config, own(endpoint), Arc::clone(&clock))?;
        let minting = Arc::new(minting);
        let doors = remit_issuers::Doors {
            secrets: Arc::<sealing::Watched>::clone(&watched),
            entropy: Arc::new(SystemEntropy),
            clock: Arc::clone(&clock),
            variable: environment::variable,
            mint: config.source()?.is_none().then(|| minting.mint()),
        };
        Ok(Self {
            ledger: Arc::new(ledger),
            store: Arc::new(store),
            upstream: Arc::new(upstream),
            keys: keys.bodies(),
            lending: lending::Lending::open(config, own(endpoint), &doors)?,
            later: Later { minting, vouching, watched },
            clock,
        })
    }

    fn ports(self, federation: Arc<Federation>) -> Ports {
        Ports {
            clock: self.clock,
            entropy: Arc::new(SystemEntropy),
            ledger: self.ledger,
            keys: self.keys,
            store: self.store,
            upstream: self.upstream,
            elsewhere: federation,
            issuers: Arc::new(self.lending.issuers),
        }
    }
}

/// Binds the network listener.
///
/// Errors: the address is taken, or lies beyond loopback without TLS.
async fn listen(config: &Config) -> Result<TcpListener, Fail> {
    let address = config.listen.address;
    if !config.listen.is_loopback() && !config.listen.has_tls() {
        return Err(Fail::new(format!(
            "refusing to listen on {address} without TLS: grants would cross the network in the \
             clear; set `tls_certificate` and `tls_key` in [listen], or listen on 127.0.0.1"
        )));
    }
    TcpListener::bind(address)
        .await
        .map_err(|why| Fail::new(format!("cannot listen on {address}: {why}")))
}

/// How to speak TLS, if that is configured: with `clients` asked for certificates, if that is.
fn listening_tls(
    config: &Config,
    handed: &Handed,
    clients: tls::Clients,
) -> Result<Option<tls::Tls>, Fail> {
    let clients = config.listen.asks_for_certificates().then_some(clients);
    if config.listen.tls.is_some() {
        return Ok(Some(tls::Tls::following(handed.api.own(), clients)?));
    }
    match (&config.listen.tls_certificate, &config.listen.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(tls::Tls::open(certificate, key, clients)?)),
        (None, None) => Ok(None),
        _ => Err(Fail::new("TLS needs a certificate and its key")),
    }
}

fn endpoint(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.listen.has_tls() { "https" } else { "http" };
    let host = config.listen.hosts.first().cloned().unwrap_or_else(|| address.to_string());
    format!("{scheme}://{host}{PATH}")
}

fn gateway_config(config: &Config, address: SocketAddr) -> remit_gateway::Config {
    let mut hosts = config.listen.hosts.clone();
    hosts.push(address.to_string());
    remit_gateway::Config {
        max_body: config.limits.request_bytes,
        allowed_hosts: hosts,
        allowed_origins: config.listen.origins.clone(),
        ..remit_gateway::Config::default()
    }
}

/// What listens, until it is told to stop.
struct Served {
    tasks: tokio::task::JoinSet<()>,
    attached: socket::Attached,
    stop: CancellationToken,
}

impl Served {
    fn new() -> Self {
        let stop = CancellationToken::new();
        let attached = socket::Attached::new(stop.clone());
        Self { tasks: tokio::task::JoinSet::new(), attached, stop }
    }

    /// Lets go of the addresses, waits for what is under way, and ends what is left then.
    async fn end(&mut self) {
        self.stop.cancel();
        let (tasks, attached) = (&mut self.tasks, &self.attached);
        let rest = async {
            while tasks.join_next().await.is_some() {}
            attached.ended().await;
        };
        if tokio::time::timeout(UNDER_WAY, rest).await.is_err() {
            self.tasks.abort_all();
            self.attached.end().await;
        }
    }

    fn socket(
        &mut self,
        state: &Path,
        open_to_others: bool,
        (door, gateway, more): (remit_operator::Door, Arc<Gateway>, axum::Router),
    ) -> Result<(), Fail> {
        let listener = socket::bind(&socket::path(state), open_to_others)?;
        let service = socket::service(door, (gateway, self.attached.clone()), more);
        self.tasks.spawn(socket::serve(listener, service, self.stop.clone()));
        Ok(())
    }

    fn workloads(
        &mut self,
        state: &Path,
        open_to_others: bool,
        door: remit_workload_api::Door,
    ) -> Result<(), Fail> {
        let listener = socket::bind(&svids::socket(state), open_to_others)?;
        self.tasks.spawn(remit_workload_api::serve(listener, door, self.stop.clone()));
        Ok(())
    }

    fn network(&mut self, listener: TcpListener, service: network::Service) {
        self.tasks.spawn(network::serve(listener, service, self.stop.clone()));
    }
}
