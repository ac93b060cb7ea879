//! How calls are shared among tiers, in numbers.

use super::super::standing::{Level, panics, shares};

fn levels(up_of_100: &[usize]) -> Vec<Level> {
    up_of_100.iter().map(|up| Level { all: 100, up: *up }).collect()
}

fn percent(up_of_100: &[usize]) -> Vec<i64> {
    shares(&levels(up_of_100), 1.4).iter().map(|share| (share * 100.0).round() as i64).collect()
}

#[test]
fn calls_spill_over_as_the_tables_of_envoy_say() {
    let tables: [(&[usize], &[i64]); 14] = [
        (&[100, 100], &[100, 0]),
        (&[72, 72], &[100, 0]),
        (&[71, 71], &[99, 1]),
        (&[50, 50], &[70, 30]),
        (&[25, 100], &[35, 65]),
        (&[0, 100], &[0, 100]),
        (&[25, 25], &[50, 50]),
        (&[5, 0], &[100, 0]),
        (&[100, 100, 100], &[100, 0, 0]),
        (&[71, 71, 71], &[99, 1, 0]),
        (&[50, 50, 50], &[70, 30, 0]),
        (&[25, 25, 50], &[35, 35, 30]),
        (&[20, 20, 20], &[33, 33, 33]),
        (&[0, 0], &[100, 0]),
    ];
    for (up, expected) in tables {
        assert_eq!(percent(up), expected, "{up:?}");
    }
}

#[test]
fn all_calls_have_a_tier_whatever_is_up() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let levels: Vec<_> = (0..random.usize(1..6))
            .map(|_| {
                let all = random.usize(1..40);
                Level { all, up: random.usize(0..=all) }
            })
            .collect();
        let overprovisioning = 1.0 + random.f64() * 3.0;
        let shares = shares(&levels, overprovisioning);
        let sum: f64 = shares.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "{levels:?} at {overprovisioning}: {shares:?}");
        let is_one_up = levels.iter().any(|level| level.up > 0);
        for (level, share) in levels.iter().zip(&shares) {
            assert!(!(is_one_up && level.up == 0 && *share > 0.0), "{levels:?}: nobody is there, {shares:?}");
        }
    }
}

#[test]
fn where_another_tier_is_whole_none_panics_whatever_rounding_leaves_of_a_sum() {
    for all in 1..=60 {
        for up in 0..=all {
            let levels = [Level { all, up }, Level { all: 1, up: 1 }];
            assert_eq!(panics(&levels, 0.5, 1.4), [false, false], "{up} of {all}");
        }
    }
}

#[test]
fn a_tier_panics_below_its_threshold_where_all_together_cannot_take_the_calls() {
    let panics = |up: &[usize], threshold| panics(&levels(up), threshold, 1.4);
    assert_eq!([panics(&[50], 0.5), panics(&[49], 0.5), panics(&[0], 0.5)], [[false], [true], [true]]);
    assert_eq!([panics(&[0], 0.0), panics(&[99], 1.0), panics(&[100], 1.0)], [[false], [true], [false]]);
    assert_eq!(panics(&[20, 72], 0.5), [false, false], "the second can take all");
    assert_eq!(panics(&[20, 55], 0.5), [false, false], "28 and 77 can take all together");
    assert_eq!(panics(&[20, 51], 0.5), [true, false], "28 and 71 cannot");
    assert_eq!(panics(&[20, 20], 0.5), [true, true]);
    assert_eq!(panics(&[20, 36, 36], 0.5), [false; 3]);
    assert_eq!(panics(&[20, 20, 20], 0.5), [true; 3]);
}
