//! What crossfade costs, side by side with a bare hyper proxy and, where it is installed, nginx.
//!
//! `cargo bench --bench proxy` measures and prints a table; nothing is asserted. `-- --json` prints
//! every round, `-- --quick` only shows that it runs, `-- --only S1` takes the cases whose names
//! begin so.
//!
//! The proxies run on one core, providers and load on another; every proxy is a process of its own
//! so that the kernel counts its CPU. Rounds are interleaved and only ratios within a round are
//! compared. Everything is on loopback, and every loop has an end.

mod bare;
mod cases;
mod http;
mod load;
mod mock;
mod peers;
mod process;
mod report;

use cases::{CASES, Case};
use clap::{Parser, Subcommand};
use peers::{Peer, Providers, Running};
use report::{Footprint, Measured, Report, Row};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Where load and providers run.
const LOAD_CORE: &str = "0";
/// Where the proxies run.
const PROXY_CORE: &str = "1";
/// Streams held open for the memory of one.
const HELD: u32 = 500;
/// Starts of each proxy.
const STARTS: usize = 7;

/// Benchmark of the data path.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Print every measurement as JSON.
    #[arg(long)]
    json: bool,
    /// One short round.
    #[arg(long)]
    quick: bool,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only cases whose names begin so.
    #[arg(long, default_value = "")]
    only: String,
    /// Only these proxies; ratios need bare among them.
    #[arg(long, value_delimiter = ',')]
    proxies: Vec<Peer>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a child process of the benchmark does.
#[derive(Subcommand)]
enum Role {
    /// The mock providers.
    #[command(hide = true)]
    Mock,
    /// The bare proxy.
    #[command(hide = true)]
    Bare {
        listen: SocketAddr,
        upstream: SocketAddr,
    },
}

/// The clock of the benchmark.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Mock) => mock::serve().await,
        Some(Role::Bare { listen, upstream }) => bare::serve(listen, upstream).await,
        None => compare(&arguments).await,
    }
}

async fn compare(arguments: &Arguments) -> Result<()> {
    // The mock is started after this and inherits the core.
    process::pin(std::process::id(), LOAD_CORE)?;
    let mock = Mock::start()?;
    let chosen = |peer: &Peer| arguments.proxies.is_empty() || arguments.proxies.contains(peer);
    let peers: Vec<Peer> = Peer::ALL
        .into_iter()
        .filter(chosen)
        .filter(|peer| peer.available())
        .collect();
    let cases: Vec<Case> = CASES
        .into_iter()
        .filter(|case| case.name.starts_with(&arguments.only))
        .collect();
    let rounds = if arguments.quick { 1 } else { arguments.rounds };

    let mut running = Vec::new();
    for &peer in &peers {
        let mut started = Running::start(peer, mock.providers)?;
        started.ready().await?;
        running.push(started);
    }
    let mut report = Report {
        rows: rows(&cases, &running),
        footprints: Vec::new(),
    };
    for round in 1..=rounds {
        for row in &mut report.rows {
            let (case, proxy) = find(&cases, &running, row)?;
            let measured = measure(case, proxy, arguments.quick).await;
            row.rounds
                .push(measured.map_err(|e| format!("{} {}: {e}", row.case, row.proxy))?);
        }
        progress(&format!("round {round} of {rounds}"))?;
    }
    drop(running);
    for &peer in &peers {
        report
            .footprints
            .push(footprint(peer, mock.providers).await?);
        progress(&format!("footprint of {}", peer.name()))?;
    }
    report.finish();
    let text = if arguments.json {
        serde_json::to_string_pretty(&report)?
    } else {
        report.table()
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// One row for each case and each proxy that takes part in it; bare first.
fn rows(cases: &[Case], running: &[Running]) -> Vec<Row> {
    let takes_part = |case: &Case, peer: Peer| match peer {
        Peer::Bare | Peer::Nginx => true,
        Peer::CrossfadeOff | Peer::CrossfadeFull => peer == case.crossfade,
        Peer::CrossfadeQuiet => case.crossfade == Peer::CrossfadeOff,
    };
    cases
        .iter()
        .flat_map(|case| {
            running
                .iter()
                .filter(|proxy| takes_part(case, proxy.peer))
                .map(|proxy| Row {
                    case: case.name,
                    unit: case.unit(),
                    proxy: proxy.peer.name(),
                    rounds: Vec::new(),
                    cpu_ratio: None,
                    whole_ratio: None,
                })
        })
        .collect()
}

fn find<'a>(
    cases: &'a [Case],
    running: &'a [Running],
    row: &Row,
) -> Result<(&'a Case, &'a Running)> {
    let case = cases.iter().find(|case| case.name == row.case);
    let proxy = running.iter().find(|proxy| proxy.peer.name() == row.proxy);
    case.zip(proxy).ok_or_else(|| "a row of nothing".into())
}

/// Warms the proxy up, checks that it does what the case is about, and measures.
async fn measure(case: &Case, proxy: &Running, quick: bool) -> Result<Measured> {
    let request = case.request(proxy.address);
    let mut connection = http::Connection::open(proxy.address).await?;
    // Right after the start the AWS keys are still being looked for; until then all calls stay.
    let deadline = now() + Duration::from_secs(5);
    loop {
        let head = connection.exchange(&request, true).await?.head;
        match check_arm(case, proxy.peer, &head) {
            Err(_) if now() < deadline => tokio::time::sleep(Duration::from_millis(5)).await,
            checked => break checked?,
        }
    }
    let calls = if quick { case.calls / 20 } else { case.calls };
    match case.warm_up(calls) {
        0 => {}
        calls => drop(case.load(proxy.address, &request, calls).await?),
    }
    let (before, start) = (process::cpu_time(proxy.id())?, now());
    let latencies = case.load(proxy.address, &request, calls).await?;
    let (elapsed, cpu) = (start.elapsed(), process::cpu_time(proxy.id())? - before);
    Ok(Measured::new(cpu, case.units(), elapsed, latencies))
}

/// A translated case that was answered by the original would measure something else.
fn check_arm(case: &Case, peer: Peer, head: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let arm = head
        .lines()
        .find_map(|line| line.strip_prefix("x-crossfade-arm: "));
    let wanted = match peer {
        Peer::Bare | Peer::Nginx => None,
        Peer::CrossfadeFull if case.translated() => Some("bedrock"),
        Peer::CrossfadeOff | Peer::CrossfadeQuiet | Peer::CrossfadeFull => Some("original"),
    };
    if arm == wanted {
        Ok(())
    } else {
        Err(format!("answered by {arm:?}, wanted {wanted:?}:\n{head}").into())
    }
}

/// Memory and start of a proxy, in fresh processes.
async fn footprint(peer: Peer, providers: Providers) -> Result<Footprint> {
    let mut starts_ms = Vec::new();
    for _ in 0..STARTS {
        starts_ms.push(first_answer(peer, providers).await?.as_secs_f64() * 1e3);
    }
    let mut proxy = Running::start(peer, providers)?;
    proxy.ready().await?;
    // What the start leaves for later (threads, credentials) is done by then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = process::resident(proxy.id())?;
    let request = cases::holding(proxy.address);
    let one = load::hold(proxy.address, &request, 1).await?;
    let before = process::resident(proxy.id())?;
    let held = load::hold(proxy.address, &request, HELD as usize).await?;
    let after = process::resident(proxy.id())?;
    drop((one, held));
    let bytes = |count: u64| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    Ok(Footprint {
        proxy: peer.name(),
        idle_mib: bytes(idle) / 1024.0 / 1024.0,
        stream_kb: bytes(after.saturating_sub(before)) / f64::from(HELD) / 1000.0,
        starts_ms,
    })
}

/// From the start of the process to the end of its first answer.
async fn first_answer(peer: Peer, providers: Providers) -> Result<Duration> {
    let start = now();
    let mut proxy = Running::start(peer, providers)?;
    proxy.ready().await?;
    let request = cases::shortest(proxy.address);
    http::Connection::open(proxy.address)
        .await?
        .exchange(&request, false)
        .await?;
    Ok(start.elapsed())
}

/// The mock providers, in a process of their own.
struct Mock {
    child: Child,
    providers: Providers,
}

impl Mock {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("mock")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (openai, bedrock) = line
            .trim()
            .split_once(' ')
            .ok_or("the mock did not start")?;
        let providers = Providers {
            openai: openai.parse()?,
            bedrock: bedrock.parse()?,
        };
        Ok(Self { child, providers })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // Nothing can be done about a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn progress(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}
