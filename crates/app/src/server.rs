//! The server: opens the plane, listens on its doors, and ends in order.
//!
//! Wires, and nothing else; every answer comes from the crates it wires.

mod certificate;
pub(crate) mod keys;
pub(crate) mod policies;
pub(crate) mod seen;
mod signals;
mod tokens;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use marque_api::{Api, Metrics};
use marque_crypto::SystemRandom;
use marque_crypto::factor::Cost;
use marque_crypto::seal::KeyManager;
use marque_gateway::{Gateway, GatewaySettings, Outward};
use marque_plane::view::{ClaimView, StatusView};
use marque_plane::{GitSettings, HandedDoors, Parts, Plane, Settings, StartError};
use marque_policy::PolicySet;
use marque_tlog::VerifierKey;
use serde::Serialize;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::Context;
use crate::database::{self, Database, Opened};
use crate::exit::{Exit, Failure};
use crate::place::write_private;
use keys::Keys;
use seen::Memory;
use signals::{Signals, TOLD};
use tokens::{TokenDoor, TokensTold};

/// How long requests under way may take to end once the server stops; then they are cut.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the doors may take to close before they are left as they are. Longer than any drain,
/// so that what was cut is told to the plane.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long the plane may take to record what it was told before the process leaves anyway.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Hand-overs of doors that wait for the gateway.
const HANDED_MAX: usize = 64;
/// How often housekeeping looks round.
const ROUND: Duration = Duration::from_millis(500);

/// Serves until it is told to end, or until nobody has needed it for `idle_exit`.
pub(crate) async fn serve(
    context: &Context,
    config: &Config,
    idle_exit: Option<Duration>,
) -> anyhow::Result<Exit> {
    let signals = Signals::listen()?;
    // ORDER: before anything that looks up what it counts with.
    let metrics = Metrics::install()?;
    let database = Database::of(config, &context.environment, &context.data)?;
    let Open { plane, mut memory, key_manager, _lock } = open(context, config, &database)?;
    let shutdown = CancellationToken::new();
    let Listeners { proxy, admin, hand_over } = Listeners::open(context, config).await?;
    let parts = (&plane, &*key_manager);
    let mut tokens = TokenDoor::open(context, config, parts, &shutdown).await?;
    plane.set_proxy_address(config.server.proxy_address.map_or_else(|| proxy.local_addr(), Ok)?);
    let api = Api::new(plane.clone(), metrics.clone(), shutdown.clone());
    let (handing, handed) = mpsc::channel::<HandedDoors>(HANDED_MAX);

    let tasks = TaskTracker::new();
    let settings = GatewaySettings { drain: DRAIN, ..GatewaySettings::default() };
    let mut gateway = Gateway::new(plane.clone(), settings);
    if let Some(tokens) = &mut tokens {
        gateway = tokens.open_gateway(gateway)?;
    }
    let (door, stop) = (shutdown.clone(), shutdown.clone());
    tasks.spawn(async move {
        if let Err(error) = gateway.serve(proxy, handed, door).await {
            tracing::error!(%error, "the proxy door closed");
            stop.cancel();
        }
    });
    let (serving, handed_over) = (api.clone(), api.clone());
    tasks.spawn(async move { serving.serve(admin).await });
    tasks.spawn(async move { handed_over.serve_hand_over(hand_over, handing).await });
    if let Some(address) = config.server.metrics_listen {
        let listener = TcpListener::bind(address).await?;
        let api = api.clone();
        tasks.spawn(async move { api.serve_metrics(listener).await });
    }
    let told = tokens.as_ref().map(|tokens| tokens.told().clone());
    // Clients elsewhere cannot start it: as long as it has any, it stays.
    let idle_exit = idle_exit.filter(|_| tokens.is_none());
    if let Some(tokens) = tokens {
        tasks.spawn(tokens.serve());
    }
    tasks.close();
    greet(context, (plane.status(), told), config, &database)?;

    let mut ending = Ending { signals, shutdown: shutdown.clone(), idle_exit };
    let why = until_the_end(&plane, &mut memory, (&api, &metrics), &mut ending).await;
    if let Some(span) = config.server.linger.filter(|_| why == TOLD) {
        linger(&plane, &mut memory, &api, (span.0, &mut ending)).await;
    }
    tracing::info!(why, "the server ends");
    close(context, &plane, (&tasks, &shutdown)).await;
    memory.keep_or_warn(plane.seen());
    // Whoever supervises it is to start it anew.
    Ok(if plane.is_deposed() { Exit::Failed } else { Exit::Done })
}

// Lets nobody in any more, and has what is under way recorded.
async fn close(
    context: &Context,
    plane: &Plane,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
) {
    // Nobody new from here on: whoever finds no socket starts another server.
    for socket in [context.data.socket(), context.data.doors()] {
        let _ = std::fs::remove_file(socket);
    }
    shutdown.cancel();
    if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
        tracing::warn!("a door would not close");
    }
    // ORDER: after the doors, and whether or not they closed: what is known by now is recorded.
    if tokio::time::timeout(LAST_WORDS, plane.stop()).await.is_err() {
        tracing::warn!("something was still under way; the next start marks it unknown");
    }
}

/// Where a server listens.
struct Listeners {
    /// For agents.
    proxy: TcpListener,
    /// For humans, and launchers.
    admin: UnixListener,
    /// For launchers of captured runs.
    hand_over: UnixListener,
}

impl Listeners {
    async fn open(context: &Context, config: &Config) -> anyhow::Result<Self> {
        let address = config.server.proxy_listen;
        let proxy = TcpListener::bind(address).await;
        let proxy = proxy.with_context(|| format!("cannot listen on `{address}`"))?;
        let bind = |socket: PathBuf| {
            let bound = marque_api::bind(&socket);
            bound.with_context(|| format!("cannot listen on `{}`", socket.display()))
        };
        let (admin, hand_over) = (bind(context.data.socket())?, bind(context.data.doors())?);
        Ok(Self { proxy, admin, hand_over })
    }
}

/// A plane that is open.
struct Open {
    plane: Plane,
    memory: Memory,
    key_manager: Arc<dyn KeyManager>,
    /// Keeps every other server off the data directory.
    _lock: Option<File>,
}

fn open(context: &Context, config: &Config, database: &Database) -> anyhow::Result<Open> {
    let data = &context.data;
    data.prepare()?;
    let policies = policies::load(&policies::directory(config, data))?;
    let Opened { store, keys, lock } = database.open(config, data)?;
    let mut memory = Memory::load(context, &store, keys.log_key.public())?;
    let key_manager = Arc::clone(&keys.key_manager);
    let parts = parts(keys, policies, &memory);
    let signer = Arc::clone(&parts.log_key);
    let settings = Settings {
        oauth: config.oauth.settings()?,
        trust_domain: config.server.trust_domain.clone(),
        approval_ttl: config.approval.ttl.0,
        max_run_ttl: config.run.max_ttl.0,
        git: GitSettings { identity: config.git.identity, author: config.git.author },
        max_depth: config.run.max_chain_depth,
        trust_floor: config.run.trust_floor,
        tier_floor: config.run.tier_floor,
    };
    let plane = Plane::start(store, parts, settings).map_err(Failure::from)?;
    let name = format!("{}/log", plane.status().trust_domain).parse()?;
    // Where `marque log verify` finds it without a server. A start may have finished a rotation.
    let public = signer.public();
    write_private(&data.log_verifier(), &format!("{}\n", VerifierKey::new(name, public)))?;
    let kept = memory.keep(plane.seen());
    kept.with_context(|| format!("cannot write `{}`", memory.path().display()))?;
    Ok(Open { plane, memory, key_manager, _lock: lock })
}

/// What a plane is made of.
pub(crate) fn parts(keys: Keys, policies: PolicySet, memory: &Memory) -> Parts {
    Parts {
        clock: Arc::new(SystemClock::start()),
        outbound: Arc::new(Outward::default()),
        random: Arc::new(SystemRandom),
        key_manager: keys.key_manager,
        log_key: Arc::new(keys.log_key),
        machine_key: keys.machine_key,
        policies: Arc::new(policies),
        factor_cost: Cost::STANDARD,
        seen: memory.witnesses(),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Gap(_) => Self::new(Exit::Failed, error.to_string()).hint(
                "put back the newest copy there is; if this is it, `marque store restored` takes \
                 it and turns off everything that may have been revoked since",
            ),
            StartError::NothingToRestore => Self::new(Exit::Failed, error.to_string()).hint(
                "put back a copy that holds the plane; to begin another plane, name another data \
                 directory with `--data-dir`",
            ),
            other => Self::new(Exit::Failed, other.to_string()),
        }
    }
}

/// What a server says when it begins to serve.
#[derive(Serialize)]
struct Greeting {
    #[serde(flatten)]
    status: StatusView,
    /// Where the store is; of a database neither user nor password.
    store: String,
    /// What this server is called, if others may serve the same database.
    replica: Option<String>,
    /// The token service, if it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<TokensTold>,
}

/// Says who holds the plane and where it listens. The claim shows on every start.
fn greet(
    context: &Context,
    (status, tokens): (StatusView, Option<TokensTold>),
    config: &Config,
    database: &Database,
) -> anyhow::Result<()> {
    let replica = matches!(database, Database::Server(_)).then(|| database::replica(config));
    let greeting = Greeting { status, store: database.place(), replica, tokens };
    context.output.result(&greeting, |Greeting { status, store, replica, tokens }| {
        let claim = match &status.claimed {
            Some(ClaimView { by, at, log_key }) => {
                format!("claimed by {by} at {at}\nlog key    {log_key}")
            }
            None => "not claimed yet: run `marque claim` in another terminal".to_owned(),
        };
        let proxy = status.proxy.as_deref().unwrap_or("closed");
        let replica = replica.as_ref().map(|name| format!(", as {name}")).unwrap_or_default();
        let socket = context.data.socket();
        let tokens = tokens.as_ref().map(TokensTold::lines).unwrap_or_default();
        format!(
            "marque {} serves {}\n{claim}\nstore      {store}{replica}\n\
             socket     {}\nproxy      {proxy}\n{tokens}policies   {}, {}",
            status.version,
            status.trust_domain,
            socket.display(),
            status.policies,
            status.policy_digest
        )
    })
}

/// What ends a server.
struct Ending {
    signals: Signals,
    /// A door closed.
    shutdown: CancellationToken,
    /// After how long without need.
    idle_exit: Option<Duration>,
}

async fn until_the_end(
    plane: &Plane,
    memory: &mut Memory,
    (api, metrics): (&Api, &Metrics),
    ending: &mut Ending,
) -> &'static str {
    let mut round = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            why = ending.signals.come() => return why,
            () = ending.shutdown.cancelled() => return "a door closed",
            () = plane.deposed() => return "the other servers go on without it",
            _ = round.tick() => {
                metrics.fold();
                tokio::task::block_in_place(|| memory.keep_or_warn(plane.seen()));
                let is_idle = ending.idle_exit.is_some_and(|limit| api.idle() >= limit);
                let is_needed = plane.status().open_runs > 0 || plane.is_anybody_unlocked();
                if is_idle && !is_needed {
                    return "nobody needs it";
                }
            }
        }
    }
}

/// Goes on serving for a while, but says that it is not ready. A second signal ends that.
async fn linger(
    plane: &Plane,
    memory: &mut Memory,
    api: &Api,
    (span, ending): (Duration, &mut Ending),
) {
    api.leave();
    tracing::info!(seconds = span.as_secs(), "told to end: not ready any more, and still serving");
    let mut round = tokio::time::interval(ROUND);
    let end = tokio::time::sleep(span);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            () = plane.deposed() => return,
            () = ending.shutdown.cancelled() => return,
            _ = ending.signals.come() => return,
            _ = round.tick() => {
                tokio::task::block_in_place(|| memory.keep_or_warn(plane.seen()));
            }
        }
    }
}
