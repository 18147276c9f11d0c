//! What the translation costs: time and memory of a request, of a streamed chunk, of a folded answer.
//!
//! `cargo bench --bench translate` measures and prints tables; nothing is asserted. `-- --json`
//! prints every number, `-- --quick` only shows that it runs, `-- --only tools` takes the cases
//! whose names hold that word.
//!
//! Each case is measured next to two others over the same bytes, round by round: `scan` reads the
//! JSON once and keeps nothing, which is the least that any translation can cost; `tree` reads it
//! into a tree and writes the tree, which is the least that the obvious one costs. Allocations are
//! counted by an allocator that is there while time is measured too: it adds some nanoseconds to
//! each allocation, so that `tree` looks a little worse than it is.

mod answers;
mod measure;
mod report;
mod requests;

use clap::Parser;
use measure::{Case, Effort};
use report::Report;

/// Benchmark of the translation.
#[derive(Parser)]
struct Arguments {
    /// Print every measurement as JSON.
    #[arg(long)]
    json: bool,
    /// One short round.
    #[arg(long)]
    quick: bool,
    /// Only cases whose names hold this.
    #[arg(long, default_value = "")]
    only: String,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let effort = if arguments.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let chosen = |case: &Case| case.name.contains(&arguments.only);
    let measure = |cases: Vec<Case>| -> Vec<_> {
        let chosen = cases.into_iter().filter(chosen);
        chosen.map(|case| measure::measure(case, effort)).collect()
    };
    let report = Report {
        requests: measure(requests::cases()),
        answers: measure(answers::cases()),
        sizes: measure(requests::sizes()),
        counts: measure(
            [requests::counts(), answers::counts()]
                .into_iter()
                .flatten()
                .collect(),
        ),
        crowds: measure(requests::crowds()),
    };
    let text = if arguments.json {
        report.json()
    } else {
        report.table()
    };
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())
}
