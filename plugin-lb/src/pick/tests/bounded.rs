//! Keys on instances that may have only so much more than their share.

use super::*;

const BY_KEY: [Strategy; 2] = [Strategy::ConsistentHash, Strategy::Maglev];

/// A balancer with calls in flight, which end when they are told to.
struct Load {
    fakes: Vec<Fake>,
    picker: Picker,
    draw: Seeded,
    most: f64,
}

impl Load {
    fn new(strategy: Strategy, fakes: Vec<Fake>, most: f64) -> Self {
        let config = BalanceConfig::builder().with_strategy(strategy).with_max_load(most).build().expect("valid");
        let picker = Picker::build(&config, &fakes);
        Self { fakes, picker, draw: Seeded::new(), most }
    }

    fn pick(&self, key: Option<u64>) -> usize {
        self.draw.affinity.set(key);
        self.draw.in_flight.set(self.fakes.iter().map(|fake| fake.in_flight).sum());
        self.picker.pick(&Pool::new(&self.fakes, &[], &[]), &self.draw).expect("there is one")
    }

    fn begin(&mut self, key: Option<u64>) -> usize {
        let index = self.pick(key);
        self.fakes[index].in_flight += 1;
        index
    }

    /// What each that takes calls may have at most, said naively, after so many calls are in flight.
    fn bounds(&self, calls: usize) -> Vec<usize> {
        let takes = |fake: &&Fake| fake.health == HealthState::Unknown;
        let weight: u32 = self.fakes.iter().filter(takes).map(|fake| fake.weight).sum();
        let share = |fake: &Fake| f64::from(fake.weight) / f64::from(weight) * calls as f64;
        self.fakes.iter().map(|fake| (self.most * share(fake) - 1e-9).ceil() as usize).collect()
    }
}

#[test]
fn an_instance_takes_no_more_than_its_bound_however_hot_one_key_is() {
    for strategy in BY_KEY {
        for (count, most) in [(2, 1.01), (3, 1.25), (10, 1.25), (12, 2.0), (40, 1.01), (100, 1.25)] {
            for weights in [vec![1; count], (1..).take(count).collect::<Vec<u32>>()] {
                let mut load = Load::new(strategy, weighted(&weights), most);
                for calls in 1..=5 * count {
                    let taken = load.begin(Some(7));
                    let bound = load.bounds(calls)[taken];
                    let has = load.fakes[taken].in_flight;
                    assert!(has <= bound, "{strategy} of {count}, {most}: {has} of {bound} after {calls}");
                }
            }
        }
    }
}

#[test]
fn the_bound_is_the_one_that_is_written_down() {
    // Ten instances, all calls of one key: with 20 in flight the 21st makes the share 2.1, and 1.25 of that 2.625, so
    // that an instance may have 3.
    for strategy in BY_KEY {
        let mut load = Load::new(strategy, fakes(10), 1.25);
        let owner = load.pick(Some(7));
        load.fakes.iter_mut().for_each(|fake| fake.in_flight = 2);
        for (own, is_taken) in [(2, true), (3, false), (4, false)] {
            load.fakes[owner].in_flight = own;
            let other = (owner + 1) % 10;
            load.fakes[other].in_flight = 4 - own;
            assert_eq!(load.pick(Some(7)) == owner, is_taken, "{strategy}: {own}");
        }
    }
}

#[test]
fn where_nobody_is_full_the_bound_moves_no_key() {
    for strategy in BY_KEY {
        let load = Load::new(strategy, fakes(10), 1.25);
        let (free, draw) = (picker(strategy, &load.fakes), Seeded::new());
        for key in 0..5_000 {
            draw.affinity.set(Some(key));
            assert_eq!(Some(load.pick(Some(key))), free.pick(&Pool::new(&load.fakes, &[], &[]), &draw));
        }
    }
}

#[test]
fn a_key_has_the_same_second_choice_each_time_and_the_keys_of_one_have_different_ones() {
    for strategy in BY_KEY {
        for owner in [0, 4, 9] {
            let mut load = Load::new(strategy, fakes(10), 1.25);
            let keys: Vec<_> = (0..20_000).filter(|key| load.pick(Some(*key)) == owner).collect();
            load.fakes[owner].in_flight = 5;
            let second: Vec<_> = keys.iter().map(|key| load.pick(Some(*key))).collect();
            assert_eq!(keys.iter().map(|key| load.pick(Some(*key))).collect::<Vec<_>>(), second, "{strategy}");
            let mut counts = [0; 10];
            second.iter().for_each(|index| counts[*index] += 1);
            assert_eq!(counts[owner], 0, "{strategy}: it is full");
            let heirs = counts.iter().filter(|count| **count > 0).count();
            let most = counts.iter().max().copied().unwrap_or(0);
            assert!(heirs == 9 && most * 3 < keys.len(), "{strategy}: {counts:?}");
        }
    }
}

#[test]
fn those_that_are_down_leave_their_room_to_the_others() {
    for strategy in BY_KEY {
        for count in [2, 3, 10] {
            for up in 1..count {
                let mut all = fakes(count);
                all.iter_mut().skip(up).for_each(|fake| fake.health = HealthState::Offline);
                let mut load = Load::new(strategy, all, 1.25);
                for calls in 1..=6 * count {
                    let taken = load.begin(Some(3));
                    assert!(taken < up, "{strategy}: {taken} is down");
                    assert!(load.fakes[taken].in_flight <= load.bounds(calls)[taken], "{strategy}, {up} of {count}");
                }
            }
        }
    }
}

#[test]
fn calls_without_a_key_keep_to_the_bound_too() {
    for strategy in BY_KEY {
        let mut load = Load::new(strategy, fakes(7), 1.25);
        for calls in 1..200 {
            let taken = load.begin(None);
            assert!(load.fakes[taken].in_flight <= load.bounds(calls)[taken], "{strategy}");
        }
    }
}

#[test]
fn calls_that_only_their_instances_count_fill_nobody() {
    for strategy in BY_KEY {
        // As where the load is bounded from now on, and these began before.
        let mut load = Load::new(strategy, fakes(3), 1.25);
        load.draw.affinity.set(Some(7));
        let owner = load.pick(Some(7));
        load.draw.in_flight.set(0);
        load.fakes.iter_mut().for_each(|fake| fake.in_flight = 10);
        let pick = |fakes: &[Fake]| load.picker.pick(&Pool::new(fakes, &[], &[]), &load.draw);
        assert_eq!(pick(&load.fakes), Some(owner), "{strategy}: of 31 it may have 13");
        let mut busy = load.fakes.clone();
        busy[owner].in_flight = 20;
        assert!(pick(&busy).is_some_and(|other| other != owner), "{strategy}: of 41 it may have 18");
    }
}

#[test]
fn calls_on_those_that_are_down_are_calls_too() {
    for strategy in BY_KEY {
        let mut all = fakes(3);
        all[1].health = HealthState::Offline;
        all[1].in_flight = 30;
        let mut load = Load::new(strategy, all, 1.25);
        for calls in 31..60 {
            let taken = load.begin(Some(3));
            assert!(load.fakes[taken].in_flight <= load.bounds(calls)[taken], "{strategy}");
        }
        let counts: Vec<_> = load.fakes.iter().map(|fake| fake.in_flight).collect();
        // Of 59 calls one of the two may have 37: no reason to leave the first.
        assert_eq!(counts.iter().filter(|count| **count == 0).count(), 1, "{strategy}: {counts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// That all are full cannot be: whoever is picked had room, whatever is in flight.
    #[test]
    fn whoever_is_picked_has_room(
        mut all in any_fakes(), key: u64, most in 1.001_f64..4.0, busy in prop::collection::vec(0_usize..200, 40),
    ) {
        all.iter_mut().zip(busy).for_each(|(fake, busy)| fake.in_flight = busy);
        let best = (0..all.len()).filter_map(|index| class(&all, index, &[], &[])).min();
        let is_best = |index: usize| class(&all, index, &[], &[]) == best;
        let weights = (0..all.len()).filter(|index| is_best(*index)).map(|index| f64::from(all[index].weight));
        let weight: f64 = weights.sum();
        let calls: usize = all.iter().map(|fake| fake.in_flight).sum();
        for strategy in BY_KEY {
            let load = Load::new(strategy, all.clone(), most);
            let taken = load.pick(Some(key));
            let bound = most * f64::from(all[taken].weight) / weight * (calls + 1) as f64;
            prop_assert!(is_best(taken) && all[taken].in_flight < (bound + 1e-9).ceil() as usize, "{}", strategy);
        }
    }
}
