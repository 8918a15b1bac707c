//! The whole daemon: the only file that knows everyone. Wires, starts, drains.

use std::{
    fmt,
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Accounts, KeyError, Keys, Passwords, Tokens, secret_key_beside},
    bus::{Bus, local::LocalBus, redis::RedisBus},
    chain::{Bots, Chain},
    config::{Config, Fingerprint, Loaded, Sources},
    directory::Directory,
    dispatch::{Dispatch, DispatchBots, Sequencer},
    http::{self, Access, Serving, State, Told},
    hub::Hub,
    reload::{self, Reloads},
    shutdown,
    store::{Store, mongo::MongoStore, sqlite::SqliteStore},
    telemetry::{self, LogLevel},
    tls,
};

/// Connections to the admin listener: a scraper, a health check, and some room.
const ADMIN_CONNECTIONS: usize = 64;

/// File descriptors for the store, the log, the runtime.
const OTHER_DESCRIPTORS: usize = 128;

/// What plugins get to finish, and then the store, even when sessions have used up the grace.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// Why the daemon could not start or go on: one line, which says what to do.
#[derive(Debug)]
pub struct AppError(String);

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AppError {}

impl AppError {
    fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Runs the daemon until a signal stops it.
///
/// # Errors
/// When it cannot start: a port in use, a folder that cannot be written, a database of another
/// version, a plugin that does not start.
pub fn run(loaded: Loaded, sources: Sources) -> Result<(), AppError> {
    let (config, certificate) = (loaded.config, loaded.certificate);
    let log = telemetry::start_log(&config.log);
    for warning in &loaded.warnings {
        reload::warn(&Told::from(warning.as_ref()));
    }
    let metrics = telemetry::start_metrics().map_err(AppError::new)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.worker_threads > 0 {
        runtime.worker_threads(config.server.worker_threads);
    }
    let runtime = runtime.enable_all().thread_name("confab").build().map_err(AppError::new)?;
    let level = log.level.clone();
    let ended = runtime.block_on(async {
        Daemon::start(config, certificate, sources, level, metrics).await?.run().await
    });
    // A thread that waits for a file that never comes must not keep the process.
    runtime.shutdown_timeout(LAST_GRACE);
    ended
}

/// The parts of a running daemon, in the order in which they are stopped.
struct Daemon {
    config: Arc<Config>,
    stop: CancellationToken,
    listeners: TaskTracker,
    hub: Arc<Hub>,
    dispatch: Arc<Dispatch>,
    bus: Arc<dyn Bus>,
    store: Arc<dyn Store>,
    reloads: Arc<Reloads>,
    upkeep: CancellationToken,
    admin: TaskTracker,
}

impl Daemon {
    async fn start(
        config: Config,
        certificate: Option<tls::Pair>,
        sources: Sources,
        level: LogLevel,
        metrics: PrometheusHandle,
    ) -> Result<Self, AppError> {
        let hangups = shutdown::hangups().map_err(AppError::new)?;
        shutdown::survive_file_limits().map_err(AppError::new)?;
        let config = Arc::new(config);
        let connections = raise_descriptor_limit(config.limits.connections);
        // Ports first: it is the likeliest trouble, and cheap to find.
        let public = bind("server.listen", config.server.listen)?;
        let admin = bind("server.admin_listen", config.server.admin_listen)?;
        let (public_address, admin_address) = (address(&public)?, address(&admin)?);

        let store = open_store(&config).await?;
        let tokens = load_tokens(&config).await?;
        let chain = Chain::build(&config.plugins, &sources.manifests, 1, None)
            .map_err(|errors| AppError(format!("the plugins cannot be built: {errors:?}")))?;
        let chain = Arc::new(chain);

        let limits = &config.limits;
        let hub = Arc::new(Hub::new(limits));
        let (bus, sequencer) = start_bus(&config, &hub, &store)?;
        let directory = Arc::new(Directory::new(Arc::clone(&store), limits.account_cache));
        let dispatch = Arc::new(Dispatch::new(
            chain,
            Arc::clone(&store),
            Arc::clone(&bus),
            Arc::clone(&hub),
            Arc::clone(&directory),
            sequencer,
            limits,
        ));
        let bots: Arc<dyn Bots> = Arc::new(DispatchBots::new(&dispatch));
        dispatch.chain().start(&bots).await.map_err(AppError::new)?;
        let passwords = Passwords::new(&config.auth).map_err(AppError::new)?;
        let accounts = Accounts::new(Arc::clone(&store), passwords, Arc::new(tokens));
        let access = Arc::new(Access::new(&config.server));
        let tls = certificate.map(tls::Server::new).transpose().map_err(AppError::new)?;
        let tls = tls.map(Arc::new);
        let state = State::new(
            &config,
            Arc::clone(&dispatch),
            Arc::clone(&hub),
            Arc::clone(&store),
            directory,
            accounts,
            Arc::clone(&access),
        );

        let (stop, upkeep) =
            (shutdown::on_signal().map_err(AppError::new)?, CancellationToken::new());
        let parts = reload::Parts {
            sources,
            config: Config::clone(&config),
            dispatch: Arc::clone(&dispatch),
            bots,
            level,
            access: Arc::clone(&access),
            tls: tls.clone(),
            stop: stop.clone(),
            end: upkeep.clone(),
        };
        let daemon = Self {
            reloads: Arc::new(Reloads::start(parts, hangups)),
            stop,
            listeners: TaskTracker::new(),
            hub,
            dispatch,
            bus,
            store,
            upkeep,
            admin: TaskTracker::new(),
            config,
        };
        let dispatch = Arc::clone(&daemon.dispatch);
        let publish = move || dispatch.publish();
        daemon.admin.spawn(telemetry::upkeep(metrics.clone(), publish, daemon.upkeep.clone()));
        let (dispatch, stop) = (Arc::clone(&daemon.dispatch), daemon.upkeep.clone());
        daemon.admin.spawn(async move { stop.run_until_cancelled(dispatch.catch_up()).await });
        if let (Some(server), Some(files)) = (tls.clone(), daemon.config.server.tls.files()) {
            let watch = tls::watch(server, files, daemon.config.server.tls.check_interval.0);
            let stop = daemon.upkeep.clone();
            daemon.admin.spawn(async move { stop.run_until_cancelled(watch).await });
        }
        daemon.serve_public(public, connections, (access, tls), Arc::new(state));
        daemon.serve_admin(admin, metrics);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %public_address,
            tls = daemon.config.server.tls.files().is_some(),
            admin_listen = %admin_address,
            plugins = daemon.config.plugins.len(),
            config = %Fingerprint::of(&daemon.config),
            generation = daemon.dispatch.chain().generation(),
            "started"
        );
        announce(&daemon.config, public_address, admin_address);
        Ok(daemon)
    }

    fn serve_public(
        &self,
        listener: TcpListener,
        connections: usize,
        (access, tls): (Arc<Access>, Option<Arc<tls::Server>>),
        state: Arc<State>,
    ) {
        let serving = Serving {
            listener,
            connections,
            access: Some(access),
            tls: tls.map(|tls| Arc::clone(tls.config())),
            request: self.config.limits.request_timeout.0,
            endpoint: http::public(&self.config, state),
        };
        let (config, stop) = (Arc::clone(&self.config), self.stop.clone());
        self.listeners.spawn(async move {
            let result = http::serve(serving, &config.limits, stop.cancelled()).await;
            ended("public", result, &stop);
        });
    }

    /// The admin listener stays until the very end, so that the drain can be watched.
    fn serve_admin(&self, listener: TcpListener, metrics: PrometheusHandle) {
        let serving = Serving {
            listener,
            connections: ADMIN_CONNECTIONS,
            access: None,
            tls: None,
            request: self.config.limits.request_timeout.0 + self.reloads.longest(),
            endpoint: http::admin::routes(
                metrics,
                Arc::clone(&self.dispatch),
                Arc::clone(&self.store),
                Arc::clone(&self.hub),
                Arc::clone(&self.reloads) as _,
            ),
        };
        let (config, stop) = (Arc::clone(&self.config), self.stop.clone());
        let upkeep = self.upkeep.clone();
        self.admin.spawn(async move {
            let result = http::serve(serving, &config.limits, upkeep.cancelled()).await;
            ended("admin", result, &stop);
        });
    }

    async fn run(self) -> Result<(), AppError> {
        self.stop.cancelled().await;
        let (started, grace) = (Instant::now(), self.config.server.drain_grace.0);
        let sessions = self.hub.len();
        tracing::info!(sessions, grace = %self.config.server.drain_grace, "draining");
        let left = || grace.saturating_sub(started.elapsed());

        self.listeners.close();
        // A connection that asks nothing must not take the sessions' time.
        let listeners = tokio::time::timeout(left(), self.listeners.wait());
        let _ = tokio::join!(listeners, self.hub.drain(left()));
        // Once more, for a session whose handshake was under way.
        let cut_off = self.hub.drain(left()).await;
        // From here on nobody can send but bots: what was taken is stored and answered. A store that
        // hangs must not hang the stop: what it has not confirmed, nobody was told of.
        let chain = async {
            self.reloads.settled().await;
            let chain = self.dispatch.chain();
            let stop = async {
                self.dispatch.flush().await;
                chain.finish_bots().await;
                self.dispatch.close().await;
                chain.stop().await;
            };
            tokio::join!(self.reloads.retired(), stop);
        };
        if tokio::time::timeout(left().max(LAST_GRACE), chain).await.is_err() {
            tracing::error!("the store or a plugin did not end in time");
        }
        // Also where a plugin took all the time.
        let close = async {
            self.dispatch.close().await;
            self.bus.close().await;
            self.store.close().await;
        };
        if tokio::time::timeout(left().max(LAST_GRACE), close).await.is_err() {
            tracing::error!("the store was not closed in time");
        }
        self.upkeep.cancel();
        self.admin.close();
        let _ = tokio::time::timeout(left(), self.admin.wait()).await;
        tracing::info!(sessions, cut_off, seconds = started.elapsed().as_secs_f32(), "stopped");
        Ok(())
    }
}

async fn open_store(config: &Arc<Config>) -> Result<Arc<dyn Store>, AppError> {
    let unread = config.limits.unread as u64;
    if config.store.mongo.uri.is_some() {
        let store = MongoStore::open(&config.store, unread).map_err(AppError::new)?;
        return Ok(Arc::new(store));
    }
    let config = Arc::clone(config);
    let open = move || SqliteStore::open(&config.store, unread).map_err(AppError::new);
    Ok(Arc::new(blocking(open).await?))
}

async fn load_tokens(config: &Arc<Config>) -> Result<Tokens, AppError> {
    let config = Arc::clone(config);
    blocking(move || {
        let keys = Keys::load(&config.auth, || match config.store.mongo.uri {
            // Every node must have the same key, so none can make one.
            Some(_) => Err(KeyError::MissingSecret),
            None => secret_key_beside(&config.store.path),
        });
        Ok(Tokens::new(&config.auth, keys.map_err(AppError::new)?))
    })
    .await
}

/// The bus, and where there are several nodes, what puts their frames in order.
type BusParts = (Arc<dyn Bus>, Option<Arc<Sequencer>>);

fn start_bus(
    config: &Config,
    hub: &Arc<Hub>,
    store: &Arc<dyn Store>,
) -> Result<BusParts, AppError> {
    if config.bus.redis.url.is_some() {
        let sequencer = Arc::new(Sequencer::new(Arc::clone(hub) as _, Arc::clone(store)));
        let bus = RedisBus::start(&config.bus.redis, Arc::clone(&sequencer) as _);
        return Ok((Arc::new(bus.map_err(AppError::new)?), Some(sequencer)));
    }
    if config.store.mongo.uri.is_some() {
        tracing::warn!(
            "MongoDB without Redis: a second node on this database would get live events only \
             by sync; set bus.redis.url (REDIS_URL) before you start one"
        );
    }
    Ok((Arc::new(LocalBus::new(Arc::clone(hub) as _)), None))
}

/// Takes all the file descriptors that the system allows. Returns how many connections there can
/// be of those wanted: the store, the log and the admin listener must never go without.
fn raise_descriptor_limit(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let Some(limit) = limit else { return wanted };
    let connections = connections_within(limit, wanted);
    if connections < wanted {
        tracing::warn!(
            limit,
            wanted,
            connections,
            "fewer file descriptors than limits.connections needs, so fewer connections: raise \
             LimitNOFILE or ulimit -n"
        );
    }
    connections
}

/// What is left for connections of so many file descriptors.
fn connections_within(limit: u64, wanted: usize) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let others = (ADMIN_CONNECTIONS + OTHER_DESCRIPTORS).min(limit / 2);
    wanted.min(limit - others).max(1)
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, AppError> {
    http::bind(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program uses it: choose another address",
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one"
            }
            _ => "choose another address",
        };
        AppError(format!("{key} = \"{address}\" cannot be listened on ({error}): {hint}"))
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, AppError> {
    listener.local_addr().map_err(AppError::new)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(AppError::new)?
}

/// A listener that ends by itself takes the daemon with it: a daemon that nobody can reach
/// must be restarted.
fn ended(listener: &'static str, result: std::io::Result<()>, stop: &CancellationToken) {
    if let Err(error) = result {
        tracing::error!(listener, %error, "a listener failed");
        stop.cancel();
    }
}

/// Tells people where to go; scripts may read the addresses here when a port was 0.
fn announce(config: &Config, public: SocketAddr, admin: SocketAddr) {
    let scheme = if config.server.tls.files().is_some() { "https" } else { "http" };
    let mut lines = format!(
        "confab {}\n  listening on {scheme}://{public}\n  admin on     http://{admin}\n",
        env!("CARGO_PKG_VERSION")
    );
    if config.server.web {
        lines += &format!("  chat at      {scheme}://{public}/\n");
    }
    lines += &match config.store.mongo.uri {
        Some(_) => format!("  data in      MongoDB, {}\n", config.store.mongo.database),
        None => format!("  data in      {}\n", config.store.path.display()),
    };
    // Nobody need be listening.
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}
