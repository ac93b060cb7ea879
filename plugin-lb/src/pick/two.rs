//! The better of two instances, which is what strategies of two choices have in common.
//!
//! After M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001): the better of two random ones
//! is nearly as good as the best of all. It takes the same time however many there are, and callers that know the same
//! do not all run to the same instance.

use super::{
    numbers::{mix, scale},
    pool::{Pool, View, turn_to_index},
    weighted_random::Alias,
};

/// The instance whose turn it is, or a random other one that costs less.
///
/// Were both random, an instance might be looked at late by bad luck. By its turn each is looked at once in a round,
/// and one that was never measured is measured in that.
pub(super) fn by_turn<V: View, K: PartialOrd>(
    pool: &Pool<'_, V>,
    turn: u64,
    ticket: u64,
    cost: impl Fn(&V) -> K,
) -> Option<usize> {
    let len = pool.len();
    let one = turn_to_index(turn, len);
    let other = other_than(one, ticket, len);
    if pool.is_first(one) && pool.is_first(other) {
        return Some(better(pool, one, other, cost));
    }
    let best = pool.best()?;
    let one = best.this_or_nth(one, turn / len as u64)?;
    Some(best.other_than(one, ticket).map_or(one, |other| better(pool, one, other, cost)))
}

/// The better of two random instances, each with chances in proportion to its weight.
///
/// As if every unit of weight were an instance of its own. Were all as likely to be looked at, a heavy one among many
/// light ones could not have its share.
pub(super) fn by_weight<V: View, K: PartialOrd>(
    alias: &Alias,
    pool: &Pool<'_, V>,
    ticket: u64,
    cost: impl Fn(&V) -> K,
) -> Option<usize> {
    let (one, again) = (alias.draw(ticket), mix(ticket));
    let other = match alias.draw(again) {
        same if same == one => other_than(one, mix(again), pool.len()),
        other => other,
    };
    if pool.is_first(one) && pool.is_first(other) {
        return Some(better(pool, one, other, cost));
    }
    let best = pool.best()?;
    let one = best.this_or_weighted(one, again)?;
    let other = if other != one && best.contains(other) { Some(other) } else { best.other_than(one, mix(again)) };
    Some(other.map_or(one, |other| better(pool, one, other, cost)))
}

/// The first of equals.
#[inline]
fn better<V: View, K: PartialOrd>(pool: &Pool<'_, V>, one: usize, other: usize, cost: impl Fn(&V) -> K) -> usize {
    if cost(pool.view(other)) < cost(pool.view(one)) { other } else { one }
}

/// Any other of `len`, with equal chances; of one, that one.
#[inline]
fn other_than(one: usize, random: u64, len: usize) -> usize {
    let other = one + 1 + scale(random, len - 1).0;
    if other < len { other } else { other - len }
}
