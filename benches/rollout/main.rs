//! What the rollout core costs: booking an outcome, a tick, and the decision of a call.
//!
//! `cargo bench --bench rollout` measures and prints a table; nothing is asserted. `-- --json` prints
//! every number, `-- --quick` only shows that it runs.
//!
//! The machine has all rules on and an hour of history at 100 calls a second, with one in a hundred
//! failing. The baseline of the same run is a `HashMap` that counts verdicts by name, which is the
//! least that the obvious way to book an outcome costs. Times are the shortest of all rounds,
//! because what disturbs only adds.

use clap::Parser;
use crossfade::outcome::{Attempt, Booking, CallEvent, CallId, Class, RuleTime, Verdict};
use crossfade::rollout::plan::{
    Abandoned, Action, Errors, Fast, Latency, Measure, OnThrottle, Percentile, Relative, Rules,
};
use crossfade::rollout::{Advance, Basis, Input, Machine, Plan, Record};
use crossfade::split::{Bucket, Percent};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Benchmark of the rollout core.
#[derive(Parser)]
struct Arguments {
    /// Print every measurement as JSON.
    #[arg(long)]
    json: bool,
    /// One short round.
    #[arg(long)]
    quick: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one of something costs.
#[derive(Serialize)]
struct Measured {
    name: &'static str,
    ns: f64,
    allocations: f64,
    /// Allocated, in bytes.
    allocated: f64,
}

#[derive(Serialize)]
struct Report {
    costs: Vec<Measured>,
    /// Held by a machine without and with an hour of history, in bytes.
    empty_bytes: u64,
    hour_bytes: u64,
}

const BUCKET_MS: u64 = 5_000;
const HOUR_BUCKETS: u64 = 720;
/// In each bucket of the history.
const CALLS: u64 = 500;

fn percent(basis_points: u16) -> Percent {
    Percent::from_basis_points(basis_points).unwrap_or_default()
}

fn plan() -> Plan {
    let fast = |basis_points, over_ms| {
        Some(Fast {
            above: percent(basis_points),
            over_ms,
        })
    };
    let relative = Some(Relative {
        odds: 1_000,
        action: Action::Caution,
    });
    Plan {
        ceiling: percent(2_500),
        attempt: Attempt(1),
        rules: Rules {
            errors: Some(Errors {
                above: percent(200),
                for_ms: 600_000,
            }),
            latency: Some(Latency {
                above_ms: 5_000,
                for_ms: 300_000,
                percentile: Percentile::P95,
                measure: Measure::FirstToken,
            }),
            severe: fast(1_000, 300_000),
            outage: fast(5_000, 30_000),
            relative,
            rejected: relative,
            abandoned: Some(Abandoned { times: 3 }),
            breaker: fast(5_000, 30_000),
            on_throttle: OnThrottle::Rollback,
        },
        advance: Advance::Manual,
        basis: Basis::default(),
    }
}

/// A machine, and the clock and the calls that it is told of.
#[derive(Clone)]
struct Bench {
    machine: Machine,
    now: u64,
    call: u64,
    request_id: Arc<str>,
}

impl Bench {
    fn new() -> Self {
        let now = 2 * HOUR_BUCKETS * BUCKET_MS;
        Self {
            machine: Machine::new(plan(), Record::first(Attempt(1)), RuleTime(now)),
            now,
            call: 0,
            request_id: "req_0123456789abcdef".into(),
        }
    }

    fn tell(&mut self, event: CallEvent) {
        let booking = Booking {
            at: RuleTime(self.now),
            attempt: Attempt(1),
            call: CallId(self.call),
            event,
        };
        black_box(
            self.machine
                .handle(Input::Booking(booking), RuleTime(self.now)),
        );
    }

    /// The three bookings of one call of Bedrock's.
    fn bedrock(&mut self) {
        self.call += 1;
        let request_id = Arc::clone(&self.request_id);
        self.tell(CallEvent::Dispatched { request_id });
        self.tell(CallEvent::FirstToken);
        let verdict = if self.call.is_multiple_of(100) {
            Verdict::Failure(Class::Server)
        } else {
            Verdict::Ok
        };
        let request_id = Arc::clone(&self.request_id);
        self.tell(CallEvent::Ended {
            verdict,
            key: self.call,
            request_id,
        });
    }

    fn original(&mut self) {
        self.call += 1;
        self.tell(CallEvent::Original {
            verdict: Verdict::Ok,
            heard: true,
            first_body_ms: Some(400),
            took_ms: 1_900,
        });
    }

    fn tick(&mut self, on_ms: u64) {
        self.now += on_ms;
        let tick = Input::Tick {
            unix_ms: self.now,
            held: false,
        };
        black_box(self.machine.handle(tick, RuleTime(self.now)));
    }

    fn with_an_hour() -> Self {
        let mut bench = Self::new();
        for _ in 0..HOUR_BUCKETS {
            for _ in 0..CALLS / 2 {
                bench.bedrock();
                bench.original();
            }
            bench.tick(BUCKET_MS);
        }
        bench
    }
}

/// One of what `run` does `times` times, the best of `rounds`; every round begins anew.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure<S: Clone>(
    name: &'static str,
    (rounds, times): (usize, u32),
    start: &S,
    mut run: impl FnMut(&mut S),
) -> Measured {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let mut state = start.clone();
        let begin = Instant::now();
        for _ in 0..times {
            run(&mut state);
        }
        best = best.min(black_box(begin.elapsed()).as_secs_f64() * 1e9 / f64::from(times));
    }
    let mut state = start.clone();
    let counted = allocation_counter::measure(|| {
        for _ in 0..times {
            run(&mut state);
        }
    });
    Measured {
        name,
        ns: best,
        allocations: counted.count_total as f64 / f64::from(times),
        allocated: counted.bytes_total as f64 / f64::from(times),
    }
}

fn held<T>(make: impl Fn() -> T) -> u64 {
    let mut kept = None;
    let counted = allocation_counter::measure(|| kept = Some(make()));
    drop(kept);
    u64::try_from(counted.bytes_current).unwrap_or_default()
        + u64::try_from(size_of::<T>()).unwrap_or_default()
}

fn report(quick: bool) -> Report {
    let effort = if quick { (1, 100) } else { (25, 10_000) };
    let ticks = if quick { (1, 10) } else { (25, 500) };
    let hour = Bench::with_an_hour();
    let counts: HashMap<&str, u64> = HashMap::from([("ok", 0), ("failed", 0)]);
    let (share, salt) = (percent(2_500), "crossfade");
    let costs = vec![
        measure("baseline: a verdict in a map", effort, &counts, |counts| {
            *counts.entry(black_box("ok")).or_default() += 1;
        }),
        measure(
            "a Bedrock call, three bookings",
            effort,
            &hour,
            Bench::bedrock,
        ),
        measure(
            "an original's call, one booking",
            effort,
            &hour,
            Bench::original,
        ),
        measure("the decision: bucket below share", effort, &0_u64, |key| {
            *key += 1;
            black_box(share.includes(Bucket::of_key(salt, &key.to_le_bytes())));
        }),
        measure("a tick between two edges", ticks, &hour, |bench| {
            bench.tick(0)
        }),
        measure("a tick at an edge, hour of calls", ticks, &hour, |bench| {
            bench.original();
            bench.tick(BUCKET_MS);
        }),
        measure("the report for status", ticks, &hour, |bench| {
            black_box(bench.machine.report(RuleTime(bench.now)));
        }),
    ];
    Report {
        costs,
        empty_bytes: held(Bench::new),
        hour_bytes: held(Bench::with_an_hour),
    }
}

fn table(report: &Report) -> String {
    let mut text = format!("{:34} {:>10} {:>8} {:>10}\n", "", "ns", "allocs", "bytes");
    for row in &report.costs {
        let _ = writeln!(
            text,
            "{:34} {:>10.1} {:>8.2} {:>10.1}",
            row.name, row.ns, row.allocations, row.allocated
        );
    }
    let kib = |bytes| bytes as f64 / 1_024.0;
    let _ = writeln!(
        text,
        "\nA machine holds {:.1} KiB when new and {:.1} KiB after an hour at 100 calls a second.",
        kib(report.empty_bytes),
        kib(report.hour_bytes)
    );
    text
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let report = report(arguments.quick);
    let text = if arguments.json {
        // Cannot fail: numbers and strings.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    } else {
        table(&report)
    };
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())
}
