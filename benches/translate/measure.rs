//! Runs a case: how long, how many allocations, how much memory.

use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Something to measure, and what it is compared with.
pub(crate) struct Case {
    pub(crate) name: String,
    /// What is read.
    pub(crate) bytes: usize,
    /// How many things are in it; 1 where only bytes matter.
    pub(crate) items: usize,
    pub(crate) run: Box<dyn FnMut()>,
    /// Reads the same bytes and keeps nothing.
    pub(crate) scan: Box<dyn FnMut()>,
    /// Reads the same bytes into a tree and writes it.
    pub(crate) tree: Box<dyn FnMut()>,
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    batch: Duration,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 25,
        batch: Duration::from_millis(4),
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        batch: Duration::from_millis(1),
    };
}

/// What a case came to; times are the shortest of all rounds, because what disturbs only adds.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) bytes: usize,
    pub(crate) items: usize,
    pub(crate) ns: f64,
    /// Time in times of `scan`.
    pub(crate) of_scan: f64,
    /// Time in times of `tree`.
    pub(crate) of_tree: f64,
    pub(crate) allocations: u64,
    pub(crate) tree_allocations: u64,
    /// Allocated in all, in bytes.
    pub(crate) allocated: u64,
    /// Held at one time at most, in bytes.
    pub(crate) peak: u64,
    pub(crate) tree_peak: u64,
}

pub(crate) fn measure(mut case: Case, effort: Effort) -> Measured {
    // The first call fills what is made once.
    (case.run)();
    let own = allocation_counter::measure(|| (case.run)());
    let tree = allocation_counter::measure(|| (case.tree)());
    let times = batch_size(&mut case.run, effort.batch);
    let (mut ns, mut scan_ns, mut tree_ns) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..effort.rounds {
        ns = ns.min(time(&mut case.run, times));
        scan_ns = scan_ns.min(time(&mut case.scan, times));
        tree_ns = tree_ns.min(time(&mut case.tree, times));
    }
    Measured {
        name: case.name,
        bytes: case.bytes,
        items: case.items,
        ns,
        of_scan: ns / scan_ns,
        of_tree: ns / tree_ns,
        allocations: own.count_total,
        tree_allocations: tree.count_total,
        allocated: own.bytes_total,
        peak: own.bytes_max,
        tree_peak: tree.bytes_max,
    }
}

/// How many calls fill a batch.
fn batch_size(run: &mut impl FnMut(), batch: Duration) -> u32 {
    let mut times = 1;
    while time(run, times) * f64::from(times) < batch.as_secs_f64() * 1e9 && times < 1 << 20 {
        times *= 2;
    }
    times
}

/// One call, in nanoseconds, the mean of so many.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn time(run: &mut impl FnMut(), times: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..times {
        run();
    }
    black_box(begin.elapsed()).as_secs_f64() * 1e9 / f64::from(times)
}
