#![doc = include_str!("ARCHITECTURE.md")]

// The order of the ring and the layers are in ARCHITECTURE.md, section 5.
pub mod controller;
pub mod converse;
pub mod openai;
pub mod outcome;
pub mod rollout;
pub mod snapshot;
pub mod split;
pub mod translate;

pub mod clock;
pub mod config;
pub mod drain;
pub mod state;
pub mod telemetry;
