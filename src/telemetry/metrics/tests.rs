//! What Prometheus reads.

use super::*;

fn lines(metrics: &Metrics) -> Vec<String> {
    metrics
        .render()
        .expect("rendered")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn has(metrics: &Metrics, line: &str) -> bool {
    lines(metrics).iter().any(|each| each == line)
}

#[test]
fn every_series_exists_from_the_start_and_none_is_added() {
    let metrics = Metrics::new();
    let before = lines(&metrics).len();
    for arm in Arm::ALL {
        verdicts().for_each(|verdict| metrics.call(arm, verdict));
        metrics.split(arm);
        metrics.first_token(arm, Duration::from_millis(700));
        metrics.call_took(arm, Duration::from_secs(3));
    }
    Eligibility::all().for_each(|eligibility| metrics.chat_call(eligibility));
    Fault::all().for_each(|fault| metrics.failover(fault, FailoverOutcome::Answered));
    causes().for_each(|cause| metrics.rollback(cause));
    TokenKind::ALL
        .into_iter()
        .for_each(|kind| metrics.tokens(kind, 7));
    assert_eq!(lines(&metrics).len(), before);
    for verdict in verdicts() {
        let (verdict, class) = verdict_labels(verdict);
        let line = format!(
            "crossfade_calls_total{{arm=\"bedrock\",class=\"{class}\",verdict=\"{verdict}\"}} 1"
        );
        assert!(has(&metrics, &line), "{line}");
    }
    assert!(has(
        &metrics,
        "crossfade_failovers_total{class=\"refused\",outcome=\"answered\"} 1"
    ));
    assert!(has(
        &metrics,
        "crossfade_first_token_seconds_bucket{arm=\"bedrock\",le=\"0.5\"} 0"
    ));
    assert!(has(
        &metrics,
        "crossfade_first_token_seconds_bucket{arm=\"bedrock\",le=\"0.75\"} 1"
    ));
    assert!(has(&metrics, "crossfade_tokens_total{kind=\"output\"} 7"));
}

#[test]
fn the_exposition_is_small_and_every_metric_explains_itself() {
    let metrics = Metrics::new();
    let text = metrics.render().expect("rendered");
    assert!(text.len() < 200 * 1_024, "{} bytes", text.len());
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).expect("a name");
        let known = name.starts_with("crossfade_") || name.starts_with("process_");
        assert!(known, "{name}");
        let help = text
            .lines()
            .find(|each| each.starts_with(&format!("# HELP {name} ")));
        assert!(
            help.is_some_and(|help| help.ends_with('.')),
            "{name}: {help:?}"
        );
    }
}

#[test]
fn what_is_held_is_counted_until_it_is_dropped() {
    let metrics = Metrics::new();
    let bytes = metrics.buffered(1_000);
    let calls = (
        metrics.in_flight(Arm::Bedrock),
        metrics.in_flight(Arm::Bedrock),
    );
    assert_eq!(metrics.in_flight_now(Arm::Bedrock), 2);
    assert!(has(&metrics, "crossfade_buffered_bytes 1000"));
    drop(calls);
    drop(bytes);
    assert_eq!(metrics.in_flight_now(Arm::Bedrock), 0);
    assert!(has(&metrics, "crossfade_buffered_bytes 0"));
}

#[test]
fn the_migratable_ratio_is_that_of_examined_calls() {
    let metrics = Metrics::new();
    assert_eq!(metrics.migratable().ratio(), None);
    assert!(has(&metrics, "crossfade_migratable_ratio NaN"));
    metrics.examined(Look::Whole, true);
    metrics.examined(Look::Whole, false);
    metrics.examined(Look::Sample, true);
    metrics.examined(Look::Sample, true);
    let expected = Migratable {
        migratable: 3,
        examined: 4,
        sampled: 2,
    };
    assert_eq!(metrics.migratable(), expected);
    for line in [
        "crossfade_migratable_ratio 0.75",
        "crossfade_examined_calls_total{look=\"sample\"} 2",
        "crossfade_migratable_calls_total{look=\"whole\"} 1",
    ] {
        assert!(has(&metrics, line), "{line}");
    }
}

#[test]
fn the_share_is_that_of_split_calls() {
    let metrics = Metrics::new();
    assert_eq!(metrics.share().ratio(), None);
    (0..3).for_each(|_| metrics.split(Arm::Original));
    metrics.split(Arm::Bedrock);
    assert_eq!(
        metrics.share(),
        Share {
            eligible: 4,
            bedrock: 1
        }
    );
    assert_eq!(metrics.share().ratio(), Some(0.25));
}

#[test]
fn percentiles_can_be_read_from_50_ms_to_120_s() {
    use super::catalogue::SECONDS;
    assert_eq!(SECONDS.first(), Some(&0.05));
    assert_eq!(SECONDS.last(), Some(&120.0));
    for pair in SECONDS.windows(2) {
        let [low, high] = pair else { continue };
        // As far as floating point goes.
        assert!(high / low < 1.501, "{low} to {high}");
    }
}
