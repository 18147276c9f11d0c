//! Joins the parts, and ends them in order. Wiring only: no decision is made here.
//!
//! [`App`] is a running sidecar, for the binary and for tests alike. [`run`] is what the command
//! does: a runtime, a log, signals, and exit codes.

use crate::cli::who::who;
use crate::clock::{self, RuleClock};
use crate::config::problems::Problems;
use crate::config::resolve::with_state;
use crate::config::secret::Secret;
use crate::config::watch;
use crate::controller::{self, Ask, Controller, Handle};
use crate::drain::{Drain, Phase};
use crate::proxy::{self, Shared};
use crate::server::{self, Listener};
use crate::snapshot::Board;
use crate::state::StateStore;
use crate::state::start::start as read_start;
use crate::telemetry::events::Process;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::Tracer;
use crate::upstream::bedrock::Bedrock;
use crate::upstream::credentials::{Keyring, Source};
use crate::upstream::gate;
use crate::upstream::transport::Transport;
use crate::{admin, journal, notify, otlp, telemetry};
use aws_credential_types::Credentials;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

mod runtime;

/// The environment, as a function: tests give another one.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a sidecar is started with.
#[derive(Clone)]
pub struct Setup {
    /// `rollout.yaml`.
    pub config_path: PathBuf,
    /// `--require-state`: an empty place of the state file counts as rolled back.
    pub require_state: bool,
    /// Rule time.
    pub clock: RuleClock,
    /// Keys instead of the SDK's chain.
    pub credentials: Option<Credentials>,
    /// The environment.
    pub env: Env,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("config_path", &self.config_path)
            .finish_non_exhaustive()
    }
}

/// Why a sidecar did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is refused, and there is no copy of an accepted one.
    Config(Problems),
    /// A port could not be opened.
    Bind {
        /// Which key names it.
        key: &'static str,
        /// What it says.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problems) => write!(f, "{problems}"),
            Self::Bind {
                key,
                address,
                source,
            } => {
                write!(f, "cannot listen on {address} (key `{key}`): {source}")
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A running sidecar.
#[derive(Debug)]
pub struct App {
    controller: Handle,
    controller_task: JoinHandle<()>,
    serving: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    /// The journal and the messenger: they end when the controller has told them the last.
    records: [JoinHandle<()>; 2],
    tracer: Arc<Tracer>,
    drain: Arc<Drain>,
    listen: Option<SocketAddr>,
    admin: SocketAddr,
}

impl App {
    /// Starts everything and returns when both ports are open.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what to mend.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        Self::start_with(setup, Arc::new(Metrics::new())).await
    }

    async fn start_with(setup: Setup, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        let Setup {
            config_path,
            require_state,
            clock,
            credentials,
            env,
        } = setup;
        let ask = {
            let env = Arc::clone(&env);
            move |name: &str| env(name)
        };
        let start = read_start(&config_path, &ask).map_err(StartError::Config)?;
        let config = start.config.clone();
        let known = start
            .refused
            .as_ref()
            .map_or(Some(start.hash), |refused| refused.hash);

        let bind = |key, address: String| {
            move |source| StartError::Bind {
                key,
                address,
                source,
            }
        };
        let listener = Listener::bind(&config.listen).await;
        let listener = listener.map_err(bind("listen", config.listen.to_string()))?;
        let admin_listener = tokio::net::TcpListener::bind(config.admin).await;
        let admin_listener = admin_listener.map_err(bind("admin", config.admin.to_string()))?;
        let admin_address = admin_listener.local_addr();
        let admin_address = admin_address.map_err(bind("admin", config.admin.to_string()))?;
        let listen = listener.address();

        let board = Arc::new(Board::default());
        let (posts, posted) = mpsc::channel(POSTS);
        let state = config.state.clone();
        let (journal, journal_task) = journal::start(
            state.clone(),
            who(&ask),
            Arc::clone(&metrics),
            Arc::clone(&board),
            posts,
        );

        let (changed, updates) = mpsc::channel(1);
        let (questions, asked) = mpsc::channel(1);
        let Controller {
            handle,
            bookings,
            task,
        } = controller::start(controller::Setup {
            start,
            admin: admin_address,
            require_state,
            clock: clock.clone(),
            updates,
            questions,
            metrics: Arc::clone(&metrics),
            journal,
        });
        let telling = tokio::spawn(notify::run(notify::Setup {
            snapshot: handle.shared(),
            outbox: StateStore::new(state).outbox_path(),
            posts: posted,
            metrics: Arc::clone(&metrics),
            board: Arc::clone(&board),
        }));
        let tracer = Arc::new(otlp::tracer(otlp::Setup {
            snapshot: handle.shared(),
            metrics: Arc::clone(&metrics),
            board: Arc::clone(&board),
            draw: proxy::draw,
        }));
        let watching = tokio::spawn(async move {
            let mut watch = watch::Watch::new(config_path, ask, known);
            while changed.send(watch.next().await).await.is_ok() {}
        });

        let drain = Arc::new(Drain::default());
        let transport = Transport::new(config.timeouts.connect);
        let gatekeeping = tokio::spawn(keep_gate(transport.clone(), asked));
        let source = source(credentials, &env);
        let region = config.bedrock.region.clone();
        let keyring = Keyring::start(source, region, Arc::clone(&metrics), Arc::clone(&board));
        let bedrock = Bedrock::new(transport.clone(), keyring);
        let shared = Arc::new(Shared::new(proxy::Setup {
            snapshot: handle.shared(),
            bookings,
            metrics: Arc::clone(&metrics),
            clock,
            transport,
            bedrock,
            drain: drain.watch(),
            tracer: Arc::clone(&tracer),
        }));
        let shortage = server::descriptors::shortage(config.limits.connections);
        if let Some(why) = &shortage {
            tracing::warn!("{why}");
        }
        board.descriptors(shortage);
        let serving = tokio::spawn(server::run(server::Setup {
            listener,
            shared,
            snapshot: handle.shared(),
            changes: handle.changes(),
            metrics: Arc::clone(&metrics),
            drain: drain.watch(),
        }));
        let administering = tokio::spawn(admin::serve(
            admin_listener,
            handle.clone(),
            Arc::clone(&metrics),
            drain.watch(),
        ));
        let address =
            listen.map_or_else(|| config.listen.to_string(), |address| address.to_string());
        Process::Listening {
            listen: &address,
            admin: &admin_address,
        }
        .emit(&metrics);
        Ok(Self {
            controller: handle,
            controller_task: task,
            serving,
            others: vec![watching, administering, gatekeeping],
            records: [journal_task, telling],
            tracer,
            drain,
            listen,
            admin: admin_address,
        })
    }

    /// The data port; none for a Unix socket.
    pub const fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// The admin port.
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The rollout, for commands and for what is in force.
    pub const fn controller(&self) -> &Handle {
        &self.controller
    }

    /// Stops as SIGTERM does: unready and nothing to Bedrock, then no new calls, then the end of
    /// what runs. Tells whether everything that ran was finished.
    pub async fn drain(mut self) -> bool {
        let deadline = clock::io_now() + self.controller.snapshot().config.drain;
        self.drain.enter(Phase::Draining);
        self.controller.drain().await;
        self.drain.quiet(deadline).await;
        self.drain.enter(Phase::Closing);
        let finished = tokio::time::timeout_at(deadline, &mut self.serving)
            .await
            .is_ok();
        if !finished {
            self.drain.enter(Phase::Cut);
            // The errors are written, or their callers do not read.
            let _ = tokio::time::timeout(CUT, &mut self.serving).await;
        }
        self.abort().await;
        finished
    }

    /// Stops at once. What the controller was told is dealt with and written.
    pub async fn abort(self) {
        self.serving.abort();
        self.others.iter().for_each(JoinHandle::abort);
        let stopped = async {
            self.controller.stop().await;
            // A panic of the task has been logged; there is nothing left to stop then.
            let _ = self.controller_task.await;
            for task in self.records {
                let _ = task.await;
            }
        };
        // Neither a disk nor a collector that hangs keeps a process from ending.
        let stopped = tokio::time::timeout(STOP, stopped);
        let _ = tokio::join!(stopped, self.tracer.flush());
    }
}

/// Where the identity comes from: given keys, a bearer token, the SDK's chain.
pub(crate) fn source(credentials: Option<Credentials>, env: &Env) -> Source {
    match (credentials, env("AWS_BEARER_TOKEN_BEDROCK")) {
        (Some(keys), _) => Source::Fixed(keys),
        (None, Some(token)) if !token.is_empty() => Source::Bearer(Secret::new(token)),
        (None, Some(_) | None) => Source::Chain,
    }
}

/// What `crossfade run` is given.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--config`.
    pub config_path: PathBuf,
    /// `--state`, which stands for the variable of the same meaning.
    pub state: Option<String>,
    /// `--require-state`.
    pub require_state: bool,
}

/// Runs until SIGTERM or SIGINT; a second one ends at once. 0: drained; 1: could not start; 78:
/// the configuration is refused.
pub fn run(options: Options) -> ExitCode {
    let metrics = Arc::new(Metrics::new());
    // Kept until the end: it writes what is still to be logged.
    let filter = telemetry::FILTER_VARIABLES.into_iter().find_map(variable);
    let _log = match telemetry::start(filter.as_deref(), metrics.log_dropped()) {
        Ok(guard) => guard,
        Err(error) => return fail(EXIT_FAILED, &error),
    };
    server::descriptors::raise();
    let runtime = match runtime::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &error),
    };
    let code = runtime.block_on(serve(options, metrics));
    // What waits for a slow name server or disk is not waited for.
    runtime.shutdown_background();
    code
}

async fn serve(options: Options, metrics: Arc<Metrics>) -> ExitCode {
    Process::Started {
        version: env!("CARGO_PKG_VERSION"),
    }
    .emit(&metrics);
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return fail(EXIT_FAILED, &"signals cannot be received");
    };
    let setup = Setup {
        config_path: options.config_path,
        require_state: options.require_state,
        clock: RuleClock::system(),
        credentials: None,
        env: Arc::new(with_state(options.state, variable)),
    };
    let app = match App::start_with(setup, Arc::clone(&metrics)).await {
        Ok(app) => app,
        Err(error) => {
            let code = match error {
                StartError::Config(_) => EXIT_CONFIG,
                StartError::Bind { .. } => EXIT_FAILED,
            };
            return fail(code, &error);
        }
    };
    either(&mut terminate, &mut interrupt).await;
    Process::Draining.emit(&metrics);
    let finished = tokio::select! {
        finished = app.drain() => finished,
        () = either(&mut terminate, &mut interrupt) => false,
    };
    Process::Stopped { finished }.emit(&metrics);
    ExitCode::SUCCESS
}

/// Waits for one of two signals.
async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// Puts the rollout's questions to the webhook gate, one at a time.
async fn keep_gate(transport: Transport, mut asked: mpsc::Receiver<Ask>) {
    while let Some(Ask {
        question,
        webhook,
        reply,
    }) = asked.recv().await
    {
        let answer = gate::ask(&transport, &webhook, &question).await;
        // An error says that the controller is gone.
        let _ = reply.send((question.id, answer)).await;
    }
}

/// A variable of the environment; none if it is no text.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here and handed on"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Tells the person who started it, on the terminal and not as JSON.
#[expect(clippy::print_stderr, reason = "the process ends with this line")]
fn fail(code: u8, why: &dyn fmt::Display) -> ExitCode {
    eprintln!("crossfade: {why}");
    ExitCode::from(code)
}

/// Could not start.
const EXIT_FAILED: u8 = 1;

/// The configuration is refused (`EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// Lines of the journal that wait for the messenger.
const POSTS: usize = 1_024;

/// How long the controller may take to write what it was told last.
const STOP: Duration = Duration::from_secs(5);

/// How long the last errors of cut calls may take to be written.
const CUT: Duration = Duration::from_secs(1);
