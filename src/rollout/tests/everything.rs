//! Whole rollouts with every rule, every command and every mishap there is, generated.
//!
//! Nothing here says what must be decided: that is for the slow machines of `reference`, `climbing`,
//! `compared` and `breaker`. It says what no history may lead to, and what must not matter: two
//! machines live through the same but for the wall clock, or but for calls that say nothing of this
//! attempt, and must say the same.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::CallEvent;
use crate::outcome::Class;
use crate::outcome::Verdict;
use crate::rollout::Advance;
use crate::rollout::Cause;
use crate::rollout::Gate;
use crate::rollout::GateAnswer;
use crate::rollout::Input;
use crate::rollout::Plan;
use crate::rollout::Record;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::plan::Abandoned;
use crate::rollout::plan::Action;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Relative;
use crate::rollout::plan::Rules;
use crate::split::Percent;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

const DAY_MS: u64 = 24 * 60 * MINUTE;

/// What the traffic of a stretch is like: calls in each bucket.
#[derive(Clone, Debug)]
struct Traffic {
    edges: u64,
    ok: u64,
    bad: u64,
    verdict: Verdict,
    /// Bedrock's that nobody answers.
    hung: u64,
    /// Bedrock's whose callers leave before the first token.
    left: u64,
    originals: u64,
    original_fails: bool,
    original_slow: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Run(Traffic),
    /// So many edges at which something else holds the share at 0.
    Held(u64),
    /// Nothing for so long, then one tick.
    Silence(u64),
    Pause,
    Resume,
    Advance(bool),
    RollBack,
    Rearm,
    Answer(GateAnswer),
    Ceiling(u16),
    Salt(u8),
    Attempt(u64),
    Auto(bool),
    Rules(Rules),
    Restart,
    /// The state file is read again, as it was so many writes ago.
    Reread(usize),
    /// It cannot be read.
    Torn,
}

fn traffic() -> impl Strategy<Value = Traffic> {
    let verdict = prop_oneof![
        3 => Just(FAILED),
        3 => Just(Verdict::Failure(Class::Throttle)),
        1 => Just(Verdict::Failure(Class::Truncated)),
        2 => Just(Verdict::Rejected),
        1 => Just(Verdict::ContextWindow),
        1 => Just(Verdict::Cancelled),
    ];
    let bad = prop_oneof![4 => Just(0u64), 2 => 0..2u64, 2 => 2..8u64];
    let hung = prop_oneof![6 => Just(0u64), 1 => 1..4u64];
    let left = prop_oneof![6 => Just(0u64), 1 => 1..4u64];
    let of_original = (
        0..12u64,
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
    );
    (1..30u64, 0..8u64, bad, verdict, hung, left, of_original).prop_map(
        |(edges, ok, bad, verdict, hung, left, (originals, original_fails, original_slow))| {
            Traffic {
                edges,
                ok,
                bad,
                verdict,
                hung,
                left,
                originals,
                original_fails,
                original_slow,
            }
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let action = prop::sample::select(Action::ALL.to_vec());
    let on_throttle = prop::sample::select(OnThrottle::ALL.to_vec());
    let relative = prop::option::weighted(0.8, (20..1_000u64, action));
    (
        relative,
        on_throttle,
        any::<[bool; 6]>(),
        1..40u32,
        1_000..6_000u64,
    )
        .prop_map(|(relative, on_throttle, on, above, above_ms)| {
            let relative = relative.map(|(odds, action)| Relative { odds, action });
            let above = f64::from(above);
            Rules {
                errors: errors(above, 50 * SECOND).errors.filter(|_| on[0]),
                latency: latency(above_ms, 50 * SECOND).latency.filter(|_| on[1]),
                severe: severe().severe.filter(|_| on[2]),
                outage: outage().outage.filter(|_| on[3]),
                relative,
                rejected: relative,
                abandoned: Some(Abandoned { times: 3 }).filter(|_| on[4]),
                breaker: outage().outage.filter(|_| on[5]),
                on_throttle,
            }
        })
}

fn act() -> impl Strategy<Value = Act> {
    let unknown = || GateAnswer::Unknown {
        problem: "it hangs".to_owned(),
    };
    let answer = prop_oneof![
        3 => Just(GateAnswer::Yes),
        1 => Just(GateAnswer::No),
        1 => Just(unknown()),
    ];
    prop_oneof![
        24 => traffic().prop_map(Act::Run),
        1 => (1..20u64).prop_map(Act::Held),
        1 => (0..2 * 60 * MINUTE).prop_map(Act::Silence),
        1 => Just(Act::Pause),
        3 => Just(Act::Resume),
        2 => any::<bool>().prop_map(Act::Advance),
        1 => Just(Act::RollBack),
        3 => Just(Act::Rearm),
        3 => answer.prop_map(Act::Answer),
        2 => prop_oneof![1 => Just(0), 3 => Just(10_000), 3 => 1..=10_000u16].prop_map(Act::Ceiling),
        1 => (0..3u8).prop_map(Act::Salt),
        1 => (0..2u64).prop_map(Act::Attempt),
        1 => prop::bool::weighted(0.8).prop_map(Act::Auto),
        1 => rules().prop_map(Act::Rules),
        2 => Just(Act::Restart),
        1 => (0..3usize).prop_map(Act::Reread),
        1 => Just(Act::Torn),
    ]
}

fn history() -> impl Strategy<Value = (Rules, Vec<Act>)> {
    (rules(), prop::collection::vec(act(), 1..50))
}

/// A machine that lives through a history, and what it said.
struct Life {
    rig: Rig,
    climb: Advance,
    /// The wall clock of the edges, from the time since the start.
    wall: fn(u64) -> u64,
    /// Calls of an earlier attempt, and of callers that left in the middle of an answer, come too.
    noise: bool,
    files: Vec<Record>,
}

impl Life {
    fn new(rules: Rules, wall: fn(u64) -> u64, noise: bool) -> Self {
        let mut plan = Plan {
            rules,
            ..auto(100.0)
        };
        let on_throttle = plan.rules.on_throttle;
        let climb = climb_of(&mut plan);
        (climb.bake_ms, climb.final_bake_ms) = (2 * MINUTE, 4 * MINUTE);
        (climb.min_calls, climb.error_bound) = (20, percent(30.0));
        // A step back wants a stage that baked, which a gate would seldom let through.
        climb.gates = match on_throttle {
            OnThrottle::Rollback => vec![Gate::Webhook],
            OnThrottle::StepBack => Vec::new(),
        };
        let climb = plan.advance.clone();
        let mut rig = Rig::with(plan);
        rig.input(Input::Plan(rig.plan.clone()));
        let files = vec![rig.machine.record().clone()];
        Self {
            rig,
            climb,
            wall,
            noise,
            files,
        }
    }

    fn tick(&mut self, held: bool) -> Vec<Transition> {
        let unix_ms = (self.wall)(self.rig.now);
        self.rig.input(Input::Tick { unix_ms, held })
    }

    fn run(&mut self, traffic: &Traffic) -> Vec<Transition> {
        let rig = &mut self.rig;
        rig.calls(traffic.ok, Verdict::Ok);
        rig.calls(traffic.bad, traffic.verdict);
        for _ in 0..traffic.hung {
            rig.dispatch();
        }
        for _ in 0..traffic.left {
            rig.call(Verdict::Cancelled);
        }
        let verdict = if traffic.original_fails {
            FAILED
        } else {
            Verdict::Ok
        };
        let took_ms = if traffic.original_slow { 9_000 } else { 100 };
        for _ in 0..traffic.originals {
            rig.original(verdict, true, took_ms);
        }
        if self.noise {
            let earlier = rig.machine.attempt().0.wrapping_sub(1);
            for call in 0..20 {
                let request_id = "req-of-before".into();
                let key = call;
                let ended = CallEvent::Ended {
                    verdict: FAILED,
                    key,
                    request_id,
                };
                rig.event(earlier, u64::MAX - call, ended);
            }
        }
        rig.now += 5_000;
        self.tick(false)
    }

    /// What happens, act by act; each input is checked.
    fn live(&mut self, act: &Act) -> Vec<Transition> {
        let steps = match act {
            Act::Run(traffic) => traffic.edges,
            Act::Held(edges) => *edges,
            _ => 1,
        };
        let mut all = Vec::new();
        for _ in 0..steps {
            let before = Before::of(&self.rig);
            let out = self.once(act);
            self.check(act, &before, &out);
            if self.rig.machine.record() != &before.record {
                self.files.push(self.rig.machine.record().clone());
            }
            all.extend(out);
        }
        all
    }

    fn once(&mut self, act: &Act) -> Vec<Transition> {
        let rig = &mut self.rig;
        match act {
            Act::Run(traffic) => self.run(traffic),
            Act::Held(_) => {
                rig.now += 5_000;
                self.tick(true)
            }
            Act::Silence(ms) => {
                rig.now += ms;
                self.tick(false)
            }
            Act::Pause => rig.pause(),
            Act::Resume => rig.resume(),
            Act::Advance(force) => rig.advance(*force),
            Act::RollBack => {
                let out = rig.roll_back();
                assert!(rig.machine.latched(), "in every state");
                out
            }
            Act::Rearm => rig.rearm("again"),
            Act::Answer(answer) => match rig.machine.question() {
                Some(question) => rig.input(Input::Gate {
                    question: question.id,
                    answer: answer.clone(),
                }),
                None => Vec::new(),
            },
            Act::Ceiling(ceiling) => {
                let ceiling = Percent::from_basis_points(*ceiling).unwrap();
                self.edit(|plan| plan.ceiling = ceiling)
            }
            Act::Salt(salt) => self.edit(|plan| plan.basis.salt = salt.to_string()),
            Act::Attempt(more) => {
                let attempt = Attempt(rig.machine.attempt().0 + more);
                self.edit(|plan| plan.attempt = attempt)
            }
            Act::Auto(auto) => {
                let climb = if *auto {
                    self.climb.clone()
                } else {
                    Advance::Manual
                };
                self.edit(|plan| plan.advance = climb)
            }
            Act::Rules(rules) => self.edit(|plan| plan.rules = rules.clone()),
            Act::Restart => {
                rig.restart();
                rig.input(Input::Plan(rig.plan.clone()))
            }
            Act::Reread(ago) => {
                let read = self.files[self.files.len().saturating_sub(1 + ago)].clone();
                rig.input(Input::Record(read))
            }
            Act::Torn => {
                let lost = Record::lost(rig.machine.attempt(), "it is torn", UNIX_MS);
                let out = rig.input(Input::Record(lost));
                assert!(
                    rig.machine.latched(),
                    "what is not known counts as a rollback"
                );
                out
            }
        }
    }

    /// A plan is followed or refused, as the controller does it.
    fn edit(&mut self, edit: impl FnOnce(&mut Plan)) -> Vec<Transition> {
        let mut plan = self.rig.plan.clone();
        edit(&mut plan);
        if self.rig.machine.refuses(&plan).is_none() {
            self.rig.plan = plan.clone();
        }
        self.rig.input(Input::Plan(plan))
    }

    /// What no history may lead to.
    fn check(&self, act: &Act, before: &Before, out: &[Transition]) {
        let (machine, record) = (&self.rig.machine, self.rig.machine.record());
        let (share, was) = (machine.percent(), &before.record);
        assert!(share <= self.rig.plan.ceiling, "{share} after {act:?}");
        assert!(share.is_zero() || !machine.latched());
        let read = matches!(act, Act::Reread(_) | Act::Torn);
        // The attempt: never back; a rollback is final in its own, whatever is read or edited. (What
        // stands in for a file that could not be read ends when it can be.)
        assert!(record.attempt >= was.attempt || (read && was.is_lost()));
        let known = was.rollback().is_some() && !was.is_lost();
        if was.rollback().is_some() && record.attempt == was.attempt {
            assert!(machine.latched() || !known, "{act:?}");
            assert!(read || record == was, "{act:?}");
        }
        assert!(machine.latched() || !read || !known, "no file ends one");
        let trips = out
            .iter()
            .filter(|it| matches!(it, Transition::Tripped(_) | Transition::RolledBack(_)));
        assert!(trips.count() <= 1, "one rollback, one event: {out:?}");
        self.check_rise(act, before.share, share, out);
        check_trips(act, out);
        // What must outlive the process is said to; what people do not know of is told.
        let told = out.iter().any(Transition::persist) || read;
        let same = Record {
            progress: None,
            ..record.clone()
        } == Record {
            progress: None,
            ..was.clone()
        };
        assert!(same || told, "{act:?}: {out:?}");
        let mishap = matches!(act, Act::Restart);
        assert!(
            !mishap || (record.cautions == was.cautions && record.paused == was.paused) || told
        );
        // The local breaker moves nothing.
        let only_breaker = !out.is_empty()
            && out.iter().all(|it| {
                matches!(
                    it,
                    Transition::BreakerOpened { .. } | Transition::BreakerClosed
                )
            });
        assert!(!only_breaker || (same && share == before.share));
        assert!(out.iter().all(|it| !it.sentence().is_empty()));
    }

    /// Only a step up, a first stage, a new attempt or an edit where people steer raises the share.
    fn check_rise(&self, act: &Act, before: Percent, share: Percent, out: &[Transition]) {
        let steers = self.rig.plan.advance == Advance::Manual
            && matches!(act, Act::Ceiling(_) | Act::Auto(_) | Act::Restart);
        let may = out.iter().any(|it| {
            matches!(
                it,
                Transition::Advanced(_)
                    | Transition::ClimbStarted { .. }
                    | Transition::Rearmed { .. }
                    | Transition::AttemptStarted { .. }
                    | Transition::RecordRead { .. }
            )
        });
        assert!(
            share <= before || may || steers,
            "{before} -> {share}: {act:?}: {out:?}"
        );
    }
}

/// No trip on little, in silence or without a tick; no step up where a rule speaks against it.
fn check_trips(act: &Act, out: &[Transition]) {
    for transition in out {
        match transition {
            Transition::Tripped(rollback) => {
                let numbers = rollback.numbers.unwrap();
                assert!(matches!(rollback.rule, Cause::Rule(_)));
                assert!(numbers.failures <= numbers.judged);
                // The comparisons weigh evidence themselves; the others count ten bad calls.
                let weighs = matches!(
                    rollback.rule,
                    Cause::Rule(
                        RuleName::Relative
                            | RuleName::RelativeSlow
                            | RuleName::RelativeTruncated
                            | RuleName::Rejected
                    )
                );
                assert!(weighs || numbers.failures >= 10, "{}", rollback.sentence);
                assert!(
                    matches!(act, Act::Run(_) | Act::Silence(_) | Act::Held(_)),
                    "{act:?}"
                );
            }
            Transition::Advanced(advanced) => {
                let by_hand = advanced.by.is_some();
                // Within the hour after the last calls, if their stage was only too young.
                let soon = matches!(act, Act::Silence(ms) if *ms < 60 * MINUTE);
                let calls = matches!(act, Act::Run(_));
                assert!(by_hand || calls || soon, "not in silence");
                assert!(by_hand || advanced.calls.judged >= 20);
            }
            _ => {}
        }
    }
}

/// What was, before something happened.
struct Before {
    record: Record,
    share: Percent,
}

impl Before {
    fn of(rig: &Rig) -> Self {
        Self {
            record: rig.machine.record().clone(),
            share: rig.machine.percent(),
        }
    }
}

fn right(since_start: u64) -> u64 {
    UNIX_MS + since_start
}

/// A day ahead and a day back, from one minute to the next.
fn jumping(since_start: u64) -> u64 {
    let day = if (since_start / MINUTE).is_multiple_of(2) {
        2 * DAY_MS
    } else {
        0
    };
    UNIX_MS - DAY_MS + day + since_start
}

fn names(out: &[Transition]) -> Vec<&'static str> {
    out.iter().map(Transition::name).collect()
}

/// Two lives through the same history say and do the same; gives what was said.
fn same(rules: &Rules, acts: &[Act], mut one: Life, mut other: Life) -> BTreeSet<&'static str> {
    let mut told = BTreeSet::new();
    assert_eq!(&one.rig.plan.rules, rules);
    for act in acts {
        let said = names(&one.live(act));
        assert_eq!(said, names(&other.live(act)), "{act:?}");
        let (a, b) = (&one.rig.machine, &other.rig.machine);
        assert_eq!(
            (a.percent(), a.attempt(), a.latched()),
            (b.percent(), b.attempt(), b.latched())
        );
        assert_eq!(a.admission(), b.admission());
        assert_eq!(one.rig.report().rules, other.rig.report().rules, "{act:?}");
        told.extend(said);
    }
    told
}

fn with_another_wall_clock((rules, acts): &(Rules, Vec<Act>)) -> BTreeSet<&'static str> {
    let life = |wall| Life::new(rules.clone(), wall, false);
    same(rules, acts, life(right), life(jumping))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_wall_clock_decides_nothing(history in history()) {
        with_another_wall_clock(&history);
    }

    #[test]
    fn calls_of_another_attempt_decide_nothing((rules, acts) in history()) {
        let life = |noise| Life::new(rules.clone(), right, noise);
        same(&rules, &acts, life(false), life(true));
    }
}

/// The generated histories are worth something.
#[test]
fn the_generated_histories_reach_everything() {
    let mut missing = BTreeSet::from([
        "tripped",
        "rolled_back",
        "already_rolled_back",
        "rearmed",
        "attempt_started",
        "climb_started",
        "stage_advanced",
        "stepped_back",
        "gate_waiting",
        "paused",
        "resumed",
        "clock_started",
        "clock_reset",
        "cautioned",
        "rule_unreachable",
        "local_breaker_open",
        "record_read",
        "refused",
    ]);
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let history = history().new_tree(&mut runner).unwrap().current();
        for told in with_another_wall_clock(&history) {
            missing.remove(told);
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never happened: {missing:?}");
}
