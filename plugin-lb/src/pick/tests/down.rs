//! However many instances there are, and whichever of them are down: who takes the calls, and in what shares.

use super::*;

/// Every way for at least one of so many to be up; of more than eight, a few hundred of them. A set bit is one that is
/// down.
fn ways_to_be_down() -> impl Iterator<Item = (usize, u32)> {
    let mut random = fastrand::Rng::with_seed(11);
    (1..=12_usize).flat_map(move |count| {
        let all = (1_u32 << count) - 1;
        let ways: Vec<_> = if count <= 8 { (0..all).collect() } else { (0..300).map(|_| random.u32(0..all)).collect() };
        ways.into_iter().map(move |down| (count, down))
    })
}

fn is_down(down: u32, index: usize) -> bool {
    down >> index & 1 == 1
}

fn with_down(mut fakes: Vec<Fake>, down: u32) -> Vec<Fake> {
    for (index, fake) in fakes.iter_mut().enumerate().filter(|(index, _)| is_down(down, *index)) {
        fake.health = if index % 2 == 0 { HealthState::Offline } else { HealthState::Unhealthy };
    }
    fakes
}

const IN_TURN: [Strategy; 5] =
    [Strategy::RoundRobin, Strategy::Priority, Strategy::LeastConnections, Strategy::LeastLatency, Strategy::PeakEwma];

#[test]
fn in_turn_means_exactly_even_shares_whoever_is_down() {
    for (count, down) in ways_to_be_down() {
        let up = count - down.count_ones() as usize;
        let fakes = with_down(fakes(count), down);
        for strategy in IN_TURN {
            let expected: Vec<_> = (0..count).map(|index| if is_down(down, index) { 0 } else { count }).collect();
            let counts = spread(strategy, &fakes, count * up);
            assert_eq!(counts, expected, "{strategy} of {count}, down {down:b}");
        }
    }
}

const BY_CHANCE: [Strategy; 5] =
    [Strategy::Random, Strategy::WeightedRandom, Strategy::WeightedRoundRobin, Strategy::P2c, Strategy::LeastRequest];

#[test]
fn by_chance_means_even_shares_whoever_is_down() {
    for (count, down) in ways_to_be_down().step_by(37) {
        let up = count - down.count_ones() as usize;
        let fakes = with_down(fakes(count), down);
        for strategy in BY_CHANCE {
            let picks = 4000;
            let counts = spread(strategy, &fakes, picks);
            let share = 1.0 / up as f64;
            let sigma = (picks as f64 * share * (1.0 - share)).sqrt();
            for (index, taken) in counts.iter().enumerate() {
                let expected = if is_down(down, index) { 0.0 } else { picks as f64 * share };
                let off = (*taken as f64 - expected).abs();
                assert!(off <= 5.0 * sigma, "{strategy} of {count}, down {down:b}: {counts:?}");
            }
        }
    }
}

#[test]
fn weights_decide_the_shares_among_those_that_are_up() {
    for (count, down) in ways_to_be_down().step_by(41) {
        let weights: Vec<u32> = (1..=12).take(count).collect();
        let fakes = with_down(weighted(&weights), down);
        for strategy in [Strategy::WeightedRandom, Strategy::WeightedRoundRobin, Strategy::P2c] {
            let counts = spread(strategy, &fakes, 8000);
            let up: Vec<_> =
                weights.iter().enumerate().map(|(index, weight)| weight * u32::from(!is_down(down, index))).collect();
            assert_shares(&counts, &up, 0.03);
        }
    }
}

#[test]
fn the_two_that_are_looked_at_are_two_of_those_that_are_up() {
    for (count, down) in ways_to_be_down().step_by(13) {
        let up: Vec<_> = (0..count).filter(|index| !is_down(down, *index)).collect();
        let Some(others) = up.len().checked_sub(1).filter(|others| *others > 0) else { continue };
        // The first, one in the middle, and the last of them.
        for busy in [up[0], up[up.len() / 2], up[others]] {
            let mut fakes = with_down(fakes(count), down);
            fakes.iter_mut().for_each(|fake| fake.latency = Some(1e6));
            fakes[busy].in_flight = 1;
            for strategy in [Strategy::P2c, Strategy::LeastRequest, Strategy::PeakEwma] {
                let picks = 300 * up.len();
                let counts = spread(strategy, &fakes, picks);
                assert_eq!(counts[busy], 0, "{strategy} of {count}, down {down:b}: {counts:?}");
                // What it would have had goes to all others evenly.
                let even = picks as f64 / others as f64;
                for index in up.iter().filter(|index| **index != busy) {
                    let off = (counts[*index] as f64 - even).abs();
                    assert!(off <= 5.0 * even.sqrt(), "{strategy} of {count}, down {down:b}: {counts:?}");
                }
            }
        }
    }
}

/// The turns of each where all have had equally many that should have any, said naively.
fn expected_by_priority(fakes: &[Fake], request: i16) -> Vec<usize> {
    let of = |priorities: &mut dyn Iterator<Item = i32>| if request < 0 { priorities.min() } else { priorities.max() };
    let is_up = |fake: &Fake| fake.health == HealthState::Unknown;
    let wanted = of(&mut fakes.iter().filter(|fake| is_up(fake)).map(|fake| fake.priority));
    // A round is as long as those are many that the turns are counted out to.
    let round = fakes.iter().filter(|fake| Some(fake.priority) == wanted).count();
    fakes.iter().map(|fake| if is_up(fake) && Some(fake.priority) == wanted { round } else { 0 }).collect()
}

#[test]
fn a_request_takes_the_highest_or_the_lowest_that_are_up_in_turn_however_many_there_are() {
    for (count, down) in ways_to_be_down() {
        for levels in 1..=4 {
            let mut fakes = with_down(fakes(count), down);
            for (index, fake) in fakes.iter_mut().enumerate() {
                fake.priority = (index * 7 % levels) as i32 - 1;
            }
            let tiers = Tiered::strict(Strategy::Priority, &fakes);
            for request in [i16::MIN, -1, 0, 1, i16::MAX] {
                let draw = Seeded { priority: request, ..Seeded::new() };
                let expected = expected_by_priority(&fakes, request);
                let counts = tiers.spread(&fakes, expected.iter().sum(), &draw);
                assert_eq!(counts, expected, "{count} of {levels} levels, down {down:b}, request {request}");
            }
        }
    }
}
