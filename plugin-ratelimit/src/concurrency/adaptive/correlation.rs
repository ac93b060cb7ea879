//! Whether more calls in flight bring more answers, or only longer ones.

use std::collections::VecDeque;

/// Windows that are looked back on, as failsafe-go does.
const LOOK_BACK: usize = 50;
/// Windows before anything is said.
const WARM_UP: usize = 10;

/// How answers per second, and latency, went along with the calls in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Correlation {
    /// In flight, answers per second, latency.
    windows: VecDeque<[f64; 3]>,
}

impl Correlation {
    pub(super) fn add(&mut self, in_flight: f64, throughput: f64, latency: f64) {
        if self.windows.len() == LOOK_BACK {
            self.windows.pop_front();
        }
        self.windows.push_back([in_flight, throughput, latency]);
    }

    /// Whether more calls brought latency and hardly any answers: the service is full, however small its line looks beside
    /// a base that has drifted. The thresholds are those of failsafe-go.
    pub(super) fn is_growth_in_vain(&self) -> bool {
        if self.windows.len() < WARM_UP {
            return false;
        }
        let answers = self.with_in_flight(1).unwrap_or(1.0);
        let latency = self.with_in_flight(2).unwrap_or(0.0);
        answers < 0.3 && latency > 0.5
    }

    /// Pearson's coefficient of one column with the calls in flight; `None` where either of them stood still.
    fn with_in_flight(&self, column: usize) -> Option<f64> {
        let count = self.windows.len() as f64;
        let mean = |column: usize| self.windows.iter().map(|window| window[column]).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(0), mean(column));
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for window in &self.windows {
            let (x, y) = (window[0] - mean_x, window[column] - mean_y);
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }
        let scale = (xx * yy).sqrt();
        (scale > 0.0).then(|| xy / scale)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn correlation(windows: impl Iterator<Item = (f64, f64, f64)>) -> Correlation {
        let mut correlation = Correlation::default();
        windows.for_each(|(in_flight, throughput, latency)| correlation.add(in_flight, throughput, latency));
        correlation
    }

    #[test]
    fn growth_that_brings_answers_is_not_in_vain() {
        let linear = correlation((1..30).map(|n| (f64::from(n), f64::from(n) * 100.0, 10.0 + f64::from(n % 3))));
        assert!(!linear.is_growth_in_vain());
    }

    #[test]
    fn growth_that_brings_latency_alone_is() {
        let full = |count| correlation((1..=count).map(|n| (f64::from(n), 1000.0 + f64::from(n % 2), f64::from(n))));
        assert!(full(10).is_growth_in_vain());
        assert!(!full(9).is_growth_in_vain(), "too few windows");
    }

    #[test]
    fn what_stands_still_says_nothing() {
        assert!(!correlation((0..30).map(|_| (20.0, 1000.0, 20.0))).is_growth_in_vain());
    }

    #[test]
    fn only_the_last_windows_count() {
        let mut correlation = correlation((1..=50).map(|n| (f64::from(n), f64::from(n), 1.0)));
        (1..=50).for_each(|n| correlation.add(f64::from(n), 50.0 + f64::from(n % 2), f64::from(n)));
        assert!(correlation.is_growth_in_vain());
    }
}
