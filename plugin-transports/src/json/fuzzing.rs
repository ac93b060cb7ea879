//! The fuzz target of the scanner.

use serde_json::value::RawValue;

use super::{JsonFault, Limits, flat};

/// The scanner says what serde_json says; what it holds back for a limit is JSON so far, and on one line it is the same.
pub fn json_check(bytes: &[u8]) {
    let is_json = serde_json::from_slice::<&RawValue>(bytes).is_ok();
    assert_eq!(Limits::none().check(bytes).is_ok(), is_json);
    match Limits::new().check(bytes) {
        Ok(()) => assert!(is_json),
        Err(JsonFault::LimitExceeded(_)) => {}
        Err(fault @ JsonFault::Syntax(_)) => assert!(!is_json && !fault.to_string().is_empty()),
    }
    if is_json {
        let flat = flat(bytes);
        assert!(Limits::none().check(&flat).is_ok() && memchr::memchr2(b'\n', b'\r', &flat).is_none());
    }
}

#[cfg(test)]
fuzz_twins::twins!(json_check);
