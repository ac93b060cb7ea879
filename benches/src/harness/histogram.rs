//! How long calls take, each on its own.

/// Cells per power of two are two to this: a cell is at most 1.6 % wide.
const BITS: u32 = 6;

/// Cells for every number of nanoseconds that there is.
const CELLS: usize = (64 - BITS as usize + 1) << BITS;

/// Counts times in cells that are the wider the longer the times are. Counting allocates nothing.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    cells: Box<[u32]>,
    counted: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { cells: vec![0; CELLS].into(), counted: 0 }
    }

    /// Counts a call that took so many nanoseconds.
    pub(crate) fn count(&mut self, nanos: u64) {
        let cell = &mut self.cells[cell_of(nanos)];
        *cell = cell.saturating_add(1);
        self.counted += 1;
    }

    /// Forgets what was counted.
    pub(super) fn clear(&mut self) {
        self.cells.fill(0);
        self.counted = 0;
    }

    /// The nanoseconds within which this share (0 to 1) of the calls were over, to within a cell; `None` without calls.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = ((self.counted as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut passed = 0;
        let cell = self.cells.iter().position(|&count| {
            passed += u64::from(count);
            passed >= wanted
        })?;
        Some(middle_of(cell))
    }
}

fn cell_of(nanos: u64) -> usize {
    // Below the first power of two that has all its cells, each number has a cell of its own.
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(BITS + 1);
    ((shift as usize) << BITS) + (nanos >> shift) as usize
}

fn middle_of(cell: usize) -> f64 {
    let shift = (cell >> BITS).saturating_sub(1) as u32;
    let low = ((cell - ((shift as usize) << BITS)) as u64) << shift;
    low as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_again_to_within_a_cell() {
        for nanos in [0, 1, 63, 64, 127, 128, 129, 1_000, 21_433, 794_069, 1 << 40, u64::MAX] {
            let found = middle_of(cell_of(nanos));
            let off = (found - nanos as f64).abs();
            assert!(off <= nanos as f64 / 64.0, "{nanos}: {found}");
        }
    }

    #[test]
    fn cells_follow_one_another_without_a_gap() {
        assert_eq!(cell_of(u64::MAX), CELLS - 1);
        for nanos in 1..5_000 {
            let step = cell_of(nanos) - cell_of(nanos - 1);
            assert!(step <= 1, "{nanos}");
        }
    }

    #[test]
    fn half_of_the_calls_are_over_within_the_median_and_all_but_one_in_a_hundred_within_p99() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        (0..50).for_each(|_| histogram.count(10));
        (0..49).for_each(|_| histogram.count(20));
        histogram.count(60);
        assert_eq!(histogram.quantile(0.5), Some(10.0));
        assert_eq!(histogram.quantile(0.99), Some(20.0));
        assert_eq!(histogram.quantile(1.0), Some(60.0));
        histogram.clear();
        assert_eq!(histogram.quantile(0.5), None);
    }
}
