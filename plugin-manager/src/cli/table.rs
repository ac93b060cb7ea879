//! Text in columns.

/// Lays out rows under a heading. Columns are as wide as their widest cell; the last one is not padded.
pub(crate) fn columns<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_owned);
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
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
    }
}
