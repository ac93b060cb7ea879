//! What holds for any requests, on any instances, at any moments.

use proptest::prelude::*;

use super::{INTERVAL, NOW, Server, limit, try_one};
use crate::{
    gcra::Limit,
    shared::{
        key_state::{KeyState, Known, share_of},
        script::Question,
    },
};

proptest! {
    /// However requests fall on instances, no window lets through more than one bucket would and what may lie in reserve.
    #[test]
    fn instances_with_reserves_are_early_by_their_reserves_at_most(
        burst in 1u64..30, batch in 1u32..12, replicas in 1usize..4,
        steps in prop::collection::vec((0usize..3, 0u64..4_000), 1..300),
    ) {
        let limit = limit(burst);
        let mut server = Server::default();
        let mut states: Vec<KeyState> = (0..replicas).map(|_| KeyState::default()).collect();
        let (mut now, mut admitted) = (NOW, Vec::new());
        for (who, step) in steps {
            now += step;
            if try_one(&mut states[who % replicas], &mut server, limit, batch, now) {
                admitted.push(now);
            }
        }
        let reserve = u64::try_from(replicas).expect("small") * u64::from(batch - 1);
        for (first, from) in admitted.iter().enumerate() {
            for (count, to) in (1u64..).zip(&admitted[first..]) {
                prop_assert!(count * INTERVAL <= (burst + reserve) * INTERVAL + (to - from));
            }
        }
    }

    /// Nobody gets more where limits differ, and an instance refuses by itself only what Redis would refuse, unless a faster one has
    /// asked since.
    #[test]
    fn instances_of_different_limits_get_no_more_than_the_largest_burst_and_are_refused_for_no_longer_than_redis_says(
        limits in prop::collection::vec((1u64..60, 1u64..30), 2..4),
        steps in prop::collection::vec((0usize..3, 0u64..9_000), 1..300),
    ) {
        let limits: Vec<_> = limits.iter().map(|&(times, burst)| {
            let interval = times * INTERVAL / 10;
            Limit { interval, tolerance: interval * burst, window: 1 }
        }).collect();
        let mut server = Server::default();
        let mut states: Vec<(KeyState, bool)> = limits.iter().map(|_| (KeyState::default(), false)).collect();
        let (mut now, mut admitted) = (NOW, Vec::new());
        for (who, step) in steps {
            now += step;
            let (who, limit) = (who % limits.len(), limits[who % limits.len()]);
            let (state, is_outdated) = &mut states[who];
            if let Known::Refused { wait, .. } = state.known(limit, 1, now) {
                let mut then = Server(server.0);
                let question = Question { tokens: 1, most: 1, shift: 0 };
                let refused = then.decide(question, limit, now + wait - 1).taken == 0;
                prop_assert!(refused || *is_outdated, "{limit:?} after {wait}");
                continue;
            }
            if try_one(state, &mut server, limit, 1, now) {
                admitted.push(now);
            }
            *is_outdated = false;
            for ((_, is_outdated), other) in states.iter_mut().zip(&limits) {
                *is_outdated |= limit.interval < other.interval;
            }
        }
        let interval = limits.iter().map(|limit| limit.interval).min().expect("some");
        let burst = limits.iter().map(|limit| limit.burst()).max().expect("some");
        for (first, from) in admitted.iter().enumerate() {
            for (count, to) in (1u64..).zip(&admitted[first..]) {
                prop_assert!(count * interval <= burst * interval + (to - from));
            }
        }
    }

    /// While Redis is away, all instances together let through what one bucket would that stands where Redis stood.
    #[test]
    fn the_shares_together_are_the_limit(
        burst in 1u64..30, replicas in 1u32..5, before in 0u32..40,
        steps in prop::collection::vec((0usize..5, 0u64..4_000), 1..300),
    ) {
        let limit = limit(burst);
        let mut server = Server::default();
        let mut states: Vec<KeyState> = (0..replicas).map(|_| KeyState::default()).collect();
        let mut now = NOW;
        for turn in 0..before {
            try_one(&mut states[turn as usize % replicas as usize], &mut server, limit, 1, now);
        }
        let (start, mut count) = (now, 0);
        for (who, step) in steps {
            now += step;
            let state = &mut states[who % replicas as usize];
            count += u64::from(state.take_share(share_of(limit, replicas), 1, now).is_ok());
        }
        // A share below one token lets one through when it is full.
        prop_assert!(count * INTERVAL <= burst.max(replicas.into()) * INTERVAL + (now - start));
    }
}
