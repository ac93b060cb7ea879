//! The programs that the group `gateway` measures, started and called as it does, for a moment and with no claim about speed.

use std::time::Duration;

use benches::groups::gateway::{Pace, measure};

#[test]
fn every_program_that_is_there_carries_all_requests_and_one_that_is_not_is_named() {
    let pace = Pace::default().with_rounds(1).with_time(Duration::from_millis(100));
    let found = measure(&pace).expect("each request is answered");
    let names: Vec<&str> = found.rows.iter().map(|row| row.name).collect();
    assert!(names.contains(&"bare hyper proxy"), "it is this program itself: {names:?}");
    for row in &found.rows {
        assert!(row.per_second > 0.0 && row.cpu >= 0.0 && row.memory > 0, "{row:?}");
        assert!(row.p50 > 0.0 && row.p50 <= row.p99, "{row:?}");
        assert_eq!(row.cpu_to_nginx.is_some(), names.contains(&"nginx"), "{row:?}");
    }
    for (program, row, rows) in [("nginx", "nginx", 1), ("plugin-manager", "gateway", 2)] {
        let is_missing = found.missing.iter().any(|said| said.contains(program));
        let there = names.iter().filter(|name| name.starts_with(row)).count();
        assert_eq!(there, if is_missing { 0 } else { rows }, "{program}: {names:?}, {:?}", found.missing);
    }
}
