//! Whatever the samples say, a limit stays what it may be.

use std::time::Duration;

use plugin_ratelimit::concurrency::{AdaptiveAlgorithm, AdaptiveConfig, AdaptiveLimit, AdaptiveSample};
use proptest::prelude::*;

fn sample() -> impl Strategy<Value = AdaptiveSample> {
    let nanos = prop_oneof![Just(0), Just(1), Just(u64::MAX), 1..10_000_000_000_u64];
    let calls = || prop_oneof![Just(0), Just(u64::MAX), 1..10_000_u64];
    let in_flight = prop_oneof![Just(0), Just(u32::MAX), 0..2000_u32];
    (nanos.clone(), in_flight, calls(), calls(), nanos).prop_map(
        |(latency, in_flight, answered, overloaded, window)| {
            let [latency, window] = [latency, window].map(Duration::from_nanos);
            AdaptiveSample::new(latency, in_flight, answered, window).with_overloaded(overloaded)
        },
    )
}

proptest! {
    #[test]
    fn a_limit_stays_between_its_bounds(
        algorithm in prop_oneof![
            Just(AdaptiveAlgorithm::Aimd), Just(AdaptiveAlgorithm::Vegas), Just(AdaptiveAlgorithm::Gradient2),
        ],
        (min, max) in (1..1000_u32, 1..1000_u32).prop_map(|(a, b)| (a.min(b), a.max(b))),
        samples in proptest::collection::vec(sample(), 1..100),
    ) {
        let mut limit = AdaptiveLimit::new(AdaptiveConfig::new(algorithm).with_min(min), max);
        for sample in samples {
            let next = limit.update(&sample);
            prop_assert!((min..=max).contains(&next) && next == limit.get(), "{next} of {min} to {max}");
        }
        // And it still learns: the bounds are no trap.
        for _ in 0..300 {
            limit.update(&AdaptiveSample::new(Duration::ZERO, max, 0, Duration::from_secs(1)).with_overloaded(100));
        }
        prop_assert_eq!(limit.get(), min);
    }
}
