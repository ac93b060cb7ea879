use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{RateLimitConfig, places::PLACES};

const SECOND: u64 = 1_000_000_000;

fn terms(rate: f64, burst: u32) -> Terms {
    let config = RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(burst);
    Terms::common(config.build().expect("valid"))
}

fn passes(table: &Table<u64>, key: u64, tokens: u64, now: u64) -> bool {
    matches!(table.take(&key, None, tokens, now).0, Decision::Admit(_))
}

#[test]
fn the_cap_is_reached_and_held() {
    for cap in [1, 7, 100, 5_000, 70_000] {
        let table = Table::new(cap, terms(0.001, 20));
        for key in 0..3 * cap as u64 {
            table.take(&key, None, 1, SECOND);
        }
        assert!(table.len() <= cap && table.len() * 100 >= cap * 95, "{} of {cap}", table.len());
    }
}

#[test]
fn only_a_key_whose_bucket_is_full_again_is_forgotten() {
    let table = Table::new(100, terms(1.0, 2));
    for key in 0..100 {
        assert!(passes(&table, key, 1 + key % 2, SECOND), "a full bucket of two");
    }
    for key in 1_000..10_000 {
        table.take(&key, None, 1, SECOND + SECOND / 2);
    }
    for key in 0..100 {
        let found = table.get(&key, None, SECOND);
        assert!(found.is_known, "{key} owes something");
        assert_eq!(found.account.owed(SECOND), 1 + key % 2);
    }
    // After a second those that took one owe nothing, and those that took two still do.
    for key in 20_000..21_000 {
        table.take(&key, None, 1, 2 * SECOND + 1);
    }
    for key in 0..100 {
        assert_eq!(table.get(&key, None, 0).is_known, key % 2 == 1, "{key}");
    }
    assert_eq!(table.len(), 100);
}

#[test]
fn the_table_grows_with_those_who_owe_and_not_with_those_who_came() {
    let table = Table::new(100_000, terms(1.0, 1));
    let mut now = SECOND;
    for key in 0..50_000_u64 {
        // Ten keys a second.
        now += SECOND / 10;
        table.take(&key, None, 1, now);
    }
    assert!(table.len() < 1_000, "{}", table.len());
}

#[test]
fn who_finds_no_place_shares_a_bucket_at_a_keys_own_rate_and_is_counted() {
    let table = Table::new(1, terms(1.0, 1));
    assert!(passes(&table, 0, 1, SECOND));
    let admitted = (1..=50_000).filter(|key| passes(&table, *key, 1, SECOND)).count();
    assert_eq!(admitted, PLACES, "one token each");
    assert_eq!(table.overflowed(), 50_000);
    let later = SECOND + SECOND / 2;
    assert!((1..=50_000).all(|key| !passes(&table, key, 1, later)), "half a token has come back");
}

#[test]
fn who_finds_no_place_is_neither_slowed_down_by_keys_of_other_terms_nor_waits_for_them() {
    let table = Table::new(1, terms(1.0, 5));
    assert!(passes(&table, 0, 5, SECOND));
    let config = RateLimitConfig::builder().with_requests_per_second(100.0).with_burst_size(200);
    let paid = Some(Terms::own(config.build().expect("valid")));
    let paid_passes = |tokens, now| matches!(table.take(&1, paid, tokens, now).0, Decision::Admit(_));
    assert!(paid_passes(200, SECOND));
    let admitted = (2..=20_000).filter(|key| passes(&table, *key, 5, SECOND)).count();
    assert_eq!(admitted, PLACES, "one burst of a key in each: nobody owes what the paid one does");
    assert!(paid_passes(50, SECOND + SECOND / 2), "it refills at its own rate, whoever asks meanwhile");
    assert!(!paid_passes(1, SECOND + SECOND / 2));
}

#[test]
fn a_key_with_terms_of_its_own_keeps_what_it_owes_when_they_change() {
    let table = Table::new(10, terms(1.0, 10));
    let own = |rate: f64, burst: u32| {
        let config = RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(burst);
        Some(Terms::own(config.build().expect("valid")))
    };
    assert!(matches!(table.take(&7, own(100.0, 50), 40, SECOND).0, Decision::Admit(_)));
    for (rate, burst) in [(2.0, 50), (1_000.0, 50), (100.0, 50), (1.0 / 3.0, 50)] {
        assert_eq!(table.get(&7, own(rate, burst), SECOND).account.owed(SECOND), 40, "at {rate}");
        assert!(matches!(table.take(&7, own(rate, burst), 11, SECOND).0, Decision::Wait(_)), "at {rate}");
    }
    assert_eq!(table.get(&7, None, SECOND).account.owed(SECOND), 40, "at the rate of all keys");
}

#[test]
fn a_change_for_all_keys_leaves_those_with_their_own_terms_alone_and_settles_the_others_at_once() {
    let (old, new) = (terms(10.0, 10), terms(1.0, 10));
    let table = Table::new(5_000, old);
    let own = Some(Terms::own(RateLimitConfig::default()));
    for key in 0..3_000_u64 {
        table.take(&key, if key % 2 == 0 { own } else { None }, 5, SECOND);
    }
    table.change(old, new, SECOND);
    let later = 3 * SECOND;
    for key in 0..3_000_u64 {
        let (own, owed) = if key % 2 == 0 { (own, 0) } else { (None, 3) };
        assert_eq!(table.get(&key, own, later).account.owed(later), owed, "{key}");
    }
}

#[test]
fn a_key_that_is_forgotten_begins_anew_and_the_others_stay() {
    let table = Table::new(3_000, terms(1.0, 1));
    (0..1_000).for_each(|key| assert!(passes(&table, key, 1, SECOND)));
    for key in (0..1_000).step_by(3) {
        assert_eq!(table.remove(&key), Some(key));
        assert_eq!(table.remove(&key), None);
    }
    for key in 0..1_000 {
        assert_eq!(passes(&table, key, 1, SECOND), key % 3 == 0, "{key}");
    }
}

#[test]
fn the_full_ones_are_given_back_and_the_others_stay() {
    let table = Table::new(5_000, terms(1.0, 2));
    (0..4_000).for_each(|key| assert!(passes(&table, key, 1 + key % 2, SECOND)));
    table.remove_full(2 * SECOND);
    assert_eq!(table.len(), 2_000);
    assert!((0..4_000).all(|key| table.get(&key, None, 0).is_known == (key % 2 == 1)));
    table.remove_full(3 * SECOND);
    assert_eq!(table.len(), 0);
    assert!((0..4_000).all(|key| passes(&table, key, 2, 3 * SECOND)), "it can be used again");
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Take(u64, u64),
    Remove(u64),
    RemoveFull,
    Change(u32, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..3_000).prop_map(Step::Advance),
        12 => (0u64..60, 1u64..6).prop_map(|(key, tokens)| Step::Take(key, tokens)),
        1 => (0u64..60).prop_map(Step::Remove),
        1 => Just(Step::RemoveFull),
        1 => (1u32..20, 1u32..8).prop_map(|(rate, burst)| Step::Change(rate, burst)),
    ];
    prop::collection::vec(step, 1..300)
}

/// An exact bucket: tokens in units of a billionth.
struct Exact {
    level: i128,
    seen: u64,
}

const UNIT: i128 = SECOND as i128;

proptest! {
    /// Against buckets that are never forgotten. Rates divide a second, so that the model is exact.
    #[test]
    fn each_key_is_decided_as_by_an_exact_bucket_of_its_own_while_there_are_places(
        cap in 60usize..100, steps in steps(),
    ) {
        let rates = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0, 20.0, 25.0, 40.0, 50.0];
        let (mut rate, mut burst) = (10.0, 4);
        let table = Table::new(cap, terms(rate, burst));
        let mut model: HashMap<u64, Exact> = HashMap::new();
        let mut now = SECOND;
        for step in steps {
            match step {
                Step::Advance(millis) => now += millis * 1_000_000,
                Step::Take(key, tokens) => {
                    let full = i128::from(burst) * UNIT;
                    let exact = model.entry(key).or_insert(Exact { level: full, seen: now });
                    exact.level = full.min(exact.level + i128::from(now - exact.seen) * rate as i128);
                    exact.seen = now;
                    let fits = i128::from(tokens) * UNIT <= exact.level;
                    exact.level -= if fits { i128::from(tokens) * UNIT } else { 0 };
                    prop_assert_eq!(passes(&table, key, tokens, now), fits, "{} tokens of {}", tokens, key);
                }
                Step::Remove(key) => {
                    model.remove(&key);
                    table.remove(&key);
                }
                Step::RemoveFull => table.remove_full(now),
                Step::Change(pick, to_burst) => {
                    let (old_full, old) = (i128::from(burst) * UNIT, terms(rate, burst));
                    let old_rate = rate as i128;
                    (rate, burst) = (rates[pick as usize % rates.len()], to_burst);
                    table.change(old, terms(rate, burst), now);
                    for exact in model.values_mut() {
                        let level = old_full.min(exact.level + i128::from(now - exact.seen) * old_rate);
                        // What is owed stays the same number of tokens.
                        *exact = Exact { level: i128::from(burst) * UNIT - (old_full - level), seen: now };
                    }
                }
            }
            prop_assert!(table.len() <= cap);
        }
        prop_assert_eq!(table.overflowed(), 0);
    }

    /// With fewer places than keys: nobody has more than twice his share, and whoever is known not more than his share.
    #[test]
    fn under_a_small_cap_nobody_has_more_than_twice_his_share(cap in 1usize..20, steps in steps()) {
        let (interval, burst) = (SECOND / 10, 4);
        let table = Table::new(cap, terms(10.0, burst));
        let mut taken: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        let mut now = SECOND;
        for step in steps {
            match step {
                Step::Advance(millis) => now += millis * 100_000,
                Step::Take(key, tokens) => {
                    let before = table.overflowed();
                    if passes(&table, key, tokens, now) {
                        taken.entry(key).or_default().push((now, tokens));
                    }
                    prop_assert!(table.overflowed() == before || table.len() == cap, "sent away from a free place");
                }
                Step::Remove(_) | Step::RemoveFull | Step::Change(..) => {}
            }
            prop_assert!(table.len() <= cap);
        }
        for (key, taken) in taken {
            for (first, &(from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for &(to, tokens) in &taken[first..] {
                    sum += tokens;
                    let share = u64::from(burst) * interval + (to - from);
                    prop_assert!(sum * interval <= 2 * share, "{sum} tokens of {key}");
                }
            }
        }
    }
}
