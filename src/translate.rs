//! OpenAI ⇄ Bedrock Converse.
//!
//! [`eligible`] decides whether Bedrock can honour a call, before it is split: an [`Eligible`]
//! knows the body to send and the losses to count, anything else is a [`Reason`] to stay. On the
//! way back [`StreamWriter`] turns events into chunks, [`Fold`] the same events into one answer;
//! [`error`] says what a service error means.
//!
//! Pure: nothing here waits, draws, or looks at a clock. An id and a time are parameters.

mod answer;
mod arn;
pub mod capability;
mod defaults;
pub mod error;
pub mod family;
mod fence;
mod fold;
mod ids;
mod loss;
mod reason;
mod request;
mod shape;
mod stream;
mod target;
mod thinking;
mod usage;

#[cfg(test)]
mod properties;

pub use crate::converse::Fault;
pub use arn::Arn;
pub use capability::Capabilities;
pub use defaults::{Defaults, Fraction};
pub use family::Family;
pub use fold::Fold;
pub use loss::{Loss, LossSet};
pub use reason::Reason;
#[cfg(any(test, fuzzing))]
pub(crate) use request::is_sound;
pub use request::{Eligible, eligible};
pub use shape::{Ending, Identity, Mode, ReplyShape};
pub use stream::StreamWriter;
pub use target::{Allow, Allowance, Target, TargetError};
