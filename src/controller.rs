//! The controller: one task that owns the rollout, and the only writer of what is in force.
//!
//! In come bookings of the data path, commands of people, configurations of the watcher and beats
//! of the rule clock; out goes one [`Snapshot`] behind one `ArcSwap`, replaced whole at every
//! change. Decisions are made by [`rollout::Machine`]; this module gives
//! them time, memory and effect, in this order: what lowers the share is in force at once, then
//! the state file is written, then it is reported (log, metrics, status, the answer to a command).
//! Whatever is not written yet holds the share at 0, so nothing that raises it precedes the disk
//! either, and a failed write needs no case of its own: the hold stays and it is tried each second.
//!
//! The data path never waits for this task: it reserves room in the bounded queue of bookings
//! before it dispatches a call. Files are written on the blocking pool while the task goes on
//! reading its queues. Who may give a command is decided by `admin`, who goes to Bedrock by `split`.

use crate::clock::RuleClock;
use crate::config::{Webhook, watch};
use crate::journal;
use crate::outcome::{Attempt, Booking};
use crate::rollout::{self, GateAnswer, Machine, Question, QuestionId, Record};
use crate::snapshot::{Files, Hold, Holds, Share, Snapshot};
use crate::split::Percent;
use crate::state::StateStore;
use crate::state::start::Start;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use gate::Gate;
use saved::Saved;
use serde::Serialize;
use standing::State;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use task::Task;
use tokio::sync::watch as watch_channel;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

pub(crate) use standing::plan;

mod edits;
mod gate;
mod saved;
mod standing;
mod task;

#[cfg(test)]
mod tests;

/// The most characters of a reason; it is stored, logged and shown.
pub const REASON_CHARS: usize = 500;

/// The most characters of an actor's name, with the address that the command came from.
pub const ACTOR_CHARS: usize = 160;

/// Bookings of one Bedrock call: dispatched, first token, ended. Room for all three is reserved
/// before it is dispatched.
pub const BOOKINGS_PER_CALL: usize = 3;

/// Room in the queue beyond what Bedrock calls reserve: the original's bookings, which may be
/// dropped.
const SPARE_BOOKINGS: usize = 4_096;

/// How often bookings are taken in. Room for them is reserved, so none is lost meanwhile; the
/// rules look every 5 s.
const SWEEP: Duration = Duration::from_millis(100);

/// Commands that wait; people give few.
const COMMANDS: usize = 16;

/// Answers of the gate that wait; one question stands at a time.
const ANSWERS: usize = 4;

/// What the controller is given.
#[derive(Debug)]
pub struct Setup {
    /// The configuration to start with.
    pub start: Start,
    /// The admin port, for commands that look for the process beside the state.
    pub admin: SocketAddr,
    /// `--require-state`: an empty place is no first start.
    pub require_state: bool,
    /// Rule time.
    pub clock: RuleClock,
    /// What the watcher tells.
    pub updates: mpsc::Receiver<watch::Event>,
    /// Where questions for the webhook gate go. A question that finds no room is put again.
    pub questions: mpsc::Sender<Ask>,
    /// Where the rollout is counted and shown.
    pub metrics: Arc<Metrics>,
    /// Where what happens is remembered.
    pub journal: journal::Handle,
}

/// A question for the webhook gate, and where its answer goes.
#[derive(Debug)]
pub struct Ask {
    /// What to ask.
    pub question: Question,
    /// Whom.
    pub webhook: Webhook,
    /// For the answer, with the question's number.
    pub reply: mpsc::Sender<(QuestionId, GateAnswer)>,
}

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    /// For commands, and for what is in force.
    pub handle: Handle,
    /// For the data path.
    pub bookings: mpsc::Sender<Booking>,
    /// Ends after [`Handle::stop`], or when every handle is gone.
    pub task: JoinHandle<()>,
}

/// Starts the controller. What is in force is 0 % until the state file was read and written, which
/// this does not wait for: the original's calls must not wait for a disk. Must be called inside a
/// runtime.
pub fn start(setup: Setup) -> Controller {
    let Setup {
        start,
        admin,
        require_state,
        clock,
        updates,
        questions,
        metrics,
        journal,
    } = setup;
    let Start {
        config,
        text,
        hash,
        refused,
    } = start;
    let limit = config.limits.in_flight.saturating_mul(BOOKINGS_PER_CALL);
    // Fixed for the life of the process. Where `limits.in_flight` is raised later, calls that find
    // no room stay with the original.
    let room = limit
        .saturating_add(SPARE_BOOKINGS)
        .min(Semaphore::MAX_PERMITS);
    let (bookings, booked) = mpsc::channel(room);
    let (requests, requested) = mpsc::channel(COMMANDS);
    let store = StateStore::new(config.state.clone()).reached_at(admin);
    let plan = plan(&config);
    // Until the state file is read nobody knows better, and nothing goes to Bedrock.
    let record = Record::first(plan.attempt);
    let mut holds = Holds::NONE;
    holds.set(Hold::StateWrite, true);
    let mut state = State {
        machine: Machine::new(plan, record, clock.now()),
        saved: Saved::new(store, require_state),
        holds,
        files: Files {
            generation: 1,
            hash: hash.to_string(),
            warnings: config.warnings.iter().map(ToString::to_string).collect(),
            ..Files::default()
        },
        config: Arc::new(config),
        reported: None,
        unreported: Vec::new(),
        waiting: Vec::new(),
        in_force: Percent::ZERO,
        alarm: None,
        share_before: Share::default(),
        beats: Vec::new(),
        stopping: None,
    };
    if refused.is_none() {
        state.saved.copy(text.into());
    }
    let snapshot = Arc::new(ArcSwap::from_pointee(state.snapshot(clock.now())));
    let (published, changes) = watch_channel::channel(());
    let handle = Handle {
        requests,
        snapshot: Arc::clone(&snapshot),
        changes,
    };
    let ticker = clock.ticker();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (answer, answers) = mpsc::channel(ANSWERS);
    let out = snapshot;
    let mut task = Task {
        clock,
        ticker,
        metrics,
        journal,
        out,
        published,
        bookings: booked,
        sweep,
        requests: requested,
        updates,
        gate: Gate {
            questions,
            answer,
            answers,
            asked: None,
        },
        state,
    };
    task.announce_config();
    task.hold_by_switch();
    if let Some(refused) = refused {
        task.hold(Hold::ConfigRefused, true);
        task.refused(refused.problems.lines());
    }
    Controller {
        handle,
        bookings,
        task: tokio::spawn(task.run()),
    }
}

/// What a person can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Take everything back to the original.
    Rollback,
    /// Clear the latch and start the next attempt.
    Rearm,
    /// Freeze the stage; the rules watch on.
    Pause,
    /// End a pause.
    Resume,
    /// Go on to the next stage.
    Advance {
        /// Although something is still waited for.
        force: bool,
    },
}

impl Verb {
    /// The command's name in paths, logs and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Rearm => "rearm",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Advance { .. } => "advance",
        }
    }
}

/// A command as a person gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What.
    pub verb: Verb,
    /// Why, 1 to [`REASON_CHARS`] characters.
    pub reason: String,
    /// Who, up to [`ACTOR_CHARS`] characters.
    pub actor: String,
}

/// A command was followed, and what must survive of it is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// What happened, for the person.
    pub message: String,
    /// Whether anything changed: a second rollback changes nothing.
    pub changed: bool,
    /// The share in force now, in percent.
    pub percent: Percent,
    /// The attempt that runs or was rolled back.
    pub attempt: Attempt,
}

/// Why a command was not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The reason is blank.
    ReasonMissing,
    /// The reason or the actor is too long.
    TooLong,
    /// What the rollout says against it.
    Rollout(rollout::Refusal),
    /// Another process owns the state; this one sends nothing to Bedrock.
    StateLocked,
    /// It is in force at 0 %, but a restart would forget it.
    NotSaved {
        /// What the system says.
        problem: String,
    },
    /// Not done: while the state file cannot be written, nothing goes to Bedrock anyway.
    StateFailing {
        /// What the system says.
        problem: String,
    },
    /// Not done: the state file has not been read yet, so nobody knows what holds.
    StateUnread,
    /// The process is stopping.
    Stopping,
}

impl Refusal {
    /// A word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReasonMissing => "reason_missing",
            Self::TooLong => "too_long",
            Self::Rollout(refusal) => refusal.code(),
            Self::StateLocked => "state_locked",
            Self::NotSaved { .. } => "not_saved",
            Self::StateFailing { .. } => "state_failing",
            Self::StateUnread => "state_unread",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Refusal {
    /// What is the matter and what to do instead.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReasonMissing => {
                f.write_str("A reason is required: say why, with `--reason` or as `reason`.")
            }
            Self::TooLong => write!(
                f,
                "The reason may have {REASON_CHARS} characters and the actor {ACTOR_CHARS}: say \
                 it in fewer, and give a link to the rest."
            ),
            Self::Rollout(refusal) => write!(f, "{refusal}."),
            Self::StateLocked => f.write_str(
                "Another crossfade process owns the state file; this one sends nothing to \
                 Bedrock. Give the command to that one.",
            ),
            Self::NotSaved { problem } => write!(
                f,
                "In force in memory, but the state file cannot be written ({problem}): a \
                 restart would forget it. It is tried again every second; free or mount the \
                 volume."
            ),
            Self::StateFailing { problem } => write!(
                f,
                "The state file cannot be written ({problem}), and nothing goes to Bedrock until \
                 it can. It is tried again every second; repeat the command then."
            ),
            Self::StateUnread => f.write_str(
                "The state file has not been read yet, and nothing goes to Bedrock until it is; \
                 repeat the command then.",
            ),
            Self::Stopping => f.write_str(
                "The process is stopping; nothing goes to Bedrock. Repeat the command when it, or \
                 the one after it, runs.",
            ),
        }
    }
}

/// How `admin`, `app` and `cli` talk to the controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    changes: watch_channel::Receiver<()>,
}

/// What travels over a [`Handle`].
#[derive(Debug)]
enum Request {
    Command(Command, oneshot::Sender<Result<Applied, Refusal>>),
    Drain(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

impl Handle {
    /// Gives a command and waits until it is in force and on disk.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why nothing was done, or that it could not be written.
    pub async fn command(&self, command: Command) -> Result<Applied, Refusal> {
        if command.reason.trim().is_empty() {
            return Err(Refusal::ReasonMissing);
        }
        if command.reason.chars().count() > REASON_CHARS
            || command.actor.chars().count() > ACTOR_CHARS
        {
            return Err(Refusal::TooLong);
        }
        let (reply, answer) = oneshot::channel();
        let request = Request::Command(command, reply);
        self.requests
            .send(request)
            .await
            .map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Holds the share at 0 from now on. Bookings of what still runs are judged as before.
    pub async fn drain(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Drain(reply)).await.is_ok() {
            // An error says that the task is gone: then nothing is left to hold.
            let _ = done.await;
        }
    }

    /// Ends the task when everything that waits in its queues is dealt with and written.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// What is in force now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Notices every publication: for who waits for something to be in force.
    pub fn changes(&self) -> watch_channel::Receiver<()> {
        self.changes.clone()
    }

    /// Where what is in force is published: for the data path.
    pub fn shared(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }
}
