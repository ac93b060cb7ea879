//! Text in columns.

/// What most terminals show of a line.
pub(super) const WIDTH: usize = 80;

/// Lays out rows under a heading. Columns are as wide as their widest cell; the last one is not padded. Two blanks stand
/// between them, or one where two would not fit a terminal. A tab in a cell is a blank.
pub(crate) fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let gap = if widths.iter().sum::<usize>() + 2 * N.saturating_sub(1) <= WIDTH { 2 } else { 1 };
    let heading = heading.map(str::to_owned);
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.extend(cell.chars().map(|letter| if letter == '\t' { ' ' } else { letter }));
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + gap));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_beneath_one_another() {
        let rows = [["ä".to_owned(), "1".to_owned()], ["long-name".to_owned(), String::new()]];
        assert_eq!(columns(["NAME", "CALLS"], &rows), "NAME       CALLS\nä          1\nlong-name\n");
        let rows = [["a\tb".to_owned(), "1".to_owned()]];
        assert_eq!(columns(["NAME", "CALLS"], &rows), "NAME  CALLS\na b   1\n", "a tab is as wide as it is counted");
    }

    #[test]
    fn what_does_not_fit_a_terminal_with_two_blanks_stands_closer() {
        let row = |width: usize| [["x".repeat(width), "y".repeat(38)]];
        assert_eq!(columns(["A", "B"], &row(40)).lines().last().map(str::len), Some(80));
        assert_eq!(columns(["A", "B"], &row(41)).lines().last().map(str::len), Some(80), "one blank");
    }
}
