//! The Markdown table.

use super::measure::Measured;

/// One line per row, columns padded so that the table also reads well in a terminal.
#[must_use]
pub fn markdown(rows: &[Measured]) -> String {
    let first = rows.first().map_or("first", |row| row.name.as_str());
    let mut lines = vec![[
        "row".to_owned(),
        "ns per call".to_owned(),
        "spread".to_owned(),
        format!("to {}", escaped(first)),
        "to a peer".to_owned(),
        "allocations".to_owned(),
        "two threads".to_owned(),
    ]];
    lines.extend(rows.iter().enumerate().map(|(index, row)| cells(row, (index > 0).then(|| &rows[0]))));
    let widths: [usize; 7] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let mut table = line_of(&lines[0], widths);
    // Names to the left, figures to the right.
    table += &format!("|:{}|", "-".repeat(widths[0] + 1));
    widths[1..].iter().for_each(|width| table += &format!("{}:|", "-".repeat(width + 1)));
    table.push('\n');
    lines[1..].iter().for_each(|line| table += &line_of(line, widths));
    table
}

/// `first` is what the row is compared with, unless it is the first itself.
fn cells(row: &Measured, first: Option<&Measured>) -> [String; 7] {
    let none = || "-".to_owned();
    let added = first.map(|first| {
        let nanos = row.ns_per_call - first.ns_per_call;
        format!(", {}{} ns", if nanos <= -0.005 { '-' } else { '+' }, nanoseconds(nanos.abs()))
    });
    [
        escaped(&row.name),
        nanoseconds(row.ns_per_call),
        nanoseconds(row.spread),
        ratio(row.to_first) + &added.unwrap_or_default(),
        row.to_peer.as_ref().map_or_else(none, |(peer, to)| format!("{} of {}", ratio(*to), escaped(peer))),
        allocations(row.allocations),
        row.two_threads.map_or_else(none, |run| format!("{}, {} ns", ratio(run.scaling), nanoseconds(run.ns_per_call))),
    ]
}

fn line_of(cells: &[String; 7], widths: [usize; 7]) -> String {
    let mut line = format!("| {:<width$} |", cells[0], width = widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line += &format!(" {cell:>width$} |");
    }
    line.push('\n');
    line
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

fn with_commas(value: u64) -> String {
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
    use crate::harness::measure::TwoThreads;

    fn row(name: &str) -> Measured {
        Measured {
            name: name.to_owned(),
            ns_per_call: 14.27,
            spread: 0.3,
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
