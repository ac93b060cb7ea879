//! The strategies that keep a key on its instance: what moves when the membership or the health changes.

use super::*;
use crate::pick::{consistent_hash::Ring, numbers::mix};

/// The instance of each of so many keys.
fn owners(strategy: Strategy, fakes: &[Fake], keys: u64) -> Vec<InstanceId> {
    let (picker, draw) = (picker(strategy, fakes), Seeded::new());
    let pool = Pool::new(fakes, &[], &[]);
    let owner = |key| {
        draw.affinity.set(Some(key));
        fakes[picker.pick(&pool, &draw).expect("there is one")].id
    };
    (0..keys).map(owner).collect()
}

fn moved(before: &[InstanceId], after: &[InstanceId]) -> f64 {
    before.iter().zip(after).filter(|(before, after)| before != after).count() as f64 / before.len() as f64
}

/// Where a key keeps to an instance.
const BY_KEY: [Strategy; 2] = [Strategy::ConsistentHash, Strategy::Maglev];

#[test]
fn one_that_joins_or_leaves_moves_about_one_key_in_n() {
    for strategy in BY_KEY {
        // Also where its weight moves the mean.
        for (weight, place) in [(100, 4), (120, 4), (100, 0), (100, 10)] {
            let mut fakes = weighted(&[100; 11]);
            let newcomer = Fake { weight, ..fakes.remove(place) };
            let before = owners(strategy, &fakes, 20_000);
            fakes.insert(4, newcomer);
            let after = owners(strategy, &fakes, 20_000);
            let share = moved(&before, &after);
            assert!((0.06..0.12).contains(&share), "{strategy}: {share} of the keys moved, 0.09 have to");
            let strangers =
                before.iter().zip(&after).filter(|(before, after)| before != after && **after != fakes[4].id).count();
            // A ring moves keys to the newcomer only, and a table a few more.
            let most = if strategy == Strategy::Maglev { 20_000 / 100 } else { 0 };
            assert!(strangers <= most, "{strategy}: {strangers} moved among the others");
        }
    }
}

#[test]
fn a_key_belongs_to_the_first_point_at_or_after_it() {
    for count in [1, 2, 3, 50] {
        let fakes = fakes(count);
        let ring = Ring::build(fakes.iter().map(|fake| (fake.name.as_str(), 1)));
        let mut random = fastrand::Rng::with_seed(3);
        for key in (0..10_000).map(|_| random.u64(..)).chain([0, 1, u64::MAX]) {
            let owner = ring.pick(&Pool::new(&fakes, &[], &[]), key);
            assert_eq!(owner, ring.owner_by_search(mix(key)), "{key} of {count}");
        }
    }
}

#[test]
fn one_of_the_least_weight_has_keys_too() {
    let fakes = weighted(&[1, 10_000, 10_000]);
    for strategy in BY_KEY {
        assert!(owners(strategy, &fakes, 400_000).contains(&fakes[0].id), "{strategy}");
    }
}

#[test]
fn the_order_in_which_instances_join_does_not_matter_to_a_key() {
    for strategy in BY_KEY {
        let mut fakes = weighted(&[1, 1, 1, 2, 5, 1, 1]);
        let before = owners(strategy, &fakes, 1000);
        fakes.reverse();
        assert_eq!(before, owners(strategy, &fakes, 1000), "{strategy}");
    }
}

#[test]
fn only_the_keys_of_one_that_is_down_move_and_they_spread() {
    for strategy in BY_KEY {
        let mut fakes = fakes(10);
        let mut before = owners(strategy, &fakes, 20_000);
        // One after the other: the keys that the first has lost stay where they are when the second goes down.
        for down in [3, 7] {
            fakes[down].health = HealthState::Unhealthy;
            let after = owners(strategy, &fakes, 20_000);
            let mut heirs = std::collections::HashMap::<_, usize>::new();
            for (before, after) in before.iter().zip(&after).filter(|(before, after)| before != after) {
                assert_eq!(*before, fakes[down].id, "{strategy}");
                *heirs.entry(*after).or_default() += 1;
            }
            let most = heirs.values().max().copied().unwrap_or(0);
            let all: usize = heirs.values().sum();
            assert!(heirs.len() >= 7 && most * 3 < all, "{strategy}: {heirs:?}");
            before = after;
        }
    }
}
