//! The whole daemon: the only file that knows everyone. Wires, starts, drains.

use std::{
    fmt,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    announce::announce,
    auth::{self, Accounts, Passwords, RefreshTokens, Tokens},
    bus::{Bus, local::LocalBus, redis::RedisBus},
    chain::{Bots, Chain},
    config::{Config, Fingerprint, Loaded, Sources},
    descriptors,
    directory::Directory,
    dispatch::{self, Dispatch, DispatchBots, Sequencer},
    exposition::{self, Exposition},
    http::{self, Access, Serving, State, Told},
    hub::Hub,
    listeners::Listeners,
    reload::{self, Reloads},
    shutdown,
    store::{MeteredStore, Store, mongo::MongoStore, sqlite::SqliteStore},
    systemd::{Inherited, Manager, Parts, Pulses, control, watchdog},
    telemetry::{self, LogLevel},
    tls,
};

/// After this long without work a thread for blocking calls ends.
const IDLE_THREAD: Duration = Duration::from_secs(1);

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

/// Runs the daemon until a signal stops it, on the sockets that were `inherited`, if any.
///
/// # Errors
/// When it cannot start: a port in use, a folder that cannot be written, a database of another
/// version, a plugin that does not start.
pub fn run(loaded: Loaded, sources: Sources, inherited: Inherited) -> Result<(), AppError> {
    let Loaded { config, certificate, warnings, .. } = loaded;
    let log = telemetry::start_log(&config.log);
    for warning in &warnings {
        reload::warn(&Told::from(warning.as_ref()));
    }
    let metrics = exposition::start().map_err(AppError::new)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.worker_threads > 0 {
        runtime.worker_threads(config.server.worker_threads);
    }
    // The pool's idle threads are woken in turn: with the default of ten seconds, the look at changed
    // accounts, every `auth.account_poll`, would keep up to forty.
    runtime.thread_keep_alive(IDLE_THREAD);
    let runtime = runtime.enable_all().thread_name("confab").build().map_err(AppError::new)?;
    let level = log.level.clone();
    let host = Host { inherited, manager: Arc::new(Manager::find().map_err(AppError::new)?) };
    let ended = runtime.block_on(async {
        Daemon::start((config, certificate), sources, level, metrics, host).await?.run().await
    });
    // A thread that waits for a file that never comes must not keep the process.
    runtime.shutdown_timeout(LAST_GRACE);
    ended
}

/// What the service manager gives, and where it is told.
struct Host {
    inherited: Inherited,
    manager: Arc<Manager>,
}

/// The parts of a running daemon, in the order in which they are stopped.
struct Daemon {
    config: Arc<Config>,
    manager: Arc<Manager>,
    pulses: Pulses,
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
        (config, certificate): (Config, Option<tls::Pair>),
        sources: Sources,
        level: LogLevel,
        metrics: PrometheusHandle,
        Host { inherited, manager }: Host,
    ) -> Result<Self, AppError> {
        let hangups = shutdown::hangups().map_err(AppError::new)?;
        shutdown::survive_file_limits().map_err(AppError::new)?;
        let config = Arc::new(config);
        let connections = descriptors::raise_limit(config.limits.connections);
        // Ports first: it is the likeliest trouble, and cheap to find.
        let Listeners { public, admin, public_address, admin_address } =
            Listeners::open(&config, inherited).map_err(AppError)?;

        let store: Arc<dyn Store> = Arc::new(MeteredStore::new(open_store(&config).await?));
        let tokens = Arc::new(load_tokens(&config).await?);
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
        let poll = config.auth.account_poll.0;
        let admission = Admission::new(Arc::clone(&store), directory, Arc::clone(&hub), poll);
        let admission = Arc::new(admission);
        let bots: Arc<dyn Bots> = Arc::new(DispatchBots::new(&dispatch));
        dispatch.chain().start(&bots).await.map_err(AppError::new)?;
        let passwords = Passwords::new(&config.auth).map_err(AppError::new)?;
        let refresh = RefreshTokens::new(Arc::clone(&store), &config.auth);
        let accounts = Accounts::new(Arc::clone(&store), passwords, Arc::clone(&tokens), refresh);
        let access = Access::new(&config.server, certificate).map_err(AppError::new)?;
        let access = Arc::new(access);
        let state = State::new(
            &config,
            Arc::clone(&dispatch),
            Arc::clone(&hub),
            Arc::clone(&store),
            Arc::clone(&admission),
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
            tokens,
            manager: Arc::clone(&manager),
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
            manager,
            pulses: Pulses::default(),
            config,
        };
        let dispatch = Arc::clone(&daemon.dispatch);
        let metrics = Arc::new(Exposition::new(metrics, dispatch));
        daemon.admin.spawn(Arc::clone(&metrics).upkeep(daemon.upkeep.clone()));
        daemon.admin.spawn(exposition::watch_lag(daemon.upkeep.clone()));
        telemetry::export_spans(&daemon.config.telemetry.otlp, &daemon.admin, &daemon.upkeep);
        let (dispatch, stop) = (Arc::clone(&daemon.dispatch), daemon.upkeep.clone());
        daemon.admin.spawn(async move { stop.run_until_cancelled(dispatch.catch_up()).await });
        let stop = daemon.upkeep.clone();
        daemon.admin.spawn(auth::tend_logins(Arc::clone(&daemon.store), stop.clone()));
        daemon.admin.spawn(async move { stop.run_until_cancelled(admission.watch()).await });
        gauge!("confab_connections_max").set(connections as f64);
        let (stop, watch) = (daemon.upkeep.clone(), access.watch(&daemon.config.server));
        daemon.admin.spawn(async move { stop.run_until_cancelled(watch).await });
        daemon.serve_public(public, connections, access, Arc::new(state));
        daemon.serve_admin(admin, metrics);
        daemon.attend_manager()?;
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
        daemon.manager.ready(format!("listening on {public_address}"));
        Ok(daemon)
    }

    fn serve_public(
        &self,
        listener: TcpListener,
        connections: usize,
        access: Arc<Access>,
        state: Arc<State>,
    ) {
        let serving = Serving {
            listener,
            connections,
            access: Some(access),
            pulse: Arc::clone(&self.pulses.public),
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
    fn serve_admin(&self, listener: TcpListener, metrics: Arc<Exposition>) {
        let serving = Serving {
            listener,
            connections: descriptors::ADMIN_CONNECTIONS,
            access: None,
            request: self.config.limits.request_timeout.0 + self.reloads.longest(),
            pulse: Arc::clone(&self.pulses.admin),
            endpoint: http::admin::routes(
                Arc::new(move || metrics.text()),
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

    /// The control socket, the watchdog and the line of status, where there is a manager.
    fn attend_manager(&self) -> Result<(), AppError> {
        if let Some(path) = control::path() {
            let listener = control::listen(&path).map_err(|error| {
                AppError(format!("the control socket {} fails: {error}", path.display()))
            })?;
            let (stop, upkeep) = (self.stop.clone(), self.upkeep.clone());
            let endpoint = http::control::routes(Arc::clone(&self.reloads) as _);
            self.admin.spawn(async move {
                let result = http::serve_local(listener, endpoint, upkeep.cancelled()).await;
                ended("control", result, &stop);
            });
        }
        if let Some(time) = watchdog::wanted() {
            let parts = Parts {
                pulses: self.pulses.clone(),
                dispatch: Arc::clone(&self.dispatch),
                store: Arc::clone(&self.store),
            };
            let watched = parts.watched(&self.stop);
            watchdog::start(time, &Handle::current(), watched, watchdog::beat)
                .map_err(AppError::new)?;
        }
        let (manager, hub) = (Arc::clone(&self.manager), Arc::clone(&self.hub));
        let upkeep = self.upkeep.clone();
        self.admin.spawn(async move { manager.follow(|| hub.len(), &upkeep).await });
        Ok(())
    }

    async fn run(self) -> Result<(), AppError> {
        self.stop.cancelled().await;
        let (started, grace) = (Instant::now(), self.config.server.drain_grace.0);
        let sessions = self.hub.len();
        tracing::info!(sessions, grace = %self.config.server.drain_grace, "draining");
        self.manager.stopping(sessions, grace + 4 * LAST_GRACE);
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
    blocking(move || Tokens::load(&config).map_err(AppError::new)).await
}

/// The bus, and where there are several nodes, what puts their frames in order.
type BusParts = (Arc<dyn Bus>, Option<Arc<Sequencer>>);

fn start_bus(
    config: &Config,
    hub: &Arc<Hub>,
    store: &Arc<dyn Store>,
) -> Result<BusParts, AppError> {
    if config.bus.redis.url.is_some() {
        dispatch::describe_node_metrics();
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
