//! The plumbing of [`Metrics`](super::Metrics): series resolved in advance, and guards.

use super::catalogue::{BUILD_INFO, SECONDS, Spec};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Registry,
};

/// One series per value of a label. Searched from the front: the tables have a few dozen rows, and
/// unlike an index a search cannot miss the row when an enum grows.
#[derive(Debug)]
pub(super) struct By<L, M>(pub(super) Vec<(L, M)>);

impl<L: Copy + PartialEq, M> By<L, M> {
    pub(super) fn get(&self, label: L) -> Option<&M> {
        self.0
            .iter()
            .find(|(each, _)| *each == label)
            .map(|(_, metric)| metric)
    }

    pub(super) fn with(&self, label: L, act: impl FnOnce(&M)) {
        if let Some(metric) = self.get(label) {
            act(metric);
        }
    }
}

impl<L: Copy + PartialEq> By<L, IntGauge> {
    /// 1 for those that `is_on` names, 0 for the others.
    pub(super) fn one_hot(&self, is_on: impl Fn(L) -> bool) {
        for (label, gauge) in &self.0 {
            gauge.set(i64::from(is_on(*label)));
        }
    }
}

/// Makes metrics and registers them.
#[derive(Debug)]
pub(super) struct Maker(pub(super) Registry);

impl Maker {
    pub(super) fn counter(&self, spec: &Spec<0>) -> IntCounter {
        self.register(IntCounter::with_opts(spec.opts()))
    }

    pub(super) fn gauge(&self, spec: &Spec<0>) -> IntGauge {
        self.register(IntGauge::with_opts(spec.opts()))
    }

    pub(super) fn float_gauge(&self, spec: &Spec<0>) -> Gauge {
        self.register(Gauge::with_opts(spec.opts()))
    }

    pub(super) fn counters<L, const N: usize>(
        &self,
        spec: &Spec<N>,
        series: impl Iterator<Item = (L, [&'static str; N])>,
    ) -> By<L, IntCounter> {
        let family = self.register(IntCounterVec::new(spec.opts(), &spec.labels));
        By(series
            .map(|(label, values)| (label, family.with_label_values(&values)))
            .collect())
    }

    pub(super) fn gauges<L, const N: usize>(
        &self,
        spec: &Spec<N>,
        series: impl Iterator<Item = (L, [&'static str; N])>,
    ) -> By<L, IntGauge> {
        let family = self.register(IntGaugeVec::new(spec.opts(), &spec.labels));
        By(series
            .map(|(label, values)| (label, family.with_label_values(&values)))
            .collect())
    }

    pub(super) fn float_gauges<L, const N: usize>(
        &self,
        spec: &Spec<N>,
        series: impl Iterator<Item = (L, [&'static str; N])>,
    ) -> By<L, Gauge> {
        let family = self.register(GaugeVec::new(spec.opts(), &spec.labels));
        By(series
            .map(|(label, values)| (label, family.with_label_values(&values)))
            .collect())
    }

    pub(super) fn histograms<L, const N: usize>(
        &self,
        spec: &Spec<N>,
        series: impl Iterator<Item = (L, [&'static str; N])>,
    ) -> By<L, Histogram> {
        let opts = HistogramOpts::new(spec.name, spec.help).buckets(SECONDS.to_vec());
        let family = self.register(HistogramVec::new(opts, &spec.labels));
        By(series
            .map(|(label, values)| (label, family.with_label_values(&values)))
            .collect())
    }

    /// Which crossfade it is.
    pub(super) fn build(&self, version: &'static str) {
        let info = self.gauges(&BUILD_INFO, [((), [version])].into_iter());
        info.with((), |gauge| gauge.set(1));
    }

    /// The process's own, under the names that every Prometheus client gives them: CPU, memory,
    /// file descriptors, threads. Read when they are asked for.
    #[expect(clippy::expect_used, reason = "a test makes them all")]
    pub(super) fn process(&self) {
        self.0
            .register(Box::new(ProcessCollector::for_self()))
            .expect("the names are taken once");
    }

    #[expect(
        clippy::expect_used,
        reason = "names and labels are constants; a test makes them all"
    )]
    fn register<M: Collector + Clone + 'static>(&self, made: prometheus::Result<M>) -> M {
        let metric = made.expect("the name and the labels are well-formed");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the name is taken once");
        metric
    }
}

/// Something that is counted in a gauge as long as it exists.
#[derive(Debug)]
#[must_use = "it is counted until this is dropped"]
pub struct Held {
    gauge: Option<IntGauge>,
    amount: i64,
}

impl Held {
    pub(super) fn new(gauge: Option<&IntGauge>, amount: i64) -> Self {
        let gauge = gauge.cloned();
        if let Some(gauge) = &gauge {
            gauge.add(amount);
        }
        Self { gauge, amount }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.sub(self.amount);
        }
    }
}
