//! The order in which branches take turns.

/// The longest order: the sum of the weights, divided by what they have in common.
pub(super) const LONGEST: u32 = 10_000;

/// The most branches that have a weight.
pub(super) const MOST: usize = 256;

/// Divides the weights by what they have in common.
pub(super) fn reduced(weights: &[u32]) -> Vec<u32> {
    let common = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter().map(|weight| weight / common).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The order of one period, in which each has as many turns as its weight, [`reduced`] before.
///
/// After R. Tijdeman, "The chairman assignment problem" (1980): whoever had its part of a turn may have it, and of those
/// the one takes it that would be late first. At no time is one of `k` further from its share than by 1 - 1 / (2k - 2)
/// turns, which is the least that can be promised: half a turn for two. So any part of the order, wherever it begins, has
/// the share of each of two to the turn, and of one among more to less than two turns. Smooth weighted round-robin
/// promises neither.
///
/// There are at most [`MOST`] weights, and none of them is 0.
pub(super) fn order(weights: &[u32]) -> Box<[u8]> {
    let total: i64 = weights.iter().copied().map(i64::from).sum();
    let parts = 2 * i64::try_from(weights.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
    // What each had too little so far, in parts of a turn times the total.
    let mut owed: Vec<(i64, i64)> = weights.iter().map(|weight| (0, i64::from(*weight))).collect();
    let turns = (0..total).map(|_| {
        for (owed, weight) in &mut owed {
            *owed += parts * *weight;
        }
        let next = next(&owed, total, parts);
        if let Some((owed, _)) = owed.get_mut(next) {
            *owed -= parts * total;
        }
        u8::try_from(next).unwrap_or(u8::MAX)
    });
    turns.collect()
}

/// Of those that are owed the least part of a turn, the one that would be late first.
fn next(owed: &[(i64, i64)], total: i64, parts: i64) -> usize {
    let latest = (parts - 1) * total;
    let due = owed.iter().enumerate().filter(|(_, (owed, _))| *owed >= total);
    let first = due.min_by(|(_, (owed, weight)), (_, (other, of))| {
        // Their times until they are late, `(latest - owed) / weight`, without a division.
        ((latest - owed) * of).cmp(&((latest - other) * weight))
    });
    first.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each branch has in each window of this many calls: its least and its most.
    fn windows(order: &[u8], branches: usize, window: usize) -> Vec<(u32, u32)> {
        let at = |turn: usize| usize::from(order[turn % order.len()]);
        let mut counts = vec![0_u32; branches];
        (0..window).for_each(|turn| counts[at(turn)] += 1);
        let mut bounds: Vec<_> = counts.iter().map(|count| (*count, *count)).collect();
        for start in 0..order.len() {
            counts[at(start)] -= 1;
            counts[at(start + window)] += 1;
            for (bound, count) in bounds.iter_mut().zip(&counts) {
                *bound = (bound.0.min(*count), bound.1.max(*count));
            }
        }
        bounds
    }

    /// How far a branch may be from its share in any window, in turns: less than this.
    fn allowed(branches: usize) -> f64 {
        if branches == 2 { 1.0 } else { 2.0 }
    }

    fn check(weights: &[u32], window: usize) -> Result<(), TestCaseError> {
        let weights = reduced(weights);
        let total: u32 = weights.iter().sum();
        let order = order(&weights);
        prop_assert_eq!(order.len(), total as usize);
        for (weight, (least, most)) in weights.iter().zip(windows(&order, weights.len(), window)) {
            let share = window as f64 * f64::from(*weight) / f64::from(total);
            if window.is_multiple_of(total as usize) {
                prop_assert_eq!((f64::from(least), f64::from(most)), (share, share), "{:?}", &weights);
            }
            let is_near = |count: u32| (f64::from(count) - share).abs() < allowed(weights.len());
            prop_assert!(is_near(least) && is_near(most), "{weights:?}: {least} to {most} of {share} in {window}");
        }
        Ok(())
    }

    #[test]
    fn every_two_shares_in_percent_are_exact_in_any_1000_calls_and_even_in_any_fewer() {
        for weight in 1..100 {
            for window in [1, 2, 3, 7, 10, 50, 99, 100, 999, 1000] {
                check(&[weight, 100 - weight], window).expect("even");
            }
        }
    }

    #[test]
    fn every_three_shares_in_parts_of_forty_are_exact_in_any_1000_calls() {
        for first in 1..39 {
            for second in 1..40 - first {
                check(&[first, second, 40 - first - second], 1000).expect("exact");
            }
        }
    }

    #[test]
    fn a_small_share_comes_in_the_middle_and_not_at_once() {
        assert_eq!(*order(&reduced(&[90, 10])), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(*order(&reduced(&[7, 7, 7])), [0, 1, 2]);
        assert_eq!(*order(&reduced(&[2, 1, 1])), [0, 1, 2, 0]);
        assert_eq!(*order(&reduced(&[5])), [0]);
        assert_eq!(order(&[]).len(), 0);
    }

    proptest! {
        #[test]
        fn any_window_of_any_shares_is_even(
            weights in proptest::collection::vec(1_u32..=500, 2..=12),
            window in prop_oneof![Just(1000), Just(100), 1_usize..=2000],
        ) {
            check(&weights, window)?;
        }

        #[test]
        fn any_1000_calls_have_the_shares_that_sum_to_1000_exactly(
            cuts in proptest::collection::btree_set(1_u32..1000, 1..=9),
        ) {
            let ends: Vec<u32> = std::iter::once(0).chain(cuts).chain([1000]).collect();
            let weights: Vec<u32> = ends.windows(2).map(|ends| ends[1] - ends[0]).collect();
            check(&weights, 1000)?;
        }
    }
}
