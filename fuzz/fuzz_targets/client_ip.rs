#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_ratelimit::fuzzing::client_ip(bytes));
