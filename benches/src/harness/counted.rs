//! Calls that valgrind counts the instructions of.
//!
//! `callgrind` is told the names of the two functions at the end of this file: it counts within the first, and writes down
//! what it has counted, and begins anew, when the second is entered. So one run of valgrind counts many rows.

use std::hint::black_box;

use super::case::Batch;
use super::group::Group;

/// Calls that a row makes before it is counted: what is set up once is over, buffers have grown, pools are filled.
const WARMING: u64 = 1_000;

/// Calls that are counted. What happens once in a while, such as a look at the machine's clock, is spread over them.
pub(crate) const COUNTED: u64 = 1_000;

/// What valgrind is told, besides the program and where its files go.
pub(crate) const VALGRIND: [&str; 6] = [
    "--tool=callgrind",
    "--collect-atstart=no",
    // Counts what locks the bus: each atomic operation that reads and writes.
    "--collect-bus=yes",
    // Two patterns must not begin alike beyond the star: the second would match nothing (callgrind 3.19).
    "--toggle-collect=*calls_that_are_counted*",
    "--dump-before=*a_row_was_counted*",
    "--combine-dumps=no",
];

impl Group {
    /// Makes the calls of each of these rows, one row after the other. Without valgrind it is of no use.
    ///
    /// # Errors
    ///
    /// A row is not there.
    ///
    /// # Panics
    ///
    /// When a row does, see [`Group::service`].
    pub(crate) fn make_counted_calls(&self, rows: &[&str]) -> Result<(), String> {
        self.validate()?;
        for &row in rows {
            let case = self.cases().iter().find(|case| case.name() == row);
            let case =
                case.ok_or_else(|| format!("group {}: `{row}`, which is to be counted, is no row", self.name()))?;
            let mut batch = case.build();
            batch(WARMING);
            calls_that_are_counted(&mut batch, COUNTED);
            a_row_was_counted(row);
        }
        Ok(())
    }
}

/// [`VALGRIND`] has its name.
#[inline(never)]
fn calls_that_are_counted(batch: &mut Batch, calls: u64) {
    batch(calls);
    // Something after the call: otherwise it is a jump, and this function is over before its calls are.
    black_box(calls);
}

/// [`VALGRIND`] has its name.
#[inline(never)]
fn a_row_was_counted(row: &str) {
    let _kept = black_box(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_makes_its_calls_and_one_that_is_not_there_is_named() {
        let mut group = Group::new("g", "");
        let made = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        group.shared("row", std::sync::Arc::clone(&made), |made| {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        });
        assert_eq!(group.make_counted_calls(&["row"]), Ok(()));
        assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), WARMING + COUNTED);
        assert!(group.make_counted_calls(&["rwo"]).unwrap_err().contains("`rwo`"));
    }
}
