//! In which order addresses are tried.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use plugin_core::clock::Instant;

/// For how long an address that failed stands at the end of the line.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Addresses that are remembered.
const MAX: usize = 64;

/// The addresses that failed, the longest ago first.
#[derive(Debug, Default)]
pub(super) struct Memory(VecDeque<(SocketAddr, Instant)>);

impl Memory {
    pub(super) fn failed(&mut self, address: SocketAddr, now: Instant) {
        self.answered(address);
        if self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back((address, now));
    }

    pub(super) fn answered(&mut self, address: SocketAddr) {
        self.0.retain(|(known, _)| *known != address);
    }

    /// The addresses in turn: first those that are not known to fail, the families interleaved (RFC 8305, section 4);
    /// then the others, the longest ago first, for that one is the likeliest to be back.
    pub(super) fn order(&mut self, addresses: Vec<SocketAddr>, now: Instant) -> VecDeque<SocketAddr> {
        while self.0.front().is_some_and(|(_, when)| now.saturating_since(*when) >= FORGET_AFTER) {
            self.0.pop_front();
        }
        let mut order = interleaved(addresses);
        for (failed, _) in &self.0 {
            if let Some(place) = order.iter().position(|address| address == failed) {
                order.remove(place);
                order.push_back(*failed);
            }
        }
        order
    }
}

/// Every address once; the family of the first one leads.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let (mut leading, mut other) = (VecDeque::new(), VecDeque::new());
    let first = addresses.first().map(SocketAddr::is_ipv6);
    for address in addresses {
        let family = if Some(address.is_ipv6()) == first { &mut leading } else { &mut other };
        if !family.contains(&address) {
            family.push_back(address);
        }
    }
    let mut order = VecDeque::with_capacity(leading.len() + other.len());
    while !leading.is_empty() || !other.is_empty() {
        order.extend(leading.pop_front());
        order.extend(other.pop_front());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &str) -> Vec<SocketAddr> {
        texts.split_whitespace().map(|text| SocketAddr::new(text.parse().expect("an address"), 80)).collect()
    }

    fn ordered(memory: &mut Memory, texts: &str, seconds: u64) -> String {
        let order = memory.order(addresses(texts), at(seconds));
        order.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn families_take_turns_and_the_first_one_leads() {
        let mut memory = Memory::default();
        assert_eq!(ordered(&mut memory, "::1 ::2 ::3 1.1.1.1 ::1 1.1.1.2", 0), "::1 1.1.1.1 ::2 1.1.1.2 ::3");
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.2 ::1", 0), "1.1.1.1 ::1 1.1.1.2");
        assert_eq!(ordered(&mut memory, "", 0), "");
    }

    #[test]
    fn what_failed_is_tried_last_until_it_answers_or_a_minute_has_passed() {
        let mut memory = Memory::default();
        let all = addresses("1.1.1.1 1.1.1.2 1.1.1.3");
        memory.failed(all[1], at(5));
        memory.failed(all[1], at(5));
        memory.failed(all[0], at(10));
        assert_eq!(memory.0.len(), 2, "each is remembered once");
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.2 1.1.1.3", 11), "1.1.1.3 1.1.1.2 1.1.1.1");
        memory.answered(all[1]);
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.2 1.1.1.3", 11), "1.1.1.2 1.1.1.3 1.1.1.1", "it answered");
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.2 1.1.1.3", 69), "1.1.1.2 1.1.1.3 1.1.1.1");
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.2 1.1.1.3", 70), "1.1.1.1 1.1.1.2 1.1.1.3");
    }

    #[test]
    fn no_more_than_64_addresses_are_remembered() {
        let mut memory = Memory::default();
        for n in 0..=u8::try_from(MAX).expect("small") {
            memory.failed(SocketAddr::new([1, 1, 1, n].into(), 80), at(1));
        }
        assert_eq!(memory.0.len(), MAX);
        assert_eq!(ordered(&mut memory, "1.1.1.1 1.1.1.0", 2), "1.1.1.0 1.1.1.1", "the oldest was forgotten");
        assert_eq!(ordered(&mut memory, "1.1.1.63 1.1.1.0", 2), "1.1.1.0 1.1.1.63", "and no later one");
    }
}
