use super::*;
use crate::RateLimitConfig;

/// A shard whose places are all in debt, but for this one.
fn with_full_at(full: usize) -> Shard<u64> {
    let terms = Terms::common(RateLimitConfig::default());
    let mut shard = Shard::new(100, terms);
    for key in 0..100_u32 {
        shard.take(key << 16, &u64::from(key), None, 5, 1_000);
    }
    shard.entries[full].arrival = 0;
    shard
}

#[test]
fn the_hand_waits_for_the_oldest_and_looks_at_a_few_places_only() {
    let mut shard = with_full_at(70);
    (shard.hand, shard.scout) = (70 - LOOKS, 0);
    assert_eq!((shard.next_full(LOOKS, 1_000), shard.hand), (None, 70 - LOOKS));
    shard.hand += 1;
    assert_eq!((shard.next_full(LOOKS, 1_000), shard.hand), (Some(70), 71));
    shard.entries[70].arrival = u64::MAX;
    shard.entries[3].arrival = 0;
    shard.hand = 98;
    assert_eq!((shard.next_full(LOOKS, 1_000), shard.hand), (Some(3), 4), "it goes round");
}

#[test]
fn keys_that_owe_much_do_not_hold_up_the_search() {
    let mut shard = with_full_at(70);
    (shard.hand, shard.scout) = (0, 0);
    let searches = (1..).find(|_| shard.next_full(LOOKS, 1_000).is_some()).expect("in the end");
    assert_eq!(searches, 70 / LOOKS + 1, "each looks at as many others, one after the other");
    assert_eq!(shard.hand, LOOKS, "and the hand leaves its own alone");
}

#[test]
fn a_key_that_a_change_of_settings_has_not_come_to_yet_is_not_forgotten_at_its_old_pace() {
    let slow = RateLimitConfig::builder().with_requests_per_second(1.0).build().expect("valid");
    let (old, new) = (Terms::common(RateLimitConfig::default()), Terms::common(slow));
    let mut shard = Shard::new(1, old);
    shard.take(1, &1_u64, None, 5, 1_000);
    shard.begin_change(new, 1_000);
    // Five tokens come back in half a second at the old pace, and in five at the new one.
    let second = 1_000_000_000;
    assert!(matches!(shard.take(2, &2, None, 1, 4 * second), Outcome::NoPlace { .. }));
    assert_eq!(shard.debtors(4 * second).count(), 1);
    assert!(matches!(shard.take(2, &2, None, 1, 6 * second), Outcome::Decided { forgotten: Some(1), .. }));
}

#[test]
fn places_are_taken_in_the_order_in_which_they_were_given() {
    let terms = Terms::common(RateLimitConfig::default());
    let mut shard = Shard::new(50, terms);
    // The bucket of each is full again after 100 ms, and one comes each two: there is always a place.
    for key in 0..1_000_u32 {
        let now = 1_000 + u64::from(key) * 2_000_000;
        let outcome = shard.take(key.wrapping_mul(0x9e37_79b9), &u64::from(key), None, 1, now);
        let Outcome::Decided { forgotten, .. } = outcome else { panic!("no place for {key}") };
        assert_eq!(forgotten.is_some(), key >= 50);
    }
}
