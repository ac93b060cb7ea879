//! Medians and quartiles.

/// The value at `quantile` (0 to 1) of the sorted samples, between two samples by their distance. `None` without samples.
pub(crate) fn quantile(samples: &[f64], quantile: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let place = quantile.clamp(0.0, 1.0) * last as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * share)
}

/// The middle of the samples.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The distance between the quartiles: half of the samples lie within it.
pub(super) fn interquartile(samples: &[f64]) -> Option<f64> {
    Some(quantile(samples, 0.75)? - quantile(samples, 0.25)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_outliers_do_not_move_it() {
        assert_eq!(median(&[3.0, 1.0, 1000.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 3.0, 4.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
    }

    #[test]
    fn the_quartiles_of_one_to_five_are_two_apart() {
        assert_eq!(interquartile(&[5.0, 4.0, 3.0, 2.0, 1.0]), Some(2.0));
        assert_eq!(interquartile(&[2.0]), Some(0.0));
    }

    #[test]
    fn nothing_measured_has_no_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(interquartile(&[]), None);
    }
}
