//! What the machine can be told.

use super::Plan;
use super::QuestionId;
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
        /// Whether something outside of the rollout keeps calls from Bedrock, or the state file is
        /// behind for want of a disk: then no stage ages and nothing is advanced.
        held: bool,
    },
    /// A person acts.
    Command(Command),
    /// The configuration changed.
    Plan(Plan),
    /// What the state file says, read again when its lock was won.
    Record(Record),
    /// What came of a [`Question`](super::Question) to the webhook gate.
    Gate {
        /// Which question; an answer to an earlier one is not heard.
        question: QuestionId,
        /// What the gate said.
        answer: GateAnswer,
    },
}

/// What a gate said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateAnswer {
    /// Go on (2xx).
    Yes,
    /// Not now (403). It is asked again.
    No,
    /// Nobody can tell: another status, no connection, no answer in time. It is asked again.
    Unknown {
        /// What went wrong, as the second half of a sentence.
        problem: String,
    },
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
    /// Stay at this stage until [`Command::Resume`]; the rules watch on.
    Pause {
        /// Why, in the person's words.
        reason: String,
        /// Who.
        actor: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
    },
    /// End a pause.
    Resume {
        /// Why, in the person's words.
        reason: String,
        /// Who.
        actor: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
    },
    /// Go on to the next stage: past the manual gate, or with `force` past whatever it waits for.
    Advance {
        /// Why, in the person's words.
        reason: String,
        /// Who.
        actor: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
        /// Whether to go on although something is still waited for. Never past a rollback, a
        /// pause or the ceiling.
        force: bool,
    },
}
