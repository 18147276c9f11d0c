//! `crossfade demo`: the whole story of a rollout in a terminal, without a cloud account.
//!
//! Two emulated providers ([`emulator`]) listen on loopback; crossfade runs between them and a
//! made-up app ([`load`]) as a process of its own ([`sidecar`]), so that a restart is a restart and
//! `rearm` is the command. [`story`] raises the share, breaks Bedrock, and looks at every claim
//! from outside: at what the app saw, at what Bedrock received, at `/api/status`. A step that was
//! not observed fails the demo.

use emulator::Recorder;
use stage::Stage;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use view::View;

mod app;
pub mod emulate;
pub mod emulator;
mod load;
mod sidecar;
mod stage;
mod status;
mod story;
mod view;

/// What `crossfade demo` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// No story: the emulators, crossfade at 25 % and the app's load, until stopped.
    pub serve: bool,
    /// Lines instead of a live view; always so where the output is no terminal.
    pub plain: bool,
    /// One JSON object instead of a view: of the story at its end, of `serve` once all runs.
    pub json: bool,
    /// Where to write what the emulated Bedrock is sent; see [`Recorder`].
    pub record: Option<PathBuf>,
}

/// Why the demo did not come to its end.
#[derive(Debug)]
pub enum Failed {
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted,
    /// It could not be set up.
    Setup(String),
    /// A step was not observed.
    Step {
        /// Its title.
        step: String,
        /// What should have been seen.
        expected: String,
        /// What was seen.
        seen: String,
        /// Where crossfade's log, its configuration and its state are.
        dir: PathBuf,
    },
}

impl Failed {
    /// The exit code: 130 if interrupted (as a shell reports it), else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Setup(_) | Self::Step { .. } => 1,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("stopped before the end"),
            Self::Setup(why) => write!(f, "the demo cannot start: {why}"),
            Self::Step {
                step,
                expected,
                seen,
                dir,
            } => write!(
                f,
                "the step “{step}” was not observed.\n  expected: {expected}\n  seen:     \
                 {seen}\n  crossfade's log: {}",
                log_path(dir).display()
            ),
        }
    }
}

impl std::error::Error for Failed {}

/// Where crossfade's output goes.
fn log_path(dir: &Path) -> PathBuf {
    dir.join("crossfade.log")
}

/// Tells the story, or with `serve` runs until stopped. Ends everything that it started.
///
/// # Errors
/// [`Failed`], which says what to print and with which code to exit.
pub async fn run(options: Options) -> Result<(), Failed> {
    let no_setup = |error: io::Error| Failed::Setup(error.to_string());
    let stopped = stopped().map_err(no_setup)?;
    let recorder = options.record.as_deref().map(Recorder::append_to);
    let recorder = recorder.transpose().map_err(no_setup)?;
    let mut view = View::new(&options);
    let percent = if options.serve { 25 } else { 5 };
    let mut stage = Stage::build(percent).await?;
    if let Some(recorder) = recorder {
        stage.bedrock.record(recorder);
    }
    let told = async {
        if options.serve {
            story::serve(&mut stage, &mut view).await
        } else {
            story::tell(&mut stage, &mut view).await
        }
    };
    let result = tokio::select! {
        result = told => result,
        () = stopped => Err(Failed::Interrupted),
    };
    stage.clear().await;
    view.close();
    match result {
        // Stopping is how `serve` ends.
        Err(Failed::Interrupted) if options.serve => Ok(()),
        result => result,
    }
}

/// Ends at Ctrl-C or SIGTERM, which are listened for from this call on.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
