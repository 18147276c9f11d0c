//! See `src/fuzz/sse.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crossfade::fuzz::sse::check(data));
