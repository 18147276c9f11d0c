#![doc = include_str!("ARCHITECTURE.md")]

// The order of the ring and the layers are in ARCHITECTURE.md, section 5.
pub mod controller;
pub mod converse;
pub(crate) mod notify;
pub mod openai;
pub(crate) mod otlp;
pub mod outcome;
pub(crate) mod page;
pub(crate) mod proxy;
pub mod rollout;
pub(crate) mod server;
pub(crate) mod simulate;
pub mod snapshot;
pub mod split;
pub mod translate;
pub(crate) mod upstream;

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod drain;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod journal;
pub mod state;
pub mod telemetry;
