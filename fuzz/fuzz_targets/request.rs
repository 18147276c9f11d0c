//! See `src/fuzz/request.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crossfade::fuzz::request::check(data));
