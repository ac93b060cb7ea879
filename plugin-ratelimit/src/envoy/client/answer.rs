//! What a rate limit service's answer says of a request. Pure.

use std::time::Duration;

use plugin_core::{Code, Quota, Rejected};

use super::super::{
    proto::{self, RateLimitResponse, rate_limit_response},
    unit::EnvoyUnit,
};
use crate::config::YEAR;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    UnderLimit,
    OverLimit(Rejected),
    /// Neither: the service does not know, or speaks of something that is not known here.
    Nothing,
}

/// The overall code decides alone. What stands beside it says when to come back; an answer that has fewer statuses than
/// there were descriptors, or none, is as good.
pub(super) fn verdict(response: &RateLimitResponse) -> Verdict {
    match rate_limit_response::Code::try_from(response.overall_code) {
        Ok(rate_limit_response::Code::Ok) => Verdict::UnderLimit,
        Ok(rate_limit_response::Code::OverLimit) => Verdict::OverLimit(refusal(response)),
        Ok(rate_limit_response::Code::Unknown) | Err(_) => Verdict::Nothing,
    }
}

/// All descriptors that are over their limits have to be under them again, so the longest time counts.
fn refusal(response: &RateLimitResponse) -> Rejected {
    let is_over = |status: &&rate_limit_response::DescriptorStatus| {
        status.code == i32::from(rate_limit_response::Code::OverLimit)
    };
    let over = response.statuses.iter().filter(is_over);
    let longest = over.max_by_key(|status| status.duration_until_reset.and_then(|time| duration(&time)));
    let refusal = Rejected::new(Code::RateLimited);
    let Some(status) = longest else {
        return refusal;
    };
    let Some(wait) = status.duration_until_reset.and_then(|time| duration(&time)) else {
        return refusal;
    };
    let refusal = refusal.with_retry_after(wait);
    let quota = status.current_limit.as_ref().and_then(|limit| {
        let window = EnvoyUnit::from_number(limit.unit)?.duration();
        let remaining = status.limit_remaining.into();
        Some(Quota { limit: limit.requests_per_unit.into(), remaining, reset: wait, window })
    });
    quota.map_or(refusal, |quota| refusal.with_quota(quota))
}

/// A time that is not below zero. One that is longer than a year is a year, so that nothing is made of an absurd one.
fn duration(time: &proto::Duration) -> Option<Duration> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u32::try_from(time.nanos).ok()?;
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())).min(YEAR))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn read(bytes: &[u8]) -> Verdict {
        verdict(&RateLimitResponse::decode(bytes).expect("a message"))
    }

    fn refused(bytes: &[u8]) -> Rejected {
        match read(bytes) {
            Verdict::OverLimit(rejected) => rejected,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_read_from_these_bytes() {
        // RateLimitResponse: overall_code = 1, a number (wire type 0): the byte 8, and 1 is OK, 2 OVER_LIMIT.
        assert_eq!(read(&[8, 1]), Verdict::UnderLimit);
        assert_eq!(refused(&[8, 2]), Rejected::new(Code::RateLimited));
        // UNKNOWN is 0, which an empty message has; 3 is a code of the future.
        assert_eq!(read(&[]), Verdict::Nothing);
        assert_eq!(read(&[8, 3]), Verdict::Nothing);
        // statuses = 2, with a length (wire type 2): the byte 18. DescriptorStatus: code = 1 (8), current_limit = 2
        // (18), limit_remaining = 3 (24), duration_until_reset = 4 (34). RateLimit: requests_per_unit = 1 (8), unit = 2
        // (16), where a minute is 2. Duration: seconds = 1 (8), nanos = 2 (16).
        let under = [18, 6, 8, 1, 34, 2, 8, 90];
        let over = [18, 14, 8, 2, 18, 4, 8, 60, 16, 2, 24, 4, 34, 2, 8, 30];
        // dynamic_metadata = 6 (50) and quota = 7 (58) are skipped.
        let skipped = [50, 0, 58, 2, 8, 1];
        let rejected = refused(&[&[8, 2], &under[..], &over[..], &skipped[..]].concat());
        assert_eq!(rejected.code(), Code::RateLimited);
        assert_eq!(
            rejected.retry_after(),
            Some(Duration::from_secs(30)),
            "not that of the one that is under its limit"
        );
        let (reset, window) = (Duration::from_secs(30), Duration::from_secs(60));
        assert_eq!(rejected.quota(), Some(Quota { limit: 60, remaining: 4, reset, window }));
    }

    #[test]
    fn of_several_that_are_over_their_limits_the_longest_time_counts() {
        let over = |seconds: u8| [18, 6, 8, 2, 34, 2, 8, seconds];
        let rejected = refused(&[&[8, 2], &over(5)[..], &over(40)[..], &over(7)[..]].concat());
        assert_eq!(rejected.retry_after(), Some(Duration::from_secs(40)));
    }

    #[test]
    fn times_that_cannot_be_are_not_told() {
        let of = |seconds, nanos| duration(&proto::Duration { seconds, nanos });
        assert_eq!((of(-1, 0), of(1, -1)), (None, None));
        assert_eq!(of(i64::MAX, i32::MAX), Some(YEAR));
        assert_eq!(of(0, 1), Some(Duration::from_nanos(1)));
    }
}
