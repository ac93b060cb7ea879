#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_manager::fuzzing::request_headers(bytes));
