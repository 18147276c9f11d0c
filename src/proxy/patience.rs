//! How long a Bedrock answer is waited for.
//!
//! Three limits: the first content or tool chunk by `first_token` after the dispatch, then no gap
//! between events longer than `idle`, and all of it within `total`. One timer serves them all: it
//! is set for the nearest limit and, when it fires, checks whether that limit has moved meanwhile,
//! so that an event costs a clock read and no timer.

use crate::clock;
use crate::config::Timeouts;
use crate::outcome::Class;
use crate::upstream::Failure;
use http::header::{HeaderMap, HeaderName};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The limits of one call, and where it stands.
#[derive(Debug)]
pub(super) struct Patience {
    first_token: Instant,
    idle: Duration,
    total: Instant,
    /// When the last event came, once the first token has.
    last_event: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// The limits of a call dispatched at `dispatched`. What the app waits for bounds the first
    /// token of a stream, and the whole of an answer that is not streamed: until then the call can
    /// be failed over.
    pub(super) fn new(
        dispatched: Instant,
        timeouts: &Timeouts,
        stream: bool,
        half_of_the_apps: Option<Duration>,
    ) -> Self {
        let half = half_of_the_apps.unwrap_or(Duration::MAX);
        let total = if stream {
            timeouts.total
        } else {
            timeouts.total.min(half)
        };
        let first_token = dispatched + timeouts.first_token.min(half);
        let total = dispatched + total;
        let timer = Box::pin(tokio::time::sleep_until(first_token.min(total)));
        Self {
            first_token,
            idle: timeouts.idle,
            total,
            last_event: None,
            timer,
        }
    }

    /// By when the first token must be there.
    pub(super) fn first_token_by(&self) -> Instant {
        self.first_token.min(self.total)
    }

    /// The first token came: from now on gaps are limited.
    pub(super) fn first_token_came(&mut self) {
        self.last_event = Some(clock::io_now());
    }

    /// An event came.
    pub(super) fn event_came(&mut self) {
        if let Some(last) = &mut self.last_event {
            *last = clock::io_now();
        }
    }

    /// Ready when a limit is reached.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let limit = match self.last_event {
                None => self.first_token,
                Some(last) => last + self.idle,
            };
            let nearest = limit.min(self.total);
            if nearest <= self.timer.deadline() {
                return Poll::Ready(self.failure());
            }
            self.timer.as_mut().reset(nearest);
        }
    }

    /// What a limit that was reached counts as.
    pub(super) fn failure(&self) -> Failure {
        let what = if self.timer.deadline() >= self.total {
            "the whole answer took too long".to_owned()
        } else if self.last_event.is_some() {
            format!("no event for {:?}", self.idle)
        } else {
            "no first token in time".to_owned()
        };
        Failure::new(Class::Stall, what)
    }
}

/// Half of what the app itself is willing to wait, if it says so: whatever may still be failed over
/// must be by then, or the original's answer would come too late.
pub(super) fn half_of_the_apps(headers: &HeaderMap) -> Option<Duration> {
    const READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");
    const TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-timeout");
    let half_of = |name| {
        let seconds: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds / 2.0)
            .ok()
            .filter(|half| !half.is_zero())
    };
    let stated = [half_of(READ_TIMEOUT), half_of(TIMEOUT)];
    stated.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const TIMEOUTS: Timeouts = Timeouts {
        connect: Duration::from_secs(2),
        first_token: Duration::from_secs(30),
        idle: Duration::from_secs(120),
        total: Duration::from_secs(600),
    };

    fn patience() -> Patience {
        Patience::new(clock::io_now(), &TIMEOUTS, true, None)
    }

    async fn end(patience: &mut Patience) -> (u64, String) {
        let start = clock::io_now();
        let failure = poll_fn(|cx| patience.poll_end(cx)).await;
        (start.elapsed().as_secs(), failure.detail)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_token_has_its_own_limit() {
        let (after, why) = end(&mut patience()).await;
        assert_eq!((after, why.as_str()), (30, "no first token in time"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_counted_from_the_last_event() {
        let mut patience = patience();
        tokio::time::advance(Duration::from_secs(20)).await;
        patience.first_token_came();
        tokio::time::advance(Duration::from_secs(100)).await;
        patience.event_came();
        let (after, why) = end(&mut patience).await;
        assert_eq!((after, why.as_str()), (120, "no event for 120s"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_answer_has_a_limit_however_many_events_come() {
        let mut patience = patience();
        patience.first_token_came();
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(60)).await;
            patience.event_came();
        }
        let (after, why) = end(&mut patience).await;
        assert_eq!(
            (after, why.as_str()),
            (60, "the whole answer took too long")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_streamed_may_take_half_of_the_apps_time() {
        let half = Some(Duration::from_secs(40));
        for (stream, expected) in [(false, 40), (true, 120)] {
            let mut patience = Patience::new(clock::io_now(), &TIMEOUTS, stream, half);
            patience.first_token_came();
            assert_eq!(end(&mut patience).await.0, expected, "stream: {stream}");
        }
    }

    #[test]
    fn the_apps_own_patience_is_read_from_its_headers() {
        let check = |name: &'static str, value: &'static str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(half_of_the_apps(&headers), expected, "{name}: {value}");
        };
        check("x-stainless-read-timeout", "20.0", Some(10));
        check("x-stainless-timeout", "20", Some(10));
        check("x-stainless-timeout", "600", Some(300));
        for odd in ["-1", "NaN", "0", "none", "1e400"] {
            check("x-stainless-timeout", odd, None);
        }
    }
}
