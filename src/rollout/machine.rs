//! The state machine: armed or rolled back, and how it gets from one to the other.
//!
//! Time in the core is cut at the *edges* of the 5 s buckets. A tick looks at every edge between
//! the last one that was looked at and now, in order, each time at the closed buckets before that
//! edge only. What is decided therefore depends on when things happened and not on when ticks
//! came: a doubled tick finds no edge and changes nothing, a late one catches up. After more than
//! an hour without a tick the edges before the last hour are skipped, because their buckets are
//! gone.
//!
//! Rules are looked at whenever the machine is armed, whatever the share is; a rollback is final
//! within its attempt. Only a re-arm, or an attempt in the plan above the record's, ends it. With
//! `advance: auto` the machine is at a [`Stage`] while it is armed and above 0 %; a look at the
//! rules that finds nothing is followed by one at what the stage waits for (`climb`), at the last
//! edge only: a step up can come late, and never twice at once. What people ask for is in
//! `command`, what edits do in `edit`.

use super::Admission;
use super::Advance;
use super::Cause;
use super::Input;
use super::Plan;
use super::QuestionId;
use super::Record;
use super::RecordState;
use super::Report;
use super::Rollback;
use super::Transition;
use super::breaker::Breaker;
use super::common;
use super::counts::Signal;
use super::evidence::Evidence;
use super::looks::Schedule;
use super::ratio::Ratio;
use super::report::Seen;
use super::rules::Clocks;
use super::rules::Trip;
use super::stage::Stage;
use super::watch::Watch;
use super::window::BUCKETS;
use super::window::BucketNo;
use super::words;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::split::Percent;

mod climb;
mod command;
mod edit;
mod heed;

use heed::swung;

/// The whole rollout state.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    record: Record,
    /// The stage, while armed with `advance: auto` and above 0 %.
    stage: Option<Stage>,
    /// When calls are looked at for the next stage.
    schedule: Schedule,
    evidence: Evidence,
    clocks: Clocks,
    watch: Watch,
    /// When the share last went one stage back by itself.
    stepped_back: Option<RuleTime>,
    /// Whether something outside kept the share at 0 at the last tick.
    held: bool,
    /// How many questions the gate was asked.
    questions: QuestionId,
    /// The last edge that was looked at.
    looked_at: BucketNo,
    /// The latest time that was told.
    now: RuleTime,
}

impl Machine {
    /// A machine at the start of the process; windows and clocks start empty. A plan with a higher
    /// attempt than the record's acts at the first input, so that its transitions are seen.
    pub fn new(plan: Plan, record: Record, now: RuleTime) -> Self {
        let (clocks, looked_at) = (Clocks::default(), BucketNo::at(now));
        let evidence = Evidence::new(record.attempt, looked_at);
        let schedule = schedule(&plan);
        let mut machine = Self {
            plan,
            record,
            stage: None,
            schedule,
            evidence,
            clocks,
            watch: Watch::new(looked_at),
            stepped_back: None,
            held: false,
            questions: QuestionId::default(),
            looked_at,
            now,
        };
        machine.restore_stage();
        machine
    }

    /// The only entry: takes what happened in, gives back what changed. Time never goes back: a
    /// `now` before an earlier one counts as that one, and a booking of the future as of now.
    pub fn handle(&mut self, input: Input, now: RuleTime) -> Vec<Transition> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        self.follow_plan(&mut out);
        match input {
            Input::Booking(booking) => self.book(booking, &mut out),
            Input::Tick { unix_ms, held } => self.tick(unix_ms, held, &mut out),
            Input::Command(command) => out.push(self.command(command)),
            Input::Plan(plan) => self.replan(plan, &mut out),
            Input::Record(record) => {
                out.push(self.reread(record));
                self.follow_plan(&mut out);
            }
            Input::Gate { question, answer } => self.hear_gate(question, answer),
        }
        out
    }

    /// The share in force: 0 while rolled back, else the ceiling, or the stage below it.
    pub fn percent(&self) -> Percent {
        if self.latched() {
            return Percent::ZERO;
        }
        match (&self.plan.advance, &self.stage) {
            (Advance::Manual, _) => self.plan.ceiling,
            (Advance::Auto(_), Some(stage)) => stage.progress.percent.min(self.plan.ceiling),
            (Advance::Auto(_), None) => Percent::ZERO,
        }
    }

    /// The attempt that new calls belong to.
    pub const fn attempt(&self) -> Attempt {
        self.record.attempt
    }

    /// Whether a rollback holds.
    pub const fn latched(&self) -> bool {
        self.record.rollback().is_some()
    }

    /// Which calls the local breaker lets go.
    pub const fn admission(&self) -> Admission {
        self.watch.admission()
    }

    /// What must be persisted, whenever it differs from what is on disk. Of the attempt and the
    /// latch it changes only together with a transition whose [`Transition::persist`] is true (or
    /// says that the file is what was just read); of the stage also as it ages.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// When a tick is of use next: the end of the bucket that is open at the latest time told. A
    /// tick then makes a trip as early as it can be.
    pub const fn next_tick(&self) -> RuleTime {
        BucketNo::at(self.now).next().begins()
    }

    /// What the rollout says of itself; rules as of the last edge before `now`.
    pub fn report(&self, now: RuleTime) -> Report {
        let Self {
            plan,
            record,
            evidence,
            clocks,
            watch,
            ..
        } = self;
        let now = self.now.max(now);
        let seen = Seen {
            rules: &plan.rules,
            evidence,
            clocks,
            watch,
            cautions: &record.cautions,
            now,
        };
        Report::new(plan, record, self.percent(), self.stage_report(), &seen)
    }

    fn book(&mut self, booking: Booking, out: &mut Vec<Transition>) {
        let booking = Booking {
            at: booking.at.min(self.now),
            ..booking
        };
        let before = self.judged();
        let verdict = booking.event.verdict();
        let ended = self
            .evidence
            .book(booking, self.plan.rules.latency.as_ref(), self.looked_at);
        if let (Some(ended), Some(verdict)) = (ended, verdict) {
            let swing = self.watch.ended(&ended, verdict, self.now);
            out.extend(swing.map(swung));
        }
        let after = self.judged();
        if after.of > before.of {
            self.count_for_stage(after.bad > before.bad);
        }
    }

    fn judged(&self) -> Ratio {
        self.evidence.bedrock.total.ratio(Signal::Failures)
    }

    fn tick(&mut self, unix_ms: u64, held: bool, out: &mut Vec<Transition>) {
        self.evidence
            .tick(self.now, self.plan.rules.latency.as_ref(), self.looked_at);
        // While the breaker keeps calls back a stage shows nothing.
        self.held = held || self.admission() != Admission::All;
        let last = BucketNo::at(self.now);
        let first = self
            .looked_at
            .next()
            .max(BucketNo(last.0.saturating_sub(BUCKETS - 1)));
        let seen_before = self.looked_at;
        for edge in (first.0..=last.0).map(BucketNo) {
            if self.latched() {
                break;
            }
            self.look(edge, unix_ms, out);
            self.evidence.seen();
        }
        self.looked_at = last;
        if last > seen_before {
            self.climb(unix_ms, out);
        }
    }

    fn trip(&mut self, trip: &Trip, edge: BucketNo, unix_ms: u64) -> Rollback {
        let common = common::common_mode(trip, &self.evidence, edge);
        let said = common.map(|ratio| format!("the original as well: {ratio}"));
        let request_id = self
            .evidence
            .last(trip.signal)
            .request_id
            .as_deref()
            .map(str::to_owned);
        let from_percent = self.percent();
        let counted = Class::ALL.map(|class| (class, trip.classes.of(class)));
        self.latch(Rollback {
            rule: Cause::Rule(trip.rule),
            sentence: words::tripped(
                trip,
                Percent::ZERO,
                from_percent,
                request_id.as_deref(),
                said.as_deref(),
            ),
            common_mode: common.is_some(),
            at_unix_ms: unix_ms,
            from_percent,
            numbers: Some(trip.numbers),
            classes: counted
                .into_iter()
                .filter(|&(_, failures)| failures > 0)
                .collect(),
            last_failure_request_id: request_id,
            actor: None,
            reason: None,
            rearm_with_attempt: Some(self.record.next_attempt().0),
        })
    }

    fn latch(&mut self, rollback: Rollback) -> Rollback {
        self.clocks = Clocks::default();
        self.watch.breaker = Breaker::default();
        self.stage = None;
        self.record = Record {
            state: RecordState::RolledBack(Box::new(rollback.clone())),
            ..Record::first(self.record.attempt)
        };
        rollback
    }

    fn start_attempt(&mut self, attempt: Attempt) {
        self.record = Record::first(attempt);
        self.stage = None;
        self.restart_evidence(attempt);
        self.enter_first();
    }

    fn restart_evidence(&mut self, attempt: Attempt) {
        self.clocks = Clocks::default();
        self.looked_at = BucketNo::at(self.now);
        self.evidence.start(attempt, self.looked_at);
        self.watch = Watch::new(self.looked_at);
        self.stepped_back = None;
    }
}

/// When calls are looked at; with `advance: manual` nobody asks.
fn schedule(plan: &Plan) -> Schedule {
    match &plan.advance {
        Advance::Auto(climb) => Schedule::new(climb.min_calls, climb.error_bound),
        Advance::Manual => Schedule::default(),
    }
}
