//! What an instance knows of one key: pure decisions, moments in nanoseconds, `now` as an argument.
//!
//! Three things stand here for each key. What Redis said last: until the moment that it named, at the pace of those who owe,
//! nobody's taking can make a request fit, so that a flood of requests that are refused costs Redis one question for each token, or
//! each second where a token takes longer. The reserve: tokens that were taken from Redis in one go and are not used yet. And the
//! bucket of this instance's share, while Redis is away.
//!
//! That bucket is the shared one with each token costing as many intervals as there are instances: its moment of being full
//! again is then the same number, so that it begins where Redis stood, and its debt is given to Redis afterwards, divided by
//! the instances.

use super::{
    script::{Answer, Question},
    standing::Standing,
};
use crate::gcra::{self, Limit};

/// How long tokens may lie in reserve, and what counts as the demand of lately: 100 ms.
pub(super) const PERIOD: u64 = 100_000_000;

/// How long a refusal of Redis holds here without asking again: 1 s. Nobody's taking makes a request fit before the moment that Redis
/// named, but a gateway of a faster limit that asks meanwhile does, and one that gives tokens back.
const BELIEVED: u64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct KeyState {
    /// Where the shared bucket stands, by its last answer: full early by at most the time of that answer's way. At the pace of
    /// `interval` where anything was taken of the share, which goes at that.
    seen: Standing,
    /// When that was.
    answered_at: u64,
    /// When the bucket of this instance's share is full again; zero where nothing was taken of it. What it owes stays in it while a
    /// question pays it, so that others who must take from it meanwhile find it as it is.
    share: u64,
    /// What the share was when a question was sent that is on its way and pays what it owes.
    paying: Option<u64>,
    reserve: Reserve,
    demand: Demand,
    /// The time of a token that the moments above are counted at, and the instances that those of the share are. Zero: nothing
    /// was counted yet.
    interval: u64,
    replicas: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reserve {
    tokens: u32,
    /// When they are too old to be used.
    until: u64,
    /// When the shared bucket was to be full again as they were taken.
    arrival: u64,
}

/// Tokens that were asked for on this instance, in this period and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    period: u64,
    now: u32,
    before: u32,
}

/// What becomes of a request without asking Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It has its tokens.
    Reserved,
    /// It does not fit for so many nanoseconds, whatever others take meanwhile.
    Refused { standing: Standing, wait: u64 },
    /// Redis must say.
    Unknown,
}

/// A question that is on its way, and what is to be kept if it does not arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) question: Question,
    /// Whether it pays what the share owes.
    pays: bool,
}

impl KeyState {
    /// What is known while Redis decides.
    pub(super) fn known(&mut self, limit: Limit, tokens: u32, now: u64) -> Known {
        self.demand.add(tokens, now);
        self.still_known(limit, tokens, now)
    }

    /// The same, of a request that was asked about before.
    pub(super) fn still_known(&mut self, limit: Limit, tokens: u32, now: u64) -> Known {
        if self.take_reserved(tokens, now) {
            return Known::Reserved;
        }
        self.count_at(limit.interval, now);
        // Tokens that lie in reserve have been taken, and may yet go back: Redis must be asked then.
        if self.reserve.tokens > 0 || self.share > 0 || now >= self.answered_at.saturating_add(BELIEVED) {
            return Known::Unknown;
        }
        let standing = self.seen;
        standing.wait(limit, tokens, now).map_or(Known::Unknown, |wait| Known::Refused { standing, wait })
    }

    /// What is owed stays as many tokens when each takes another time.
    fn count_at(&mut self, interval: u64, now: u64) {
        let from = std::mem::replace(&mut self.interval, interval);
        if from == interval {
            return;
        }
        // Under a slower limit what is owed in Redis goes as fast as before, until somebody takes under it.
        self.seen = if self.share > 0 { self.seen.at(interval, now) } else { self.seen.at_faster(interval, now) };
        for moment in [&mut self.share, &mut self.reserve.arrival].into_iter().chain(self.paying.iter_mut()) {
            *moment = gcra::rescale(*moment, now, from, interval);
        }
    }

    /// The same, also where a token of the share takes another time because there are more instances, or fewer.
    fn count_share_at(&mut self, share: Share, now: u64) {
        self.count_at(share.whole, now);
        let from = std::mem::replace(&mut self.replicas, share.replicas);
        if from == share.replicas {
            return;
        }
        // What lies behind this is the share's own.
        let base = self.seen.full_at.max(now);
        for moment in std::iter::once(&mut self.share).chain(self.paying.iter_mut()) {
            *moment = gcra::rescale(*moment, base, from.into(), share.replicas.into());
        }
    }

    fn take_reserved(&mut self, tokens: u32, now: u64) -> bool {
        let fits = now < self.reserve.until && tokens <= self.reserve.tokens;
        if fits {
            self.reserve.tokens -= tokens;
        }
        fits
    }

    /// What to ask Redis for: these tokens, up to `batch` if there was as much demand lately or `waiting` are waited for, with
    /// what is to be given back or paid.
    pub(super) fn ask(
        &mut self,
        limit: Limit,
        replicas: u32,
        tokens: u32,
        waiting: u32,
        batch: u32,
        now: u64,
    ) -> Asked {
        self.count_share_at(share_of(limit, replicas), now);
        let mut shift = 0_i64;
        if self.reserve.tokens > 0 && now >= self.reserve.until {
            let reserve = std::mem::take(&mut self.reserve);
            let cost = limit.interval.saturating_mul(reserve.tokens.into());
            // What would have been refilled since is not given back.
            shift = -signed(cost.min(reserve.arrival.saturating_sub(now)));
        }
        let pays = self.share > 0 && self.paying.is_none();
        let mut owed = 0;
        if pays {
            self.paying = Some(self.share);
            owed = self.share.saturating_sub(self.seen.full_at.max(now)) / u64::from(replicas.max(1));
        }
        let most = tokens.max(self.demand.recent(now).max(waiting).min(batch));
        let question = Question { tokens, most, shift: shift.saturating_add(signed(owed)) };
        Asked { question, pays }
    }

    /// Redis has answered a question that was sent at this moment. Says whether the request has its tokens.
    pub(super) fn answered(&mut self, asked: &Asked, answer: Answer, sent: u64, now: u64) -> bool {
        // The settings may have become faster meanwhile.
        self.answered_at = now;
        self.seen = answer.standing(sent).at_faster(self.interval, now);
        let full_at = self.seen.at(self.interval, now).full_at;
        if asked.pays {
            // What was taken meanwhile is still to be paid.
            let more = self.share.saturating_sub(self.paying.take().unwrap_or(self.share));
            self.share = if more > 0 { full_at.max(now).saturating_add(more) } else { 0 };
        }
        if self.share > 0 {
            self.seen = self.seen.at(self.interval, now);
        }
        let Some(left) = answer.taken.checked_sub(asked.question.tokens) else { return false };
        if left > 0 {
            self.reserve.tokens = self.reserve.tokens.saturating_add(left);
            self.reserve.until = now.saturating_add(PERIOD);
            self.reserve.arrival = full_at;
        }
        asked.question.tokens > 0
    }

    /// Redis has not answered. What was to be paid is still owed.
    pub(super) fn unanswered(&mut self, asked: &Asked) {
        if asked.pays {
            self.paying = None;
        }
    }

    /// Takes tokens from this instance's share, or says after how many nanoseconds they are there.
    ///
    /// A request that is larger than the share passes when the share is full: it is never refused for good.
    pub(super) fn take_share(&mut self, share: Share, tokens: u32, now: u64) -> Result<(), (u64, u64)> {
        if self.take_reserved(tokens, now) {
            return Ok(());
        }
        let base = self.share_is_full_at(share, now).max(now);
        let cost = share.limit.interval.saturating_mul(tokens.into());
        let next = base.saturating_add(cost);
        let latest = now.saturating_add(share.limit.tolerance.max(cost));
        if next > latest {
            // Where nothing was taken of the share, what others owe goes at their pace.
            let pace = if self.seen.pace == 0 || self.share >= base { share.whole } else { self.seen.pace };
            return Err((base, gcra::rescale(next - latest, 0, share.whole, pace)));
        }
        self.seen = self.seen.at(share.whole, now);
        self.share = next;
        Ok(())
    }

    /// When the bucket of this instance's share is full again. Whatever Redis has said last, it is no more than empty by that.
    pub(super) fn share_is_full_at(&mut self, share: Share, now: u64) -> u64 {
        self.count_share_at(share, now);
        let (seen, empty) = (self.seen.at(share.whole, now), now.saturating_add(share.limit.tolerance));
        if seen.full_at > empty {
            // From now on, so that it fills.
            self.seen = Standing { full_at: empty, ..seen };
        }
        self.share.max(seen.full_at.min(empty))
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.share <= now && (self.reserve.tokens == 0 || self.reserve.until <= now)
    }
}

/// What one instance lets through by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// As long to fill as the whole, with tokens that take longer.
    pub(super) limit: Limit,
    /// The time of a token of the whole.
    whole: u64,
    replicas: u32,
}

/// The share of one of `replicas` instances.
pub(super) fn share_of(limit: Limit, replicas: u32) -> Share {
    let replicas = replicas.max(1);
    let interval = limit.interval.saturating_mul(replicas.into());
    Share { limit: Limit { interval, ..limit }, whole: limit.interval, replicas }
}

impl Demand {
    fn add(&mut self, tokens: u32, now: u64) {
        self.turn(now);
        self.now = self.now.saturating_add(tokens);
    }

    fn recent(&mut self, now: u64) -> u32 {
        self.turn(now);
        self.now.max(self.before)
    }

    fn turn(&mut self, now: u64) {
        let period = now / PERIOD;
        if period != self.period {
            self.before = if period == self.period + 1 { self.now } else { 0 };
            self.now = 0;
            self.period = period;
        }
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "key_state_tests.rs"]
mod tests;
