//! Units of time, and a limit as so many requests in one of them.

use std::time::Duration;

use super::proto::rate_limit_response::{RateLimit, rate_limit::Unit};
use crate::RateLimitConfig;

/// The unit of time of a limit, as Envoy has them: a month is 30 days, a year 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnvoyUnit {
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
}

const DAY: u32 = 24 * 60 * 60;

impl EnvoyUnit {
    const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Year];

    /// How long it is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds() as u64)
    }

    const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => DAY,
            Self::Month => 30 * DAY,
            Self::Year => 365 * DAY,
        }
    }

    /// What it is on the wire, where an override has the same numbers as a limit.
    pub(super) const fn number(self) -> i32 {
        let unit = match self {
            Self::Second => Unit::Second,
            Self::Minute => Unit::Minute,
            Self::Hour => Unit::Hour,
            Self::Day => Unit::Day,
            Self::Month => Unit::Month,
            Self::Year => Unit::Year,
        };
        unit as i32
    }

    pub(super) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.number() == number)
    }

    /// So many requests in this unit, at once or spread over it. `None` for none at all, and for more than a bucket can
    /// do.
    pub(super) fn limit(self, requests: u32) -> Option<RateLimitConfig> {
        let rate = f64::from(requests) / f64::from(self.seconds());
        let builder = RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(requests);
        builder.with_time_window(self.duration()).build().ok()
    }
}

/// A limit as so many requests in the shortest unit that this is a whole number of. Where there is none, in the
/// longest, rounded down.
pub(super) fn stated(config: RateLimitConfig, name: &str) -> RateLimit {
    let in_unit = |unit: EnvoyUnit| {
        let exact = config.requests_per_second() * f64::from(unit.seconds());
        let near = exact.round();
        // What a rate such as a sixtieth loses in binary is not what it means.
        let is_whole = (exact - near).abs() <= near * 1e-9;
        let requests = whole(if is_whole { near } else { exact.floor() })?;
        (requests > 0).then_some((unit, requests, is_whole))
    };
    let mut found = None;
    for (unit, requests, is_whole) in EnvoyUnit::ALL.into_iter().filter_map(in_unit) {
        found = Some((unit, requests));
        if is_whole {
            break;
        }
    }
    let (unit, requests_per_unit) = found.map_or((0, 0), |(unit, requests)| (unit.number(), requests));
    RateLimit { requests_per_unit, unit, name: name.to_owned() }
}

/// A float that has no fraction, as a number of 32 bits.
fn whole(float: f64) -> Option<u32> {
    // The cast is exact between these bounds.
    (0.0..=f64::from(u32::MAX)).contains(&float).then_some(float as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated_of(rate: f64) -> (u32, Option<EnvoyUnit>) {
        let config = RateLimitConfig::builder().with_requests_per_second(rate).with_burst_size(1).build();
        let stated = stated(config.expect("valid"), "a");
        (stated.requests_per_unit, EnvoyUnit::from_number(stated.unit))
    }

    #[test]
    fn a_limit_is_stated_in_the_shortest_unit_that_is_exact() {
        assert_eq!(stated_of(50.0), (50, Some(EnvoyUnit::Second)));
        assert_eq!(stated_of(0.5), (30, Some(EnvoyUnit::Minute)));
        assert_eq!(stated_of(10.0 / 60.0), (10, Some(EnvoyUnit::Minute)));
        assert_eq!(stated_of(7.0 / 3_600.0), (7, Some(EnvoyUnit::Hour)));
        assert_eq!(stated_of(1e7), (10_000_000, Some(EnvoyUnit::Second)));
        assert_eq!(stated_of(1.0 / (365.0 * 86_400.0)), (1, Some(EnvoyUnit::Year)));
        // In no unit a whole number: of those that 32 bits hold the longest, rounded down.
        assert_eq!(stated_of(0.123_456_7), (3_893_330, Some(EnvoyUnit::Year)));
    }

    #[test]
    fn an_override_is_a_bucket_of_that_many_requests_unless_there_can_be_none() {
        let config = EnvoyUnit::Minute.limit(90).expect("a limit");
        assert_eq!((config.requests_per_second(), config.burst_size()), (1.5, 90));
        assert_eq!(config.time_window(), Duration::from_secs(60));
        assert_eq!(EnvoyUnit::Second.limit(0), None);
        assert_eq!(EnvoyUnit::Second.limit(u32::MAX), None);
        for unit in EnvoyUnit::ALL {
            assert!(unit.limit(1).is_some(), "{unit:?}");
            assert_eq!(EnvoyUnit::from_number(unit.number()), Some(unit));
        }
        assert_eq!((EnvoyUnit::from_number(0), EnvoyUnit::from_number(7)), (None, None));
    }
}
