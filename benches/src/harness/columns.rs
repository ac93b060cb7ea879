//! A Markdown table that is padded so that it also reads well in a terminal.

/// A heading and a cell for each row.
#[derive(Debug)]
pub(super) struct Column {
    cells: Vec<String>,
    width: usize,
}

impl Column {
    pub(super) fn of<T>(heading: &str, rows: &[T], cell: impl FnMut(&T) -> String) -> Self {
        let cells: Vec<String> = std::iter::once(heading.to_owned()).chain(rows.iter().map(cell)).collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        Self { cells, width }
    }

    /// The columns beside each other: the first, which has the names, to the left, figures to the right.
    pub(super) fn table(columns: &[Self]) -> String {
        let Some((names, figures)) = columns.split_first() else { return String::new() };
        let line = |number: usize| {
            let mut line = format!("| {:<width$} |", names.cells[number], width = names.width);
            for column in figures {
                line += &format!(" {:>width$} |", column.cells[number], width = column.width);
            }
            line + "\n"
        };
        let mut table = line(0);
        table += &format!("|:{}|", "-".repeat(names.width + 1));
        figures.iter().for_each(|column| table += &format!("{}:|", "-".repeat(column.width + 1)));
        table.push('\n');
        (1..names.cells.len()).for_each(|number| table += &line(number));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_wide_as_the_widest_and_letters_count_once() {
        let rows = [("é", 7), ("long", 1234)];
        let columns =
            [Column::of("row", &rows, |row| row.0.to_owned()), Column::of("n", &rows, |row| row.1.to_string())];
        assert_eq!(Column::table(&columns), "| row  |    n |\n|:-----|-----:|\n| é    |    7 |\n| long | 1234 |\n");
        assert_eq!(Column::table(&[]), "");
    }
}
