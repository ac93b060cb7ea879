#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plugin_discovery::fuzzing::kubeconfig(bytes));
