#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_lb::fuzzing::load_report(bytes));
