#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_ratelimit::fuzzing::envoy_question(bytes));
