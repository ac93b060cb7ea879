//! What rows are to take at most, beside what the machine asks for.

use std::fmt::Write;

use super::aim::Aim;
use super::group::Group;
use super::measured::Measured;
use super::plan::Plan;

/// The machine on which the aims were set: nanoseconds of a `fetch_add`, and of an `Arc` that is cloned and dropped.
const OF_THE_AIMS: Floors = Floors { fetch_add: 4.7, arc: 9.5 };

/// What a machine asks for two things that most layers are made of, in ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floors {
    fetch_add: f64,
    arc: f64,
}

impl Floors {
    /// Takes the two out of a group that has them as its rows, in this order.
    ///
    /// # Errors
    ///
    /// The group is put together wrongly.
    ///
    /// # Panics
    ///
    /// When the group has fewer rows.
    pub fn measure(group: &Group, plan: &Plan) -> Result<Self, String> {
        let rows = group.measure(plan)?.rows;
        Ok(Self { fetch_add: rows[0].ns_per_call, arc: rows[1].ns_per_call })
    }

    /// How much slower this machine is than that of the aims, as far as these two say.
    fn slower(&self) -> f64 {
        f64::midpoint(self.fetch_add / OF_THE_AIMS.fetch_add, self.arc / OF_THE_AIMS.arc)
    }
}

/// A paragraph on the aims of a group; nothing where it has none.
pub(super) fn paragraph(aims: &[Aim], rows: &[Measured], floors: &Floors) -> Option<String> {
    let took = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.ns_per_call);
    let slower = floors.slower();
    let mut text = format!(
        "Aims were set where a `fetch_add` takes {} ns and an `Arc` {}. In this run they took {:.1} and {:.1}, so each aim is \
         taken {slower:.2} times:\n\n",
        OF_THE_AIMS.fetch_add, OF_THE_AIMS.arc, floors.fetch_add, floors.arc
    );
    for Aim { row, without, ns } in aims {
        let base = without.as_deref().map_or(Some(0.0), took)?;
        let (aim, took) = (ns * slower, took(row)? - base);
        let on_top = without.as_ref().map(|row| format!(" on top of `{row}`")).unwrap_or_default();
        let verdict = if took <= aim { "within" } else { "missed" };
        writeln!(text, "- `{row}`{on_top}: {ns} ns, here {aim:.1}; it took {took:.1}: {verdict}.").ok()?;
    }
    (!aims.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, ns_per_call: f64) -> Measured {
        Measured {
            name: name.to_owned(),
            ns_per_call,
            spread: 0.0,
            waits: None,
            to_first: 1.0,
            to_peer: None,
            allocations: 0.0,
            two_threads: None,
        }
    }

    #[test]
    fn an_aim_stands_beside_the_floors_of_the_run_and_what_the_row_took() {
        let floors = Floors { fetch_add: 9.4, arc: 19.0 };
        let aim =
            |row: &str, without: Option<&str>, ns| Aim { row: row.to_owned(), without: without.map(str::to_owned), ns };
        let aims = [aim("layer", None, 20.0), aim("retry", Some("bare"), 15.0)];
        let rows = [row("bare", 36.5), row("layer", 30.2), row("retry", 94.6)];
        assert_eq!(
            paragraph(&aims, &rows, &floors).unwrap(),
            "Aims were set where a `fetch_add` takes 4.7 ns and an `Arc` 9.5. In this run they took 9.4 and 19.0, so each aim is \
             taken 2.00 times:\n\n\
             - `layer`: 20 ns, here 40.0; it took 30.2: within.\n\
             - `retry` on top of `bare`: 15 ns, here 30.0; it took 58.1: missed.\n"
        );
        assert_eq!(paragraph(&[], &rows, &floors), None);
    }
}
