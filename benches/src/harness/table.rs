//! The Markdown table.

use super::columns::Column;
use super::measured::{Measured, Waits};

/// A first row that is faster than this, in ns, is a loop with next to nothing in it: no ratio to it says anything.
const NEXT_TO_NOTHING: f64 = 5.0;

/// One line per row, columns padded so that the table also reads well in a terminal. A column of which no row has anything
/// is left out.
#[must_use]
pub fn markdown(rows: &[Measured]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let ratios = first.ns_per_call >= NEXT_TO_NOTHING;
    let mut columns = vec![
        Column::of("row", rows, |row| escaped(&row.name)),
        Column::of("ns per call", rows, |row| nanoseconds(row.ns_per_call)),
        Column::of("spread", rows, |row| nanoseconds(row.spread)),
    ];
    if rows.iter().any(|row| row.waits.is_some()) {
        let waits = |row: &Measured, which: fn(&Waits) -> f64| or_dash(row.waits.as_ref().map(which).map(nanoseconds));
        columns.push(Column::of("p50", rows, |row| waits(row, |waits| waits.p50)));
        columns.push(Column::of("p99", rows, |row| waits(row, |waits| waits.p99)));
    }
    let to_first = if ratios { "to" } else { "on top of" };
    columns.push(Column::of(&format!("{to_first} {}", escaped(&first.name)), rows, |row| {
        let added = (!std::ptr::eq(row, first)).then(|| added(row.ns_per_call - first.ns_per_call));
        match (ratios, added) {
            (true, Some(added)) => format!("{}, {added}", ratio(row.to_first)),
            (true, None) => ratio(row.to_first),
            (false, added) => or_dash(added),
        }
    }));
    if rows.iter().any(|row| row.to_peer.is_some()) {
        columns.push(Column::of("to a peer", rows, |row| {
            or_dash(row.to_peer.as_ref().map(|(peer, to)| format!("{} of {}", ratio(*to), escaped(peer))))
        }));
    }
    columns.push(Column::of("allocations", rows, |row| allocations(row.allocations)));
    if rows.iter().any(|row| row.two_threads.is_some()) {
        columns.push(Column::of("two threads", rows, |row| {
            or_dash(row.two_threads.map(|run| format!("{}, {} ns", ratio(run.scaling), nanoseconds(run.ns_per_call))))
        }));
    }
    Column::table(&columns)
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

/// What a row takes more than the first, or less.
fn added(nanos: f64) -> String {
    format!("{}{} ns", if nanos <= -0.005 { '-' } else { '+' }, nanoseconds(nanos.abs()))
}

fn escaped(name: &str) -> String {
    name.replace('|', "\\|")
}

/// Two decimals below 10, one below 1000, then none and a comma between thousands.
fn nanoseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 1000.0 {
        format!("{value:.1}")
    } else {
        with_commas(value.round() as u64)
    }
}

fn ratio(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}x") } else { format!("{}x", with_commas(value.round() as u64)) }
}

/// A whole number where it is one; otherwise (a buffer that grows now and then) two decimals.
fn allocations(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

pub(super) fn with_commas(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::TwoThreads;

    fn row(name: &str) -> Measured {
        Measured {
            name: name.to_owned(),
            ns_per_call: 14.27,
            spread: 0.3,
            waits: None,
            to_first: 1.0,
            to_peer: None,
            allocations: 0.0,
            two_threads: None,
        }
    }

    #[test]
    fn the_table_reads_as_markdown_and_as_text() {
        let ours = Measured {
            ns_per_call: 52_525.4,
            to_first: 3680.6,
            to_peer: Some(("peer|x".to_owned(), 0.0951)),
            allocations: 1.25,
            two_threads: Some(TwoThreads { scaling: 1.962, ns_per_call: 14.9 }),
            ..row("ours")
        };
        assert_eq!(
            markdown(&[row("bare"), ours]),
            "| row  | ns per call | spread |            to bare |        to a peer | allocations |    two threads |\n\
             |:-----|------------:|-------:|-------------------:|-----------------:|------------:|---------------:|\n\
             | bare |        14.3 |   0.30 |              1.00x |                - |           0 |              - |\n\
             | ours |      52,525 |   0.30 | 3,681x, +52,511 ns | 0.10x of peer\\|x |        1.25 | 1.96x, 14.9 ns |\n"
        );
    }

    #[test]
    fn nothing_is_a_multiple_of_an_empty_loop() {
        let bare = Measured { ns_per_call: 0.34, ..row("bare") };
        let ours = Measured { ns_per_call: 12.9, to_first: 37.9, ..row("ours") };
        assert_eq!(
            markdown(&[bare, ours]),
            "| row  | ns per call | spread | on top of bare | allocations |\n\
             |:-----|------------:|-------:|---------------:|------------:|\n\
             | bare |        0.34 |   0.30 |              - |           0 |\n\
             | ours |        12.9 |   0.30 |       +12.6 ns |           0 |\n"
        );
    }

    #[test]
    fn rows_that_wait_show_how_long_a_call_took_and_no_second_thread() {
        let waits = Some(Waits { p50: 21_433.0, p99: 60_001.0 });
        let peer = Some(("bare".to_owned(), 2.0));
        let ours = Measured { ns_per_call: 28.54, to_first: 2.0, to_peer: peer, ..row("ours") };
        assert_eq!(
            markdown(&[Measured { waits, ..row("bare") }, ours]),
            "| row  | ns per call | spread |    p50 |    p99 |         to bare |     to a peer | allocations |\n\
             |:-----|------------:|-------:|-------:|-------:|----------------:|--------------:|------------:|\n\
             | bare |        14.3 |   0.30 | 21,433 | 60,001 |           1.00x |             - |           0 |\n\
             | ours |        28.5 |   0.30 |      - |      - | 2.00x, +14.3 ns | 2.00x of bare |           0 |\n"
        );
    }

    #[test]
    fn figures_keep_three_to_four_digits() {
        assert_eq!(nanoseconds(0.204), "0.20");
        assert_eq!(nanoseconds(9.94), "9.94");
        assert_eq!(nanoseconds(364.44), "364.4");
        assert_eq!(nanoseconds(1013.0), "1,013");
        assert_eq!(with_commas(1_234_567), "1,234,567");
        assert_eq!(with_commas(100), "100");
        assert_eq!(allocations(12.0), "12");
    }
}
