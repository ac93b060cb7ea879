//! `INSTRUCTIONS.md`: what calls took when it was last written down.

use std::fmt;

use super::dump::Cost;

/// A row, and what a call of it takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) cost: Cost,
}

/// What counts depend on besides the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tools {
    /// The processor's instructions, such as `x86_64`.
    pub(super) arch: String,
    pub(super) rustc: String,
    pub(super) valgrind: String,
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, rustc {}, valgrind {}", self.arch, self.rustc, self.valgrind)
    }
}

/// The whole file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) tools: Tools,
    pub(super) rows: Vec<Row>,
}

/// What the line of the tools begins with.
const COUNTED_ON: &str = "Counted on ";

impl Kept {
    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# Instructions\n\n\
             What one call of a row takes: instructions, and operations that read and write memory in one step.\n\
             Written by `cargo xtask bench --check --write`; `cargo xtask bench --check` compares with it (see `README.md`).\n\n\
             {COUNTED_ON}{}.\n\n\
             | group | row | instructions | atomics |\n|:--|:--|--:|--:|\n",
            self.tools
        );
        for Row { group, name, cost } in &self.rows {
            let name = name.replace('|', "\\|");
            text += &format!("| {group} | {name} | {:.1} | {:.2} |\n", cost.instructions, cost.atomics);
        }
        text
    }

    /// Reads what [`text`](Self::text) writes.
    ///
    /// # Errors
    ///
    /// The line that cannot be understood.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let tools =
            text.lines().find_map(|line| line.strip_prefix(COUNTED_ON)).ok_or("it does not say what counted")?;
        let mut parts = tools.trim_end_matches('.').splitn(3, ", ");
        let mut part = |before: &str| {
            let part = parts.next().and_then(|part| part.strip_prefix(before)).map(str::to_owned);
            part.ok_or_else(|| format!("`{COUNTED_ON}{tools}` names no architecture, rustc and valgrind"))
        };
        let tools = Tools { arch: part("")?, rustc: part("rustc ")?, valgrind: part("valgrind ")? };
        // Two lines of every table are its heading.
        let rows = text.lines().filter(|line| line.starts_with('|')).skip(2);
        let rows = rows.map(|line| row(line).ok_or_else(|| format!("`{line}` is no group, row and two figures")));
        Ok(Self { tools, rows: rows.collect::<Result<_, _>>()? })
    }
}

fn row(line: &str) -> Option<Row> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (group, rest) = cells.split_once(" | ")?;
    let (rest, atomics) = rest.rsplit_once(" | ")?;
    let (name, instructions) = rest.rsplit_once(" | ")?;
    let figure = |text: &str| text.parse::<f64>().ok().filter(|figure| figure.is_finite() && *figure >= 0.0);
    Some(Row {
        group: group.to_owned(),
        name: name.replace("\\|", "|"),
        cost: Cost { instructions: figure(instructions)?, atomics: figure(atomics)? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let row = |name: &str, instructions, atomics| Row {
            group: "g".to_owned(),
            name: name.to_owned(),
            cost: Cost { instructions, atomics },
        };
        let tools = Tools { arch: "x86_64".into(), rustc: "1.95.0".into(), valgrind: "3.19.0".into() };
        Kept { tools, rows: vec![row("bare service", 4.1, 0.0), row("a | b, c", 1_864.3, 16.98)] }
    }

    #[test]
    fn what_was_written_is_read() {
        let text = kept().text();
        assert!(text.contains("| g | a \\| b, c | 1864.3 | 16.98 |\n"), "{text}");
        assert_eq!(Kept::read(&text), Ok(kept()));
    }

    #[test]
    fn a_line_that_cannot_be_understood_is_shown() {
        let fault = |from: &str, to: &str| Kept::read(&kept().text().replace(from, to)).unwrap_err();
        assert!(fault("Counted on", "Counted").contains("does not say"));
        assert!(fault("rustc 1.95.0", "1.95.0").contains("`Counted on x86_64, 1.95.0"));
        assert!(fault("| 4.1 ", "| four ").contains("`| g | bare service | four | 0.00 |`"));
        assert!(fault("| 4.1 ", "| -4.1 ").contains("-4.1"));
        assert!(fault("| g | bare service | 4.1 ", "| g ").contains("`| g | 0.00 |`"));
    }
}
