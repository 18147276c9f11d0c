//! What the rules would have done: recorded or made-up calls through the real rollout core.
//!
//! [`Play`] is a [`Machine`](crate::rollout::Machine) with the rules of `rollout.yaml`, on a clock
//! that jumps from one thing to the next, ticked at the same edges as in a running sidecar; so a
//! day takes about a second and decides exactly as `run` would. A recorded trace ([`trace`]) is
//! played once; made-up traffic ([`traffic`]) is played for false trips and for delays
//! ([`study`]). What came of it is [`outcome`]'s text and JSON, or a [`picture`].
//!
//! A trace is a record: once the simulated rollout is rolled back, Bedrock gets nothing, so the
//! record's later Bedrock calls are counted as calls that would have gone to the original, and are
//! not booked. Files, arguments and the terminal belong to `cli`.

mod due;
pub(crate) mod happened;
pub(crate) mod onset;
pub(crate) mod outcome;
pub(crate) mod picture;
pub(crate) mod play;
pub(crate) mod series;
pub(crate) mod study;
pub(crate) mod trace;
pub(crate) mod traffic;

#[cfg(test)]
mod tests;

pub(crate) use play::Play;
