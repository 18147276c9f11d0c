//! What the machine can be told.

use super::Plan;
use super::Record;
use crate::outcome::Booking;

/// One thing that the machine is told; it comes with the time on the rule clock.
#[derive(Clone, Debug)]
pub enum Input {
    /// The data path reports about a call.
    Booking(Booking),
    /// Time has passed: about every 5 s. A tick too many changes nothing, a late one catches up.
    Tick {
        /// The wall clock, which dates a trip and decides nothing.
        unix_ms: u64,
    },
    /// A person acts.
    Command(Command),
    /// The configuration changed.
    Plan(Plan),
    /// What the state file says, read again when its lock was won.
    Record(Record),
}

/// What a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take everything back to the original, in any state.
    Rollback {
        /// Why, in the person's words.
        reason: String,
        /// Who.
        actor: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
    },
    /// Clear the latch and start the next attempt.
    Rearm {
        /// Why, in the person's words; must not be blank.
        reason: String,
        /// Who.
        actor: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
    },
}
