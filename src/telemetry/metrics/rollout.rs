//! The gauges of the rollout and of the limits in force: one look at a snapshot sets them all.

use super::catalogue;
use super::family::{By, Maker};
use super::labels::{RULE_STATES, STATES, rule_state_name, state_name};
use crate::config::Config;
use crate::rollout::plan::Measure;
use crate::rollout::{BreakerState, RolloutState, RuleName, RuleState};
use crate::snapshot::{Hold, Snapshot};
use crate::split::Percent;
use prometheus::{Gauge, IntGauge};
use std::time::Duration;

/// What the controller shows of the rollout and of its files.
#[derive(Debug)]
pub(super) struct RolloutGauges {
    percent: Gauge,
    ceiling: Gauge,
    attempt: IntGauge,
    state: By<RolloutState, IntGauge>,
    stage_age: Gauge,
    stage_calls: IntGauge,
    hold: By<Hold, IntGauge>,
    clock: By<RuleName, Gauge>,
    clock_limit: By<RuleName, Gauge>,
    value: By<RuleName, Gauge>,
    threshold: By<RuleName, Gauge>,
    slow_after: By<Measure, Gauge>,
    rule_state: By<(RuleName, RuleState), IntGauge>,
    evalue: By<RuleName, Gauge>,
    caution: By<RuleName, IntGauge>,
    breaker: By<BreakerState, IntGauge>,
    detectable: Gauge,
    share_actual: Gauge,
    config_generation: IntGauge,
    config_hash: IntGauge,
    config_problems: IntGauge,
    state_file_healthy: IntGauge,
    connections_max: IntGauge,
    in_flight_max: IntGauge,
    buffered_bytes_max: IntGauge,
}

impl RolloutGauges {
    pub(super) fn new(new: &Maker) -> Self {
        let rules = || RuleName::ALL.into_iter().map(|rule| (rule, [rule.name()]));
        Self {
            percent: new.float_gauge(&catalogue::PERCENT),
            ceiling: new.float_gauge(&catalogue::CEILING_PERCENT),
            attempt: new.gauge(&catalogue::ATTEMPT),
            state: new.gauges(
                &catalogue::STATE,
                STATES.into_iter().map(|state| (state, [state_name(state)])),
            ),
            stage_age: new.float_gauge(&catalogue::STAGE_AGE_SECONDS),
            stage_calls: new.gauge(&catalogue::STAGE_CALLS),
            hold: new.gauges(
                &catalogue::HOLD,
                Hold::ALL.into_iter().map(|hold| (hold, [hold.name()])),
            ),
            clock: new.float_gauges(&catalogue::BREACH_CLOCK_SECONDS, rules()),
            clock_limit: new.float_gauges(&catalogue::RULE_FOR_SECONDS, rules()),
            value: new.float_gauges(&catalogue::RULE_VALUE, rules()),
            threshold: new.float_gauges(&catalogue::RULE_THRESHOLD, rules()),
            slow_after: new.float_gauges(
                &catalogue::SLOW_AFTER_SECONDS,
                MEASURES.into_iter().map(|each| (each, [each.name()])),
            ),
            rule_state: new.gauges(
                &catalogue::RULE_STATE,
                RuleName::ALL.into_iter().flat_map(|rule| {
                    RULE_STATES
                        .into_iter()
                        .map(move |state| ((rule, state), [rule.name(), rule_state_name(state)]))
                }),
            ),
            evalue: new.float_gauges(&catalogue::EVALUE, rules()),
            caution: new.gauges(&catalogue::CAUTION, rules()),
            breaker: new.gauges(
                &catalogue::BREAKER_STATE,
                BreakerState::ALL
                    .into_iter()
                    .map(|state| (state, [state.name()])),
            ),
            detectable: new.float_gauge(&catalogue::DETECTABLE_RATIO),
            share_actual: new.float_gauge(&catalogue::SHARE_ACTUAL_RATIO),
            config_generation: new.gauge(&catalogue::CONFIG_GENERATION),
            config_hash: new.gauge(&catalogue::CONFIG_HASH),
            config_problems: new.gauge(&catalogue::CONFIG_PROBLEMS),
            state_file_healthy: new.gauge(&catalogue::STATE_FILE_HEALTHY),
            connections_max: new.gauge(&catalogue::CONNECTIONS_MAX),
            in_flight_max: new.gauge(&catalogue::IN_FLIGHT_MAX),
            buffered_bytes_max: new.gauge(&catalogue::BUFFERED_BYTES_MAX),
        }
    }

    pub(super) fn show(&self, snapshot: &Snapshot) {
        let (report, files) = (&snapshot.report, &snapshot.files);
        self.percent.set(percent(snapshot.percent));
        self.ceiling.set(percent(report.ceiling));
        self.attempt.set(as_gauge(snapshot.attempt.0));
        self.state.one_hot(|state| state == report.state);
        let stage = report.stage.as_ref();
        let age_ms = stage.map_or(0, |stage| stage.age_ms);
        self.stage_age
            .set(Duration::from_millis(age_ms).as_secs_f64());
        self.stage_calls
            .set(as_gauge(stage.map_or(0, |stage| stage.judged)));
        self.hold.one_hot(|hold| snapshot.holds.contains(hold));
        for rule in &report.rules {
            self.clock.with(rule.name, |gauge| {
                gauge.set(Duration::from_millis(rule.clock_ms.unwrap_or(0)).as_secs_f64());
            });
            let limit = rule.for_ms.map(Duration::from_millis);
            let limit_s = limit.map_or(f64::NAN, |limit| limit.as_secs_f64());
            self.clock_limit.with(rule.name, |gauge| gauge.set(limit_s));
            self.value
                .with(rule.name, |gauge| gauge.set(ratio(rule.value)));
            self.threshold
                .with(rule.name, |gauge| gauge.set(ratio(rule.limit)));
            let odds = rule.odds.map_or(f64::NAN, |odds| odds as f64);
            self.evalue.with(rule.name, |gauge| gauge.set(odds));
        }
        self.caution
            .one_hot(|rule| report.cautions.iter().any(|it| it.rule == rule));
        self.breaker.one_hot(|state| state == report.breaker.state);
        self.detectable
            .set(ratio(report.detectable.and_then(|it| it.rate)));
        let in_state = |(name, state)| {
            report
                .rules
                .iter()
                .any(|r| r.name == name && r.state == state)
        };
        self.rule_state.one_hot(in_state);
        self.share_actual
            .set(files.share.ratio().unwrap_or(f64::NAN));
        self.config_generation.set(as_gauge(files.generation));
        self.config_hash.set(as_number(&files.hash));
        self.config_problems
            .set(as_gauge(files.problems.len() as u64));
        self.state_file_healthy
            .set(i64::from(files.state_problem.is_none()));
        self.limits(&snapshot.config);
    }

    fn limits(&self, config: &Config) {
        let latency = config.rules.latency.as_ref();
        for measure in MEASURES {
            let after = latency.filter(|rule| rule.measure == measure);
            let after_s = after.map(|rule| Duration::from_millis(rule.above_ms).as_secs_f64());
            self.slow_after
                .with(measure, |gauge| gauge.set(after_s.unwrap_or(f64::NAN)));
        }
        let limits = &config.limits;
        self.connections_max
            .set(as_gauge(limits.connections as u64));
        self.in_flight_max.set(as_gauge(limits.in_flight as u64));
        self.buffered_bytes_max
            .set(as_gauge(limits.buffered as u64));
    }
}

const MEASURES: [Measure; 2] = [Measure::FirstToken, Measure::Total];

fn percent(share: Percent) -> f64 {
    f64::from(share.basis_points()) / 100.0
}

fn ratio(share: Option<Percent>) -> f64 {
    share.map_or(f64::NAN, |share| f64::from(share.basis_points()) / 10_000.0)
}

/// The digits of `sha256:0123456789ab`; before a configuration is known there are none.
fn as_number(hash: &str) -> i64 {
    let digits = hash.rsplit(':').next().unwrap_or_default();
    i64::from_str_radix(digits, 16).unwrap_or(0)
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
