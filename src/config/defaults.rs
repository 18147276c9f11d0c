//! What holds where `rollout.yaml` says nothing, and how far each value may go.
//!
//! Each default is argued for where it stands. The bounds are wide: they keep out slips (a missing
//! unit, a digit too many) and values under which the process could not keep its promises, not
//! unusual wishes.

use crate::rollout::plan::Abandoned;
use crate::rollout::plan::Action;
use crate::rollout::plan::Errors;
use crate::rollout::plan::Fast;
use crate::rollout::plan::Latency;
use crate::rollout::plan::Measure;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Percentile;
use crate::rollout::plan::Relative;
use crate::split::Percent;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Loopback: who reaches the listener may cause a Bedrock call, so only the pod may reach it.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

/// Loopback too: on it changes need no token. Next to `listen`, so that one is told from the other.
pub const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8788);

/// The region with every model, taken with a warning if neither the file nor the environment names
/// one; at `percent: 0` nothing has gone there yet.
pub const REGION: &str = "us-east-1";

/// Nothing moves until an operator says so.
pub const PERCENT: Percent = Percent::ZERO;

/// Small first steps, where most faults show; no later stage has more than two and a half times the
/// users of the one before it.
pub const STAGES: [Percent; 6] = [
    pct(500),
    pct(1_000),
    pct(2_500),
    pct(5_000),
    pct(7_500),
    pct(10_000),
];

/// Twice the longest rule by default and some more: each of them can act within a stage.
pub const BAKE: Duration = Duration::from_mins(30);

/// A whole day of the app's traffic on Bedrock alone.
pub const FINAL_BAKE: Duration = Duration::from_hours(24);

/// With 500 calls an arm that fails 0.5 % is let on three times of four at the first look, and one
/// that fails 2 % once in a hundred times.
pub const MIN_CALLS: u64 = 500;

/// What the `errors` rule allows.
pub const ERROR_BOUND: Percent = pct(200);

/// A gate that needs longer can be asked again.
pub const GATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Any constant does; it is changed only to reshuffle who is on Bedrock.
pub const SALT: &str = "crossfade";

/// The first try.
pub const ATTEMPT: u64 = 1;

/// A header of an app must not choose its arm unless the operator wants to debug.
pub const ALLOW_OVERRIDE: bool = false;

/// 2 % is above what a healthy provider fails, 10 minutes above a short incident: what is left is a
/// fault that stays.
pub const ERRORS: Errors = Errors {
    above: pct(200),
    for_ms: 10 * 60_000,
};

/// A person who waits longer than 5 s for the first word thinks it is broken; 5 minutes, because
/// slowness harms from the first call on.
pub const LATENCY: Latency = Latency {
    above_ms: 5_000,
    for_ms: 5 * 60_000,
    percentile: Percentile::P95,
    measure: Measure::FirstToken,
};

/// Five times the rate of `errors`: half of its time is enough evidence.
pub const SEVERE: Fast = Fast {
    above: pct(1_000),
    over_ms: 5 * 60_000,
};

/// Every second call fails: no reason to wait for more evidence than a burst cannot fake.
pub const OUTAGE: Fast = Fast {
    above: pct(5_000),
    over_ms: 30_000,
};

/// A chance finding in one of a thousand rollouts; and below the limit of `errors` the contract is
/// not broken, so promotion waits for a person and nothing is taken back.
pub const RELATIVE: Relative = Relative {
    odds: 1_000,
    action: Action::Caution,
};

/// Three times: models differ in speed, and callers in patience.
pub const ABANDONED: Abandoned = Abandoned { times: 3 };

/// As `outage`, which acts first where this process is the only one.
pub const BREAKER: Fast = OUTAGE;

/// A rollback is what people expect of a rule that trips.
pub const ON_THROTTLE: OnThrottle = OnThrottle::Rollback;

/// A connection in the same region takes milliseconds; after 2 s the packet is lost.
pub const CONNECT: Duration = Duration::from_secs(2);

/// Longer than any first token worth waiting for, and short enough that failover comes before the
/// usual client's 60 s.
pub const FIRST_TOKEN: Duration = Duration::from_secs(30);

/// A pause of reasoning or of a large tool call stays below it; a dead stream does not hold a call
/// for its whole time.
pub const IDLE: Duration = Duration::from_secs(120);

/// What the OpenAI SDKs wait at most by default.
pub const TOTAL: Duration = Duration::from_secs(600);

/// Several images in base64 fit; a larger call streams to the original.
pub const BODY: usize = 32 << 20;

/// Eight bodies of full size, or thousands of ordinary ones, and still a small sidecar.
pub const BUFFERED: usize = 256 << 20;

/// What one process carries with room to spare; beyond it calls stay with the original.
pub const IN_FLIGHT: usize = 1_000;

/// Most connections of an app are idle; ten for each call in flight.
pub const CONNECTIONS: usize = 10_000;

/// Below the 30 s that Kubernetes grants, with time left to write and to exit.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Beside the configuration file.
pub const STATE: &str = "crossfade.state.json";

/// `for` of a rule: below ten buckets of 5 s a rule would be a matter of luck; above a day it would
/// never act.
pub(crate) const FOR: RangeInclusive<Duration> = Duration::from_secs(50)..=Duration::from_hours(24);

/// `rollout.bake` and `rollout.final_bake`; with `advance: auto` twice the longest rule as well.
pub(crate) const BAKES: RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(24 * 30);

/// `rollout.min_calls`: below 20 nothing is judged anywhere.
pub(crate) const CALLS: RangeInclusive<u64> = 20..=10_000;

/// `rollout.error_bound`: 0 % cannot be shown, 100 % need not be.
pub(crate) const BOUND: RangeInclusive<Percent> = pct(1)..=pct(5_000);

/// `timeout` of a gate: it is over before the gate is asked again.
pub(crate) const GATE_TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(25);

/// An entry of `rollout.stages`: 0 % is none.
pub(crate) const STAGE: RangeInclusive<Percent> = pct(1)..=Percent::ALL;

/// `over` of a rule: six buckets at least.
pub(crate) const OVER: RangeInclusive<Duration> =
    Duration::from_secs(30)..=Duration::from_hours(24);

/// `above` of a rate: 100 % is exceeded by nothing, which would be a rule switched off unseen.
pub(crate) const ABOVE: RangeInclusive<Percent> = Percent::ZERO..=pct(9_999);

/// `odds`: from what holds an automatic advance anyway, to what no one waits for.
pub(crate) const ODDS: RangeInclusive<u64> = 20..=1_000_000_000;

/// `times` of `abandoned`.
pub(crate) const TIMES: RangeInclusive<u64> = 2..=100;

/// `above` of the latency rule.
pub(crate) const SLOW: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_hours(1);

/// Any timeout: zero would fail every call, more than a day none.
pub(crate) const TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_hours(24);

/// A stop takes no longer than an hour; `0s` cuts at once.
pub(crate) const DRAINING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

/// `limits.body`: below 1 KiB no chat call fits.
pub(crate) const BODIES: RangeInclusive<usize> = (1 << 10)..=(1 << 30);

/// `limits.buffered`: up to what a large machine has.
pub(crate) const BUFFERS: RangeInclusive<usize> = (1 << 10)..=(1 << 40);

/// `limits.in_flight` and `limits.connections`.
pub(crate) const COUNTS: RangeInclusive<usize> = 1..=1_000_000;

/// `rollout.attempt`: leaves room to raise it, whatever was written once.
pub(crate) const ATTEMPTS: RangeInclusive<u64> = 1..=1_000_000_000;

/// `max_tokens` of a mapping.
pub(crate) const TOKENS: RangeInclusive<u32> = 1..=10_000_000;

/// The number of mapped models: each is a label value in the metrics.
pub(crate) const MODELS_MAX: usize = 1_000;

/// Destinations that are told what happens: each is tried by itself.
pub(crate) const NOTIFY_MAX: usize = 20;

/// The number of entries in `stages`, `hosts` and `callers.key_sha256`.
pub(crate) const LIST_MAX: usize = 1_000;

const fn pct(basis_points: u16) -> Percent {
    match Percent::from_basis_points(basis_points) {
        Some(percent) => percent,
        None => Percent::ALL,
    }
}

/// Where OpenTelemetry's own exporters send spans if nobody says where.
pub(crate) const OTLP: &str = "http://localhost:4318";

/// What the spans are of.
pub(crate) const SERVICE: &str = "crossfade";
