//! A call's trace: begun with its books, and handed in when they are closed.
//!
//! The books are dropped once whatever ends a call, so each sampled call hands in one record, and
//! every span in it has an end. A call that is not sampled has none, and everything here does
//! nothing for it.

use super::Books;
use crate::clock;
use crate::config::Original;
use crate::outcome::{Arm, Class, Fault, Verdict};
use crate::snapshot::Snapshot;
use crate::telemetry::events::Part;
use crate::telemetry::metrics::FailoverOutcome;
use crate::telemetry::trace::Trace;
use crate::telemetry::trace::record::{Asked, Record};
use http::header::HeaderMap;
use http::request::Parts;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

impl Books {
    /// Begins the call's trace, if traces are on and it is sampled.
    pub(in crate::proxy) fn trace(
        &mut self,
        snapshot: &Snapshot,
        head: &Parts,
        route: &'static str,
        draw: impl FnMut() -> u64,
    ) {
        let Some(traces) = &snapshot.config.traces else {
            return;
        };
        let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH);
        let began_unix_ns = since.map_or(0, |since| since.as_nanos());
        let began_unix_ns = u64::try_from(began_unix_ns).unwrap_or(u64::MAX);
        let (headers, path) = (&head.headers, head.uri.path());
        let trace = Trace::begin(traces.sample, headers, path, began_unix_ns, draw);
        self.record = trace.map(|trace| {
            let request_id = Arc::clone(&self.request_id);
            Box::new(Record::new(trace, route, request_id, snapshot.percent))
        });
    }

    /// Notes what is in force when the call is split.
    pub(in crate::proxy) fn split_by(&mut self, snapshot: &Snapshot) {
        self.attempt = snapshot.attempt;
        if let Some(record) = &mut self.record {
            record.percent = snapshot.percent;
        }
    }

    /// Notes the id of the answer that Bedrock's becomes.
    pub(in crate::proxy) fn answer_id(&mut self, id: &str) {
        if let Some(record) = &mut self.record {
            record.answer_id = Some(id.to_owned());
        }
    }

    /// Tells the original which span asks it.
    pub(in crate::proxy) fn hand_on(&mut self, original: &Original, headers: &mut HeaderMap) {
        if let Some(record) = &mut self.record {
            record.trace.hand_on(headers);
            record.dialect = original.dialect;
            let port = original.authority.port_u16();
            let port = port.unwrap_or(if original.tls { 443 } else { 80 });
            record.original_server = Some((original.authority.host().to_owned(), port));
        }
    }

    /// Hands in what the call came to. The books are closed with it.
    pub(super) fn hand_in(
        &mut self,
        mut record: Box<Record>,
        (bedrock, original): (Option<Part>, Option<Part>),
        failover: Option<(Fault, FailoverOutcome)>,
        took: Duration,
    ) {
        let started = self.started;
        let after = |dispatched: Instant| dispatched.saturating_duration_since(started);
        if let (Some(part), Some(of)) = (bedrock, &self.bedrock) {
            record.bedrock = Some(Asked {
                after: after(of.dispatched),
                part,
                model: self.bedrock_model.take().unwrap_or_default(),
                streamed: true,
                status: None,
                server: self.shared.bedrock.server(),
            });
        }
        if let (Some(part), Some(of)) = (original, &self.original) {
            // The status of a call that did not reach it is our own.
            let reached = part.verdict != Verdict::Failure(Class::Network);
            record.original = Some(Asked {
                after: after(of.dispatched),
                part,
                model: self.model.clone(),
                // It was asked for one, whatever came of it.
                streamed: of.streamed || self.stream,
                status: of.status.filter(|_| reached),
                server: record.original_server.take(),
            });
        }
        record.arm = match (&record.original, &record.bedrock) {
            (Some(_), _) => Some(Arm::Original),
            (None, Some(_)) => Some(Arm::Bedrock),
            (None, None) => None,
        };
        record.took = took;
        record.failover = failover;
        record.original_request_id = self.original_request_id.take();
        record.model = std::mem::take(&mut self.model);
        record.eligibility = self.eligibility;
        record.stream = self.stream;
        record.forced = self.forced;
        record.status = self.status;
        record.attempt = self.attempt;
        record.tokens = self.tokens;
        self.shared.tracer.record(record);
    }
}
