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
//! within its attempt. Only a re-arm, or an attempt in the plan above the record's, ends it.

use super::Cause;
use super::Command;
use super::Input;
use super::Plan;
use super::Record;
use super::RecordState;
use super::Refusal;
use super::Report;
use super::Rollback;
use super::RuleName;
use super::Transition;
use super::evidence::Evidence;
use super::plan::Rules;
use super::rules::Clocks;
use super::rules::Finding;
use super::rules::Trip;
use super::rules::speed_counts_stand;
use super::transition::ResetWhy;
use super::window::BUCKETS;
use super::window::BucketNo;
use super::words;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::split::Percent;
use std::collections::BTreeMap;

/// The whole rollout state.
#[derive(Clone, Debug)]
pub struct Machine {
    plan: Plan,
    record: Record,
    evidence: Evidence,
    clocks: Clocks,
    /// The last edge that was looked at.
    looked_at: BucketNo,
    /// The latest time that was told.
    now: RuleTime,
}

impl Machine {
    /// A machine at the start of the process; windows and clocks start empty. A plan with a higher
    /// attempt than the record's acts at the first input, so that its transitions are seen.
    pub fn new(plan: Plan, record: Record, now: RuleTime) -> Self {
        let evidence = Evidence::new(record.attempt);
        let (clocks, looked_at) = (Clocks::default(), BucketNo::at(now));
        Self {
            plan,
            record,
            evidence,
            clocks,
            looked_at,
            now,
        }
    }

    /// The only entry: takes what happened in, gives back what changed. Time never goes back: a
    /// `now` before an earlier one counts as that one, and a booking of the future as of now.
    pub fn handle(&mut self, input: Input, now: RuleTime) -> Vec<Transition> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        self.follow_attempt(&mut out);
        match input {
            Input::Booking(booking) => self.book(booking),
            Input::Tick { unix_ms } => self.tick(unix_ms, &mut out),
            Input::Command(command) => out.push(self.command(command)),
            Input::Plan(plan) => self.replan(plan, &mut out),
            Input::Record(record) => {
                out.push(self.reread(record));
                self.follow_attempt(&mut out);
            }
        }
        out
    }

    /// The share in force: 0 while rolled back, else the ceiling.
    pub const fn percent(&self) -> Percent {
        if self.latched() {
            Percent::ZERO
        } else {
            self.plan.ceiling
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

    /// What must be persisted; changes only together with a transition whose
    /// [`Transition::persist`] is true (or says that the file is what was just read).
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
            ..
        } = self;
        Report::new(plan, record, evidence, clocks, self.now.max(now))
    }

    fn book(&mut self, booking: Booking) {
        let booking = Booking {
            at: booking.at.min(self.now),
            ..booking
        };
        self.evidence
            .book(booking, self.plan.rules.latency.as_ref(), self.looked_at);
    }

    fn tick(&mut self, unix_ms: u64, out: &mut Vec<Transition>) {
        self.evidence
            .tick(self.now, self.plan.rules.latency.as_ref(), self.looked_at);
        let last = BucketNo::at(self.now);
        let first = self
            .looked_at
            .next()
            .max(BucketNo(last.0.saturating_sub(BUCKETS - 1)));
        for edge in (first.0..=last.0).map(BucketNo) {
            if self.latched() {
                break;
            }
            self.look(edge, unix_ms, out);
            self.evidence.seen();
        }
        self.looked_at = last;
    }

    /// Looks at the rules as of one edge.
    fn look(&mut self, edge: BucketNo, unix_ms: u64, out: &mut Vec<Transition>) {
        for finding in self.clocks.look(&self.plan.rules, &self.evidence, edge) {
            out.push(match finding {
                Finding::Started { rule, look, limit } => Transition::ClockStarted {
                    rule,
                    sentence: format!("{}, limit {limit} %", words::seen(&look)),
                },
                Finding::Reset { rule, ran_ms, why } => {
                    Transition::ClockReset { rule, ran_ms, why }
                }
                Finding::Trips(trip) => Transition::Tripped(self.trip(&trip, unix_ms)),
            });
        }
    }

    fn command(&mut self, command: Command) -> Transition {
        match (command, self.record.rollback()) {
            (Command::Rollback { .. }, Some(rollback)) => {
                Transition::AlreadyRolledBack(rollback.clone())
            }
            (
                Command::Rollback {
                    reason,
                    actor,
                    at_unix_ms,
                },
                None,
            ) => Transition::RolledBack(self.roll_back_by_hand(&reason, &actor, at_unix_ms)),
            (Command::Rearm { .. }, None) => Transition::Refused(Refusal::NotRolledBack {
                attempt: self.attempt(),
                percent: self.percent(),
            }),
            (Command::Rearm { reason, .. }, Some(_)) if reason.trim().is_empty() => {
                Transition::Refused(Refusal::ReasonMissing)
            }
            (
                Command::Rearm {
                    reason,
                    actor,
                    at_unix_ms,
                },
                Some(_),
            ) => {
                // A lost record may be behind the plan's attempt: catch up in one step.
                let next = self.record.next_attempt().max(self.plan.attempt);
                self.start_attempt(next);
                Transition::Rearmed {
                    attempt: next,
                    percent: self.percent(),
                    actor: shortened(&actor),
                    reason: shortened(&reason),
                    at_unix_ms: Some(at_unix_ms),
                }
            }
        }
    }

    /// Takes a new plan: its rules act from the next edge on, on the windows as they are; its
    /// ceiling at once; its attempt if it is above the record's.
    fn replan(&mut self, plan: Plan, out: &mut Vec<Transition>) {
        let from = self.percent();
        let old = std::mem::replace(&mut self.plan, plan);
        self.edit_rules(&old.rules, out);
        if self.follow_attempt(out) {
            return;
        }
        let (ceiling, to) = (self.plan.ceiling, self.percent());
        if from != to {
            out.push(Transition::PercentChanged { from, to });
        }
        let Some(rollback) = self.record.rollback() else {
            return;
        };
        if self.plan.attempt > self.record.attempt {
            out.push(Transition::Refused(Refusal::LostStateNeedsRearm));
        } else if ceiling != old.ceiling {
            out.push(Transition::CeilingHeld {
                ceiling,
                remedy: rollback.remedy(),
            });
        }
    }

    /// Drops what the edited rules make meaningless. A clock goes on under a new limit or
    /// duration: whether it holds is seen at the next edge.
    fn edit_rules(&mut self, old: &Rules, out: &mut Vec<Transition>) {
        let new = &self.plan.rules;
        let speed_stands = speed_counts_stand(old.latency.as_ref(), new.latency.as_ref());
        let stopped = [
            (RuleName::Errors, new.errors.is_none()),
            (RuleName::Latency, !speed_stands),
        ];
        if !speed_stands {
            self.evidence.clear_speed();
        }
        for (rule, stop) in stopped {
            if let Some(ran_ms) = stop
                .then(|| self.clocks.stop(rule, self.looked_at))
                .flatten()
            {
                out.push(Transition::ClockReset {
                    rule,
                    ran_ms,
                    why: ResetWhy::Edited,
                });
            }
        }
    }

    /// Starts the plan's attempt if it is above the record's; says whether it did. After a lost
    /// state file it never does: the attempt on file is not known.
    fn follow_attempt(&mut self, out: &mut Vec<Transition>) -> bool {
        let next = self.plan.attempt;
        if next <= self.record.attempt || self.record.is_lost() {
            return false;
        }
        let was_latched = self.latched();
        self.start_attempt(next);
        let percent = self.percent();
        out.push(if was_latched {
            Transition::Rearmed {
                attempt: next,
                percent,
                actor: "rollout.attempt".to_owned(),
                reason: format!("it was raised to {}", next.0),
                at_unix_ms: None,
            }
        } else {
            Transition::AttemptStarted {
                attempt: next,
                percent,
            }
        });
        true
    }

    /// Takes in what the state file says.
    fn reread(&mut self, read: Record) -> Transition {
        let merged = self.record.clone().reread(read.clone());
        if merged.attempt != self.record.attempt {
            self.restart_evidence(merged.attempt);
        }
        if merged.rollback().is_some() {
            self.clocks = Clocks::default();
        }
        self.record = merged;
        Transition::RecordRead {
            attempt: self.attempt(),
            latched: self.latched(),
            write_back: self.record != read,
        }
    }

    fn trip(&mut self, trip: &Trip, unix_ms: u64) -> Rollback {
        let signal = trip.rule.signal();
        let request_id = self
            .evidence
            .last(signal)
            .request_id
            .as_deref()
            .map(str::to_owned);
        let from_percent = self.percent();
        let counted = Class::ALL.map(|class| (class, trip.classes.of(class)));
        self.latch(Rollback {
            rule: Cause::Rule(trip.rule),
            sentence: words::tripped(trip, from_percent, request_id.as_deref()),
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

    fn roll_back_by_hand(&mut self, reason: &str, actor: &str, at_unix_ms: u64) -> Rollback {
        // A rollback in an emergency is never refused for want of words.
        let reason = match reason.trim() {
            "" => "no reason given".to_owned(),
            reason => shortened(reason),
        };
        let actor = shortened(actor);
        let from_percent = self.percent();
        self.latch(Rollback {
            rule: Cause::Operator,
            sentence: words::rolled_back(from_percent, &actor, &reason),
            at_unix_ms,
            from_percent,
            numbers: None,
            classes: BTreeMap::new(),
            last_failure_request_id: None,
            actor: Some(actor),
            reason: Some(reason),
            rearm_with_attempt: Some(self.record.next_attempt().0),
        })
    }

    fn latch(&mut self, rollback: Rollback) -> Rollback {
        self.clocks = Clocks::default();
        self.record.state = RecordState::RolledBack(Box::new(rollback.clone()));
        rollback
    }

    fn start_attempt(&mut self, attempt: Attempt) {
        self.record = Record::first(attempt);
        self.restart_evidence(attempt);
    }

    fn restart_evidence(&mut self, attempt: Attempt) {
        self.evidence.start(attempt);
        self.clocks = Clocks::default();
        self.looked_at = BucketNo::at(self.now);
    }
}

/// Words of a person, bounded: they go into the state file and every status.
fn shortened(words: &str) -> String {
    words.trim().chars().take(WORDS_MAX).collect()
}

/// Room for a link and a few sentences.
const WORDS_MAX: usize = 500;
