#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| flux_tests::fuzz::run("cosign", data));
