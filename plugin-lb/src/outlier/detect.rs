//! Which instances are outliers of an interval: pure decisions over what each of them answered in it.

use super::{FailureRate, SuccessRate};

/// What an instance came to in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

impl Volume {
    fn calls(self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }

    /// The shares of successes and of failures, of an instance that had so many calls.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than fifteen digits")]
    fn shares(self, min_calls: u32) -> Option<Shares> {
        let calls = self.calls();
        let share = |of: u64| of as f64 / calls as f64;
        (calls >= u64::from(min_calls) && calls > 0)
            .then(|| Shares { succeeded: share(self.succeeded), failed: share(self.failed) })
    }
}

#[derive(Clone, Copy)]
struct Shares {
    succeeded: f64,
    failed: f64,
}

/// Those whose share of successes is below the mean by more than so many standard deviations.
pub(super) fn by_success(rate: SuccessRate, volumes: &[Volume]) -> Vec<usize> {
    let shares = of_enough(volumes, rate.min_calls, rate.min_instances);
    #[expect(clippy::cast_precision_loss, reason = "there are not so many instances")]
    let count = shares.len() as f64;
    let mean = shares.iter().map(|(_, of)| of.succeeded).sum::<f64>() / count;
    let variance = shares.iter().map(|(_, of)| (of.succeeded - mean).powi(2)).sum::<f64>() / count;
    // Those that are alike are so in spite of what sums are rounded to.
    let least = mean - variance.sqrt() * rate.deviations - 1e-9;
    shares.into_iter().filter(|(_, of)| of.succeeded < least).map(|(index, _)| index).collect()
}

/// Those whose share of failures is above this.
pub(super) fn by_failure(rate: FailureRate, volumes: &[Volume]) -> Vec<usize> {
    let shares = of_enough(volumes, rate.min_calls, rate.min_instances);
    shares.into_iter().filter(|(_, of)| of.failed > rate.over).map(|(index, _)| index).collect()
}

/// The shares of those that had enough calls, if they are enough.
fn of_enough(volumes: &[Volume], min_calls: u32, min_instances: u32) -> Vec<(usize, Shares)> {
    let shares: Vec<_> =
        volumes.iter().enumerate().filter_map(|(index, volume)| Some((index, volume.shares(min_calls)?))).collect();
    if shares.len() < min_instances as usize { Vec::new() } else { shares }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes(of: &[(u64, u64)]) -> Vec<Volume> {
        of.iter().map(|(succeeded, failed)| Volume { succeeded: *succeeded, failed: *failed }).collect()
    }

    fn success(deviations: f64, min_instances: u32, min_calls: u32) -> SuccessRate {
        SuccessRate { deviations, min_instances, min_calls }
    }

    #[test]
    fn one_that_fails_among_many_that_do_not_is_an_outlier_by_success() {
        for bad in 0..6 {
            let mut of = vec![(100, 0); 6];
            of[bad] = (20, 80);
            assert_eq!(by_success(success(1.9, 5, 100), &volumes(&of)), [bad]);
        }
    }

    #[test]
    fn where_all_are_alike_none_is_an_outlier_by_success_however_bad_they_are() {
        for alike in [(100, 0), (0, 100), (50, 50), (70, 30), (1, 299), (33, 67)] {
            for count in [5, 6, 7, 8] {
                for deviations in [0.0, 1.9] {
                    assert_eq!(by_success(success(deviations, 5, 100), &volumes(&vec![alike; count])), [0_usize; 0]);
                }
            }
        }
    }

    #[test]
    fn the_bound_is_the_mean_less_so_many_deviations() {
        // Mean 0.8, deviation 0.4.
        let of = volumes(&[(100, 0), (100, 0), (100, 0), (100, 0), (0, 100)]);
        assert_eq!(by_success(success(1.9, 5, 100), &of), [4], "0 is less than 0.8 - 0.76");
        assert_eq!(by_success(success(2.1, 5, 100), &of), [0_usize; 0], "and not than 0.8 - 0.84");
        assert_eq!(by_success(success(0.0, 5, 100), &of), [4]);
    }

    #[test]
    fn one_that_had_few_calls_is_neither_compared_nor_an_outlier() {
        let of = [(100, 0), (100, 0), (100, 0), (100, 0), (0, 99)];
        assert_eq!(by_success(success(1.0, 5, 100), &volumes(&of)), [0_usize; 0], "four had enough calls");
        assert_eq!(by_success(success(1.0, 4, 100), &volumes(&of)), [0_usize; 0]);
        assert_eq!(by_success(success(1.0, 5, 99), &volumes(&of)), [4]);
        let rate = FailureRate { over: 0.5, min_instances: 1, min_calls: 100 };
        assert_eq!(by_failure(rate, &volumes(&of)), [0_usize; 0]);
        assert_eq!(by_failure(FailureRate { min_calls: 99, ..rate }, &volumes(&of)), [4]);
        assert_eq!(by_failure(FailureRate { min_calls: 99, min_instances: 6, ..rate }, &volumes(&of)), [0_usize; 0]);
    }

    #[test]
    fn by_failure_each_is_judged_by_itself() {
        let rate = FailureRate { over: 0.5, min_instances: 3, min_calls: 10 };
        assert_eq!(by_failure(rate, &volumes(&[(5, 5), (4, 6), (0, 10)])), [1, 2], "half is not more than half");
        for (over, failed) in [(0.3, 30), (0.1, 10), (0.7, 70), (0.85, 85), (0.29, 29)] {
            let rate = FailureRate { over, min_instances: 1, min_calls: 10 };
            assert_eq!(by_failure(rate, &volumes(&[(100 - failed, failed), (99 - failed, failed + 1)])), [1], "{over}");
        }
        assert_eq!(by_failure(FailureRate { over: 1.0, ..rate }, &volumes(&[(0, 10); 3])), [0_usize; 0]);
        assert_eq!(by_failure(FailureRate { over: 0.0, ..rate }, &volumes(&[(10, 0), (9, 1), (10, 0)])), [1]);
    }

    #[test]
    fn without_calls_there_is_nothing_to_say() {
        let nothing = volumes(&[(0, 0); 6]);
        assert_eq!(by_success(success(0.0, 1, 1), &nothing), [0_usize; 0]);
        assert_eq!(by_failure(FailureRate { over: 0.0, min_instances: 1, min_calls: 1 }, &nothing), [0_usize; 0]);
        assert_eq!(by_success(success(0.0, 1, 1), &[]), [0_usize; 0]);
    }
}
