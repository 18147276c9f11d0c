//! What the page shows, and `GET /api/events`, which tells it again whenever it changes.
//!
//! A follower is a task between the controller's publications and one connection. It takes the
//! newest of what is published and waits for its own connection only, so a page that reads slowly
//! misses states in between and delays nobody. Places are few; a stream ends with the process's
//! service, or after some minutes, and the page asks again.

use super::pulse::Point;
use super::status::Status;
use super::{Desk, Opened};
use crate::clock::{io_now, unix_ms};
use crate::config::{Config, words};
use crate::drain::Phase;
use crate::rollout::Advance;
use crate::snapshot::{Hold, Snapshot};
use crate::split::Percent;
use crate::translate::Reason;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What is told at least that often, changed or not: it is the heartbeat too.
const EVERY: Duration = Duration::from_secs(2);

/// What is told at most that often: under load the rollout's report changes all the time.
const PAUSE: Duration = Duration::from_millis(200);

/// How old a stream's connection gets; less than it may, so that the stream ends in order.
const STREAM: Duration = Duration::from_secs(240);

/// The most rows that a configuration is told in; there may be a thousand mappings.
const ROWS_MAX: usize = 60;

/// How soon the page asks again, in milliseconds.
const AGAIN: &str = "retry: 1000\n\n";

/// One moment of the process, as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Live {
    pub(super) status: Status,
    /// `rollout.stages`.
    stages: Vec<Percent>,
    /// Whether the machine climbs them.
    automatic: bool,
    /// Where the rule `latency` draws its line, in milliseconds; none: it is off.
    latency_limit_ms: Option<u64>,
    /// For which percentile.
    latency_percentile: Option<&'static str>,
    /// What each hold means and what ends it.
    holds: Vec<&'static str>,
    /// What failure rate the present traffic can reveal, in words.
    detectable: Option<String>,
    /// What the reasons mean for which calls stayed.
    reasons: BTreeMap<&'static str, &'static str>,
    /// The newest point of the charts.
    point: Option<Point>,
}

impl Live {
    pub(super) fn new(desk: &Desk, snapshot: &Arc<Snapshot>) -> Self {
        let config = &snapshot.config;
        let latency = config.rules.latency.as_ref();
        let status = status(desk, snapshot);
        let stays = &status.migratable.stays;
        let reasons = Reason::ALL
            .iter()
            .filter(|reason| stays.contains_key(reason.name()));
        Self {
            holds: status.holds.iter().map(Hold::sentence).collect(),
            detectable: status.detectable.as_ref().map(ToString::to_string),
            reasons: reasons.map(|it| (it.name(), it.meaning())).collect(),
            status,
            stages: config.rollout.stages.clone(),
            automatic: match &config.rollout.advance {
                Advance::Auto(_) => true,
                Advance::Manual => false,
            },
            latency_limit_ms: latency.map(|rule| rule.above_ms),
            latency_percentile: latency.map(|rule| rule.percentile.name()),
            point: desk.pulse.last(),
        }
    }
}

/// A configuration in words. It is told apart from the rest, because it may be long and seldom
/// changes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct InForce {
    /// The share, the providers, the models and how callers are chosen, each with its key.
    rows: Vec<(&'static str, String)>,
    /// Mappings that find no room in `rows`.
    more: usize,
    /// When each rule trips; none: it is off.
    rules: BTreeMap<&'static str, Option<String>>,
}

impl InForce {
    pub(super) fn new(config: &Config) -> Self {
        let mut rows = vec![("share", words::share(config))];
        rows.extend(words::routes(config));
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        Self {
            rows,
            more,
            rules: words::rules(&config.rules).into_iter().collect(),
        }
    }
}

/// The status now.
pub(super) fn status(desk: &Desk, snapshot: &Arc<Snapshot>) -> Status {
    let up = io_now().saturating_duration_since(desk.started);
    Status::new(Arc::clone(snapshot), &desk.metrics, up.as_secs(), unix_ms())
}

/// The body of an event stream; none if all places are taken.
pub(super) fn follow(
    desk: &Arc<Desk>,
    opened: Option<Opened>,
) -> Option<BoxBody<Bytes, Infallible>> {
    let place = Arc::clone(&desk.watchers).try_acquire_owned().ok()?;
    let (sender, body) = Channel::new(1);
    let end = opened.map_or_else(io_now, |opened| opened.0) + STREAM;
    tokio::spawn(tell(Arc::clone(desk), sender, place, end));
    Some(body.boxed())
}

/// Tells until nobody reads any more.
async fn tell(
    desk: Arc<Desk>,
    mut to: Sender<Bytes, Infallible>,
    _place: OwnedSemaphorePermit,
    end: Instant,
) {
    let mut changes = desk.handle.changes();
    let history = event("history", &desk.pulse.points());
    let mut next = format!("{AGAIN}{history}");
    let mut told: Option<Arc<Config>> = None;
    loop {
        let last = desk.drain.phase() > Phase::Serving || io_now() >= end;
        // Marked before it is read: what is published after that is told next time.
        changes.mark_unchanged();
        let snapshot = desk.handle.snapshot();
        if told.is_none_or(|told| !Arc::ptr_eq(&told, &snapshot.config)) {
            next.push_str(&event("config", &InForce::new(&snapshot.config)));
        }
        told = Some(Arc::clone(&snapshot.config));
        next.push_str(&event("status", &Live::new(&desk, &snapshot)));
        if to
            .send_data(Bytes::from(std::mem::take(&mut next)))
            .await
            .is_err()
            || last
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = desk.drain.clone().reached(Phase::Draining) => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One event; JSON has no line breaks.
fn event(name: &str, data: &impl Serialize) -> String {
    match serde_json::to_string(data) {
        Ok(json) => format!("event: {name}\ndata: {json}\n\n"),
        // Only a map with keys that are no text cannot be encoded, and there is none.
        Err(_) => ": not encoded\n\n".to_owned(),
    }
}
