//! The table at the end of a run.

use std::fmt::Write as _;
use std::time::Duration;

/// A step and how it went.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// One line per step under a heading, columns aligned.
pub(crate) fn table(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.name.len()).chain(["step".len()]).max().unwrap_or(0);
    let mut table = format!("{:width$}  {:7}  {:>9}\n", "step", "result", "time");
    for line in lines {
        let (result, took) = match line.outcome {
            Outcome::Passed(took) => ("passed", duration(took)),
            Outcome::Failed(took) => ("FAILED", duration(took)),
            Outcome::NotRun => ("not run", "-".to_owned()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{:width$}  {result:7}  {took:>9}", line.name);
    }
    table
}

/// The last line of a run in which nothing failed.
pub(crate) fn all_passed(steps: usize, took: Duration) -> String {
    let noun = if steps == 1 { "step" } else { "steps" };
    format!("xtask: all {steps} {noun} passed in {:.1} min", took.as_secs_f64() / 60.0)
}

/// `4.2 s`, and from two minutes on `12.5 min`.
pub(crate) fn duration(took: Duration) -> String {
    if took < Duration::from_secs(120) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{:.1} min", took.as_secs_f64() / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_passed_what_failed_and_what_was_not_reached() {
        let lines = [
            Line { name: "prerequisites", outcome: Outcome::Passed(Duration::from_millis(340)) },
            Line { name: "clippy", outcome: Outcome::Failed(Duration::from_secs(150)) },
            Line { name: "test", outcome: Outcome::NotRun },
        ];
        assert_eq!(
            table(&lines),
            "step           result        time\n\
             prerequisites  passed       0.3 s\n\
             clippy         FAILED     2.5 min\n\
             test           not run          -\n"
        );
    }

    #[test]
    fn the_last_line_counts_steps_and_minutes() {
        assert_eq!(all_passed(9, Duration::from_secs(750)), "xtask: all 9 steps passed in 12.5 min");
        assert_eq!(all_passed(1, Duration::from_secs(3)), "xtask: all 1 step passed in 0.1 min");
    }

    #[test]
    fn minutes_begin_at_two() {
        assert_eq!(duration(Duration::from_millis(119_900)), "119.9 s");
        assert_eq!(duration(Duration::from_secs(120)), "2.0 min");
    }
}
