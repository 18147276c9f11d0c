//! The journal: what happened to the rollout, in order, for whoever asks later.
//!
//! One JSON line for each transition and each act of a person, the human sentence first, appended
//! and fsynced beside the state file ([`mod@file`]). A task of its own keeps it, so that a disk that
//! is full or slow delays neither the controller nor a rollback: what cannot be written waits in a
//! bounded queue and is tried again every second, visible in status and metrics. Lines go on to
//! `notify` when they are written, or when writing them has failed once.
//!
//! Nothing is written before the state file is known to be there: a journal without a state file
//! is the sign that a rollback was lost. When it is there, the journal is compared with it: if the
//! process ended between the two, the line that is missing is made from the state, with the id
//! that it would have had. So a rollback has exactly one line and one id, whatever ends the
//! process.

use crate::clock::unix_ms;
use crate::rollout::Record;
use crate::snapshot::{Board, Happened, Side};
use crate::state::StateError;
use crate::telemetry::events::Control;
use crate::telemetry::events::notices::Notice;
use crate::telemetry::metrics::Metrics;
use file::{Ended, Journal};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub mod file;
mod line;

#[cfg(test)]
mod tests;

pub use line::{Context, Draft, Line, Stands};

/// Messages that wait for the task; transitions are rare.
const QUEUE: usize = 1_024;

/// Lines that wait for a failing disk; beyond it the oldest is lost and counted.
const PENDING_MAX: usize = 1_000;

/// How soon a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long `notify` may take to make itself ready.
const READY: Duration = Duration::from_secs(5);

/// How the controller tells what happened. Cheap to clone; the task ends with the last one.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    stands: Arc<OnceLock<()>>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

/// What travels over a [`Handle`].
#[derive(Debug)]
enum Message {
    Note(Box<Draft>),
    Standing(Box<Record>, Arc<str>),
}

/// What `notify` is told.
#[derive(Debug)]
pub enum Post {
    /// The journal is open: what it holds, oldest first. What is not in it yet comes as lines.
    Open {
        /// What names this journal among others.
        journal: Arc<str>,
        /// Its lines.
        lines: Vec<Arc<Line>>,
        /// To be told when it is on disk who has been told how much: nothing is appended before,
        /// or a crash could leave a line that nobody is ever told.
        ready: oneshot::Sender<()>,
    },
    /// A line that is new.
    New(Arc<Line>),
}

/// A journal in the tests of others: nobody is told what is in it.
#[cfg(test)]
pub(crate) fn untold(state: PathBuf, metrics: &Arc<Metrics>) -> Handle {
    let (posts, _) = mpsc::channel(1);
    start(
        state,
        "t".to_owned(),
        Arc::clone(metrics),
        Arc::default(),
        posts,
    )
    .0
}

/// Starts the task. `state` is the state file, `by` who runs this process; lines go to `posts`. Must be called inside a
/// runtime.
pub fn start(
    state: PathBuf,
    by: String,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    posts: mpsc::Sender<Post>,
) -> (Handle, JoinHandle<()>) {
    let (messages, told) = mpsc::channel(QUEUE);
    let handle = Handle {
        messages,
        stands: Arc::default(),
        metrics: Arc::clone(&metrics),
        board: Arc::clone(&board),
    };
    let keeper = Keeper {
        state,
        by,
        journal: None,
        standing: None,
        drafts: VecDeque::new(),
        unwritten: VecDeque::new(),
        metrics,
        board,
        posts,
    };
    (handle, tokio::spawn(keeper.run(told)))
}

impl Handle {
    /// Something happened. Never waits.
    pub fn note(&self, control: &Control<'_>, context: Context<'_>) {
        if let Some(draft) = Draft::of(control, context, unix_ms()) {
            self.send(Message::Note(Box::new(draft)));
        }
    }

    /// The state file holds `record`: what was noted may be written, and what is missing is
    /// recovered from it. Never waits; only the first time counts.
    pub fn standing(&self, record: &Record, config_hash: &str) {
        if self.stands.set(()).is_ok() {
            let hash = Arc::from(config_hash);
            self.send(Message::Standing(Box::new(record.clone()), hash));
        }
    }

    /// What the journal and the messenger say of themselves.
    pub fn side(&self) -> Side {
        self.board.side()
    }

    fn send(&self, message: Message) {
        // A full queue: the task waits for a disk that hangs, and a thousand things happened.
        if self.messages.try_send(message).is_err() {
            self.metrics.journal_lost(1);
        }
    }
}

/// The task.
struct Keeper {
    state: PathBuf,
    by: String,
    /// Open once the state file is known to be there.
    journal: Option<Arc<Mutex<Journal>>>,
    /// What the state file held then, until it was compared.
    standing: Option<(Box<Record>, Arc<str>)>,
    /// What has no number yet.
    drafts: VecDeque<Box<Draft>>,
    /// What has one, and is not on disk.
    unwritten: VecDeque<Arc<Line>>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    posts: mpsc::Sender<Post>,
}

impl Keeper {
    async fn run(mut self, mut told: mpsc::Receiver<Message>) {
        loop {
            let waits = self.standing.is_some() || !self.unwritten.is_empty();
            let message = tokio::select! {
                message = told.recv() => message,
                () = tokio::time::sleep(RETRY), if waits => {
                    self.settle().await;
                    continue;
                }
            };
            match message {
                Some(Message::Note(draft)) => self.note(draft),
                Some(Message::Standing(record, hash)) => self.standing = Some((record, hash)),
                None => break,
            }
            while let Ok(message) = told.try_recv() {
                match message {
                    Message::Note(draft) => self.note(draft),
                    Message::Standing(record, hash) => self.standing = Some((record, hash)),
                }
            }
            self.settle().await;
        }
        self.settle().await;
    }

    fn note(&mut self, draft: Box<Draft>) {
        if self.drafts.len() >= PENDING_MAX {
            self.drafts.pop_front();
            self.metrics.journal_lost(1);
        }
        self.drafts.push_back(draft);
    }

    /// Opens the journal when it may be, and writes what waits.
    async fn settle(&mut self) {
        if self.journal.is_none() && self.standing.is_some() {
            self.open().await;
        }
        let Some(journal) = &self.journal else {
            return;
        };
        let mut fresh = Vec::new();
        {
            let mut journal = lock(journal);
            for mut draft in self.drafts.drain(..) {
                if let Some((record, _)) = &self.standing {
                    draft.resumes(record, &self.by);
                }
                fresh.extend(journal.number(*draft).map(Arc::new));
            }
            if let Some((record, hash)) = self.standing.take()
                && let Some(missing) = journal.missing(&record, &hash)
            {
                fresh.extend(journal.number(missing).map(Arc::new));
            }
        }
        self.unwritten.extend(fresh.iter().cloned());
        self.board.happened(fresh.iter().map(|line| happened(line)));
        self.write().await;
        while self.unwritten.len() > PENDING_MAX {
            self.unwritten.pop_front();
            self.metrics.journal_lost(1);
        }
        for line in fresh {
            // `notify` is gone only when the process ends.
            let _ = self.posts.send(Post::New(line)).await;
        }
    }

    async fn open(&mut self) {
        let path = self.state.clone();
        let opened = blocking(move || Journal::open(&path)).await;
        match opened {
            Ok((journal, lines, ended)) => {
                self.board.happened(lines.iter().map(happened));
                let (ready, is_ready) = oneshot::channel();
                let post = Post::Open {
                    journal: journal.name(),
                    lines: lines.into_iter().map(Arc::new).collect(),
                    ready,
                };
                self.journal = Some(Arc::new(Mutex::new(journal)));
                if ended == Ended::Torn {
                    let context = Context::NONE;
                    self.drafts
                        .push_front(Box::new(Draft::mended(context, unix_ms())));
                }
                // `notify` is gone only when the process ends.
                let _ = self.posts.send(post).await;
                // A disk that hangs is found out by the append itself.
                let _ = tokio::time::timeout(READY, is_ready).await;
            }
            Err(why) => self.failed(why),
        }
    }

    /// Writes what waits, all of it with one fsync.
    async fn write(&mut self) {
        if self.unwritten.is_empty() {
            return self.works();
        }
        let Some(journal) = self.journal.clone() else {
            return;
        };
        let lines: Vec<_> = self.unwritten.iter().cloned().collect();
        let job = tokio::task::spawn_blocking(move || lock(&journal).append(&lines));
        let (appended, result) = match job.await {
            Ok((appended, result)) => (appended, result.map_err(|error| error.to_string())),
            Err(error) => (0, Err(error.to_string())),
        };
        self.unwritten.drain(..appended.min(self.unwritten.len()));
        match result {
            Ok(()) => self.works(),
            Err(why) => self.failed(why),
        }
    }

    /// It is open, and nothing waits to be written.
    fn works(&self) {
        self.metrics.journal_healthy(true);
        if self.board.side().journal_problem.is_some() {
            Notice::JournalHealed.emit();
        }
        self.board.journal(None);
    }

    fn failed(&self, why: String) {
        self.metrics.journal_healthy(false);
        if self.board.side().journal_problem.is_none() {
            Notice::JournalFailing { why: &why }.emit();
        }
        self.board.journal(Some(why));
    }
}

/// What is shown of a line.
fn happened(line: &Line) -> Happened {
    Happened {
        at_unix_ms: line.at_unix_ms,
        event: line.event.clone(),
        sentence: line.sentence.clone(),
    }
}

/// The journal; nobody else has it while it is written.
fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what waits for the disk on the blocking pool.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
