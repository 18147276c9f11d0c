//! The rollout: how much goes to Bedrock, which rules watch it, and how it is taken back.
//!
//! [`Machine`] holds the whole state and is a pure function of what it is told: bookings, ticks,
//! commands, plans. Each [`Input`] comes with the time on the rule clock and gives back what
//! changed as [`Transition`]s, for others to persist, log and publish. Nothing here waits, reads a
//! clock, draws a number or does I/O, so whole rollouts are replayed and property-tested in
//! milliseconds.
//!
//! Bookings become counters in 5 s buckets (`evidence`, `calls`, `repeats`, `window`), rules read
//! the buckets (`rules`, `clock`), the machine acts on a trip (`machine`). The latch is in the
//! [`Record`], which outlives the process; everything else starts empty with it.

pub mod plan;

mod calls;
mod clock;
mod counts;
mod evidence;
mod input;
mod machine;
mod ratio;
mod record;
mod repeats;
mod report;
mod rules;
mod transition;
mod window;
mod words;

#[cfg(test)]
mod tests;

pub use input::Command;
pub use input::Input;
pub use machine::Machine;
pub use plan::Plan;
pub use record::Cause;
pub use record::Numbers;
pub use record::Record;
pub use record::RecordState;
pub use record::Rollback;
pub use record::RuleName;
pub use report::ArmCounts;
pub use report::ArmReport;
pub use report::Arms;
pub use report::Report;
pub use report::RolloutState;
pub use report::RuleReport;
pub use report::RuleState;
pub use transition::Refusal;
pub use transition::ResetWhy;
pub use transition::Transition;
