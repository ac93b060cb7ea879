//! The branch of a key.

use plugin_core::{CallContext, clock::Instant};

use crate::pick::mix;

/// What a name adds to the hash of a key: the same on every machine and in every release.
pub(super) fn hash_of(name: &str) -> u64 {
    let mut context = CallContext::received_at(Instant::ZERO);
    context.set_affinity_key(name.as_bytes());
    context.affinity().unwrap_or(1)
}

/// The branch of a key: of `(hash of the name, weight)` the index of the one that has it.
///
/// After C. Schindelhauer and G. Schomaker, "Weighted Distributed Hash Tables" (2005): each branch draws for the key, by its
/// name, a time that is the shorter the larger its weight, and the first has it. Where a weight grows against all others,
/// keys come to that branch and leave it for none; where it shrinks, its own keys leave. With two branches no key moves that need
/// not.
#[inline]
pub(super) fn branch_of(key: u64, branches: impl Iterator<Item = (u64, u32)>) -> usize {
    let key = mix(key);
    let times = branches.map(|(name, weight)| -unit(mix(key ^ name)).ln() / f64::from(weight));
    times.enumerate().min_by(|(_, time), (_, other)| time.total_cmp(other)).map_or(0, |(index, _)| index)
}

/// A number between 0 and 1, neither of them included.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what it keeps")]
fn unit(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 20_000;

    /// The names of the branches of all keys.
    fn owners(weights: &[(&'static str, u32)]) -> Vec<&'static str> {
        let branches: Vec<_> = weights.iter().map(|(name, weight)| (hash_of(name), *weight)).collect();
        (1..=KEYS).map(|key| weights[branch_of(key, branches.iter().copied())].0).collect()
    }

    fn share(of: impl Iterator<Item = bool>) -> f64 {
        of.filter(|is| *is).count() as f64 / KEYS as f64
    }

    #[test]
    fn a_share_that_grows_from_10_to_20_percent_moves_10_percent_and_nobody_back() {
        let before = owners(&[("stable", 90), ("canary", 10)]);
        // The order in which they are named is of no matter.
        let after = owners(&[("canary", 20), ("stable", 80)]);
        let pairs = || before.iter().zip(&after);
        assert!(pairs().all(|(before, after)| *before == "stable" || *after == "canary"), "none leaves the canary");
        let moved = share(pairs().map(|(before, after)| before != after));
        assert!((0.094..0.106).contains(&moved), "{moved}");
        let canary = share(after.iter().map(|after| *after == "canary"));
        assert!((0.192..0.208).contains(&canary), "{canary}");
    }

    #[test]
    fn among_more_branches_the_keys_of_the_one_that_grows_stay_and_hardly_another_moves() {
        let before = owners(&[("stable", 80), ("canary", 10), ("third", 10)]);
        let after = owners(&[("stable", 70), ("canary", 20), ("third", 10)]);
        let pairs = || before.iter().zip(&after);
        assert!(pairs().all(|(before, after)| *before != "canary" || *after == "canary"));
        // It must be 10 in 100; the 0.9 that are moved beside them go to the third, and about as many leave it.
        let moved = share(pairs().map(|(before, after)| before != after));
        assert!((0.10..0.12).contains(&moved), "{moved}");
    }

    proptest::proptest! {
        #[test]
        fn a_weight_that_changes_alone_moves_keys_to_its_branch_or_from_it_and_no_other(
            weights in proptest::collection::vec(1_u32..100, 2..6),
            changed in 0_usize..6,
            to in 1_u32..100,
            keys in proptest::collection::vec(proptest::num::u64::ANY, 200),
        ) {
            let changed = changed % weights.len();
            let names: Vec<u64> = (0..weights.len()).map(|index| hash_of(&index.to_string())).collect();
            let owner = |key, weight: u32| {
                let weights = weights.iter().enumerate().map(|(index, own)| if index == changed { weight } else { *own });
                branch_of(key, names.iter().copied().zip(weights))
            };
            for key in keys {
                let (before, after) = (owner(key, weights[changed]), owner(key, to));
                let stays = if to >= weights[changed] { changed == after } else { changed == before };
                proptest::prop_assert!(before == after || stays, "{before} to {after}");
            }
        }
    }

    #[test]
    fn multiplying_all_weights_moves_nothing() {
        assert_eq!(owners(&[("stable", 9), ("canary", 1)]), owners(&[("stable", 900), ("canary", 100)]));
    }

    #[test]
    fn a_key_has_the_same_branch_in_every_release() {
        let owners = owners(&[("stable", 3), ("canary", 1)]);
        let first: String = owners.iter().take(40).map(|name| if *name == "stable" { 's' } else { 'c' }).collect();
        assert_eq!(first, "cssssssscssssscsccscsssssssssssscsssssss");
    }
}
