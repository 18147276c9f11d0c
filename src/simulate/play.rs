//! A play: the real machine on a clock that jumps from one thing to the next.
//!
//! Calls are told in the order in which they begin; what follows of each (first token, end) waits
//! in a heap until its time comes. The rules are ticked at every edge of their clock, before what
//! happens at that moment, as the controller does. Nothing else is told to the machine, so what it
//! decides is what it would have decided.

use super::due::{Due, What};
use super::happened::{Change, Clock, Finding, Seen, Trip};
use super::onset::{self, Onset, Signal};
use super::series::Series;
use super::trace::Call;
use crate::clock::TICK_MS;
use crate::outcome::{Arm, Attempt, Booking, CallEvent, CallId, RuleTime, Verdict};
use crate::rollout::{Command, GateAnswer, Input, Machine, Plan, Question, Record};
use crate::split::Percent;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

mod notes;

/// A machine and what became of it.
#[derive(Debug)]
pub(crate) struct Play {
    plan: Plan,
    machine: Machine,
    now_ms: u64,
    next_tick_ms: u64,
    due: BinaryHeap<Reverse<Due>>,
    told: u64,
    seen: Seen,
    changes: Vec<Change>,
    findings: Vec<Finding>,
    clocks: Vec<Clock>,
    /// Whether the manual gate is waited for.
    gate_waits: bool,
    /// Which of them run.
    running: Vec<usize>,
    onset: Onset,
    series: Option<Series>,
}

impl Play {
    /// Begins at `first_ms`, armed, as a first start does.
    pub(crate) fn new(plan: Plan, first_ms: u64) -> Self {
        let record = Record::first(plan.attempt);
        let machine = Machine::new(plan.clone(), record, RuleTime(first_ms));
        Self {
            plan,
            machine,
            now_ms: first_ms,
            next_tick_ms: (first_ms / TICK_MS + 1) * TICK_MS,
            due: BinaryHeap::new(),
            told: 0,
            seen: Seen::default(),
            changes: Vec::new(),
            findings: Vec::new(),
            clocks: Vec::new(),
            gate_waits: false,
            running: Vec::new(),
            onset: Onset::default(),
            series: None,
        }
    }

    /// As [`Play::new`], and keeps what a picture needs.
    pub(crate) fn drawn(plan: Plan, first_ms: u64) -> Self {
        let series = Some(Series::new(first_ms));
        Self {
            series,
            ..Self::new(plan, first_ms)
        }
    }

    /// A call begins; none may be told that began before an earlier one.
    pub(crate) fn call(&mut self, call: &Call) {
        self.run_to(call.at_ms);
        self.told += 1;
        match call.arm {
            Arm::Original => self.ask_original(call),
            Arm::Bedrock if self.machine.latched() => {
                self.seen.stayed += 1;
                if let Verdict::Failure(_) = call.verdict {
                    self.seen.spared += 1;
                }
            }
            Arm::Bedrock => self.ask_bedrock(call),
        }
    }

    /// Moves the clock to `to_ms`, through all that happens on the way.
    pub(crate) fn run_to(&mut self, to_ms: u64) {
        loop {
            let due_ms = self.due.peek().map(|Reverse(due)| due.at_ms);
            match due_ms {
                Some(due_ms) if due_ms < self.next_tick_ms => {
                    if due_ms > to_ms {
                        break;
                    }
                    if let Some(Reverse(due)) = self.due.pop() {
                        self.now_ms = due.at_ms;
                        self.book(due);
                    }
                }
                Some(_) | None => {
                    if self.next_tick_ms > to_ms {
                        break;
                    }
                    self.now_ms = self.next_tick_ms;
                    self.next_tick_ms += TICK_MS;
                    self.tick();
                }
            }
        }
        self.now_ms = self.now_ms.max(to_ms);
    }

    /// Lets all calls end, and the rules look at what they came to.
    pub(crate) fn finish(&mut self) {
        while let Some(Reverse(due)) = self.due.peek() {
            let at_ms = due.at_ms;
            self.run_to(at_ms);
        }
        self.run_to(self.next_tick_ms);
    }

    /// Re-arms at once after a trip, so that the next one is seen too.
    pub(crate) fn rearm(&mut self) {
        self.input(Input::Command(Command::Rearm {
            reason: "simulated".to_owned(),
            actor: "simulate".to_owned(),
            at_unix_ms: self.now_ms,
        }));
    }

    /// Forgets the changes and clocks so far, so that they do not fill the memory.
    pub(crate) fn forget(&mut self) {
        self.changes.clear();
        self.findings.clear();
        if self.running.is_empty() {
            self.clocks.clear();
        }
    }

    /// Bedrock calls that failed from `since_ms` on, within the last hours.
    pub(crate) fn failed_since(&self, since_ms: u64) -> u64 {
        self.onset.bad_since(Signal::Failures, since_ms)
    }

    /// The share in force.
    pub(crate) fn percent(&self) -> Percent {
        self.machine.percent()
    }

    /// What the play came to, in milliseconds.
    pub(crate) const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The rollout as configured.
    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many calls were told.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// What the app would have seen.
    pub(crate) const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Every change of the share or of the state, in order.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What rules found besides, in order.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Every run of a breach clock, in the order of their starts.
    pub(crate) fn clocks(&self) -> &[Clock] {
        &self.clocks
    }

    /// What a picture needs, if it was asked for.
    pub(crate) const fn series(&self) -> Option<&Series> {
        self.series.as_ref()
    }

    /// The first rollback, if there was one.
    pub(crate) fn trip(&self) -> Option<(&Change, &Trip)> {
        self.changes
            .iter()
            .find_map(|change| change.trip.as_ref().map(|trip| (change, trip)))
    }

    fn ask_original(&mut self, call: &Call) {
        self.seen.original += 1;
        if let Verdict::Failure(_) = call.verdict {
            self.seen.original_failed += 1;
        }
        self.later(
            call,
            call.at_ms + call.total_ms,
            What::Original {
                verdict: call.verdict,
                first_ms: call.first_token_ms,
                took_ms: call.total_ms,
            },
        );
    }

    fn ask_bedrock(&mut self, call: &Call) {
        let seen = &mut self.seen;
        seen.bedrock += 1;
        match (call.verdict, call.first_token_ms) {
            (Verdict::Ok, _) => seen.answered += 1,
            (Verdict::Failure(_), None) => seen.failed_over += 1,
            (Verdict::Failure(_), Some(_)) => seen.broken += 1,
            (Verdict::Rejected | Verdict::ContextWindow, _) => seen.refused += 1,
            (Verdict::Cancelled, _) => seen.cancelled += 1,
        }
        let request_id: Arc<str> = match &call.request_id {
            Some(request_id) => Arc::clone(request_id),
            None => format!("line {}", call.number).into(),
        };
        self.booking(
            call.number,
            self.machine.attempt(),
            CallEvent::Dispatched {
                request_id: Arc::clone(&request_id),
            },
        );
        if let Some(first_ms) = call.first_token_ms {
            self.later(call, call.at_ms + first_ms, What::FirstToken);
        }
        let ended = What::Ended {
            verdict: call.verdict,
            key: call.key.unwrap_or(call.number),
            request_id,
            first_ms: call.first_token_ms,
        };
        self.later(call, call.at_ms + call.total_ms, ended);
        let complete = call.verdict == Verdict::Ok;
        let speed = self.plan.rules.latency.as_ref().and_then(|rule| {
            onset::speed(
                rule,
                call.at_ms,
                call.first_token_ms,
                call.total_ms,
                complete,
            )
        });
        if let Some((at_ms, slow)) = speed {
            self.later(call, at_ms, What::Speed { slow });
        }
    }

    fn later(&mut self, call: &Call, at_ms: u64, what: What) {
        self.due.push(Reverse(Due {
            at_ms,
            call: call.number,
            attempt: self.machine.attempt(),
            what,
        }));
    }

    fn book(&mut self, due: Due) {
        let Due {
            call,
            attempt,
            what,
            at_ms,
        } = due;
        let event = match what {
            What::Speed { slow } => return self.onset.count(at_ms, Signal::Slowness, slow),
            What::FirstToken => CallEvent::FirstToken,
            What::Ended {
                verdict,
                key,
                request_id,
                first_ms,
            } => {
                match verdict {
                    Verdict::Ok => self.onset.count(at_ms, Signal::Failures, false),
                    Verdict::Failure(_) => self.onset.count(at_ms, Signal::Failures, true),
                    Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled => {}
                }
                self.draw(Arm::Bedrock, verdict, first_ms);
                CallEvent::Ended {
                    verdict,
                    key,
                    request_id,
                }
            }
            What::Original {
                verdict,
                first_ms,
                took_ms,
            } => {
                self.draw(Arm::Original, verdict, first_ms);
                CallEvent::Original {
                    verdict,
                    heard: first_ms.is_some(),
                    first_body_ms: first_ms,
                    took_ms,
                }
            }
        };
        self.booking(call, attempt, event);
    }

    fn draw(&mut self, arm: Arm, verdict: Verdict, first_ms: Option<u64>) {
        if let Some(series) = &mut self.series {
            series.ended(self.now_ms, arm, verdict, first_ms);
        }
    }

    fn booking(&mut self, call: u64, attempt: Attempt, event: CallEvent) {
        self.input(Input::Booking(Booking {
            at: RuleTime(self.now_ms),
            attempt,
            call: CallId(call),
            event,
        }));
    }

    fn tick(&mut self) {
        if let Some(series) = &mut self.series {
            let running = self
                .running
                .iter()
                .filter_map(|&place| self.clocks.get(place));
            let ran: Vec<_> = running
                .map(|clock| (clock.rule, self.now_ms.saturating_sub(clock.started_ms)))
                .collect();
            series.tick(self.now_ms, self.machine.percent(), &ran);
        }
        self.input(Input::Tick {
            unix_ms: self.now_ms,
            held: false,
        });
        // Gates are outside of what is simulated: each agrees as soon as it is asked.
        if let Some(Question { id, .. }) = self.machine.question() {
            self.input(Input::Gate {
                question: id,
                answer: GateAnswer::Yes,
            });
        }
        if std::mem::take(&mut self.gate_waits) {
            self.input(Input::Command(Command::Advance {
                reason: "simulated".to_owned(),
                actor: "simulate".to_owned(),
                at_unix_ms: self.now_ms,
                force: false,
            }));
        }
    }

    fn input(&mut self, input: Input) {
        let from = self.machine.percent();
        for transition in self.machine.handle(input, RuleTime(self.now_ms)) {
            self.note(from, &transition);
        }
    }
}
