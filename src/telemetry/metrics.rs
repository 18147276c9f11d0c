//! Handles to every metric, resolved in advance.
//!
//! Name, labels and help of each are in `catalogue`, the values of labels in `labels`. The registry
//! is owned and handed down from `app`; there is no global one. Label values come from closed enums
//! only, so no caller can add a series, and every series is there from the start: counting on the
//! path of a call is a short search in a table of enums and one atomic add. Logging belongs to
//! `events`, which calls what is here.

use crate::outcome::{Arm, Fault, Verdict};
use crate::rollout::Cause;
use crate::snapshot::{Share, Snapshot};
use crate::translate::{Ending, Loss};
use family::{By, Maker};
use labels::{causes, verdicts};
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry, TextEncoder};
use rollout::RolloutGauges;
use std::time::Duration;

pub use family::Held;
pub use labels::{
    Eligibility, FailoverOutcome, Look, TokenKind, rule_state_name, state_name, verdict_labels,
};

mod catalogue;
mod family;
mod labels;
mod rollout;
mod tally;

pub use tally::Tally;

/// Handles to every metric. Cheap to share (`Arc<Metrics>`), safe from every thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    chat_calls: By<Eligibility, IntCounter>,
    examined: By<Look, IntCounter>,
    migratable: By<Look, IntCounter>,
    migratable_ratio: Gauge,
    split: By<Arm, IntCounter>,
    calls: By<(Arm, Verdict), IntCounter>,
    failovers: By<(Fault, FailoverOutcome), IntCounter>,
    first_token: By<Arm, Histogram>,
    call: By<Arm, Histogram>,
    in_flight: By<Arm, IntGauge>,
    tokens: By<TokenKind, IntCounter>,
    capped_answers: IntCounter,
    unknown_stop_reasons: IntCounter,
    losses: By<Loss, IntCounter>,
    other_requests: IntCounter,
    sticky_fallbacks: IntCounter,
    connections: IntGauge,
    buffered_bytes: IntGauge,
    bookings_waiting: IntGauge,
    bookings_dropped: IntCounter,
    credentials_healthy: IntGauge,
    log_dropped: IntCounter,
    rollbacks: By<Cause, IntCounter>,
    journal_healthy: IntGauge,
    state_file_restored: IntCounter,
    journal_lost: IntCounter,
    spans_exported: IntCounter,
    spans_dropped: IntCounter,
    span_exports_failed: IntCounter,
    notify_sent: IntCounter,
    notify_failures: IntCounter,
    notify_dropped: IntCounter,
    notify_waiting: IntGauge,
    rollout: RolloutGauges,
}

impl Metrics {
    /// A registry with every series at 0.
    pub fn new() -> Self {
        let new = Maker(Registry::new());
        new.process();
        new.build(env!("CARGO_PKG_VERSION"));
        let arms = || Arm::ALL.into_iter().map(|arm| (arm, [arm.name()]));
        let eligibilities = Eligibility::all().map(|each| (each, [each.name()]));
        let verdicts = Arm::ALL.into_iter().flat_map(|arm| {
            verdicts().map(move |verdict| {
                let (name, class) = verdict_labels(verdict);
                ((arm, verdict), [arm.name(), name, class])
            })
        });
        let failovers = Fault::all().flat_map(|fault| {
            FailoverOutcome::ALL
                .into_iter()
                .map(move |outcome| ((fault, outcome), [fault.name(), outcome.name()]))
        });
        let looks = || Look::ALL.into_iter().map(|look| (look, [look.name()]));
        let kinds = TokenKind::ALL.into_iter().map(|kind| (kind, [kind.name()]));
        let losses = Loss::ALL.iter().map(|loss| (*loss, [loss.name()]));
        let causes = causes().map(|cause| (cause, [cause.name()]));
        Self {
            chat_calls: new.counters(&catalogue::CHAT_CALLS, eligibilities),
            examined: new.counters(&catalogue::EXAMINED_CALLS, looks()),
            migratable: new.counters(&catalogue::MIGRATABLE_CALLS, looks()),
            migratable_ratio: new.float_gauge(&catalogue::MIGRATABLE_RATIO),
            split: new.counters(&catalogue::SPLIT_CALLS, arms()),
            calls: new.counters(&catalogue::CALLS, verdicts),
            failovers: new.counters(&catalogue::FAILOVERS, failovers),
            first_token: new.histograms(&catalogue::FIRST_TOKEN_SECONDS, arms()),
            call: new.histograms(&catalogue::CALL_SECONDS, arms()),
            in_flight: new.gauges(&catalogue::IN_FLIGHT, arms()),
            tokens: new.counters(&catalogue::TOKENS, kinds),
            capped_answers: new.counter(&catalogue::CAPPED_ANSWERS),
            unknown_stop_reasons: new.counter(&catalogue::UNKNOWN_STOP_REASONS),
            losses: new.counters(&catalogue::LOSSES, losses),
            other_requests: new.counter(&catalogue::OTHER_REQUESTS),
            sticky_fallbacks: new.counter(&catalogue::STICKY_FALLBACKS),
            connections: new.gauge(&catalogue::CONNECTIONS),
            buffered_bytes: new.gauge(&catalogue::BUFFERED_BYTES),
            bookings_waiting: new.gauge(&catalogue::BOOKINGS_WAITING),
            bookings_dropped: new.counter(&catalogue::BOOKINGS_DROPPED),
            credentials_healthy: new.gauge(&catalogue::CREDENTIALS_HEALTHY),
            log_dropped: new.counter(&catalogue::LOG_DROPPED),
            rollbacks: new.counters(&catalogue::ROLLBACKS, causes),
            journal_healthy: new.gauge(&catalogue::JOURNAL_HEALTHY),
            state_file_restored: new.counter(&catalogue::STATE_FILE_RESTORED),
            journal_lost: new.counter(&catalogue::JOURNAL_LOST),
            spans_exported: new.counter(&catalogue::SPANS_EXPORTED),
            spans_dropped: new.counter(&catalogue::SPANS_DROPPED),
            span_exports_failed: new.counter(&catalogue::SPAN_EXPORTS_FAILED),
            notify_sent: new.counter(&catalogue::NOTIFY_SENT),
            notify_failures: new.counter(&catalogue::NOTIFY_FAILURES),
            notify_dropped: new.counter(&catalogue::NOTIFY_DROPPED),
            notify_waiting: new.gauge(&catalogue::NOTIFY_WAITING),
            rollout: RolloutGauges::new(&new),
            registry: new.0,
        }
    }

    /// The exposition in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// What the encoder says; it has nothing to refuse in what this file registers.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let ratio = self.migratable().ratio();
        self.migratable_ratio.set(ratio.unwrap_or(f64::NAN));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Counts a chat call, when it is known whether Bedrock can honour it.
    pub fn chat_call(&self, eligibility: Eligibility) {
        self.chat_calls.with(eligibility, IntCounter::inc);
    }

    /// Counts a chat call of which it is known whether Bedrock can honour it, whatever room there
    /// is for it at the moment.
    pub fn examined(&self, look: Look, migratable: bool) {
        self.examined.with(look, IntCounter::inc);
        if migratable {
            self.migratable.with(look, IntCounter::inc);
        }
    }

    /// Calls that were examined since the start, and those of them that could move.
    pub fn migratable(&self) -> Migratable {
        let of = |counts: &By<Look, IntCounter>, look| counts.get(look).map_or(0, IntCounter::get);
        let sum = |counts| Look::ALL.into_iter().map(|look| of(counts, look)).sum();
        Migratable {
            migratable: sum(&self.migratable),
            examined: sum(&self.examined),
            sampled: of(&self.examined, Look::Sample),
        }
    }

    /// Counts an eligible chat call by the arm that the split chose.
    pub fn split(&self, arm: Arm) {
        self.split.with(arm, IntCounter::inc);
    }

    /// Counts the end of a call on an arm.
    pub fn call(&self, arm: Arm, verdict: Verdict) {
        self.calls.with((arm, verdict), IntCounter::inc);
    }

    /// Counts what came of a failover.
    pub fn failover(&self, fault: Fault, outcome: FailoverOutcome) {
        self.failovers.with((fault, outcome), IntCounter::inc);
    }

    /// Records the time to the first token, or to the first body bytes.
    pub fn first_token(&self, arm: Arm, took: Duration) {
        self.first_token
            .with(arm, |histogram| histogram.observe(took.as_secs_f64()));
    }

    /// Records the time to the end of an answer.
    pub fn call_took(&self, arm: Arm, took: Duration) {
        self.call
            .with(arm, |histogram| histogram.observe(took.as_secs_f64()));
    }

    /// A call on `arm` is in flight until the guard is dropped.
    pub fn in_flight(&self, arm: Arm) -> Held {
        Held::new(self.in_flight.get(arm), 1)
    }

    /// A connection is open until the guard is dropped.
    pub fn connection(&self) -> Held {
        Held::new(Some(&self.connections), 1)
    }

    /// `bytes` of a body are held until the guard is dropped.
    pub fn buffered(&self, bytes: usize) -> Held {
        Held::new(
            Some(&self.buffered_bytes),
            i64::try_from(bytes).unwrap_or(i64::MAX),
        )
    }

    /// Adds tokens that Bedrock reported.
    pub fn tokens(&self, kind: TokenKind, count: u64) {
        self.tokens.with(kind, |counter| counter.inc_by(count));
    }

    /// Counts how an answer of Bedrock's ended, where that says something.
    pub fn ending(&self, ending: &Ending) {
        match ending {
            Ending::Usual => {}
            Ending::OwnCap => self.capped_answers.inc(),
            Ending::UnknownReason(_) => self.unknown_stop_reasons.inc(),
        }
    }

    /// Answers since the start that were cut off at a cap that the app did not ask for.
    pub fn capped_answers(&self) -> u64 {
        self.capped_answers.get()
    }

    /// Counts what a call lost on its way to Bedrock.
    pub fn loss(&self, loss: Loss) {
        self.losses.with(loss, IntCounter::inc);
    }

    /// Counts a request that is no chat call.
    pub fn other_request(&self) {
        self.other_requests.inc();
    }

    /// Counts a call without the configured sticky key.
    pub fn sticky_fallback(&self) {
        self.sticky_fallbacks.inc();
    }

    /// Counts a booking of the original arm that found the queue full.
    pub fn booking_dropped(&self) {
        self.bookings_dropped.inc();
    }

    /// Shows how many bookings wait.
    pub fn bookings_waiting(&self, bookings: usize) {
        self.bookings_waiting
            .set(i64::try_from(bookings).unwrap_or(i64::MAX));
    }

    /// Says whether AWS credentials are at hand.
    pub fn credentials(&self, healthy: bool) {
        self.credentials_healthy.set(i64::from(healthy));
    }

    /// The counter of lost log lines, for the log writer, which is older than the metrics' users.
    pub fn log_dropped(&self) -> IntCounter {
        self.log_dropped.clone()
    }

    /// Counts a rollback.
    pub fn rollback(&self, cause: Cause) {
        self.rollbacks.with(cause, IntCounter::inc);
    }

    /// Says whether the journal can be written.
    pub fn journal_healthy(&self, healthy: bool) {
        self.journal_healthy.set(i64::from(healthy));
    }

    /// Somebody deleted or changed the state file, and it is written again.
    pub fn state_file_restored(&self) {
        self.state_file_restored.inc();
    }

    /// Counts lines that the journal lost.
    pub fn journal_lost(&self, lines: u64) {
        self.journal_lost.inc_by(lines);
    }

    /// Counts spans that the collector has accepted.
    pub fn spans_exported(&self, spans: u64) {
        self.spans_exported.inc_by(spans);
    }

    /// Counts spans that were lost.
    pub fn spans_dropped(&self, spans: u64) {
        self.spans_dropped.inc_by(spans);
    }

    /// Counts an export that the collector did not take.
    pub fn span_export_failed(&self) {
        self.span_exports_failed.inc();
    }

    /// Counts an event that a destination has accepted.
    pub fn notify_sent(&self) {
        self.notify_sent.inc();
    }

    /// Counts a try to tell a destination that failed.
    pub fn notify_failure(&self) {
        self.notify_failures.inc();
    }

    /// Counts an event that a destination was not told.
    pub fn notify_dropped(&self) {
        self.notify_dropped.inc();
    }

    /// Shows how many events wait.
    pub fn notify_waiting(&self, events: usize) {
        self.notify_waiting
            .set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// Shows what is in force now.
    pub fn snapshot(&self, snapshot: &Snapshot) {
        self.rollout.show(snapshot);
    }

    /// Eligible calls since the start and those of them that went to Bedrock.
    pub fn share(&self) -> Share {
        let of = |arm| self.split.get(arm).map_or(0, IntCounter::get);
        let bedrock = of(Arm::Bedrock);
        Share {
            eligible: of(Arm::Original) + bedrock,
            bedrock,
        }
    }

    /// Chat calls since the start by eligibility; all values, 0 included.
    pub fn eligibility(&self) -> impl Iterator<Item = (Eligibility, u64)> {
        self.chat_calls
            .0
            .iter()
            .map(|(eligibility, counter)| (*eligibility, counter.get()))
    }

    /// Calls in flight on an arm.
    pub fn in_flight_now(&self, arm: Arm) -> i64 {
        self.in_flight.get(arm).map_or(0, IntGauge::get)
    }

    /// Failovers since the start that ended in this way.
    pub fn failovers(&self, outcome: FailoverOutcome) -> u64 {
        let of_outcome = self
            .failovers
            .0
            .iter()
            .filter(|((_, each), _)| *each == outcome);
        of_outcome.map(|(_, counter)| counter.get()).sum()
    }
}

/// How many of the calls could move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migratable {
    /// Calls that Bedrock can honour.
    pub migratable: u64,
    /// Calls of which it is known.
    pub examined: u64,
    /// Those of the examined that were picked at 0 %, while others were not read.
    pub sampled: u64,
}

impl Migratable {
    /// The part that could move, 0 to 1; none before the first examined call.
    pub fn ratio(self) -> Option<f64> {
        (self.examined > 0).then(|| self.migratable as f64 / self.examined as f64)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
