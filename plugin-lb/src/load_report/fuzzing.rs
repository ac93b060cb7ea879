//! What holds of a load report for any bytes.

use super::LoadReport;

/// What is read can be, and reads back as it is written, in each of the forms.
pub fn load_report(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let found = [text.and_then(LoadReport::parse), LoadReport::from_bytes(bytes), LoadReport::from_base64(bytes)];
    for report in found.into_iter().flatten() {
        assert_eq!(LoadReport::from_bytes(&report.to_bytes()), Some(report));
        if report != LoadReport::new() {
            assert_eq!(LoadReport::parse(&report.to_header_value()), Some(report));
        }
        for penalty in [0.0, 1.0, 1e3] {
            assert!(report.weight(penalty).is_none_or(|weight| weight > 0.0 && weight.is_finite()));
        }
    }
}
