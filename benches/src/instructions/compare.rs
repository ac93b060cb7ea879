//! Whether a call takes as much as when it was last written down.

use super::{dump::Cost, kept::Row};

/// A difference of so much of what a call took, or of [`FEWEST`], is no difference. From run to run counts differ by one in a
/// thousand: in how often calls look at the machine's clock, where memory lies, and what a random number picks.
const MARGIN: f64 = 0.01;

/// Instructions that a short call may differ by.
const FEWEST: f64 = 2.0;

/// Atomic operations that a call may differ by. There is no half of one, but some happen once in many calls.
const ATOMICS: f64 = 0.2;

/// A row that was counted, and what was kept of it.
#[derive(Debug)]
pub(super) struct Compared<'a> {
    pub(super) row: &'a Row,
    pub(super) before: Option<Cost>,
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// Fewer instructions or atomic operations, and not more of the others.
    Less,
    More,
    New,
}

impl<'a> Compared<'a> {
    pub(super) fn new(row: &'a Row, kept: &[Row]) -> Self {
        let before = kept.iter().find(|kept| kept.group == row.group && kept.name == row.name);
        Self { row, before: before.map(|row| row.cost) }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Some(before) = self.before else { return Verdict::New };
        let now = self.row.cost;
        let margin = (before.instructions * MARGIN).max(FEWEST);
        if now.instructions > before.instructions + margin || now.atomics > before.atomics + ATOMICS {
            Verdict::More
        } else if now.instructions < before.instructions - margin || now.atomics < before.atomics - ATOMICS {
            Verdict::Less
        } else {
            Verdict::Same
        }
    }

    /// What the verdict means for whoever reads it; nothing where a call takes what it took.
    pub(super) fn sentence(&self) -> Option<String> {
        let (Row { group, name, cost }, verdict) = (self.row, self.verdict());
        let Some(before) = self.before else {
            return Some(format!(
                "{group}, `{name}`: {} per call, and nothing to compare it with. `cargo xtask bench --check --write` keeps it.",
                told(*cost)
            ));
        };
        let change = format!("{group}, `{name}`: {} per call, it was {}", told(*cost), told(before));
        match verdict {
            Verdict::Same | Verdict::New => None,
            Verdict::Less => Some(format!("{change}. Write it down: `cargo xtask bench --check --write`.")),
            Verdict::More => Some(format!(
                "{change}. Find what was added: a call that is no longer inlined, a copy, an allocation, a lock. If it is \
                 meant, `cargo xtask bench --check --write` keeps it, and the commit says why."
            )),
        }
    }
}

fn told(cost: Cost) -> String {
    format!("{:.1} instructions and {:.2} atomic operations", cost.instructions, cost.atomics)
}

/// The rows as a table.
pub(super) fn table(rows: &[Compared<'_>]) -> String {
    let heading = ["group", "row", "before", "now", "change", "atomics before", "now"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let mut table = String::new();
    for line in &lines {
        let (names, figures) = line.split_at(2);
        names.iter().zip(widths).for_each(|(cell, width)| table += &format!("{cell:<width$}  "));
        figures.iter().zip(&widths[2..]).for_each(|(cell, width)| table += &format!("{cell:>width$}  "));
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}

fn cells(compared: &Compared<'_>) -> [String; 7] {
    let Row { group, name, cost } = compared.row;
    let before = |figure: fn(Cost) -> String| compared.before.map_or_else(|| "-".to_owned(), figure);
    let change = compared.before.map(|before| (cost.instructions / before.instructions - 1.0) * 100.0);
    [
        group.clone(),
        name.clone(),
        before(|cost| format!("{:.1}", cost.instructions)),
        format!("{:.1}", cost.instructions),
        change.map_or_else(|| "new".to_owned(), |percent| format!("{percent:+.1} %")),
        before(|cost| format!("{:.2}", cost.atomics)),
        format!("{:.2}", cost.atomics),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: f64, atomics: f64) -> Row {
        Row { group: "breaker".to_owned(), name: "closed".to_owned(), cost: Cost { instructions, atomics } }
    }

    /// The verdict on a call that took `before` and takes `now`.
    fn verdict(before: (f64, f64), now: (f64, f64)) -> Verdict {
        Compared::new(&row(now.0, now.1), &[row(before.0, before.1)]).verdict()
    }

    #[test]
    fn one_in_a_hundred_instructions_or_two_are_no_difference() {
        assert_eq!(verdict((1000.0, 3.0), (1009.0, 3.1)), Verdict::Same);
        assert_eq!(verdict((1000.0, 3.0), (991.0, 2.9)), Verdict::Same);
        assert_eq!(verdict((10.0, 3.0), (11.9, 3.0)), Verdict::Same);
        assert_eq!(verdict((1000.0, 3.0), (1011.0, 3.0)), Verdict::More);
        assert_eq!(verdict((10.0, 3.0), (12.1, 3.0)), Verdict::More);
        assert_eq!(verdict((1000.0, 3.0), (989.0, 3.0)), Verdict::Less);
    }

    #[test]
    fn a_lock_that_was_added_shows_although_the_instructions_are_fewer() {
        assert_eq!(verdict((1000.0, 3.0), (900.0, 4.0)), Verdict::More);
        assert_eq!(verdict((1000.0, 3.0), (1000.0, 2.0)), Verdict::Less);
    }

    #[test]
    fn a_failure_names_the_row_what_it_was_what_it_is_and_what_to_do() {
        let (now, kept) = (row(1100.0, 5.0), [row(1000.0, 3.0)]);
        let sentence = Compared::new(&now, &kept).sentence().unwrap();
        for part in
            ["breaker, `closed`", "1100.0 ", "5.00 ", "1000.0 ", "3.00 ", "Find what was added", "--write` keeps it"]
        {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert!(Compared::new(&row(900.0, 3.0), &kept).sentence().unwrap().contains("Write it down"));
        assert_eq!(Compared::new(&row(1001.0, 3.0), &kept).sentence(), None);
        let new = Compared::new(&now, &[]);
        assert_eq!(new.verdict(), Verdict::New);
        assert!(new.sentence().unwrap().contains("nothing to compare it with"));
    }

    #[test]
    fn the_table_has_a_line_for_each_row() {
        let (now, kept) = (row(1100.0, 5.0), [row(1000.0, 3.0)]);
        assert_eq!(
            table(&[Compared::new(&now, &kept), Compared::new(&now, &[])]),
            "group    row     before     now   change  atomics before   now\n\
             breaker  closed  1000.0  1100.0  +10.0 %            3.00  5.00\n\
             breaker  closed       -  1100.0      new               -  5.00\n"
        );
    }
}
