//! The target `http` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| confab_fuzz::run("http", data));
