//! Zones, priorities, the subset, and panic.

use HealthState::{Degraded, Healthy, Offline, Unhealthy};
use plugin_core::{HealthCell, HealthStatus};

use super::*;

/// `here` instances in the zone `north`, the others in `south`.
fn in_zones(here: usize, all: usize) -> Vec<Fake> {
    let mut fakes = fakes(all);
    fakes
        .iter_mut()
        .enumerate()
        .for_each(|(index, fake)| fake.zone = Some(if index < here { "north" } else { "south" }));
    fakes
}

fn in_north(strategy: Strategy) -> BalanceConfig {
    BalanceConfig::builder().with_strategy(strategy).with_zone("north").build().expect("valid")
}

/// Health in these tests is plain data: it says by this that it changed.
fn told() {
    HealthCell::default().set(HealthStatus::healthy());
}

/// The share of the calls in percent that the first so many have.
fn percent(counts: &[usize], first: usize) -> f64 {
    let sum = |counts: &[usize]| counts.iter().sum::<usize>() as f64;
    100.0 * sum(&counts[..first]) / sum(counts)
}

#[test]
fn calls_stay_in_the_zone_as_long_as_it_can_take_them() {
    for strategy in Strategy::ALL {
        let (mut fakes, draw) = (in_zones(4, 10), Seeded::new());
        let tiers = Tiered::new(&in_north(*strategy), &fakes, 0);
        let share = |fakes: &[Fake]| {
            told();
            percent(&tiers.spread(fakes, 20_000, &draw), 4)
        };
        assert_eq!(share(&fakes), 100.0, "{strategy}");
        fakes[0].health = Offline; // 3 of 4 can take 105 %
        assert_eq!(share(&fakes), 100.0, "{strategy}");
        fakes[1].health = Unhealthy; // and 2 of 4 take 70 %
        let half = share(&fakes);
        assert!((68.5..71.5).contains(&half), "{strategy}: {half}");
        (fakes[2].health, fakes[3].health) = (Offline, Offline);
        assert_eq!(share(&fakes), 0.0, "{strategy}");
        fakes.iter_mut().for_each(|fake| fake.health = Offline);
        assert_eq!(share(&fakes), 100.0, "{strategy}: nobody is up, and near is as good as far");
    }
}

#[test]
fn within_a_zone_the_strategy_decides() {
    let mut fakes = in_zones(3, 6);
    fakes.iter_mut().zip([1, 2, 3, 50, 50, 50]).for_each(|(fake, weight)| fake.weight = weight);
    let counts = Tiered::new(&in_north(Strategy::WeightedRoundRobin), &fakes, 0).spread(&fakes, 600, &Seeded::new());
    assert_eq!(counts, [100, 200, 300, 0, 0, 0]);
}

#[test]
fn one_that_the_call_was_tried_on_is_left_for_another_zone() {
    let fakes = in_zones(1, 3);
    let tiers = Tiered::new(&in_north(Strategy::RoundRobin), &fakes, 0);
    let draw = Seeded::new();
    assert_eq!(tiers.pick(&fakes, &[], &draw), Some(0));
    assert!(matches!(tiers.pick(&fakes, &[fakes[0].id], &draw), Some(1 | 2)));
    let all: Vec<_> = fakes.iter().map(|fake| fake.id).collect();
    assert_eq!(tiers.pick(&fakes, &all, &draw), Some(0), "all were tried, and this one is near");
}

#[test]
fn far_and_well_is_better_than_near_and_unwell() {
    let mut fakes = in_zones(1, 3);
    let tiers = Tiered::new(&in_north(Strategy::LeastConnections), &fakes, 0);
    fakes[0].health = Degraded;
    told();
    assert!(matches!(tiers.pick(&fakes, &[], &Seeded::new()), Some(1 | 2)));
    (fakes[1].health, fakes[2].health) = (Offline, Degraded);
    told();
    for _ in 0..5 {
        assert_eq!(tiers.pick(&fakes, &[], &Seeded::new()), Some(0));
    }
    (fakes[0].health, fakes[2].health) = (Unhealthy, Unhealthy);
    told();
    for _ in 0..5 {
        assert_ne!(tiers.pick(&fakes, &[fakes[0].id], &Seeded::new()), Some(0), "it was tried");
    }
}

#[test]
fn calls_that_go_on_to_another_tier_are_even_there_whatever_the_strategy() {
    for strategy in Strategy::ALL.iter().filter(|strategy| !strategy.reads_key()) {
        for near in [1, 2, 3] {
            let mut fakes = in_zones(near, near + 4);
            fakes[..near].iter_mut().for_each(|fake| fake.health = Degraded);
            told();
            let draw = Seeded::new();
            let counts = Tiered::new(&in_north(*strategy), &fakes, 0).spread(&fakes, 4000, &draw);
            assert!(counts[near..].iter().all(|count| (850..1150).contains(count)), "{strategy}: {counts:?}");
            let mut fakes = in_zones(near * 2, near * 2 + 4);
            fakes[..near].iter_mut().for_each(|fake| fake.health = Offline);
            told();
            let counts = Tiered::new(&in_north(*strategy), &fakes, 0).spread(&fakes, 8000, &draw);
            let far = &counts[near * 2..];
            let even = far.iter().sum::<usize>() as f64 / 4.0;
            assert!(far.iter().all(|count| (*count as f64 / even - 1.0).abs() < 0.2), "{strategy}: {counts:?}");
        }
    }
}

#[test]
fn a_key_keeps_its_instance_where_a_part_of_the_keys_goes_on_to_another_tier() {
    for strategy in [Strategy::ConsistentHash, Strategy::Maglev] {
        let mut fakes = in_zones(4, 8);
        (fakes[0].health, fakes[1].health) = (Offline, Offline);
        told();
        let (tiers, draw) = (Tiered::new(&in_north(strategy), &fakes, 0), Seeded::new());
        let mut near = 0;
        for key in 0..500 {
            draw.affinity.set(Some(key * 7919));
            let first = tiers.pick(&fakes, &[], &draw).expect("there");
            assert!((0..5).all(|_| tiers.pick(&fakes, &[], &draw) == Some(first)), "{strategy}: {key}");
            near += usize::from(first < 4);
        }
        assert!((310..390).contains(&near), "{strategy}: {near} of 500 keys, and 70 % are 350");
    }
}

#[test]
fn a_bound_on_the_load_is_that_of_the_tier() {
    let mut fakes = in_zones(2, 4);
    // Those elsewhere have many calls; of these two, one has its share and more.
    fakes.iter_mut().zip([6, 2, 500, 500]).for_each(|(fake, in_flight)| fake.in_flight = in_flight);
    let config =
        BalanceConfig::builder().with_strategy(Strategy::ConsistentHash).with_zone("north").with_max_load(1.25);
    let tiers = Tiered::new(&config.build().expect("valid"), &fakes, 0);
    let draw = Seeded::new();
    for key in 0..100 {
        draw.affinity.set(Some(key * 7919));
        assert_eq!(tiers.pick(&fakes, &[], &draw), Some(1), "{key}");
    }
}

#[test]
fn an_offline_instance_of_another_tier_is_no_refuge_while_one_of_this_is_up() {
    let mut fakes = in_zones(1, 2);
    (fakes[0].health, fakes[1].health) = (Healthy, Offline);
    told();
    let tiers = Tiered::new(&in_north(Strategy::RoundRobin), &fakes, 0);
    assert_eq!(tiers.pick(&fakes, &[fakes[0].id], &Seeded::new()), Some(0), "tried, and yet the only one that is up");
}

#[test]
fn calls_go_on_to_the_next_priority_little_by_little() {
    let mut fakes = fakes(12);
    fakes
        .iter_mut()
        .enumerate()
        .for_each(|(index, fake)| fake.priority = [7, 7, 7, 7, 5, 5, 5, 5, 5, -3, -3, -3][index]);
    let config = BalanceConfig::new(Strategy::Priority);
    let tiers = Tiered::new(&config, &fakes, 0);
    let shares = |fakes: &[Fake], priority| {
        told();
        let counts = tiers.spread(fakes, 20_000, &Seeded { priority, ..Seeded::new() });
        [percent(&counts, 4), percent(&counts, 9), percent(&counts, 12)]
    };
    assert_eq!(shares(&fakes, 0), [100.0, 100.0, 100.0]);
    assert_eq!(shares(&fakes, -1), [0.0, 0.0, 100.0]);
    (fakes[0].health, fakes[1].health, fakes[11].health, fakes[10].health) = (Offline, Offline, Offline, Offline);
    let [high, middle, _] = shares(&fakes, 0);
    assert!((68.5..71.5).contains(&high) && middle == 100.0, "{high} {middle}");
    let [high, middle, _] = shares(&fakes, -1);
    assert!(high == 0.0 && (51.5..55.0).contains(&middle), "a third of the lowest is up: {high} {middle}");
}

#[test]
fn under_other_strategies_a_priority_says_nothing() {
    let mut fakes = fakes(2);
    fakes[1].priority = 9;
    assert_eq!(Tiered::new(&BalanceConfig::default(), &fakes, 0).spread(&fakes, 10, &Seeded::new()), [5, 5]);
}

#[test]
fn as_many_as_the_subset_has_take_the_calls_and_the_others_when_these_cannot() {
    let mut fakes = fakes(40);
    let config = BalanceConfig::builder().with_subset(5).build().expect("valid");
    let tiers = Tiered::new(&config, &fakes, 99);
    let counts = tiers.spread(&fakes, 1000, &Seeded::new());
    let subset: Vec<_> = (0..40).filter(|index| counts[*index] > 0).collect();
    assert_eq!(subset.len(), 5);
    assert!(subset.iter().all(|index| counts[*index] == 200), "{counts:?}");
    subset.iter().for_each(|index| fakes[*index].health = Offline);
    told();
    let counts = tiers.spread(&fakes, 3500, &Seeded::new());
    assert!(subset.iter().all(|index| counts[*index] == 0), "{counts:?}");
    assert_eq!(counts.iter().filter(|count| **count == 100).count(), 35, "{counts:?}");
}

#[test]
fn subsets_of_many_balancers_cover_all_instances_evenly_and_one_that_leaves_changes_one() {
    let fakes = fakes(50);
    let config = BalanceConfig::builder().with_subset(10).build().expect("valid");
    let subset = |fakes: &[Fake], seed| {
        let counts = Tiered::new(&config, fakes, seed).spread(fakes, 10, &Seeded::new());
        let taken = |index: &usize| counts[*index] > 0;
        (0..fakes.len()).filter(taken).map(|index| fakes[index].id).collect::<Vec<_>>()
    };
    let mut of_each = vec![0_usize; 50];
    for seed in 0..1000 {
        for id in subset(&fakes, seed) {
            of_each[fakes.iter().position(|fake| fake.id == id).expect("one of them")] += 1;
        }
        let left = subset(&fakes[1..], seed);
        let stayed = subset(&fakes, seed).iter().filter(|id| left.contains(id)).count();
        assert!(stayed >= 9, "{stayed}");
    }
    assert!(of_each.iter().all(|count| (140..260).contains(count)), "{of_each:?}");
}

#[test]
fn below_the_panic_threshold_health_is_ignored_whatever_the_strategy() {
    for strategy in Strategy::ALL.iter().filter(|strategy| !strategy.reads_key()) {
        let mut fakes = fakes(5);
        let config =
            BalanceConfig::builder().with_strategy(*strategy).with_panic_threshold(0.5).build().expect("valid");
        let (tiers, draw) = (Tiered::new(&config, &fakes, 0), Seeded::new());
        (fakes[0].health, fakes[1].health) = (Offline, Unhealthy);
        told();
        let counts = tiers.spread(&fakes, 5000, &draw);
        assert_eq!((counts[0], counts[1]), (0, 0), "{strategy}: three of five are up");
        fakes[2].health = Offline;
        told();
        let counts = tiers.spread(&fakes, 5000, &draw);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{strategy}: {counts:?}");
        fakes[2].health = Healthy;
        told();
        let counts = tiers.spread(&fakes, 5000, &draw);
        assert_eq!((counts[0], counts[1]), (0, 0), "{strategy}: it is over");
    }
}
