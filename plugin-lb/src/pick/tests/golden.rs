//! Which instance a key belongs to, written down: another release of this crate, and with it another process of a fleet
//! that is being replaced, must give the same answer.

use super::{Pool, Seeded, fakes, picker};
use crate::Strategy;

/// The instances of the keys 0 to 31, over `instance-0` and so on, of weight 1.
fn owners(strategy: Strategy, count: usize) -> Vec<usize> {
    let (fakes, draw) = (fakes(count), Seeded::new());
    let picker = picker(strategy, &fakes);
    let owner = |key| {
        draw.affinity.set(Some(key));
        picker.pick(&Pool::new(&fakes, &[], &[]), &draw).expect("there is one")
    };
    (0..32).map(owner).collect()
}

#[rustfmt::skip]
const CONSISTENT_HASH: [(usize, [usize; 32]); 3] = [
    (3, [1, 0, 1, 0, 2, 2, 0, 2, 0, 2, 0, 0, 2, 0, 0, 2, 0, 0, 1, 0, 1, 0, 2, 2, 0, 1, 0, 2, 0, 2, 0, 2]),
    (10, [1, 5, 7, 0, 2, 9, 6, 4, 6, 2, 7, 0, 3, 7, 0, 5, 4, 0, 7, 5, 7, 4, 6, 5, 0, 1, 5, 2, 4, 7, 7, 8]),
    (11, [1, 5, 7, 0, 2, 9, 6, 4, 6, 2, 7, 0, 3, 7, 0, 5, 4, 0, 7, 5, 10, 4, 6, 5, 0, 1, 5, 10, 4, 7, 7, 10]),
];

#[test]
fn a_key_of_consistent_hash_belongs_to_the_same_instance_in_every_release() {
    for (count, expected) in CONSISTENT_HASH {
        assert_eq!(owners(Strategy::ConsistentHash, count), expected, "{count}");
    }
}
