//! The rollout on a virtual clock.
//!
//! `clocks`, `bursts` and `speed` are vectors that can be checked by hand; `control` is the latch
//! and its commands; `reference` recomputes every decision from a list of all calls; `invariants`
//! drives whole rollouts with generated histories; `chance` checks the published odds.

mod bursts;
mod chance;
mod clocks;
mod control;
mod invariants;
mod reference;
mod rig;
mod speed;
