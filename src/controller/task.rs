//! The task: what it does with each thing that comes in, and the order of effect, disk, report.

use super::gate::Gate;
use super::saved::{Done, Ownership};
use super::standing::{State, Stopping, Waiting, plan};
use super::{Applied, Command, Refusal, Request, Verb};
use crate::clock::{Beat, RuleClock, Ticker, unix_ms};
use crate::config::watch::Event;
use crate::journal;
use crate::outcome::{Attempt, Booking};
use crate::rollout::{self, GateAnswer, Input, Machine, QuestionId, Record, Transition};
use crate::snapshot::{Hold, Snapshot};
use crate::state::Found;
use crate::telemetry::events::Control;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Interval;

/// The owner of the rollout.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) clock: RuleClock,
    pub(super) ticker: Ticker,
    pub(super) metrics: Arc<Metrics>,
    pub(super) journal: journal::Handle,
    pub(super) out: Arc<ArcSwap<Snapshot>>,
    /// Wakes who waits for a publication.
    pub(super) published: watch::Sender<()>,
    pub(super) bookings: mpsc::Receiver<Booking>,
    /// When bookings are taken in between two ticks: waking for each would cost a call more than
    /// its booking does.
    pub(super) sweep: Interval,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) updates: mpsc::Receiver<Event>,
    pub(super) gate: Gate,
    pub(super) state: State,
}

/// One thing that came in.
#[derive(Debug)]
enum Came {
    Done(Done),
    Request(Option<Request>),
    Update(Event),
    Answer(QuestionId, GateAnswer),
    Beat(Beat),
    Sweep,
}

impl Task {
    /// Runs until it is asked to stop.
    pub(super) async fn run(mut self) {
        self.settle(true);
        loop {
            let state = &mut self.state;
            if state.stopping.is_some() && !state.saved.busy() {
                break;
            }
            // In this order, so that a flood of bookings cannot keep a command or a tick waiting.
            let came = tokio::select! {
                biased;
                done = state.saved.done() => Came::Done(done),
                request = self.requests.recv(), if state.stopping.is_none() => {
                    Came::Request(request)
                }
                Some(event) = self.updates.recv() => Came::Update(event),
                Some((question, answer)) = self.gate.answers.recv() => {
                    Came::Answer(question, answer)
                }
                beat = self.ticker.beat() => Came::Beat(beat),
                _ = self.sweep.tick() => Came::Sweep,
            };
            self.take(came);
        }
        let stopping = self.state.stopping.take();
        // The lock goes before the answer, so that whoever waits for it can start the next process.
        drop(self);
        if let Some(Stopping(Some(reply))) = stopping {
            // Nobody may be waiting any more.
            let _ = reply.send(());
        }
    }

    fn take(&mut self, came: Came) {
        match came {
            Came::Done(done) => {
                // What somebody deleted is written again at once; what failed waits for a beat.
                let spoilt = matches!(done, Done::Spoilt(_));
                if spoilt {
                    self.metrics.state_file_restored();
                }
                self.job_done(done);
                self.settle(spoilt);
            }
            Came::Request(Some(Request::Command(command, reply))) => {
                self.command(command, reply);
                self.settle(true);
            }
            Came::Request(Some(Request::Drain(reply))) => {
                self.hold(Hold::Draining, true);
                self.settle(false);
                // Nobody may be waiting any more.
                let _ = reply.send(());
            }
            Came::Request(Some(Request::Stop(reply))) => self.stop(Some(reply)),
            Came::Request(None) => self.stop(None),
            Came::Update(event) => {
                self.update(event);
                self.settle(true);
            }
            Came::Answer(question, answer) => {
                self.input(Input::Gate { question, answer });
                self.settle(true);
            }
            Came::Beat(beat) => {
                self.beat(beat);
                self.settle(true);
            }
            Came::Sweep => {
                if self.sweep() {
                    self.settle(true);
                }
            }
        }
    }

    /// Gives the machine one input; what must be on disk first waits, the rest is reported.
    /// Tells whether anything changed.
    pub(super) fn input(&mut self, input: Input) -> bool {
        let transitions = self.state.machine.handle(input, self.clock.now());
        let changed = !transitions.is_empty();
        for transition in transitions {
            self.file(transition);
        }
        changed
    }

    fn file(&mut self, transition: Transition) {
        if transition.persist() {
            self.state.unreported.push(transition);
        } else {
            self.tell(Control::Transition(&transition));
        }
    }

    /// Reports what happened, and has it remembered.
    pub(super) fn tell(&self, control: Control<'_>) {
        control.emit(&self.metrics);
        let state = &self.state;
        let context = journal::Context {
            attempt: state.machine.attempt(),
            percent: state.effective(),
            config_hash: &state.files.hash,
        };
        self.journal.note(&control, context);
    }

    /// Takes in the bookings that wait; tells whether anything changed.
    fn sweep(&mut self) -> bool {
        let mut changed = false;
        let waiting = self.bookings.len();
        self.metrics.bookings_waiting(waiting);
        for _ in 0..waiting {
            let Ok(booking) = self.bookings.try_recv() else {
                break;
            };
            changed |= self.input(Input::Booking(booking));
        }
        changed
    }

    /// A second has passed. What was booked before a tick of the rules is judged by it.
    fn beat(&mut self, beat: Beat) {
        if beat.rules {
            self.sweep();
            let (unix_ms, held) = (unix_ms(), self.state.held());
            self.input(Input::Tick { unix_ms, held });
            self.ask_gate();
            self.state.saved.look();
        }
        self.state.beats.push(beat);
    }

    fn stop(&mut self, reply: Option<oneshot::Sender<()>>) {
        self.sweep();
        self.state.stopping = Some(Stopping(reply));
        self.settle(true);
    }

    fn command(&mut self, command: Command, reply: oneshot::Sender<Result<Applied, Refusal>>) {
        let Command {
            verb,
            reason,
            actor,
        } = command;
        if let Some(refusal) = self.state.refuses(verb) {
            return self.refuse(verb, &actor, refusal, reply);
        }
        let at_unix_ms = unix_ms();
        let asked_by = actor.clone();
        let command = match verb {
            Verb::Rollback => rollout::Command::Rollback {
                reason,
                actor,
                at_unix_ms,
            },
            Verb::Rearm => rollout::Command::Rearm {
                reason,
                actor,
                at_unix_ms,
            },
            Verb::Pause => rollout::Command::Pause {
                reason,
                actor,
                at_unix_ms,
            },
            Verb::Resume => rollout::Command::Resume {
                reason,
                actor,
                at_unix_ms,
            },
            Verb::Advance { force } => rollout::Command::Advance {
                reason,
                actor,
                at_unix_ms,
                force,
            },
        };
        let transitions = self
            .state
            .machine
            .handle(Input::Command(command), self.clock.now());
        let mut message = String::new();
        let mut changed = false;
        for transition in transitions {
            if let Transition::Refused(refusal) = transition {
                return self.refuse(verb, &asked_by, Refusal::Rollout(refusal), reply);
            }
            message = transition.sentence();
            changed |= transition.persist();
            self.file(transition);
        }
        self.state.waiting.push(Waiting {
            message,
            changed,
            reply,
        });
    }

    fn refuse(
        &self,
        verb: Verb,
        actor: &str,
        refusal: Refusal,
        reply: oneshot::Sender<Result<Applied, Refusal>>,
    ) {
        let why = refusal.to_string();
        self.tell(Control::CommandRefused {
            command: verb.name(),
            actor,
            why: &why,
        });
        // The person may have gone away.
        let _ = reply.send(Err(refusal));
    }

    /// Puts a hold in force or ends it, and reports the change.
    pub(super) fn hold(&mut self, hold: Hold, on: bool) {
        if self.state.holds.set(hold, on) {
            self.tell(Control::Hold { hold, on });
        }
    }

    fn job_done(&mut self, done: Done) {
        if let Some((found, known)) = self.state.saved.note(done) {
            self.first_read(found, known);
        }
        let problem = self.state.saved.problem();
        if problem != self.state.alarm.as_deref() {
            match problem {
                Some(problem) => {
                    let unsaved = self.state.unsaved();
                    self.tell(Control::StateFailing {
                        problem,
                        unsaved: unsaved.as_deref(),
                    });
                }
                None => self.tell(Control::StateHealed),
            }
            self.state.alarm = problem.map(str::to_owned);
        }
    }

    /// The lock was won, and this is what the state file says. Nothing went to Bedrock before, so
    /// the machine starts anew with it; only a rollback by hand is more than the file knows. `known`
    /// is the last attempt that something else remembers: no number is given twice.
    fn first_read(&mut self, found: Found, known: Option<Attempt>) {
        let attempt = Attempt(self.state.config.rollout.attempt);
        let record = match found {
            Found::Record(record) => record,
            Found::FirstStart => Record::first(attempt),
            Found::Tripped(tripped) => {
                let attempt = known.map_or(attempt, |known| known.max(attempt));
                let record = Record::lost(attempt, &tripped.to_string(), unix_ms());
                if let Some(rollback) = record.rollback() {
                    self.metrics.rollback(rollback.rule);
                }
                record
            }
        };
        if let Some(rollback) = record.rollback() {
            Control::StillRolledBack {
                sentence: &rollback.sentence,
            }
            .emit(&self.metrics);
        }
        self.state.reported = Some(record.clone());
        if self.state.machine.latched() {
            self.input(Input::Record(record));
        } else {
            // What was said of the machine that stood in for this one is void.
            self.state.unreported.clear();
            let plan = plan(&self.state.config);
            self.state.machine = Machine::new(plan, record, self.clock.now());
            // A higher attempt in the configuration acts at the first input.
            let (unix_ms, held) = (unix_ms(), true);
            self.input(Input::Tick { unix_ms, held });
        }
    }

    /// Puts in force what lowers the share, starts what must be written, reports what is written.
    fn settle(&mut self, retry: bool) {
        let (ownership, written, latched) = {
            let State { saved, machine, .. } = &self.state;
            let record = machine.record();
            (
                saved.ownership(),
                saved.holds(record),
                saved.holds_latch(record),
            )
        };
        self.hold(Hold::StateLocked, ownership == Ownership::Theirs);
        // Not reported as it comes and goes with every write; a failing one is an alarm.
        self.state
            .holds
            .set(Hold::StateWrite, ownership != Ownership::Theirs && !latched);
        self.publish();
        if written {
            self.report();
        }
        let state = &mut self.state;
        state.saved.start(state.machine.record(), retry);
        if !state.saved.busy() {
            state.give_up_waiting();
        }
        if !state.saved.busy() {
            state.beats.clear();
        }
    }

    /// The record is on disk: what waited for that is reported.
    fn report(&mut self) {
        for transition in std::mem::take(&mut self.state.unreported) {
            self.tell(Control::Transition(&transition));
        }
        let state = &mut self.state;
        self.journal
            .standing(state.machine.record(), &state.files.hash);
        state.reported = Some(state.machine.record().clone());
        let (percent, attempt) = (state.effective(), state.machine.attempt());
        for Waiting {
            message,
            changed,
            reply,
        } in state.waiting.drain(..)
        {
            // The person may have gone away.
            let _ = reply.send(Ok(Applied {
                message,
                changed,
                percent,
                attempt,
            }));
        }
    }

    fn publish(&mut self) {
        let state = &mut self.state;
        let percent = state.effective();
        let share = self.metrics.share();
        if percent != self.out.load().percent || state.files.percent_since_unix_ms == 0 {
            state.files.percent_since_unix_ms = unix_ms();
            state.share_before = share;
        }
        state.in_force = percent;
        state.files.share = share.since(state.share_before);
        state.files.state_problem = state.saved.problem().map(str::to_owned);
        state.files.unsaved = state.unsaved();
        state.files.side = self.journal.side();
        let snapshot = state.snapshot(self.clock.now());
        self.metrics.snapshot(&snapshot);
        self.out.store(Arc::new(snapshot));
        self.published.send_replace(());
    }
}
