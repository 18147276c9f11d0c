//! The machine against a slow one that keeps every call and counts anew at every edge.
//!
//! Histories are generated: traffic in phases, hung calls, bookings that come late, ticks that
//! come between the edges, seldom or twice. Both must start, reset and trip the same clocks at the
//! same moments with the same numbers.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::CallEvent;
use crate::outcome::CallId;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Cause;
use crate::rollout::Input;
use crate::rollout::Machine;
use crate::rollout::Record;
use crate::rollout::ResetWhy;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::counts::Count;
use crate::rollout::counts::Signal;
use crate::rollout::plan::Rules;
use crate::rollout::ratio::Ratio;
use crate::rollout::window::BucketNo;
use crate::rollout::window::Window;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// What both machines say of one edge, so that they can be compared.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Started(RuleName),
    Reset(RuleName, u64, ResetWhy),
    Tripped {
        rule: RuleName,
        bad: u64,
        of: u64,
        window_ms: u64,
        for_ms: Option<u64>,
    },
}

/// The slow machine. Times in milliseconds on the rule clock.
struct Slow {
    rules: Rules,
    failures: List,
    slowness: List,
    /// Calls that are neither fast nor slow yet, with when they were dispatched.
    open: BTreeMap<u64, u64>,
    edge: u64,
}

/// Every call that was judged (or timed), with whether it was bad.
#[derive(Default)]
struct List {
    calls: Vec<(u64, bool)>,
    clock: Option<u64>,
    /// Bad calls that were in view at the last edge.
    seen: usize,
}

impl Slow {
    fn new(rules: Rules, now: u64) -> Self {
        let (failures, slowness) = (List::default(), List::default());
        Self {
            rules,
            failures,
            slowness,
            open: BTreeMap::new(),
            edge: now / 5_000 * 5_000,
        }
    }

    fn first_token(&mut self, call: u64, at: u64) {
        self.settle(call, at, true);
    }

    fn ended(&mut self, call: u64, at: u64, verdict: Verdict) {
        self.settle(call, at, verdict == Verdict::Ok);
        self.open.remove(&call);
        match verdict {
            Verdict::Ok => self.failures.calls.push((at, false)),
            Verdict::Failure(_) => self.failures.calls.push((at, true)),
            Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled => {}
        }
    }

    fn settle(&mut self, call: u64, at: u64, done: bool) {
        let Some(&dispatched) = self.open.get(&call) else {
            return;
        };
        let above = self.rules.latency.unwrap().above_ms;
        if at > dispatched + above {
            self.slowness.calls.push((dispatched + above, true));
        } else if done {
            self.slowness.calls.push((at, false));
        } else {
            return;
        }
        self.open.remove(&call);
    }

    fn tick(&mut self, now: u64) -> Vec<Said> {
        for call in self.open.keys().copied().collect::<Vec<_>>() {
            self.settle(call, now, false);
        }
        let mut said = vec![];
        while self.edge + 5_000 <= now {
            self.edge += 5_000;
            said.extend(self.look());
            if let Some(Said::Tripped { .. }) = said.last() {
                break;
            }
        }
        said
    }

    fn look(&mut self) -> Vec<Said> {
        let edge = self.edge;
        let (failed, slow) = (self.failures.news(edge), self.slowness.news(edge));
        let bursts = [
            (RuleName::Outage, self.rules.outage, 20),
            (RuleName::Severe, self.rules.severe, 50),
        ];
        for (rule, fast, enough) in bursts {
            let Some(fast) = fast.filter(|_| failed) else {
                continue;
            };
            let minutes = [1, 2, 5, 10, 20, 30, 60].map(|minutes| minutes * MINUTE);
            let ladder = [30_000]
                .into_iter()
                .chain(minutes)
                .filter(|&ms| ms > fast.over_ms);
            let ladder: Vec<_> = [fast.over_ms].into_iter().chain(ladder).collect();
            let Some(it) = self.failures.stretched(edge, &ladder, enough) else {
                continue;
            };
            if it.above(fast.above.basis_points()) && it.bad >= 10 && it.buckets.len() >= 4 {
                let (bad, of, window_ms) = (it.bad, it.of, it.window_ms);
                return vec![Said::Tripped {
                    rule,
                    bad,
                    of,
                    window_ms,
                    for_ms: None,
                }];
            }
        }
        let mut said = vec![];
        if let Some(errors) = self.rules.errors {
            let limit = errors.above.basis_points();
            said.extend(
                self.failures
                    .clock(RuleName::Errors, edge, limit, errors.for_ms, failed),
            );
        }
        if let (Some(latency), false) = (self.rules.latency, tripped(&said)) {
            let limit = latency.percentile.slow_share().basis_points();
            said.extend(
                self.slowness
                    .clock(RuleName::Latency, edge, limit, latency.for_ms, slow),
            );
        }
        said
    }
}

fn tripped(said: &[Said]) -> bool {
    said.iter().any(|it| matches!(it, Said::Tripped { .. }))
}

struct Seen {
    bad: u64,
    of: u64,
    buckets: BTreeSet<u64>,
    window_ms: u64,
}

impl Seen {
    fn above(&self, basis_points: u16) -> bool {
        self.bad as f64 / self.of as f64 > f64::from(basis_points) / 10_000.0 + 1e-12
    }
}

impl List {
    fn news(&mut self, edge: u64) -> bool {
        let in_view = self
            .calls
            .iter()
            .filter(|&&(at, bad)| at < edge && bad)
            .count();
        std::mem::replace(&mut self.seen, in_view) < in_view
    }

    /// The calls of the last `ms`, in whole buckets.
    fn over(&self, edge: u64, ms: u64) -> Seen {
        let window_ms = ms.div_ceil(5_000) * 5_000;
        let calls = self
            .calls
            .iter()
            .filter(|it| it.0 < edge && it.0 + window_ms >= edge);
        let bad = calls.clone().filter(|it| it.1);
        let buckets = bad.clone().map(|it| it.0 / 5_000).collect();
        Seen {
            bad: bad.count() as u64,
            of: calls.count() as u64,
            buckets,
            window_ms,
        }
    }

    fn stretched(&self, edge: u64, ladder: &[u64], enough: u64) -> Option<Seen> {
        ladder
            .iter()
            .map(|&ms| self.over(edge, ms))
            .find(|it| it.of >= enough)
    }

    fn clock(
        &mut self,
        rule: RuleName,
        edge: u64,
        limit: u16,
        for_ms: u64,
        news: bool,
    ) -> Option<Said> {
        let times = |n: u64| n * for_ms / 10;
        let now = self.stretched(edge, &[1, 2, 3, 5, 10].map(times), 20);
        let breached = now.is_some_and(|it| it.above(limit));
        let Some(started) = self.clock else {
            self.clock = breached.then_some(edge);
            return breached.then_some(Said::Started(rule));
        };
        let age = edge - started;
        let recovery = self.stretched(edge, &[3, 5, 10].map(times), 20);
        let why = if self.over(edge, for_ms).of == 0 {
            Some(ResetWhy::Idle)
        } else if age > times(3) && recovery.is_some_and(|it| !it.above(limit)) {
            Some(ResetWhy::Recovered)
        } else {
            None
        };
        if let Some(why) = why {
            self.clock = None;
            return Some(Said::Reset(rule, age, why));
        }
        let lead_in = times(1).div_ceil(5_000) * 5_000;
        let since = self.over(edge, (age + lead_in).min(60 * MINUTE));
        let trips = age >= for_ms && breached && since.bad >= 10 && since.above(limit) && news;
        let (bad, of, window_ms) = (since.bad, since.of, since.window_ms);
        trips.then_some(Said::Tripped {
            rule,
            bad,
            of,
            window_ms,
            for_ms: Some(age),
        })
    }
}

/// A stretch of traffic: at each step the clock moves, calls come, some ticks do.
#[derive(Clone, Debug)]
struct Phase {
    steps: u64,
    step_ms: u64,
    ok: u64,
    failed: u64,
    hung: u64,
    /// How late the failures are booked.
    late_ms: u64,
    /// After how many steps ticks come, and how many at once.
    ticks: (u64, u64),
}

fn phase() -> impl Strategy<Value = Phase> {
    let failed = prop_oneof![3 => Just(0u64), 2 => 0..3u64, 1 => 2..6u64];
    let calls = prop_oneof![6 => (0..6u64, failed), 1 => Just((0, 0))];
    let hung = prop_oneof![3 => Just(0u64), 1 => 1..3u64];
    let late = prop_oneof![3 => Just(0u64), 1 => 0..20_000u64];
    let steps = (
        1..25u64,
        prop_oneof![2 => 300..6_000u64, 1 => Just(5_000u64)],
    );
    (steps, calls, hung, late, (1..4u64, 1..3u64)).prop_map(
        |((steps, step_ms), (ok, failed), hung, late_ms, ticks)| Phase {
            steps,
            step_ms,
            ok,
            failed,
            hung,
            late_ms,
            ticks,
        },
    )
}

#[derive(Clone, Debug)]
struct History {
    rules: Rules,
    phases: Vec<Phase>,
    /// How long hung calls hang.
    hang_ms: u64,
}

fn history() -> impl Strategy<Value = History> {
    let rules = (
        (1..2_000u32, 50..120u64),
        (1_000..6_000u64, 50..120u64),
        prop_oneof![2 => Just(None), 1 => (30..90u64).prop_map(Some)],
        prop_oneof![2 => Just(None), 1 => (30..90u64).prop_map(Some)],
    );
    let rules = rules.prop_map(
        |((share, errors_s), (above_ms, latency_s), outage_s, severe_s)| {
            let mut rules = defaults();
            rules.errors = errors(f64::from(share) / 100.0, errors_s * SECOND).errors;
            rules.latency = latency(above_ms, latency_s * SECOND).latency;
            let over = |rule: Option<crate::rollout::plan::Fast>, s: Option<u64>| {
                rule.zip(s).map(|(rule, s)| crate::rollout::plan::Fast {
                    over_ms: s * SECOND,
                    ..rule
                })
            };
            (rules.outage, rules.severe) =
                (over(rules.outage, outage_s), over(rules.severe, severe_s));
            rules
        },
    );
    (
        rules,
        prop::collection::vec(phase(), 1..8),
        1_000..20_000u64,
    )
        .prop_map(|(rules, phases, hang_ms)| History {
            rules,
            phases,
            hang_ms,
        })
}

/// Drives both machines through a history; gives what both said.
fn drive(history: &History) -> Vec<Said> {
    let mut now = START + 1_234;
    let plan = plan(history.rules.clone());
    let mut machine = Machine::new(plan, Record::first(Attempt(1)), RuleTime(now));
    let mut slow = Slow::new(history.rules.clone(), now);
    let (mut calls, mut hung, mut said) = (0, vec![], vec![]);
    for phase in &history.phases {
        for step in 1..=phase.steps {
            now += phase.step_ms;
            let mut tell = |call, at, event| {
                let (at, call) = (RuleTime(at), CallId(call));
                let booking = Booking {
                    at,
                    attempt: Attempt(1),
                    call,
                    event,
                };
                assert_eq!(machine.handle(Input::Booking(booking), RuleTime(now)), []);
            };
            let ended = |verdict| CallEvent::Ended {
                verdict,
                key: 0,
                request_id: "id".into(),
            };
            for n in 0..phase.ok + phase.failed + phase.hung {
                calls += 1;
                let request_id = "id".into();
                tell(calls, now, CallEvent::Dispatched { request_id });
                slow.open.insert(calls, now);
                if n < phase.ok {
                    tell(calls, now, CallEvent::FirstToken);
                    slow.first_token(calls, now);
                    tell(calls, now, ended(Verdict::Ok));
                    slow.ended(calls, now, Verdict::Ok);
                } else if n < phase.ok + phase.failed {
                    let at = now.saturating_sub(phase.late_ms).max(START);
                    tell(calls, at, ended(FAILED));
                    slow.ended(calls, at, FAILED);
                } else {
                    hung.push((calls, now));
                }
            }
            while let Some(&(call, since)) = hung.first().filter(|it| it.1 + history.hang_ms <= now)
            {
                hung.remove(0);
                let verdict = if since % 2 == 0 {
                    FAILED
                } else {
                    Verdict::Cancelled
                };
                tell(call, now, ended(verdict));
                slow.ended(call, now, verdict);
            }
            for _ in 0..if step % phase.ticks.0 == 0 {
                phase.ticks.1
            } else {
                0
            } {
                let out = machine.handle(
                    Input::Tick {
                        unix_ms: 0,
                        held: false,
                    },
                    RuleTime(now),
                );
                let fast: Vec<_> = out.iter().map(say).collect();
                assert_eq!(fast, slow.tick(now), "at {} ms", now - START);
                said.extend(fast);
                if machine.latched() {
                    return said;
                }
            }
        }
    }
    said
}

fn say(transition: &Transition) -> Said {
    match transition {
        Transition::ClockStarted { rule, .. } => Said::Started(*rule),
        Transition::ClockReset { rule, ran_ms, why } => Said::Reset(*rule, *ran_ms, *why),
        Transition::Tripped(rollback) => {
            let (Cause::Rule(rule), Some(it)) = (rollback.rule, rollback.numbers) else {
                panic!("{rollback:?}")
            };
            let (bad, of, window_ms) = (it.failures, it.judged, it.window_ms);
            Said::Tripped {
                rule,
                bad,
                of,
                window_ms,
                for_ms: it.for_ms,
            }
        }
        other => panic!("unexpected {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any interleaving, gap and lateness, over more than the hour that is kept.
    #[test]
    fn windows_hold_what_was_counted(
        counted in prop::collection::vec((0..40u64, 0..900u64, any::<bool>()), 1..200),
        n in 1..=720u64,
    ) {
        let (mut window, mut all, mut last) = (Window::new(), vec![], 0);
        for (on, late, bad) in counted {
            last += on;
            let bucket = last.saturating_sub(if late < 600 { late / 200 } else { late });
            let what = if bad { Count::Failed(Class::Server) } else { Count::Ok };
            window.count(BucketNo(bucket), what);
            all.push((bucket, bad));
            let edge = last + 1;
            let within = |it: &&(u64, bool)| it.0 + n >= edge;
            let bad = all.iter().filter(within).filter(|it| it.1).count() as u64;
            let of = all.iter().filter(within).count() as u64;
            let ratio = Ratio { bad, of };
            prop_assert_eq!(window.ratio(BucketNo(edge), n, Signal::Failures), ratio);
            prop_assert_eq!(window.sum(BucketNo(edge), n).ratio(Signal::Failures), ratio);
            prop_assert_eq!(window.idle(BucketNo(edge), n, Signal::Failures), of == 0);
        }
    }

    #[test]
    fn decisions_are_those_of_the_slow_machine(history in history()) {
        drive(&history);
    }
}

#[test]
fn the_generated_histories_reach_every_decision() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..120 {
        let history = history().new_tree(&mut runner).unwrap().current();
        reached.extend(drive(&history).into_iter().map(|said| match said {
            Said::Started(rule) => format!("{} started", rule.name()),
            Said::Reset(rule, _, why) => format!("{} reset {why:?}", rule.name()),
            Said::Tripped { rule, .. } => format!("{} tripped", rule.name()),
        }));
    }
    for name in ["errors", "latency", "severe", "outage"] {
        assert!(
            reached.contains(&format!("{name} tripped")),
            "{name}: {reached:?}"
        );
    }
    for name in ["errors", "latency"] {
        assert!(
            reached.contains(&format!("{name} started")),
            "{name}: {reached:?}"
        );
        assert!(
            reached.contains(&format!("{name} reset Recovered")),
            "{name}: {reached:?}"
        );
    }
}
