//! Tells people and programs what happened: webhooks and Slack, from a durable outbox.
//!
//! The journal is the outbox: each destination of `notify` has a place in it (`outbox`), and is
//! told what comes after, line by line, in order. A try that fails is repeated, later each time
//! ([`backoff`]), over restarts too; after a day, or when the receiver refuses the event itself, a
//! line is given up and counted. An event keeps its id, so whoever is told twice (after a crash
//! between the answer and the note of it) can tell.
//!
//! One task does all of it, beside the calls and the controller; it waits for nobody but the
//! receivers, and nobody waits for it. What is sent and how is in [`send`].

use crate::clock::{io_now, unix_ms};
use crate::config::Config;
use crate::config::notify::Notify;
use crate::journal::{Line, Post};
use crate::snapshot::{self, Board, Snapshot};
use crate::telemetry::events::notices::Notice;
use crate::telemetry::metrics::Metrics;
use crate::upstream::post;
use crate::upstream::transport::Transport;
use arc_swap::ArcSwap;
use outbox::Outbox;
use send::Failed;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

mod outbox;
mod send;

#[cfg(test)]
mod tests;

/// How often the configuration and what is due are looked at.
const BEAT: Duration = Duration::from_secs(1);

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// An event is given up when it is this old.
const AGE_MAX: Duration = Duration::from_secs(86_400);

/// Events that wait for one destination; beyond it the oldest is given up.
const QUEUE_MAX: usize = 1_000;

/// How long the end of the process lets tries run that are due.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// What the messenger is given.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Where the configuration in force is.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// The file that remembers who was told what.
    pub(crate) outbox: PathBuf,
    /// The journal.
    pub(crate) posts: mpsc::Receiver<Post>,
    /// Where it is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Where it is shown.
    pub(crate) board: Arc<Board>,
}

/// Tells until the journal ends, and what is due for two seconds more.
pub(crate) async fn run(setup: Setup) {
    let Setup {
        snapshot,
        outbox,
        mut posts,
        metrics,
        board,
    } = setup;
    let mut messenger = Messenger {
        transport: Transport::new(CONNECT),
        config: None,
        journal: None,
        last_seq: 0,
        outbox: Outbox::at(outbox),
        destinations: Vec::new(),
        sending: JoinSet::new(),
        metrics,
        board,
    };
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        messenger.follow(&snapshot.load().config).await;
        messenger.launch();
        messenger.show();
        tokio::select! {
            post = posts.recv() => match post {
                Some(post) => messenger.take(post).await,
                None => break,
            },
            Some(done) = messenger.sending.join_next() => messenger.done(done).await,
            _ = beat.tick() => {}
        }
    }
    // What is not told by then is told after the next start.
    let _ = tokio::time::timeout(LAST_TRIES, messenger.finish()).await;
}

/// The task.
struct Messenger {
    transport: Transport,
    /// The configuration that the destinations are of.
    config: Option<Arc<Config>>,
    /// The journal's name, when it is open.
    journal: Option<Arc<str>>,
    last_seq: u64,
    outbox: Outbox,
    destinations: Vec<Destination>,
    sending: JoinSet<Done>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

/// One destination and what it has not been told.
#[derive(Debug)]
struct Destination {
    /// What its place in the outbox is kept under.
    key: String,
    to: Arc<Notify>,
    queue: VecDeque<Arc<Line>>,
    failed_tries: u32,
    next_try: Instant,
    busy: bool,
    problem: Option<String>,
}

/// What a try came to.
#[derive(Debug)]
struct Done {
    key: String,
    seq: u64,
    result: Result<(), Failed>,
}

impl Messenger {
    /// Takes what the journal says.
    async fn take(&mut self, post: Post) {
        match post {
            Post::Open {
                journal,
                lines,
                ready,
            } => {
                self.last_seq = lines.last().map_or(0, |line| line.seq);
                self.outbox.load(&journal).await;
                self.journal = Some(journal);
                for at in 0..self.destinations.len() {
                    self.begin(at);
                }
                for line in &lines {
                    self.offer(line);
                }
                self.save().await;
                // The journal may have stopped waiting.
                let _ = ready.send(());
            }
            Post::New(line) => {
                self.last_seq = line.seq;
                self.offer(&line);
            }
        }
    }

    /// Follows the configuration in force.
    async fn follow(&mut self, config: &Arc<Config>) {
        if self
            .config
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, config))
        {
            return;
        }
        self.config = Some(Arc::clone(config));
        let mut before = std::mem::take(&mut self.destinations);
        for to in &config.notify {
            let key = outbox::key(to);
            let known = before.iter().position(|known| known.key == key);
            match known.map(|at| before.swap_remove(at)) {
                Some(known) => self.destinations.push(Destination {
                    to: Arc::new(to.clone()),
                    ..known
                }),
                None => {
                    self.destinations.push(Destination {
                        key,
                        to: Arc::new(to.clone()),
                        queue: VecDeque::new(),
                        failed_tries: 0,
                        next_try: io_now(),
                        busy: false,
                        problem: None,
                    });
                    self.begin(self.destinations.len() - 1);
                }
            }
        }
        if self.journal.is_some() {
            let keys = self.destinations.iter().map(|it| it.key.as_str());
            self.outbox.keep_only(keys);
            self.save().await;
        }
    }

    /// A destination without a place begins behind what has happened.
    fn begin(&mut self, at: usize) {
        if let (Some(_), Some(destination)) = (&self.journal, self.destinations.get(at)) {
            self.outbox.begin(&destination.key, self.last_seq);
        }
    }

    /// Queues a line for whoever is to be told and was not.
    fn offer(&mut self, line: &Arc<Line>) {
        let kind = line.kind();
        for destination in &mut self.destinations {
            if self.outbox.told(&destination.key) >= line.seq {
                continue;
            }
            if kind.is_some_and(|kind| destination.to.events.contains(&kind)) {
                destination.queue.push_back(Arc::clone(line));
            } else if destination.queue.is_empty() {
                self.outbox.note(&destination.key, line.seq);
            }
            if destination.queue.len() > QUEUE_MAX {
                // The one that is being sent is at the front.
                let oldest = usize::from(destination.busy);
                destination.queue.remove(oldest);
                self.metrics.notify_dropped();
            }
        }
    }

    /// Starts every try that is due.
    fn launch(&mut self) {
        let (now, now_ms) = (io_now(), unix_ms());
        for destination in &mut self.destinations {
            if destination.busy || destination.next_try > now {
                continue;
            }
            let old = |line: &Line| {
                u128::from(now_ms.saturating_sub(line.at_unix_ms)) > AGE_MAX.as_millis()
            };
            while let Some(line) = destination.queue.pop_front_if(|line| old(line)) {
                self.outbox.note(&destination.key, line.seq);
                self.metrics.notify_dropped();
                let to = destination.to.to_string();
                Notice::Dropped {
                    to: &to,
                    id: &line.id,
                    why: "it is a day old",
                }
                .emit();
            }
            let Some(line) = destination.queue.front().map(Arc::clone) else {
                continue;
            };
            destination.busy = true;
            let (transport, to) = (self.transport.clone(), Arc::clone(&destination.to));
            let key = destination.key.clone();
            self.sending.spawn(async move {
                let result = send::send(&transport, &to, &line).await;
                Done {
                    key,
                    seq: line.seq,
                    result,
                }
            });
        }
    }

    async fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Ok(Done { key, seq, result }) = done else {
            // It panicked, which is logged. Whose it was is not known: all may be tried again.
            self.destinations.iter_mut().for_each(|it| it.busy = false);
            return;
        };
        // It may have left the configuration meanwhile.
        let Some(destination) = self.destinations.iter_mut().find(|it| it.key == key) else {
            return;
        };
        destination.busy = false;
        let told = match &result {
            Ok(()) => {
                self.metrics.notify_sent();
                destination.healed();
                true
            }
            Err(failed) => {
                self.metrics.notify_failure();
                destination.failed(failed);
                failed.refused
            }
        };
        if !told {
            return;
        }
        if let Some(line) = destination.queue.pop_front_if(|line| line.seq == seq)
            && let Err(failed) = &result
        {
            self.metrics.notify_dropped();
            let to = destination.to.to_string();
            Notice::Dropped {
                to: &to,
                id: &line.id,
                why: &failed.why,
            }
            .emit();
            // The next event may be to its taste.
            destination.next_try = io_now();
        }
        self.outbox.note(&key, seq);
        self.save().await;
    }

    /// Lets what is due be told.
    async fn finish(&mut self) {
        loop {
            self.launch();
            match self.sending.join_next().await {
                Some(done) => self.done(done).await,
                None => return,
            }
        }
    }

    async fn save(&mut self) {
        if let Some(journal) = &self.journal
            && let Err(why) = self.outbox.save(journal).await
        {
            // At worst somebody is told again after a restart, under the same id.
            Notice::OutboxFailing { why: &why }.emit();
        }
    }

    fn show(&self) {
        let waiting = self.destinations.iter().map(|it| it.queue.len()).sum();
        self.metrics.notify_waiting(waiting);
        let shown = self.destinations.iter().map(|it| snapshot::Messenger {
            to: it.to.to_string(),
            waiting: it.queue.len(),
            failed_tries: it.failed_tries,
            problem: it.problem.clone(),
        });
        self.board.notify(shown.collect());
    }
}

impl Destination {
    fn healed(&mut self) {
        if self.problem.take().is_some() {
            Notice::Healed {
                to: &self.to.to_string(),
            }
            .emit();
        }
        self.failed_tries = 0;
        self.next_try = io_now();
    }

    fn failed(&mut self, failed: &Failed) {
        if self.problem.as_ref() != Some(&failed.why) {
            let to = self.to.to_string();
            Notice::Failing {
                to: &to,
                why: &failed.why,
            }
            .emit();
        }
        self.problem = Some(failed.why.clone());
        self.failed_tries = self.failed_tries.saturating_add(1);
        self.next_try = io_now() + backoff(self.failed_tries);
    }
}

/// How long to wait after so many failures in a row: 1 s, 2 s, 4 s and so on up to 5 min.
fn backoff(failed_tries: u32) -> Duration {
    post::backoff(failed_tries, BACKOFF_MAX)
}
