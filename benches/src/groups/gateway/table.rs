//! The Markdown table.

use super::conclude::Figures;

const COLUMNS: [&str; 9] = [
    "row",
    "requests/s",
    "CPU per request",
    "to nginx",
    "to the bare proxy",
    "p50 at 1,000/s",
    "to nginx",
    "p99 at 1,000/s",
    "memory",
];

/// One line per row, columns padded so that the table also reads well in a terminal.
pub(super) fn markdown(rows: &[Figures]) -> String {
    let mut lines = vec![COLUMNS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    let mut table = line_of(&lines[0], widths);
    // Names to the left, figures to the right.
    table += &format!("|:{}|", "-".repeat(widths[0] + 1));
    widths[1..].iter().for_each(|width| table += &format!("{}:|", "-".repeat(width + 1)));
    table.push('\n');
    lines[1..].iter().for_each(|line| table += &line_of(line, widths));
    table
}

fn cells(row: &Figures) -> [String; COLUMNS.len()] {
    let ratio = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}x"));
    [
        row.name.to_owned(),
        thousands(row.per_second),
        format!("{:.1} us", row.cpu),
        ratio(row.cpu_to_nginx),
        ratio(row.cpu_to_bare),
        format!("{:.0} us", row.p50),
        ratio(row.p50_to_nginx),
        format!("{:.0} us", row.p99),
        format!("{:.1} MiB", row.memory as f64 / f64::from(1 << 20)),
    ]
}

/// A whole number with a comma between thousands, below a billion.
fn thousands(value: f64) -> String {
    let whole = value.round() as u64;
    match whole {
        0..1_000 => whole.to_string(),
        1_000..1_000_000 => format!("{},{:03}", whole / 1_000, whole % 1_000),
        _ => format!("{},{:03},{:03}", whole / 1_000_000, whole / 1_000 % 1_000, whole % 1_000),
    }
}

fn line_of(cells: &[String; COLUMNS.len()], widths: [usize; COLUMNS.len()]) -> String {
    let mut line = format!("| {:<width$} |", cells[0], width = widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line += &format!(" {cell:>width$} |");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_as_markdown_and_as_text() {
        let row = Figures {
            name: "gateway",
            per_second: 21_034.4,
            cpu: 45.04,
            cpu_to_nginx: Some(1.5),
            cpu_to_bare: None,
            p50: 301.2,
            p50_to_nginx: Some(1.0),
            p99: 1200.0,
            memory: 3 << 19,
        };
        let table = markdown(&[row]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
        let cells: Vec<&str> = lines[2].split('|').map(str::trim).collect();
        let expected = ["", "gateway", "21,034", "45.0 us", "1.50x", "-", "301 us", "1.00x", "1200 us", "1.5 MiB", ""];
        assert_eq!(cells, expected, "{table}");
        assert_eq!([999.4, 1000.0, 1_000_002.0].map(thousands), ["999", "1,000", "1,000,002"]);
    }
}
