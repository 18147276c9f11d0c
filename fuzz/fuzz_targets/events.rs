//! See `src/fuzz/events.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crossfade::fuzz::events::check(data));
