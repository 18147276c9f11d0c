//! A machine, a clock and short names for what happens to calls.

use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::CallEvent;
use crate::outcome::CallId;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Advance;
use crate::rollout::Basis;
use crate::rollout::CautionKind;
use crate::rollout::Climb;
use crate::rollout::Command;
use crate::rollout::Input;
use crate::rollout::Machine;
use crate::rollout::Plan;
use crate::rollout::Record;
use crate::rollout::Report;
use crate::rollout::Rollback;
use crate::rollout::RuleName;
use crate::rollout::RuleReport;
use crate::rollout::Transition;
use crate::rollout::plan::Errors;
use crate::rollout::plan::Fast;
use crate::rollout::plan::Latency;
use crate::rollout::plan::Measure;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Percentile;
use crate::rollout::plan::Rules;
use crate::split::Percent;

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60_000;

/// Where the rule clock of the tests begins: on the edge of a bucket.
pub(super) const START: u64 = 7_200_000;

/// A wall clock that only dates things.
pub(super) const UNIX_MS: u64 = 1_700_000_000_000;

pub(super) fn percent(percent: f64) -> Percent {
    serde_json::from_value(serde_json::json!(percent)).unwrap()
}

pub(super) const NO_RULES: Rules = Rules {
    errors: None,
    latency: None,
    severe: None,
    outage: None,
    relative: None,
    rejected: None,
    abandoned: None,
    breaker: None,
    on_throttle: OnThrottle::Rollback,
};

pub(super) fn errors(above: f64, for_ms: u64) -> Rules {
    Rules {
        errors: Some(Errors {
            above: percent(above),
            for_ms,
        }),
        ..NO_RULES
    }
}

pub(super) fn latency(above_ms: u64, for_ms: u64) -> Rules {
    let (percentile, measure) = (Percentile::P95, Measure::FirstToken);
    Rules {
        latency: Some(Latency {
            above_ms,
            for_ms,
            percentile,
            measure,
        }),
        ..NO_RULES
    }
}

pub(super) fn outage() -> Rules {
    Rules {
        outage: Some(Fast {
            above: percent(50.0),
            over_ms: 30 * SECOND,
        }),
        ..NO_RULES
    }
}

pub(super) fn severe() -> Rules {
    Rules {
        severe: Some(Fast {
            above: percent(10.0),
            over_ms: 5 * MINUTE,
        }),
        ..NO_RULES
    }
}

/// The rules that the configuration has by default.
pub(in crate::rollout) fn defaults() -> Rules {
    Rules {
        errors: errors(2.0, 10 * MINUTE).errors,
        latency: latency(5 * SECOND, 5 * MINUTE).latency,
        severe: severe().severe,
        outage: outage().outage,
        ..NO_RULES
    }
}

pub(super) fn plan(rules: Rules) -> Plan {
    Plan {
        ceiling: percent(25.0),
        attempt: Attempt(1),
        rules,
        advance: Advance::Manual,
        basis: Basis::default(),
    }
}

/// The plan of a machine that climbs as the configuration has it by default, up to `ceiling`.
pub(super) fn auto(ceiling: f64) -> Plan {
    let stages = [5.0, 10.0, 25.0, 50.0, 75.0, 100.0].map(percent).into();
    let climb = Climb {
        stages,
        bake_ms: 30 * MINUTE,
        final_bake_ms: 24 * 60 * MINUTE,
        min_calls: 500,
        error_bound: percent(2.0),
        gates: Vec::new(),
    };
    Plan {
        ceiling: percent(ceiling),
        advance: Advance::Auto(climb),
        ..plan(defaults())
    }
}

/// Edits how a plan climbs.
pub(super) fn climb_of(plan: &mut Plan) -> &mut Climb {
    match &mut plan.advance {
        Advance::Auto(climb) => climb,
        Advance::Manual => panic!("nobody climbs"),
    }
}

/// A machine on a clock that the test moves; ticks come at every edge.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    /// Milliseconds since [`START`].
    pub(super) now: u64,
    /// All that the machine gave back.
    pub(super) log: Vec<(u64, Transition)>,
    pub(super) calls: u64,
}

impl Rig {
    pub(super) fn new(rules: Rules) -> Self {
        Self::with(plan(rules))
    }

    pub(super) fn with(plan: Plan) -> Self {
        let machine = Machine::new(plan.clone(), Record::first(Attempt(1)), RuleTime(START));
        Self {
            machine,
            plan,
            now: 0,
            log: Vec::new(),
            calls: 0,
        }
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<Transition> {
        let out = self.machine.handle(input, RuleTime(START + self.now));
        self.log
            .extend(out.iter().cloned().map(|it| (self.now, it)));
        out
    }

    pub(super) fn tick(&mut self) -> Vec<Transition> {
        self.input(Input::Tick {
            unix_ms: UNIX_MS + self.now,
            held: false,
        })
    }

    /// Moves the clock to `to`, with a tick at every edge on the way (and at `to` if it is one).
    pub(super) fn run_to(&mut self, to: u64) {
        while self.now / 5_000 < to / 5_000 {
            self.now = (self.now / 5_000 + 1) * 5_000;
            self.tick();
        }
        self.now = to;
    }

    pub(super) fn event(&mut self, attempt: u64, call: u64, event: CallEvent) {
        let at = RuleTime(START + self.now);
        let booking = Booking {
            at,
            attempt: Attempt(attempt),
            call: CallId(call),
            event,
        };
        self.input(Input::Booking(booking));
    }

    pub(super) fn dispatch(&mut self) -> u64 {
        self.calls += 1;
        let request_id = format!("req-{}", self.calls).into();
        let event = CallEvent::Dispatched { request_id };
        self.event(self.machine.attempt().0, self.calls, event);
        self.calls
    }

    pub(super) fn first_token(&mut self, call: u64) {
        self.event(self.machine.attempt().0, call, CallEvent::FirstToken);
    }

    pub(super) fn end(&mut self, call: u64, verdict: Verdict) {
        self.end_keyed(call, verdict, call);
    }

    pub(super) fn end_keyed(&mut self, call: u64, verdict: Verdict, key: u64) {
        let request_id = format!("req-{call}").into();
        let event = CallEvent::Ended {
            verdict,
            key,
            request_id,
        };
        self.event(self.machine.attempt().0, call, event);
    }

    /// A call that begins and ends now.
    pub(super) fn call(&mut self, verdict: Verdict) {
        let call = self.dispatch();
        if verdict == Verdict::Ok {
            self.first_token(call);
        }
        self.end(call, verdict);
    }

    pub(super) fn calls(&mut self, n: u64, verdict: Verdict) {
        for _ in 0..n {
            self.call(verdict);
        }
    }

    /// Buckets of `ok` complete answers and `failed` failures each, until `to`.
    pub(super) fn steady_to(&mut self, to: u64, ok: u64, failed: u64) {
        while self.now < to {
            self.calls(ok, Verdict::Ok);
            self.calls(failed, FAILED);
            self.run_to((self.now + 5_000).min(to));
        }
    }

    pub(super) fn replan(&mut self, edit: impl FnOnce(&mut Plan)) -> Vec<Transition> {
        edit(&mut self.plan);
        self.input(Input::Plan(self.plan.clone()))
    }

    pub(super) fn roll_back(&mut self) -> Vec<Transition> {
        let (reason, actor) = ("looks odd".to_owned(), "ops".to_owned());
        self.input(Input::Command(Command::Rollback {
            reason,
            actor,
            at_unix_ms: UNIX_MS,
        }))
    }

    pub(super) fn rearm(&mut self, reason: &str) -> Vec<Transition> {
        let (reason, actor) = (reason.to_owned(), "ops".to_owned());
        self.input(Input::Command(Command::Rearm {
            reason,
            actor,
            at_unix_ms: UNIX_MS,
        }))
    }

    pub(super) fn pause(&mut self) -> Vec<Transition> {
        let (reason, actor) = ("let me look".to_owned(), "ops".to_owned());
        self.input(Input::Command(Command::Pause {
            reason,
            actor,
            at_unix_ms: UNIX_MS,
        }))
    }

    pub(super) fn resume(&mut self) -> Vec<Transition> {
        let (reason, actor) = ("looked".to_owned(), "ops".to_owned());
        self.input(Input::Command(Command::Resume {
            reason,
            actor,
            at_unix_ms: UNIX_MS,
        }))
    }

    pub(super) fn advance(&mut self, force: bool) -> Vec<Transition> {
        let (reason, actor) = ("looks good".to_owned(), "ops".to_owned());
        self.input(Input::Command(Command::Advance {
            reason,
            actor,
            at_unix_ms: UNIX_MS,
            force,
        }))
    }

    pub(super) fn report(&self) -> Report {
        self.machine.report(RuleTime(START + self.now))
    }

    /// The share in force, in percent.
    pub(super) fn share(&self) -> String {
        self.machine.percent().to_string()
    }

    /// A call that the original answered now: `heard` says whether any of the answer came.
    pub(super) fn original(&mut self, verdict: Verdict, heard: bool, took_ms: u64) {
        self.calls += 1;
        let event = CallEvent::Original {
            verdict,
            heard,
            first_body_ms: heard.then_some(took_ms),
            took_ms,
        };
        self.event(self.machine.attempt().0, self.calls, event);
    }

    /// `n` of them, heard and fast.
    pub(super) fn originals(&mut self, n: u64, verdict: Verdict) {
        for _ in 0..n {
            self.original(verdict, true, 100);
        }
    }

    /// What rules found that nobody has taken note of.
    pub(super) fn cautions(&self) -> Vec<(RuleName, CautionKind)> {
        let cautions = &self.machine.record().cautions;
        cautions.iter().map(|it| (it.rule, it.kind)).collect()
    }

    /// A new process on what the old one persisted.
    pub(super) fn restart(&mut self) {
        let record = self.machine.record().clone();
        self.machine = Machine::new(self.plan.clone(), record, RuleTime(START + self.now));
    }

    pub(super) fn rule(&self, name: RuleName) -> RuleReport {
        let report = self.machine.report(RuleTime(START + self.now));
        report.rules.into_iter().find(|it| it.name == name).unwrap()
    }

    /// When the machine tripped and on what, if it did.
    pub(super) fn trip(&self) -> Option<(u64, &Rollback)> {
        self.log.iter().find_map(|(at, it)| match it {
            Transition::Tripped(rollback) => Some((*at, rollback)),
            _ => None,
        })
    }

    pub(super) fn tripped_at(&self) -> Option<u64> {
        self.trip().map(|(at, _)| at)
    }

    /// The names of what happened, with the seconds since the start.
    pub(super) fn story(&self) -> Vec<(u64, &'static str)> {
        self.log
            .iter()
            .map(|(at, it)| (at / SECOND, it.name()))
            .collect()
    }
}

pub(super) const FAILED: Verdict = Verdict::Failure(Class::Server);
