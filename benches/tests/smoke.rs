//! The harness from end to end, on the group that needs no other crate: short rounds, and no claim about speed.

use std::time::Duration;

use benches::groups::GROUPS;
use benches::harness::{Group, Plan, markdown};

fn group(name: &str) -> Group {
    let entry = GROUPS.iter().find(|entry| entry.name == name).expect("the group is registered");
    let mut group = Group::new(entry.name, entry.about);
    (entry.rows)(&mut group);
    group
}

fn short() -> Plan {
    Plan::default().with_rounds(3).with_times(Duration::from_micros(500), Duration::from_millis(5))
}

#[test]
fn the_bare_group_gives_a_well_formed_table() {
    let measured = group("bare").measure(&short()).expect("the group is put together rightly").rows;
    let table = markdown(&measured);

    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| {
            let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).expect("a line is a row");
            inner.split('|').map(str::trim).collect()
        })
        .collect();
    assert!(lines.iter().all(|cells| cells.len() == 6 && cells.iter().all(|cell| !cell.is_empty())), "{table}");
    assert_eq!(lines[0][0..2], ["row", "ns per call"], "{table}");
    assert!(lines[1].iter().all(|cell| cell.chars().all(|c| matches!(c, ':' | '-'))), "{table}");

    let rows = &lines[2..];
    assert_eq!(rows.len(), measured.len(), "{table}");
    assert_eq!(rows[0][0], "bare service", "{table}");
    // In a debug build the bare service takes long enough to be a measure.
    let of_the_first = if lines[0][3] == "to bare service" { "1.00x" } else { "-" };
    assert_eq!(rows[0][3], of_the_first, "the first row is what the others are compared with\n{table}");
    assert!(rows[1][3].ends_with(" ns"), "what is added stands beside it\n{table}");
    for row in rows {
        let nanoseconds: f64 = row[1].replace(',', "").parse().expect("a figure");
        assert!(nanoseconds > 0.0, "{table}");
        assert_eq!(row[4], "0", "a service that echoes allocates nothing\n{table}");
    }
}

#[test]
fn of_the_floors_only_the_box_allocates() {
    let measured = group("floors").measure(&short()).expect("the group is put together rightly").rows;
    for row in measured {
        assert_eq!(row.allocations, if row.name == "Box and drop" { 1.0 } else { 0.0 }, "{}", row.name);
        assert!(row.ns_per_call > 0.0, "{}", row.name);
    }
}

#[test]
fn every_transport_brings_back_what_was_sent_alone_and_through_the_manager_by_one_and_by_many() {
    for name in ["transports", "transports-16", "transports-64", "transports-64k"] {
        let measured = group(name).measure(&short()).expect("the group is put together rightly").rows;
        for row in &measured {
            assert!(row.ns_per_call > 0.0, "{}", row.name);
            assert_eq!(row.two_threads, None, "{}", row.name);
            let waits = row.waits.expect("each call is timed");
            assert!(0.0 < waits.p50 && waits.p50 <= waits.p99, "{}: {waits:?}", row.name);
        }
        for row in measured.iter().filter(|row| row.name.ends_with(", manager")) {
            let (peer, _) = row.to_peer.as_ref().expect("it is compared with the library beneath it");
            assert!(measured.iter().any(|row| row.name == *peer), "{}: {peer}", row.name);
        }
    }
}
