//! The rollout: how much goes to Bedrock, which rules watch it, and how it is taken back.
//!
//! [`Machine`] holds the whole state and is a pure function of what it is told: bookings, ticks,
//! commands, plans. Each [`Input`] comes with the time on the rule clock and gives back what
//! changed as [`Transition`]s, for others to persist, log and publish. Nothing here waits, reads a
//! clock, draws a number or does I/O, so whole rollouts are replayed and property-tested in
//! milliseconds.
//!
//! Bookings become counters in 5 s buckets (`evidence`, `calls`, `repeats`, `window`), rules read
//! the buckets (`rules`, `clock`), the machine acts on a trip (`machine`) and climbs when nothing is
//! missing (`promotion`, `looks`, `stage`). The latch and the stage that is reached are in the
//! [`Record`], which outlives the process; everything else starts empty with it.

pub mod plan;

mod abandoned;
mod breaker;
mod calls;
mod caution;
mod clock;
mod common;
mod counts;
mod detect;
mod evidence;
mod input;
mod latencies;
mod looks;
mod machine;
mod odds;
mod progress;
mod promotion;
mod ratio;
mod reach;
mod record;
mod relative;
mod repeats;
mod report;
mod rules;
mod stage;
mod transition;
mod watch;
mod window;
mod words;

#[cfg(test)]
mod tests;

pub use breaker::Admission;
pub use breaker::BreakerReport;
pub use breaker::BreakerState;
pub use caution::Caution;
pub use caution::CautionKind;
pub use detect::Detectable;
pub use input::Command;
pub use input::GateAnswer;
pub use input::Input;
pub use looks::Looked;
pub use machine::Machine;
pub use plan::Advance;
pub use plan::Climb;
pub use plan::Gate;
pub use plan::Plan;
pub use progress::Basis;
pub use progress::BasisChange;
pub use progress::Paused;
pub use progress::Phase;
pub use progress::Progress;
pub use progress::StageCalls;
pub use promotion::Against;
pub use promotion::Said;
pub use promotion::Wait;
pub use record::Cause;
pub use record::Numbers;
pub use record::Record;
pub use record::RecordState;
pub use record::Rollback;
pub use record::RuleName;
pub use relative::ODDS_SHOWN_MAX;
pub use report::ArmCounts;
pub use report::ArmReport;
pub use report::Arms;
pub use report::Question;
pub use report::Report;
pub use report::RolloutState;
pub use report::RuleReport;
pub use report::RuleState;
pub use report::StageReport;
pub use stage::QuestionId;
pub use transition::Advanced;
pub use transition::ClimbStart;
pub use transition::Pusher;
pub use transition::Refusal;
pub use transition::ResetWhy;
pub use transition::Transition;
