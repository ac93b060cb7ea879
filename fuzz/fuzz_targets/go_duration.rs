#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_core::fuzzing::go_duration(bytes));
