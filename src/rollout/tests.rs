//! The rollout on a virtual clock.
//!
//! `clocks`, `bursts` and `speed` are vectors that can be checked by hand; `control` is the latch
//! and its commands; `reference` recomputes every decision from a list of all calls; `invariants`
//! drives whole rollouts with generated histories; `chance` checks the published odds. `looks`,
//! `climb` and `gates` are the same for the way up, `climbing` its slow machine.

mod bursts;
mod chance;
mod climb;
mod climbing;
mod clocks;
mod control;
mod gates;
mod invariants;
mod looks;
mod reference;
mod rig;
mod speed;
