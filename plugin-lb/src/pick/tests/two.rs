//! Two choices: shares, the heavier load avoided, and what a set of many instances comes to in a closed loop.

use super::*;

/// Chi-square of counts against the shares of these weights, in standard deviations from its mean.
fn chi_square(counts: &[usize], weights: &[u32]) -> f64 {
    let (picks, total) = (counts.iter().sum::<usize>() as f64, f64::from(weights.iter().sum::<u32>()));
    let terms = counts.iter().zip(weights).map(|(count, weight)| {
        let expected = picks * f64::from(*weight) / total;
        (*count as f64 - expected).powi(2) / expected
    });
    let freedom = counts.len() as f64 - 1.0;
    (terms.sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn the_shares_of_what_is_drawn_are_those_of_the_weights() {
    for count in 2..=12 {
        let even = vec![1; count];
        let uneven: Vec<u32> = (1..).take(count).collect();
        let random = [Strategy::Random, Strategy::WeightedRandom, Strategy::P2c, Strategy::LeastRequest];
        for (strategy, weights) in random
            .map(|strategy| (strategy, &even))
            .into_iter()
            .chain([(Strategy::WeightedRandom, &uneven), (Strategy::P2c, &uneven)])
        {
            let off = chi_square(&spread(strategy, &weighted(weights), 50_000), weights);
            assert!(off < 5.0, "{strategy} for {weights:?}: {off} standard deviations");
        }
    }
}

#[test]
fn one_with_more_in_flight_than_any_other_is_never_the_better_of_two() {
    for count in 2..=12 {
        for busy in 0..count {
            let mut fakes = fakes(count);
            fakes.iter_mut().for_each(|fake| fake.in_flight = 2);
            fakes[busy].in_flight = 3;
            for strategy in [Strategy::P2c, Strategy::LeastRequest] {
                let counts = spread(strategy, &fakes, 60 * count);
                assert_eq!(counts[busy], 0, "{strategy}: {counts:?}");
                assert!(counts.iter().filter(|picks| **picks > 0).count() == count - 1, "{strategy}: {counts:?}");
            }
        }
    }
}

#[test]
fn calls_in_flight_are_held_against_the_weight() {
    let mut fakes = weighted(&[1, 4]);
    for (in_flight, of_p2c, of_least_request) in
        [([1, 3], 1, 1), ([1, 5], 0, 1), ([1, 9], 0, 0), ([0, 1], 0, 1), ([0, 2], 0, 1), ([0, 4], 0, 0)]
    {
        fakes.iter_mut().zip(in_flight).for_each(|(fake, in_flight)| fake.in_flight = in_flight);
        for (strategy, better) in [(Strategy::P2c, of_p2c), (Strategy::LeastRequest, of_least_request)] {
            assert_eq!(spread(strategy, &fakes, 50)[better], 50, "{strategy}: {in_flight:?}");
        }
    }
}

/// Calls in flight on each while this many are: each step a random one ends and another begins.
fn in_flight_of(strategy: Strategy, weights: &[u32], calls: usize) -> Vec<f64> {
    let (mut fakes, draw) = (weighted(weights), Seeded::new());
    let picker = picker(strategy, &fakes);
    let (mut random, mut open) = (fastrand::Rng::with_seed(5), Vec::new());
    let mut sums = vec![0; weights.len()];
    let steps = 40_000;
    for _ in 0..steps {
        if open.len() == calls {
            let ended: usize = open.swap_remove(random.usize(..calls));
            fakes[ended].in_flight -= 1;
        }
        let index = picker.pick(&Pool::new(&fakes, &[], &[]), &draw).expect("there is one");
        fakes[index].in_flight += 1;
        open.push(index);
        sums.iter_mut().zip(&fakes).for_each(|(sum, fake)| *sum += fake.in_flight);
    }
    sums.into_iter().map(|sum| sum as f64 / f64::from(steps)).collect()
}

#[test]
fn under_load_the_calls_in_flight_are_in_proportion_to_the_weights() {
    let mut skewed = vec![1; 30];
    skewed[7] = 30;
    for weights in [vec![1, 2, 5, 8], vec![3; 12], skewed] {
        let total: u32 = weights.iter().sum();
        for strategy in [Strategy::P2c, Strategy::LeastRequest] {
            let of_each = in_flight_of(strategy, &weights, 10 * total as usize);
            for (in_flight, weight) in of_each.iter().zip(&weights) {
                let expected = 10.0 * f64::from(*weight);
                assert!((in_flight / expected - 1.0).abs() < 0.12, "{strategy} for {weights:?}: {of_each:?}");
            }
        }
    }
}

#[test]
fn of_many_instances_the_one_whose_turn_it_is_or_a_better_one_is_taken() {
    for strategy in [Strategy::LeastConnections, Strategy::LeastLatency] {
        for count in [33, 40, 200] {
            let mut fakes = fakes(count);
            fakes.iter_mut().for_each(|fake| fake.latency = Some(2e6));
            assert_eq!(spread(strategy, &fakes, 2 * count), vec![2; count], "{strategy}: equals take turns");
            // One in three has much to do, and is looked at and left.
            fakes.iter_mut().step_by(3).for_each(|fake| fake.in_flight = 9);
            let counts = spread(strategy, &fakes, 30 * count);
            let busy: usize = counts.iter().step_by(3).sum();
            // Each of the two is a busy one in a third of the cases, and both are in a ninth.
            assert!((0.07..0.14).contains(&(busy as f64 / (30 * count) as f64)), "{strategy}: {counts:?}");
            assert!(counts.iter().all(|picks| *picks > 0), "{strategy}: {counts:?}");
        }
        // Up to there each is looked at, and the best is taken.
        let mut fakes = fakes(32);
        fakes.iter_mut().for_each(|fake| (fake.latency, fake.in_flight) = (Some(2e6), 1));
        fakes[17].in_flight = 0;
        assert_eq!(spread(strategy, &fakes, 40)[17], 40, "{strategy}");
    }
}

#[test]
fn of_many_instances_one_that_was_never_measured_is_found_within_a_round() {
    for count in [33, 64, 100] {
        for fresh in [0, count / 2, count - 1] {
            let mut fakes = fakes(count);
            fakes.iter_mut().for_each(|fake| fake.latency = Some(1e3));
            fakes[fresh].latency = None;
            assert!(spread(Strategy::LeastLatency, &fakes, count)[fresh] > 0, "{fresh} of {count}");
        }
    }
}

#[test]
fn of_many_instances_none_takes_the_turns_of_those_that_are_down() {
    for (count, down) in [(33, vec![1]), (40, vec![0, 1, 2, 39]), (64, (0..63).collect())] {
        let mut fakes = fakes(count);
        down.iter().for_each(|index: &usize| fakes[*index].health = HealthState::Offline);
        let up = count - down.len();
        for strategy in [Strategy::LeastConnections, Strategy::LeastLatency] {
            let counts = spread(strategy, &fakes, count * up);
            let expected: Vec<_> = (0..count).map(|index| if down.contains(&index) { 0 } else { count }).collect();
            assert_eq!(counts, expected, "{strategy}");
        }
    }
}

#[test]
fn an_instance_that_fails_again_and_again_is_left_to_the_others_however_busy_they_are_and_is_tried_by_one_call() {
    for strategy in [Strategy::LeastLatency, Strategy::PeakEwma] {
        for count in [2, 3, 10, 40] {
            let mut fakes = fakes(count);
            fakes.iter_mut().for_each(|fake| (fake.latency, fake.in_flight) = (Some(5e9), 100));
            fakes[1].in_flight = 0;
            fakes[1].failing = Some(Expected::Failure);
            assert_eq!(spread(strategy, &fakes, 20 * count)[1], 0, "{strategy} of {count}");
            fakes[1].failing = Some(Expected::Trial(1e9));
            assert!(spread(strategy, &fakes, 20 * count)[1] > 0, "{strategy} of {count}");
            fakes[1].in_flight = 1;
            assert_eq!(spread(strategy, &fakes, 20 * count)[1], 0, "{strategy} of {count}");
            // Where all fail, they take turns.
            fakes.iter_mut().for_each(|fake| fake.failing = Some(Expected::Failure));
            assert_eq!(spread(strategy, &fakes, 2 * count), vec![2; count], "{strategy} of {count}");
        }
    }
}
