//! A panic on Bedrock's side of a call is Bedrock's failure, and the original answers.
//!
//! What reads the app's body, translates it and reads Bedrock's answer must not panic, and what
//! fuzzing finds is mended. But the original's path needs none of it, so that a fault that nobody
//! found costs a call its share and not its answer. Where it panicked is in the log
//! (`telemetry::panics`); the last resort for all other panics is in `server`.

use crate::outcome::Class;
use crate::upstream::Failure;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What `act` gives; none if it panics. Nothing that it changed may be looked at then.
pub(super) fn caught<T>(act: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act)).ok()
}

/// What asking Bedrock comes to; a failure if that panics.
pub(super) async fn asked<T>(
    asking: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut asking = pin!(asking);
    // After a panic it is not polled again: its state is dropped with it.
    poll_fn(|cx| match caught(|| asking.as_mut().poll(cx)) {
        Some(polled) => polled,
        None => Poll::Ready(Err(panicked())),
    })
    .await
}

/// What a panic comes to.
pub(super) fn panicked() -> Failure {
    Failure::new(Class::Malformed, "handling it panicked; this is a bug")
}
