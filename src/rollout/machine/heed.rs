//! Looks at the rules edge by edge, and does what follows: a rollback, a step back, a caution.

use super::Machine;
use crate::outcome::Class;
use crate::rollout::Against;
use crate::rollout::Caution;
use crate::rollout::CautionKind;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::breaker::Swing;
use crate::rollout::common;
use crate::rollout::counts::Signal;
use crate::rollout::plan::OnThrottle;
use crate::rollout::relative::Comparisons;
use crate::rollout::rules::Clocks;
use crate::rollout::rules::Finding;
use crate::rollout::rules::Trip;
use crate::rollout::transition::ResetWhy;
use crate::rollout::watch::Sight;
use crate::rollout::window::BucketNo;
use crate::rollout::words;
use crate::split::Percent;

impl Machine {
    /// Looks at the rules as of one edge.
    pub(super) fn look(&mut self, edge: BucketNo, unix_ms: u64, out: &mut Vec<Transition>) {
        let reach = self
            .watch
            .look_at_reach(&self.plan.rules, &self.evidence, edge);
        if let Some(sight) = reach {
            self.heed(sight, edge, unix_ms, out);
        }
        let armed = self.watch.latency_is_armed();
        let rules = &self.plan.rules;
        for finding in self.clocks.look(rules, &self.evidence, armed, edge) {
            match finding {
                Finding::Started { rule, look, limit } => out.push(Transition::ClockStarted {
                    rule,
                    sentence: format!("{}, limit {limit} %", words::seen(&look)),
                }),
                Finding::Reset { rule, ran_ms, why } => {
                    out.push(Transition::ClockReset { rule, ran_ms, why });
                }
                Finding::Trips(trip) => self.act(&trip, edge, unix_ms, out),
            }
        }
        for sight in self.watch.compare(&self.plan.rules, &self.evidence, edge) {
            if !self.latched() {
                self.heed(sight, edge, unix_ms, out);
            }
        }
        if !self.latched() {
            let rules = &self.plan.rules;
            let swing = self.watch.look_at_breaker(rules, &self.evidence, edge);
            out.extend(swing.map(swung));
        }
    }

    fn heed(&mut self, sight: Sight, edge: BucketNo, unix_ms: u64, out: &mut Vec<Transition>) {
        match sight {
            Sight::Unreachable(why) => {
                let rule = RuleName::Latency;
                let sentence = why.to_string();
                out.push(Transition::RuleUnreachable { sentence });
                if let Some(ran_ms) = self.clocks.stop(rule, edge) {
                    let why = ResetWhy::Unreachable;
                    out.push(Transition::ClockReset { rule, ran_ms, why });
                }
            }
            Sight::Reachable => out.push(Transition::RuleReachable),
            Sight::Found {
                rule,
                kind,
                sentence,
            } => {
                let noted = Caution {
                    rule,
                    kind,
                    sentence,
                    at_unix_ms: unix_ms,
                };
                self.caution(noted, out);
            }
            Sight::Trips(trip) => self.act(&trip, edge, unix_ms, out),
        }
    }

    /// A rule trips: everything is taken back, unless the place that it would go to is worse, or
    /// one stage less is enough.
    fn act(&mut self, trip: &Trip, edge: BucketNo, unix_ms: u64, out: &mut Vec<Transition>) {
        if let Some(down) = common::original_is_down(&self.plan.rules, &self.evidence, edge) {
            let rule = trip.rule.name();
            let sentence = format!(
                "No rollback by {rule}: {down}; `crossfade rollback` takes everything back all the same"
            );
            let caution = Caution {
                rule: trip.rule,
                kind: CautionKind::OriginalDown,
                sentence,
                at_unix_ms: unix_ms,
            };
            self.caution(caution, out);
        } else if let Some(to) = self.step_back_to(trip, unix_ms) {
            out.push(self.step_back(trip, to, edge, unix_ms));
        } else {
            out.push(Transition::Tripped(self.trip(trip, edge, unix_ms)));
        }
    }

    /// Notes a caution and tells it, once.
    fn caution(&mut self, caution: Caution, out: &mut Vec<Transition>) {
        let cautions = &mut self.record.cautions;
        let known = cautions
            .iter()
            .any(|it| (it.rule, it.kind) == (caution.rule, caution.kind));
        if !known {
            cautions.push(caution.clone());
            out.push(Transition::Cautioned(caution));
        }
    }

    /// A person has taken note of what there is; whether there was anything.
    pub(super) fn note_cautions(&mut self) -> bool {
        let cautions = std::mem::take(&mut self.record.cautions);
        for caution in &cautions {
            self.watch.noted(caution.rule, self.looked_at);
        }
        !cautions.is_empty()
    }

    /// The rule that speaks against going on, if one does, and how.
    pub(super) fn against(&self) -> Option<(RuleName, Against)> {
        let because = |why| move |rule| (rule, why);
        let clock = self.clocks.running().map(because(Against::Clock));
        let found = self.record.cautions.first().map(|caution| caution.rule);
        let unreachable = (!self.watch.latency_is_armed()).then_some(RuleName::Latency);
        clock
            .or_else(|| found.map(because(Against::Finding)))
            .or_else(|| unreachable.map(because(Against::Unreachable)))
            .or_else(|| {
                let suspect = self.watch.suspects(&self.plan.rules);
                suspect.map(because(Against::Odds))
            })
    }

    /// The stage to go back to, if `on_throttle: step_back` applies: nearly all of the failures are
    /// throttling, the stage before baked, and it is no second trip within the hour.
    fn step_back_to(&self, trip: &Trip, unix_ms: u64) -> Option<Percent> {
        let asked = match self.plan.rules.on_throttle {
            OnThrottle::StepBack => trip.signal == Signal::Failures,
            OnThrottle::Rollback => false,
        };
        let (throttled, all) = (trip.classes.of(Class::Throttle), trip.classes.total());
        let nearly_all = all > 0 && throttled * 100 >= all * THROTTLED_PERCENT;
        // After a restart the wall clock has to do, and a step back that nobody has taken note of
        // counts as one just now.
        let unnoted = |it: &Caution| it.kind == CautionKind::SteppedBack;
        let again = match (self.stepped_back, self.record.stepped_back_unix_ms) {
            (Some(at), _) => self.now.since(at) < SECOND_TRIP_MS,
            (None, Some(at)) => {
                unix_ms.saturating_sub(at) < SECOND_TRIP_MS
                    || self.record.cautions.iter().any(unnoted)
            }
            (None, None) => false,
        };
        let before = self.stage.as_ref()?.progress.baked?;
        let lower = before < self.percent() && !before.is_zero();
        (asked && nearly_all && !again && lower).then_some(before)
    }

    fn step_back(&mut self, trip: &Trip, to: Percent, edge: BucketNo, unix_ms: u64) -> Transition {
        let from = self.percent();
        let request_id = self.evidence.last(trip.signal).request_id.as_deref();
        let rolled_back = words::tripped(trip, to, from, request_id, None);
        let caution = Caution {
            rule: trip.rule,
            kind: CautionKind::SteppedBack,
            sentence: format!(
                "{rolled_back}; less traffic may cure it: held at {to} % until `crossfade resume`"
            ),
            at_unix_ms: unix_ms,
        };
        self.enter(to);
        self.stepped_back = Some(self.now);
        self.record.stepped_back_unix_ms = Some(unix_ms);
        // What was counted at the higher share says nothing of this one.
        self.clocks = Clocks::default();
        self.evidence.clear_windows(edge);
        self.watch.comparisons = Comparisons::default();
        let cautions = &mut self.record.cautions;
        cautions.retain(|it| it.kind != CautionKind::SteppedBack);
        cautions.push(caution.clone());
        Transition::SteppedBack { from, to, caution }
    }
}

/// What the breaker did, to be told.
pub(super) const fn swung(swing: Swing) -> Transition {
    match swing {
        Swing::Opened(wait_ms) => Transition::BreakerOpened { wait_ms },
        Swing::Closed => Transition::BreakerClosed,
    }
}

/// The part of the failures, in percent, from which on less traffic is taken for the cure.
const THROTTLED_PERCENT: u64 = 80;

/// Within that time a second trip takes everything back, in milliseconds.
const SECOND_TRIP_MS: u64 = 3_600_000;
