#![doc = include_str!("ARCHITECTURE.md")]

// The order of the ring and the layers are in ARCHITECTURE.md, section 5.
pub mod converse;
pub mod openai;
pub mod outcome;
pub mod rollout;
pub mod split;
pub mod translate;

