//! The strategies on plain data: no clock, no service, no thread.

mod bounded;
mod down;
mod golden;
mod keys;
mod maglev;
mod reported_weights;
mod standing;
mod tiers;
mod two;

use std::cell::Cell;

use plugin_core::{HealthState, InstanceId, clock::Instant};
use proptest::prelude::*;

use super::{Draw, Picker, Pool, Tiers, View, places, weighted_round_robin::Schedule};
use crate::{BalanceConfig, ReportedWeightsConfig, Strategy, estimate::Expected};

#[derive(Clone, Debug)]
struct Fake {
    id: InstanceId,
    name: String,
    weight: u32,
    priority: i32,
    zone: Option<&'static str>,
    health: HealthState,
    in_flight: usize,
    latency: Option<f32>,
    failing: Option<Expected>,
    reported: Option<f32>,
}

impl View for Fake {
    fn id(&self) -> InstanceId {
        self.id
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn zone(&self) -> Option<&str> {
        self.zone
    }

    fn health(&self) -> HealthState {
        self.health
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn expected(&self, _: Instant) -> Expected {
        self.failing.unwrap_or(self.latency.map_or(Expected::Nothing, Expected::Answer))
    }

    fn reported_weight(&self, _: &ReportedWeightsConfig, _: Instant) -> Option<f32> {
        self.reported
    }
}

fn fakes(count: usize) -> Vec<Fake> {
    let fake = |index| Fake {
        id: InstanceId::next(),
        name: format!("instance-{index}"),
        weight: 1,
        priority: 0,
        zone: None,
        health: HealthState::Unknown,
        in_flight: 0,
        latency: None,
        failing: None,
        reported: None,
    };
    (0..count).map(fake).collect()
}

fn weighted(weights: &[u32]) -> Vec<Fake> {
    let mut fakes = fakes(weights.len());
    fakes.iter_mut().zip(weights).for_each(|(fake, weight)| fake.weight = *weight);
    fakes
}

/// Turns from 0, tickets from a seeded generator.
struct Seeded {
    turn: Cell<u64>,
    random: std::cell::RefCell<fastrand::Rng>,
    affinity: Cell<Option<u64>>,
    priority: i16,
    in_flight: Cell<usize>,
    now: Cell<Instant>,
}

impl Seeded {
    fn new() -> Self {
        Self {
            turn: Cell::new(0),
            random: fastrand::Rng::with_seed(7).into(),
            affinity: Cell::new(None),
            priority: 0,
            in_flight: Cell::new(0),
            now: Cell::new(Instant::ZERO),
        }
    }
}

impl Draw for Seeded {
    fn turn(&self) -> u64 {
        self.turn.replace(self.turn.get() + 1)
    }

    fn ticket(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    fn now(&self) -> Instant {
        self.now.get()
    }

    fn affinity(&self) -> Option<u64> {
        self.affinity.get()
    }

    fn priority(&self) -> i16 {
        self.priority
    }

    fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    fn ejections(&self) -> u64 {
        0
    }
}

fn picker(strategy: Strategy, fakes: &[Fake]) -> Picker {
    Picker::build(&BalanceConfig::new(strategy), fakes)
}

/// The tiers of these instances, which know them by their index in a list that is in order.
struct Tiered {
    tiers: Tiers,
    order: Vec<usize>,
}

impl Tiered {
    fn new(config: &BalanceConfig, fakes: &[Fake], seed: u64) -> Self {
        let places = places(config, fakes, seed);
        let mut order: Vec<_> = (0..fakes.len()).collect();
        order.sort_by_key(|index| places[*index]);
        let sorted: Vec<_> = order.iter().map(|index| places[*index]).collect();
        Self { tiers: Tiers::build(config, &in_order(fakes, &order), &sorted), order }
    }

    /// Calls go to the next priority only when nobody of a higher one is up.
    fn strict(strategy: Strategy, fakes: &[Fake]) -> Self {
        let config = BalanceConfig::builder().with_strategy(strategy).with_overprovisioning(1000.0);
        Self::new(&config.build().expect("valid"), fakes, 0)
    }

    fn pick(&self, fakes: &[Fake], tried: &[InstanceId], draw: &Seeded) -> Option<usize> {
        self.tiers.pick(&in_order(fakes, &self.order), tried, &[], draw).map(|index| self.order[index])
    }

    /// How often each is picked in so many picks.
    fn spread(&self, fakes: &[Fake], picks: usize, draw: &Seeded) -> Vec<usize> {
        let (fakes, mut counts) = (in_order(fakes, &self.order), vec![0; fakes.len()]);
        for _ in 0..picks {
            counts[self.order[self.tiers.pick(&fakes, &[], &[], draw).expect("there is one")]] += 1;
        }
        counts
    }
}

fn in_order(fakes: &[Fake], order: &[usize]) -> Vec<Fake> {
    order.iter().map(|index| fakes[*index].clone()).collect()
}

/// How often each is picked in so many picks.
fn spread(strategy: Strategy, fakes: &[Fake], picks: usize) -> Vec<usize> {
    Tiered::strict(strategy, fakes).spread(fakes, picks, &Seeded::new())
}

fn assert_shares(counts: &[usize], weights: &[u32], tolerance: f64) {
    let (picks, total) = (counts.iter().sum::<usize>() as f64, f64::from(weights.iter().sum::<u32>()));
    for (count, weight) in counts.iter().zip(weights) {
        let (share, wanted) = (*count as f64 / picks, f64::from(*weight) / total);
        assert!((share - wanted).abs() <= tolerance, "{counts:?} for {weights:?}");
    }
}

#[test]
fn round_robin_takes_one_after_the_other() {
    let (fakes, draw) = (fakes(3), Seeded::new());
    let picker = picker(Strategy::RoundRobin, &fakes);
    let picks: Vec<_> = (0..7).filter_map(|_| picker.pick(&Pool::new(&fakes, &[], &[]), &draw)).collect();
    assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn smooth_weights_are_spread_in_the_order_of_nginx() {
    assert_eq!(Schedule::build(vec![5, 1, 1]).order(), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(Schedule::build(vec![50, 10, 10]).order().len(), 7, "what the weights have in common is divided out");
}

#[test]
fn a_table_of_turns_is_bounded_whatever_the_weights() {
    let schedule = Schedule::build(vec![999_983, 1, 500_009]);
    assert!(schedule.order().len() <= 4099, "{}", schedule.order().len());
    assert!(schedule.order().contains(&1), "the lightest has its turn");
}

#[test]
fn the_share_of_one_that_is_down_does_not_fall_to_its_neighbour() {
    for strategy in [Strategy::RoundRobin, Strategy::Random, Strategy::WeightedRandom, Strategy::WeightedRoundRobin] {
        let mut fakes = fakes(5);
        fakes[1].health = HealthState::Offline;
        let counts = spread(strategy, &fakes, 40_000);
        assert_eq!(counts[1], 0, "{strategy}");
        assert_shares(&counts, &[1, 0, 1, 1, 1], 0.012);
    }
}

#[test]
fn weights_decide_the_shares_of_the_weighted_strategies() {
    let weights = [1, 2, 5, 8];
    for (strategy, tolerance) in [
        (Strategy::WeightedRandom, 0.01),
        (Strategy::WeightedRoundRobin, 1e-9),
        (Strategy::ConsistentHash, 0.06),
        (Strategy::Maglev, 0.01),
    ] {
        assert_shares(&spread(strategy, &weighted(&weights), 64_000), &weights, tolerance);
    }
    assert_shares(&spread(Strategy::Random, &weighted(&weights), 64_000), &[1, 1, 1, 1], 0.01);
}

#[test]
fn least_connections_takes_the_idlest_and_equals_take_turns() {
    let mut fakes = fakes(4);
    fakes[0].in_flight = 3;
    fakes[2].in_flight = 1;
    assert_eq!(spread(Strategy::LeastConnections, &fakes, 100)[0], 0);
    fakes[1].in_flight = 9;
    fakes[3].in_flight = 9;
    assert_eq!(spread(Strategy::LeastConnections, &fakes, 100), [0, 0, 100, 0]);
    let equal = spread(Strategy::LeastConnections, &self::fakes(4), 100);
    assert_eq!(equal, [25, 25, 25, 25]);
}

#[test]
fn least_latency_weighs_latency_with_the_calls_in_flight() {
    let mut fakes = fakes(2);
    (fakes[0].latency, fakes[1].latency) = (Some(2e6), Some(5e6));
    assert_eq!(spread(Strategy::LeastLatency, &fakes, 10), [10, 0]);
    fakes[0].in_flight = 2;
    assert_eq!(spread(Strategy::LeastLatency, &fakes, 10), [0, 10]);
}

#[test]
fn one_that_was_never_measured_is_asked_by_one_call_at_a_time() {
    let mut fakes = fakes(3);
    (fakes[0].latency, fakes[1].latency) = (Some(2e6), Some(5e6));
    assert_eq!(spread(Strategy::LeastLatency, &fakes, 1), [0, 0, 1]);
    fakes[2].in_flight = 1;
    assert_eq!(spread(Strategy::LeastLatency, &fakes, 1), [1, 0, 0]);
}

#[test]
fn priority_takes_the_highest_that_is_healthy_and_falls_back_level_by_level() {
    let mut fakes = fakes(5);
    fakes.iter_mut().zip([5, 10, 10, 5, 1]).for_each(|(fake, priority)| fake.priority = priority);
    assert_eq!(spread(Strategy::Priority, &fakes, 100), [0, 50, 50, 0, 0]);
    fakes[1].health = HealthState::Offline;
    assert_eq!(spread(Strategy::Priority, &fakes, 100), [0, 0, 100, 0, 0]);
    fakes[2].health = HealthState::Offline;
    assert_eq!(spread(Strategy::Priority, &fakes, 100), [50, 0, 0, 50, 0]);
}

#[test]
fn a_request_of_low_priority_leaves_the_best_instances_free() {
    let mut fakes = fakes(3);
    fakes.iter_mut().zip([10, 5, 5]).for_each(|(fake, priority)| fake.priority = priority);
    let draw = Seeded { priority: -1, ..Seeded::new() };
    let pick =
        |fakes: &[Fake]| Tiered::strict(Strategy::Priority, fakes).pick(fakes, &[], &draw).expect("there is one");
    assert_eq!([pick(&fakes), pick(&fakes)], [1, 2]);
    (fakes[1].health, fakes[2].health) = (HealthState::Offline, HealthState::Offline);
    assert_eq!(pick(&fakes), 0, "the best are for all when there is no other");
}

#[test]
fn a_wish_for_a_degraded_instance_is_followed_and_not_for_one_that_was_tried() {
    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};
    for (health, followed) in [(Healthy, true), (Unknown, true), (Degraded, true), (Unhealthy, false), (Offline, false)]
    {
        let mut fakes = fakes(2);
        fakes[0].health = health;
        assert_eq!(Pool::new(&fakes, &[], &[]).is_agreeable(0), followed, "{health:?}");
        assert!(!Pool::new(&fakes, &[fakes[0].id], &[]).is_agreeable(0), "tried, {health:?}");
        assert!(!Pool::new(&fakes, &[], &[fakes[0].id]).is_agreeable(0), "failed, {health:?}");
    }
}

#[test]
fn health_ranks_and_offline_is_skipped() {
    let mut fakes = fakes(4);
    let states = [HealthState::Offline, HealthState::Unhealthy, HealthState::Degraded, HealthState::Healthy];
    fakes.iter_mut().zip(states).for_each(|(fake, state)| fake.health = state);
    for strategy in Strategy::ALL {
        assert_eq!(spread(*strategy, &fakes, 50), [0, 0, 0, 50], "{strategy}");
        assert_eq!(spread(*strategy, &fakes[..3], 50), [0, 0, 50], "{strategy}");
    }
}

#[test]
fn where_all_are_offline_health_is_ignored_and_one_that_failed_a_check_is_better_than_one_that_is_offline() {
    let mut fakes = fakes(3);
    fakes.iter_mut().for_each(|fake| fake.health = HealthState::Offline);
    assert_eq!(spread(Strategy::RoundRobin, &fakes, 300), [100, 100, 100]);
    fakes[1].health = HealthState::Unhealthy;
    assert_eq!(spread(Strategy::RoundRobin, &fakes, 300), [0, 300, 0]);
    let (picker, failed) = (picker(Strategy::RoundRobin, &fakes), [fakes[1].id]);
    let picked = picker.pick(&Pool::new(&fakes, &[], &failed), &Seeded::new());
    assert!(matches!(picked, Some(0 | 2)), "this very call has failed there");
}

#[test]
fn an_instance_that_failed_a_call_gets_it_again_only_when_no_other_is_left() {
    let mut fakes = fakes(3);
    for strategy in Strategy::ALL {
        let (picker, draw) = (picker(*strategy, &fakes), Seeded::new());
        let tried = [fakes[0].id, fakes[1].id];
        assert_eq!(picker.pick(&Pool::new(&fakes, &tried, &[]), &draw), Some(2), "{strategy}");
        let all = [fakes[0].id, fakes[1].id, fakes[2].id];
        assert!(picker.pick(&Pool::new(&fakes, &all, &[]), &draw).is_some(), "{strategy}");
        assert_eq!(picker.pick(&Pool::new(&fakes, &[], &all), &draw), None, "{strategy}");
    }
    fakes[2].health = HealthState::Offline;
    let (picker, draw) = (picker(Strategy::RoundRobin, &fakes), Seeded::new());
    let failed = [fakes[0].id, fakes[1].id];
    assert_eq!(picker.pick(&Pool::new(&fakes, &[], &failed), &draw), None, "offline is no refuge while others are up");
}

fn health() -> impl proptest::strategy::Strategy<Value = HealthState> {
    prop_oneof![
        Just(HealthState::Unknown),
        Just(HealthState::Healthy),
        Just(HealthState::Degraded),
        Just(HealthState::Unhealthy),
        Just(HealthState::Offline),
    ]
}

prop_compose! {
    fn any_fakes()(all in prop::collection::vec(
        (1_u32..2000, -3_i32..3, health(), 0_usize..4, prop::option::of(1e3_f32..1e9)), 1..40,
    )) -> Vec<Fake> {
        all.into_iter().enumerate().map(|(index, (weight, priority, health, in_flight, latency))| Fake {
            id: InstanceId::next(), name: index.to_string(), weight, priority, zone: None, health, in_flight, latency, failing: None,
            reported: latency,
        }).collect()
    }
}

/// What `Pool` documents, said naively.
fn class(fakes: &[Fake], index: usize, tried: &[InstanceId], failed: &[InstanceId]) -> Option<u8> {
    let fake = &fakes[index];
    let none_left = fakes.iter().all(|fake| match fake.health {
        HealthState::Unhealthy => failed.contains(&fake.id),
        health => health == HealthState::Offline,
    });
    let health = match fake.health {
        _ if none_left => 0,
        HealthState::Unknown | HealthState::Healthy => 0,
        HealthState::Degraded => 1,
        HealthState::Unhealthy => 2,
        _ => return None,
    };
    (!failed.contains(&fake.id)).then(|| health + 3 * u8::from(tried.contains(&fake.id)))
}

/// Its health is another one at each look.
struct Flapping {
    fake: Fake,
    looks: Cell<usize>,
}

impl View for Flapping {
    fn id(&self) -> InstanceId {
        self.fake.id
    }

    fn weight(&self) -> u32 {
        self.fake.weight
    }

    fn priority(&self) -> i32 {
        self.fake.priority
    }

    fn name(&self) -> &str {
        ""
    }

    fn zone(&self) -> Option<&str> {
        None
    }

    fn health(&self) -> HealthState {
        use HealthState::{Degraded, Healthy, Offline, Unhealthy};
        let look = self.looks.replace(self.looks.get() + 1);
        [Healthy, Offline, Degraded, Unhealthy, Offline][look % 5]
    }

    fn in_flight(&self) -> usize {
        self.fake.in_flight
    }

    fn expected(&self, now: Instant) -> Expected {
        self.fake.expected(now)
    }

    fn reported_weight(&self, config: &ReportedWeightsConfig, now: Instant) -> Option<f32> {
        self.fake.reported_weight(config, now)
    }
}

#[test]
fn a_call_finds_an_instance_also_while_the_health_of_all_changes() {
    for strategy in Strategy::ALL {
        for count in 1..4 {
            let fakes = fakes(count);
            let (picker, draw) = (picker(*strategy, &fakes), Seeded::new());
            let flapping = fakes.iter().enumerate();
            let flapping: Vec<_> =
                flapping.map(|(n, fake)| Flapping { fake: fake.clone(), looks: Cell::new(n) }).collect();
            for round in 0..100 {
                let picked = picker.pick(&Pool::new(&flapping, &[], &[]), &draw);
                assert!(picked.is_some_and(|index| index < count), "{strategy} of {count}, {round}: {picked:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_strategy_picks_from_the_best_class_and_from_no_other(
        fakes in any_fakes(), seed: u64, turn in 0_u64..1_000_000, tried in 0_usize..5, failed in 0_usize..3,
    ) {
        let tried: Vec<_> = fakes.iter().take(tried).map(|fake| fake.id).collect();
        let failed: Vec<_> = fakes.iter().skip(1).take(failed).map(|fake| fake.id).collect();
        let class = |index| class(&fakes, index, &tried, &failed);
        let best = (0..fakes.len()).filter_map(class).min();
        let pool = Pool::new(&fakes, &tried, &failed);
        for strategy in Strategy::ALL {
            let draw = Seeded { turn: Cell::new(turn), ..Seeded::new() };
            draw.random.borrow_mut().seed(seed);
            let picked = picker(*strategy, &fakes).pick(&pool, &draw);
            prop_assert_eq!(picked.and_then(class), best, "{}", strategy);
            prop_assert_eq!(picked.is_none(), best.is_none(), "{}", strategy);
        }
    }

    #[test]
    fn an_alias_table_gives_each_weight_its_share(weights in prop::collection::vec(1_u32..1000, 1..20)) {
        assert_shares(&spread(Strategy::WeightedRandom, &weighted(&weights), 20_000), &weights, 0.025);
    }

    #[test]
    fn one_period_of_turns_gives_each_exactly_its_weight(weights in prop::collection::vec(1_u32..40, 1..12)) {
        let order = Schedule::build(weights.clone()).order().to_vec();
        let total: u32 = weights.iter().sum();
        for (index, weight) in weights.iter().enumerate() {
            let turns = order.iter().filter(|turn| **turn as usize == index).count() as u64;
            prop_assert_eq!(turns * u64::from(total), u64::from(*weight) * order.len() as u64);
        }
    }
}
