//! `crossfade simulate`: its arguments, the files that it reads and writes, and the terminal.

use super::{CONFIG, EXIT_CONFIG, EXIT_DATA, EXIT_FAILED, complain, show, variable};
use crate::config::watch;
use crate::controller;
use crate::rollout::{Advance, Plan};
use crate::simulate::outcome::{self, Source};
use crate::simulate::study::Study;
use crate::simulate::trace::{Trace, TraceError};
use crate::simulate::traffic::{Bursts, Profile, Trouble};
use crate::simulate::{Play, picture};
use crate::split::Percent;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Say what the rules would have done, to a recorded trace or to made-up traffic.
///
/// A trace has one JSON object a line: `at` (seconds, when the call began), `arm` (bedrock or
/// original), `verdict` (ok, failure, rejected, context_window or cancelled), `class` (of a
/// failure), `first_token_ms` (null: none came) and `total_ms`. Lines may be up to 10 minutes out
/// of order. After the simulated rollback the record's Bedrock calls are counted as calls that
/// would have gone to the original. Without a trace, traffic is made up from the options below:
/// days without an incident for false trips, and many incidents for the detection delay.
#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The trace; - reads stdin.
    #[arg(value_name = "TRACE", conflicts_with_all = [
        "rate", "error_rate", "background", "slow_rate", "onset", "duration", "bursts", "days",
        "runs", "seed",
    ])]
    trace: Option<PathBuf>,
    /// The configuration whose rules are tried.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// The share instead of `rollout.percent`.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    percent: Option<Percent>,
    /// Made up: eligible calls of the app a second, both arms together.
    #[arg(long, value_name = "CALLS", default_value_t = 10.0, value_parser = rate)]
    rate: f64,
    /// Made up: the share of Bedrock's calls that fails, from the onset on. Without --onset: always, and
    /// of the original's as well [default: 5% from 10m on].
    #[arg(long, value_name = "SHARE", value_parser = share)]
    error_rate: Option<f64>,
    /// Made up: the share that fails before the onset and on quiet days.
    #[arg(long, value_name = "SHARE", default_value = "0.5%", value_parser = share)]
    background: f64,
    /// Made up: the share of Bedrock's calls that is slow, from the onset on.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share)]
    slow_rate: f64,
    /// Made up: when an incident begins.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    onset: Option<u64>,
    /// Made up: how long it lasts.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time_ms)]
    duration: u64,
    /// Made up: short times in which every Bedrock call fails, such as 15s/1h: for 15 s, every hour
    /// on average.
    #[arg(long, value_name = "LENGTH/EVERY", value_parser = bursts)]
    bursts: Option<Bursts>,
    /// Made up: how many days without an incident.
    #[arg(long, value_name = "DAYS", default_value_t = 1.0, value_parser = days)]
    days: f64,
    /// Made up: how many incidents.
    #[arg(long, value_name = "RUNS", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Made up: the same seed gives the same result.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// For programs: one object, with `transitions` as a list of `at`, `from`, `to`, `rule` and
    /// `reason`, times in seconds.
    #[arg(long)]
    json: bool,
    /// Write a page with charts to this file too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Why there is no result.
enum Failed {
    Config(String),
    Trace(String),
    Other(String),
}

/// What there is to show.
struct Shown {
    text: String,
    html: Option<String>,
}

/// Simulates, and gives the exit code.
pub(super) fn run(args: &Simulate) -> ExitCode {
    let done = plan(args).and_then(|(plan, source)| match &args.trace {
        Some(trace) => replay(args, plan, source, trace),
        None => Ok(study(args, &plan, &source)),
    });
    let written = done.and_then(|Shown { text, html }| {
        if let (Some(file), Some(html)) = (&args.html, html) {
            std::fs::write(file, html).map_err(|error| {
                Failed::Other(format!("cannot write {}: {error}", file.display()))
            })?;
        }
        Ok(text)
    });
    match written {
        Ok(text) => {
            show(&text);
            ExitCode::SUCCESS
        }
        Err(Failed::Config(why)) => complain(EXIT_CONFIG, &why),
        Err(Failed::Trace(why)) => complain(EXIT_DATA, &why),
        Err(Failed::Other(why)) => complain(EXIT_FAILED, &why),
    }
}

/// The rollout as `run` would have it, but never at 0 %: there is nothing to see there.
fn plan(args: &Simulate) -> Result<(Plan, Source), Failed> {
    let name = args.config.display().to_string();
    let config = watch::read(&args.config, &variable)
        .and_then(|loaded| loaded.result)
        .map_err(|problems| Failed::Config(format!("{name} is refused:\n{problems}")))?;
    let mut plan = controller::plan(&config);
    let mut notes = Vec::new();
    match args.percent {
        Some(percent) => plan.ceiling = percent,
        None if plan.ceiling.is_zero() => {
            plan.ceiling = Percent::ALL;
            notes.push(format!(
                "{name} has the share at 0 %; played at 100 %, or say another with --percent."
            ));
        }
        None => {}
    }
    if let Advance::Auto(climb) = &plan.advance
        && !climb.gates.is_empty()
    {
        notes.push("Gates are taken to agree as soon as they are asked.".to_owned());
    }
    let source = Source {
        trace: None,
        config: name,
        first_ms: 0,
        notes,
    };
    Ok((plan, source))
}

fn replay(args: &Simulate, plan: Plan, source: Source, file: &Path) -> Result<Shown, Failed> {
    let unreadable =
        |error: io::Error| Failed::Trace(format!("cannot read {}: {error}", file.display()));
    if file == Path::new("-") {
        return play(
            args,
            plan,
            source,
            "stdin".to_owned(),
            io::stdin().lock(),
            None,
        );
    }
    let opened = File::open(file).map_err(unreadable)?;
    let bytes = opened.metadata().map_err(unreadable)?.len();
    let name = file.display().to_string();
    play(
        args,
        plan,
        source,
        name,
        BufReader::new(opened),
        Some(bytes),
    )
}

fn play(
    args: &Simulate,
    plan: Plan,
    mut source: Source,
    name: String,
    lines: impl BufRead,
    bytes: Option<u64>,
) -> Result<Shown, Failed> {
    let refused = |error: TraceError| Failed::Trace(format!("{name}:{error}"));
    let mut trace = Trace::new(lines);
    let bar = bar(bytes);
    let first = trace.next_call().map_err(refused)?;
    source.first_ms = first.as_ref().map_or(0, |call| call.at_ms);
    let mut play = if args.html.is_some() {
        Play::drawn(plan, source.first_ms)
    } else {
        Play::new(plan, source.first_ms)
    };
    let mut next = first;
    while let Some(call) = next {
        play.call(&call);
        if play.told().is_multiple_of(8_192) {
            bar.set_position(trace.read_bytes());
        }
        next = trace.next_call().map_err(refused)?;
    }
    play.finish();
    bar.finish_and_clear();
    if !trace.ignored().is_empty() {
        let fields = trace.ignored().join(", ");
        source.notes.push(format!(
            "{name} has fields that mean nothing here: {fields}."
        ));
    }
    source.trace = Some(name);
    Ok(Shown {
        text: if args.json {
            format!("{:#}\n", outcome::trace_json(&source, &play))
        } else {
            outcome::trace_text(&source, &play)
        },
        html: args
            .html
            .is_some()
            .then(|| picture::trace_page(&source, &play)),
    })
}

fn study(args: &Simulate, plan: &Plan, source: &Source) -> Shown {
    let study = asked(args, plan);
    let bar = bar(Some(PARTS));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a bar"
    )]
    let findings = study.run(plan, &mut |part| {
        bar.set_position((part * PARTS as f64) as u64)
    });
    bar.finish_and_clear();
    Shown {
        text: if args.json {
            format!("{:#}\n", outcome::study_json(source, &study, &findings))
        } else {
            outcome::study_text(source, &study, &findings)
        },
        html: args
            .html
            .is_some()
            .then(|| picture::study_page(source, &study, &findings)),
    }
}

/// The study that the arguments ask for.
fn asked(args: &Simulate, plan: &Plan) -> Study {
    // An error rate alone is that of every day.
    let always = args
        .error_rate
        .filter(|_| args.onset.is_none() && args.slow_rate == 0.0);
    let incident = always.is_none().then(|| Trouble {
        error_rate: args.error_rate.unwrap_or(if args.slow_rate > 0.0 {
            args.background
        } else {
            DEFAULT_ERROR_RATE
        }),
        slow_rate: args.slow_rate,
        onset_ms: args.onset.unwrap_or(DEFAULT_ONSET_MS),
        duration_ms: args.duration,
    });
    let slow_above_ms = plan.rules.latency.map_or(5_000, |rule| rule.above_ms);
    Study {
        profile: Profile {
            rate: args.rate,
            background: always.unwrap_or(args.background),
            trouble: incident,
            bursts: args.bursts,
            slow_ms: slow_above_ms.saturating_mul(2),
        },
        days: args.days,
        runs: args.runs,
        seed: args.seed,
    }
}

/// A bar on a terminal that appears when it takes longer; of unknown length a count.
fn bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10));
    let template = match length {
        Some(_) => "simulating {wide_bar} {percent:>3} % {eta:>4}",
        None => "simulating {spinner} {bytes} read",
    };
    // A template of our own is well-formed; without it the bar looks plainer.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let accepted = "accepted: a percentage above 0 up to 100, at most two decimals, such as 25";
    serde_json::from_str::<Percent>(number)
        .ok()
        .filter(|percent| !percent.is_zero())
        .ok_or_else(|| accepted.to_owned())
}

/// `5%`, or a part of all such as `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (number, all) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|number| number / all);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "accepted: a share such as 5%, or 0.05, from 0% to 100%".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.001..=10_000.0).contains(rate))
        .ok_or_else(|| "accepted: calls a second, 0.001 to 10000".to_owned())
}

fn days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok();
    days.filter(|days| (0.0..=366.0).contains(days))
        .ok_or_else(|| "accepted: 0 to 366".to_owned())
}

/// `10m`, or a number of seconds.
fn time_ms(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let time = seconds.or_else(|| humantime::parse_duration(text).ok());
    let ms = time.and_then(|time| u64::try_from(time.as_millis()).ok());
    ms.filter(|ms| (1..=TIME_MS_MAX).contains(ms))
        .ok_or_else(|| "accepted: a time such as 10m, 90s or 600 (seconds), up to 30d".to_owned())
}

fn bursts(text: &str) -> Result<Bursts, String> {
    let accepted = "accepted: LENGTH/EVERY, such as 15s/1h, the length the shorter";
    let (length, every) = text.split_once('/').ok_or(accepted)?;
    let (length_ms, every_ms) = (time_ms(length)?, time_ms(every)?);
    if length_ms >= every_ms {
        return Err(accepted.to_owned());
    }
    Ok(Bursts {
        length_ms,
        every_ms,
    })
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) | Self::Trace(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

/// The error rate of an incident unless something else is said.
const DEFAULT_ERROR_RATE: f64 = 0.05;

/// When an incident begins unless something else is said.
const DEFAULT_ONSET_MS: u64 = 600_000;

/// The longest time that can be said.
const TIME_MS_MAX: u64 = 30 * 86_400_000;

/// The parts of the bar of a study.
const PARTS: u64 = 1_000;
