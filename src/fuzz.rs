//! What the fuzz targets check: one function each, over any bytes.
//!
//! The targets in `fuzz/fuzz_targets` only call these functions, and so does the test that replays
//! the corpus in `fuzz/corpus`: what a fuzzer found once is looked for in every test run, with a
//! stable compiler. Compiled for tests and for the fuzzer (`--cfg fuzzing`), in no release.
//!
//! A function panics where something does not hold that must hold for every input.

pub mod events;
pub(crate) mod reply;
pub mod request;
pub mod sse;

#[cfg(test)]
mod tests;
