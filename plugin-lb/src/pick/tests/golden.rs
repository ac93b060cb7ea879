//! Which instance a key belongs to, written down: another release of this crate, and with it another process of a fleet
//! that is being replaced, must give the same answer.

use plugin_core::HealthState;

use super::{Fake, Pool, Seeded, fakes, picker, weighted};
use crate::Strategy;

/// The instances of 32 keys, over `instance-0` and so on.
fn owners(strategy: Strategy, fakes: &[Fake]) -> Vec<usize> {
    let draw = Seeded::new();
    let picker = picker(strategy, fakes);
    let owner = |key| {
        draw.affinity.set(Some(key));
        picker.pick(&Pool::new(fakes, &[], &[]), &draw).expect("there is one")
    };
    // Far apart, as hashes of keys are.
    (0..32_u64).map(|key| owner(key.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

#[rustfmt::skip]
const CONSISTENT_HASH: [(usize, [usize; 32]); 3] = [
    (3, [1, 0, 0, 2, 1, 2, 2, 1, 1, 0, 1, 2, 2, 0, 1, 2, 1, 2, 0, 0, 2, 2, 1, 2, 2, 0, 0, 2, 1, 1, 2, 1]),
    (10, [1, 0, 0, 6, 1, 2, 8, 4, 1, 0, 6, 4, 2, 7, 1, 9, 8, 6, 6, 0, 7, 9, 8, 2, 8, 8, 3, 2, 1, 8, 6, 1]),
    (11, [1, 0, 0, 6, 1, 2, 10, 4, 10, 0, 6, 4, 2, 7, 10, 10, 8, 6, 6, 0, 7, 9, 8, 2, 10, 8, 3, 2, 1, 8, 6, 1]),
];

#[rustfmt::skip]
const MAGLEV: [(usize, [usize; 32]); 3] = [
    (3, [0, 0, 0, 2, 2, 0, 0, 1, 0, 2, 2, 0, 2, 0, 2, 1, 1, 1, 1, 2, 2, 1, 2, 0, 0, 1, 1, 0, 1, 1, 2, 2]),
    (10, [3, 9, 0, 5, 2, 0, 6, 3, 6, 7, 8, 0, 8, 0, 4, 1, 3, 4, 9, 2, 8, 1, 2, 3, 0, 1, 9, 8, 3, 7, 2, 2]),
    (11, [3, 9, 10, 5, 2, 10, 6, 3, 6, 7, 8, 0, 8, 0, 4, 1, 3, 4, 9, 2, 8, 1, 2, 3, 0, 10, 9, 8, 3, 7, 2, 2]),
];

#[test]
fn a_key_belongs_to_the_same_instance_in_every_release() {
    for (strategy, table) in [(Strategy::ConsistentHash, CONSISTENT_HASH), (Strategy::Maglev, MAGLEV)] {
        for (count, expected) in table {
            assert_eq!(owners(strategy, &fakes(count)), expected, "{strategy} over {count}");
        }
    }
}

#[rustfmt::skip]
const WEIGHTED: [(Strategy, &[u32], [usize; 32]); 4] = [
    (Strategy::ConsistentHash, &[1, 2, 5, 8],
     [3, 0, 0, 2, 3, 2, 2, 1, 3, 2, 2, 3, 2, 3, 3, 3, 1, 2, 3, 0, 3, 3, 1, 3, 2, 2, 3, 2, 1, 3, 3, 3]),
    (Strategy::ConsistentHash, &[100, 30, 70],
     [1, 0, 0, 2, 0, 2, 0, 1, 0, 0, 0, 2, 2, 0, 1, 2, 1, 2, 0, 0, 0, 0, 1, 2, 2, 0, 0, 2, 0, 1, 2, 2]),
    (Strategy::Maglev, &[1, 2, 5, 8],
     [3, 3, 2, 2, 3, 3, 3, 3, 3, 2, 2, 3, 2, 3, 3, 3, 3, 3, 3, 2, 3, 2, 2, 3, 0, 2, 2, 3, 3, 3, 2, 2]),
    (Strategy::Maglev, &[100, 30, 70],
     [0, 0, 0, 2, 2, 0, 0, 1, 0, 2, 2, 0, 2, 0, 2, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 2, 2, 0, 1, 1, 2, 0]),
];

#[test]
fn a_key_belongs_to_the_same_of_instances_of_different_weights_in_every_release() {
    for (strategy, weights, expected) in WEIGHTED {
        assert_eq!(owners(strategy, &weighted(weights)), expected, "{strategy} over {weights:?}");
    }
}

#[test]
fn a_key_goes_from_one_that_is_down_to_the_same_other_in_every_release() {
    #[rustfmt::skip]
    let tables = [
        (Strategy::ConsistentHash,
         [0, 0, 0, 2, 0, 2, 2, 4, 2, 0, 2, 4, 2, 0, 0, 2, 4, 2, 4, 0, 2, 4, 2, 2, 2, 0, 4, 2, 4, 0, 4, 2]),
        (Strategy::Maglev,
         [4, 4, 0, 2, 2, 0, 0, 2, 0, 2, 2, 0, 2, 0, 4, 4, 2, 4, 4, 2, 4, 2, 2, 4, 0, 2, 4, 0, 2, 2, 2, 2]),
    ];
    for (strategy, expected) in tables {
        let mut fakes = fakes(5);
        (fakes[1].health, fakes[3].health) = (HealthState::Offline, HealthState::Unhealthy);
        assert_eq!(owners(strategy, &fakes), expected, "{strategy}");
    }
}
