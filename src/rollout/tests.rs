//! The rollout on a virtual clock.
//!
//! `clocks`, `bursts` and `speed` are vectors that can be checked by hand; `control` is the latch
//! and its commands; `reference` recomputes every decision from a list of all calls; `invariants`
//! drives whole rollouts with generated histories; `chance` checks the published odds. `looks`,
//! `climb` and `gates` are the same for the way up, `climbing` its slow machine.

mod breaker;
mod bursts;
pub(super) mod chance;
mod climb;
mod climbing;
mod clocks;
mod common;
mod compared;
mod control;
pub(super) mod draws;
mod gates;
mod invariants;
mod looks;
mod reachable;
mod reference;
pub(super) mod rig;
mod speed;
mod throttled;
