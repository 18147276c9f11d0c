//! What is watched besides the rules with clocks and windows: Bedrock against the original, callers
//! who leave, whether the latency rule can be kept at all, and the local breaker.

use super::Admission;
use super::RuleName;
use super::abandoned;
use super::abandoned::Left;
use super::breaker::Breaker;
use super::breaker::Swing;
use super::calls::Ended;
use super::caution::CautionKind;
use super::common;
use super::counts::PerClass;
use super::counts::Signal;
use super::evidence::Evidence;
use super::plan::Action;
use super::plan::Rules;
use super::ratio::Ratio;
use super::reach::Reach;
use super::reach::Unreachable;
use super::record::Numbers;
use super::relative::Comparison;
use super::relative::Comparisons;
use super::rules::Burst;
use super::rules::Trip;
use super::window::BUCKET_MS;
use super::window::BucketNo;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::split::Percent;

/// What is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub(super) comparisons: Comparisons,
    pub(super) reach: Reach,
    pub(super) breaker: Breaker,
    /// From when on calls that were left count.
    left_since: BucketNo,
}

/// What was seen at an edge.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// The latency rule is not armed.
    Unreachable(Unreachable),
    /// It is armed again.
    Reachable,
    /// Something to stop for.
    Found {
        rule: RuleName,
        kind: CautionKind,
        sentence: String,
    },
    /// Roll back.
    Trips(Trip),
}

impl Watch {
    /// Nothing known, from `edge` on.
    pub(super) fn new(edge: BucketNo) -> Self {
        Self {
            left_since: edge,
            ..Self::default()
        }
    }

    /// An attempt, an edited rule or a raised share: whether the latency rule can be kept is asked
    /// anew.
    pub(super) const fn arm(&mut self) {
        self.reach = Reach::Unknown;
    }

    /// What was counted as fast and slow means nothing any more.
    pub(super) fn clear_speed(&mut self) {
        self.comparisons.begin_again(RuleName::RelativeSlow);
        self.arm();
    }

    /// A person has taken note of what a rule found: it looks at what comes from now on.
    pub(super) fn noted(&mut self, rule: RuleName, edge: BucketNo) {
        self.comparisons.begin_again(rule);
        match rule {
            RuleName::Abandoned => self.left_since = edge,
            RuleName::Errors
            | RuleName::Latency
            | RuleName::Severe
            | RuleName::Outage
            | RuleName::Relative
            | RuleName::RelativeSlow
            | RuleName::RelativeTruncated
            | RuleName::Rejected => {}
        }
    }

    /// Whether the latency rule watches.
    pub(super) const fn latency_is_armed(&self) -> bool {
        match self.reach {
            Reach::Unknown | Reach::Reachable => true,
            Reach::Unreachable(_) => false,
        }
    }

    /// Looks at whether the latency rule can be kept, as of `edge`.
    pub(super) fn look_at_reach(
        &mut self,
        rules: &Rules,
        evidence: &Evidence,
        edge: BucketNo,
    ) -> Option<Sight> {
        let armed = self.latency_is_armed();
        self.reach = match &rules.latency {
            None => Reach::Unknown,
            Some(rule) => {
                let (window, latencies) = (&evidence.original.window, &evidence.latencies);
                self.reach.look(rule, window, latencies, edge)
            }
        };
        match (armed, self.reach) {
            (true, Reach::Unreachable(why)) => Some(Sight::Unreachable(why)),
            (false, Reach::Unknown | Reach::Reachable) => Some(Sight::Reachable),
            (false, Reach::Unreachable(_)) | (true, Reach::Unknown | Reach::Reachable) => None,
        }
    }

    /// Compares, as of `edge`. To be called for each edge once, in order.
    pub(super) fn compare(
        &mut self,
        rules: &Rules,
        evidence: &Evidence,
        edge: BucketNo,
    ) -> Vec<Sight> {
        self.comparisons.take(evidence, edge);
        let mut sights = Vec::new();
        for rule in RuleName::ALL {
            let Some(it) = self.comparisons.of(rule, rules) else {
                continue;
            };
            if !it.exceeds() {
                continue;
            }
            match it.plan.action {
                Action::Caution => sights.push(Sight::Found {
                    rule,
                    kind: CautionKind::Worse,
                    sentence: it.to_string(),
                }),
                Action::Rollback if evidence.fresh(it.signal, edge) => {
                    sights.push(Sight::Trips(it.trip(evidence, edge)));
                }
                Action::Rollback => {}
            }
        }
        let rule = RuleName::Abandoned;
        let left = rules
            .abandoned
            .and_then(|plan| abandoned::look(plan, evidence, self.left_since, edge));
        if let Some(left) = left {
            let kind = match left {
                Left::Excess(_) => CautionKind::Worse,
                Left::Most(_) => CautionKind::Left,
            };
            let sentence = left.to_string();
            sights.push(Sight::Found {
                rule,
                kind,
                sentence,
            });
        }
        sights
    }

    /// Looks at the breaker, as of `edge`. It stays closed while the original is in an outage and
    /// worse: that is no place to send everybody to.
    pub(super) fn look_at_breaker(
        &mut self,
        rules: &Rules,
        evidence: &Evidence,
        edge: BucketNo,
    ) -> Option<Swing> {
        let now = edge.begins();
        let Some(burst) = Burst::breaker(rules) else {
            self.breaker = Breaker::default();
            return None;
        };
        // The bucket in which it closed holds calls from before.
        let closed = self.breaker.closed_at();
        let since = closed.map_or(BucketNo(0), |at| BucketNo::at(at).next());
        let window = &evidence.bedrock.window;
        let look = burst.look_since(window, Signal::Failures, since, edge);
        let outage = evidence.fresh(Signal::Failures, edge)
            && look.shows(burst.limit())
            && common::original_is_down(rules, evidence, edge).is_none();
        let trial = self.breaker.trial_since();
        let trying = trial.is_some_and(|since| evidence.calls.any_since(since));
        self.breaker.look(now, outage, trying)
    }

    /// A call has ended: it may have been the trial.
    pub(super) fn ended(
        &mut self,
        ended: &Ended,
        verdict: Verdict,
        now: RuleTime,
    ) -> Option<Swing> {
        let well = match verdict {
            Verdict::Ok => Some(true),
            Verdict::Failure(_) => Some(false),
            // Bedrock was there and said something, if nothing that counts.
            Verdict::Rejected | Verdict::ContextWindow => Some(true),
            Verdict::Cancelled => None,
        };
        self.breaker.ended(ended.dispatched, now, well)
    }

    /// A comparison that is not sure yet, but too suspicious to go on.
    pub(super) fn suspects(&self, rules: &Rules) -> Option<RuleName> {
        RuleName::ALL.into_iter().find(|&rule| {
            let it = self.comparisons.of(rule, rules);
            it.is_some_and(|it| it.odds.against_chance() >= SUSPICIOUS)
        })
    }

    /// Which calls this process may make.
    pub(super) const fn admission(&self) -> Admission {
        self.breaker.admission()
    }
}

/// The odds at which no stage is left any more.
const SUSPICIOUS: u64 = 20;

impl Comparison {
    /// What a rollback by it says. Its limit is half as much again as the original's rate.
    fn trip(&self, evidence: &Evidence, edge: BucketNo) -> Trip {
        let all = self.odds.all();
        let Ratio { bad, of } = all.bedrock;
        let original = all.original.rounded().basis_points();
        let limit = Percent::from_basis_points(original.saturating_mul(3) / 2);
        let ran = edge.0.saturating_sub(evidence.began.0);
        let numbers = Numbers {
            value: all.bedrock.rounded(),
            limit: limit.unwrap_or(Percent::ALL),
            failures: bad,
            judged: of,
            window_ms: ran.saturating_mul(BUCKET_MS),
            for_ms: None,
            slower_than_ms: None,
        };
        let classes = match self.signal {
            Signal::Failures | Signal::Truncations => *evidence.bedrock.total.failures(),
            Signal::Slowness | Signal::Rejections | Signal::Abandonment => PerClass::default(),
        };
        Trip {
            rule: self.rule,
            signal: self.signal,
            numbers,
            classes,
            besides: Some(self.to_string()),
        }
    }
}
