//! Shares and keys through the balancer as it is used, at sizes that the tests of each strategy have not: chi-square on
//! what is drawn, what moves on a ring and in a table when instances join and leave, and Maglev beside the algorithm of
//! its paper.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, Strategy};

type Handle = BalanceHandle<()>;

fn name(number: usize) -> String {
    format!("10.0.{}.{}:8080", number / 250, number % 250)
}

fn over(strategy: Strategy, instances: impl IntoIterator<Item = (usize, u32)>) -> Handle {
    fastrand::seed(7);
    let endpoint = |(number, weight)| Endpoint::new(name(number), ()).with_weight(weight);
    Balance::new(BalanceConfig::new(strategy), instances.into_iter().map(endpoint)).expect("distinct names").handle()
}

fn equal(strategy: Strategy, instances: usize) -> Handle {
    over(strategy, (0..instances).map(|number| (number, 1)))
}

/// Chi-square of how often each was picked against what was expected, in standard deviations from its mean.
fn off(handle: &Handle, weights: &[u32]) -> f64 {
    let stats = handle.stats();
    let (picks, total) = (stats.iter().map(|stats| stats.total).sum::<u64>() as f64, weights.iter().sum::<u32>());
    let terms = stats.iter().zip(weights).map(|(stats, weight)| {
        let expected = picks * f64::from(*weight) / f64::from(total);
        (stats.total as f64 - expected).powi(2) / expected
    });
    let freedom = stats.len() as f64 - 1.0;
    (terms.sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn where_nothing_is_in_flight_the_shares_of_every_strategy_are_even() {
    for strategy in Strategy::ALL {
        // Those that read latency go by it, and a ring is as even as its points.
        if matches!(strategy, Strategy::LeastLatency | Strategy::PeakEwma | Strategy::ConsistentHash) {
            continue;
        }
        for instances in [2, 3, 33, 200] {
            let handle = equal(*strategy, instances);
            (0..100 * instances).for_each(|_| drop(handle.pick(&Hints::new()).expect("one")));
            let off = off(&handle, &vec![1; instances]);
            assert!(off < 5.0, "{strategy} of {instances}: {off} standard deviations");
        }
    }
}

#[test]
fn where_nothing_is_in_flight_the_shares_of_the_weighted_strategies_are_those_of_the_weights() {
    let of_many: Vec<u32> = (0..50).map(|number| 1 + number % 7).collect();
    for weights in [vec![1, 99], vec![5, 1, 1], of_many] {
        for strategy in [Strategy::WeightedRandom, Strategy::WeightedRoundRobin, Strategy::P2c, Strategy::Maglev] {
            let handle = over(strategy, weights.iter().copied().enumerate());
            (0..20_000).for_each(|_| drop(handle.pick(&Hints::new()).expect("one")));
            let off = off(&handle, &weights);
            assert!(off < 5.0, "{strategy} for {weights:?}: {off} standard deviations");
        }
    }
}

/// The instance of each of so many keys.
fn owners(handle: &Handle, keys: u64) -> Vec<Arc<str>> {
    // One `Arc` for each name: what is compared is the name, and what is stored is small.
    let names: HashMap<_, _> = handle.stats().into_iter().map(|stats| (stats.id, stats.name)).collect();
    let owner = |key| handle.pick(&Hints::new().with_affinity(key)).expect("one").id();
    (0..keys).map(|key| Arc::clone(&names[&owner(key)])).collect()
}

#[test]
fn at_every_size_one_that_joins_or_leaves_moves_its_share_of_the_keys() {
    const KEYS: u64 = 10_000;
    for strategy in [Strategy::ConsistentHash, Strategy::Maglev] {
        for instances in [2, 3, 10, 30, 100] {
            let handle = equal(strategy, instances);
            let before = owners(&handle, KEYS);
            handle.add(Endpoint::new(name(instances), ())).expect("a new name");
            let with = owners(&handle, KEYS);
            let moved = before.iter().zip(&with).filter(|(before, with)| before != with).count() as f64 / KEYS as f64;
            let fair = 1.0 / (instances as f64 + 1.0);
            assert!((0.6 * fair..1.6 * fair + 0.012).contains(&moved), "{strategy} of {instances}: {moved} for {fair}");
            assert!(instances != 10 || moved <= 0.12, "{strategy}: {moved}");
            let newcomer = name(instances);
            let strangers =
                before.iter().zip(&with).filter(|(before, with)| before != with && ***with != *newcomer).count();
            assert!(strategy == Strategy::Maglev || strangers == 0, "{strangers} moved among the others");
            // Back to where each was.
            handle.remove(&newcomer).expect("there");
            assert!(owners(&handle, KEYS) == before, "{strategy} of {instances}");
        }
    }
}

/// The table of the paper (section 3.4, "Populate"): in turn each takes the first entry of its own order that is free.
fn of_the_paper(instances: &[usize], entries: usize) -> Vec<usize> {
    let hash = |number: usize, salt: u8| {
        let mut hasher = DefaultHasher::new();
        (name(number), salt).hash(&mut hasher);
        usize::try_from(hasher.finish() >> 1).expect("64 bits")
    };
    let orders = instances.iter().map(|number| (hash(*number, 0) % entries, hash(*number, 1) % (entries - 1) + 1));
    let mut orders: Vec<_> = orders.collect();
    let mut table = vec![usize::MAX; entries];
    let mut left = entries;
    loop {
        for (number, (next, skip)) in instances.iter().zip(&mut orders) {
            while table[*next] != usize::MAX {
                *next = (*next + *skip) % entries;
            }
            table[*next] = *number;
            left -= 1;
            if left == 0 {
                return table;
            }
        }
    }
}

#[test]
fn of_a_thousand_instances_that_fail_together_others_keep_as_many_keys_as_in_the_papers_table() {
    const KEYS: u64 = 30_000;
    let all: Vec<_> = (0..1000).collect();
    let handle = equal(Strategy::Maglev, 1000);
    let before = owners(&handle, KEYS);
    let table = of_the_paper(&all, 65_537);
    // Up to the 5 % of figure 12.
    for failures in [1, 10, 25, 50] {
        let is_left = |number: &usize| !(7..7 + failures).contains(number);
        let left: Vec<_> = all.iter().copied().filter(is_left).collect();
        let expected = {
            let after = of_the_paper(&left, 65_537);
            let kept = || table.iter().zip(&after).filter(|(before, _)| is_left(before));
            kept().filter(|(before, after)| before != after).count() as f64 / kept().count() as f64
        };
        let after = owners(&over(Strategy::Maglev, left.iter().map(|number| (*number, 1))), KEYS);
        let lost: Vec<_> = (7..7 + failures).map(name).collect();
        let kept = || before.iter().zip(&after).filter(|(before, _)| !lost.iter().any(|lost| **lost == ***before));
        let moved = kept().filter(|(before, after)| before != after).count() as f64 / kept().count() as f64;
        println!(
            "{failures} of 1,000 fail: {:.2} % of the other keys move, {:.2} % in the paper's",
            100.0 * moved,
            100.0 * expected
        );
        assert!(
            (moved - expected).abs() < 0.004 + 0.1 * expected,
            "{failures}: {moved} where the paper's is {expected}"
        );
    }
}

#[test]
fn the_load_of_a_ring_varies_by_about_a_twelfth() {
    const KEYS: u64 = 200_000;
    let handle = equal(Strategy::ConsistentHash, 100);
    (0..KEYS).for_each(|key| drop(handle.pick(&Hints::new().with_affinity(key)).expect("one")));
    let mean = KEYS as f64 / 100.0;
    let variance = handle.stats().iter().map(|stats| (stats.total as f64 / mean - 1.0).powi(2)).sum::<f64>() / 100.0;
    // Of that, what 2,000 keys for each vary by themselves is small.
    let varies = (variance - 1.0 / mean).sqrt();
    assert!((1.0 / 16.0..1.0 / 9.0).contains(&varies), "{varies}");
}
