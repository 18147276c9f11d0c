//! The sender's patience. What it does with a real collector is in `tests/traces.rs`.

use super::*;
use crate::config::traces::Sample;
use crate::split::Percent;
use crate::telemetry::trace::Trace;
use http::HeaderMap;
use std::sync::Mutex;

fn record() -> Box<Record> {
    let trace = Trace::begin(Sample::ALL, &HeaderMap::new(), "/", 0, || 1).expect("sampled");
    Box::new(Record::new(trace, "/", "req_1".into(), Percent::ZERO))
}

#[test]
fn tries_are_further_and_further_apart() {
    let ms = |tries, drawn| u64::try_from(backoff(tries, drawn).as_millis()).expect("short");
    let least: Vec<_> = (1..=8).map(|tries| ms(tries, 0)).collect();
    assert_eq!(
        least,
        [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]
    );
    let most: Vec<_> = (1..=8).map(|tries| ms(tries, u64::MAX)).collect();
    assert_eq!(
        most,
        [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    );
    assert_eq!(ms(u32::MAX, 0), 15_000);
}

#[test]
fn a_queue_that_nobody_reads_drops_and_counts_and_never_waits() {
    let metrics = Arc::new(Metrics::new());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let tracer = Tracer::new(Arc::clone(&metrics), move |feed| {
        keeper.lock().expect("not poisoned").push(feed);
    });
    assert!(
        kept.lock().expect("not poisoned").is_empty(),
        "nothing runs before the first call"
    );
    for _ in 0..2_048 + 3 {
        tracer.record(record());
    }
    let text = metrics.render().expect("rendered");
    assert!(
        text.contains("\ncrossfade_spans_dropped_total 3\n"),
        "{text}"
    );
    assert_eq!(kept.lock().expect("not poisoned").len(), 1, "one reader");
}

#[tokio::test]
async fn nothing_recorded_is_nothing_to_wait_for() {
    let tracer = Tracer::new(Arc::new(Metrics::new()), |_| {
        panic!("there is nothing to send")
    });
    tracer.flush().await;
}
