//! The decision after an attempt: another one, and when, or not, and why.

use std::time::Duration;

use plugin_core::{
    Code, Judgement, Sent,
    classify::{Again, Condition, PushBack},
    clock::Instant,
};

use crate::RetryConfig;

/// Why a failure went to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// Another attempt would meet the same failure.
    Final,
    /// The request cannot be made again: its body was too large, or nothing was kept of it.
    NotKept,
    /// All attempts were used.
    Attempts,
    /// The request may have been sent, and may not be repeated; or it may not, and so was not kept.
    NotIdempotent,
    /// The service said not to come back.
    PushedBack,
    /// The next attempt would begin at the deadline, or after it.
    Deadline,
    /// The budget was spent, or the throttle closed.
    Budget,
}

impl GaveUp {
    pub(crate) const ALL: [Self; 7] = [
        Self::Final,
        Self::NotKept,
        Self::Attempts,
        Self::NotIdempotent,
        Self::PushedBack,
        Self::Deadline,
        Self::Budget,
    ];
    pub(crate) const COUNT: usize = Self::ALL.len();

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// What is known of a call after an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Repetitions so far.
    pub(crate) retries: u16,
    /// The caller's own cap.
    pub(crate) cap: Option<u16>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) last_wait: Duration,
    pub(crate) now: Instant,
    /// From 0.0 up to 1.0, drawn anew.
    pub(crate) random: f64,
}

/// Whether another attempt may help, by the judgement and the list `on`.
pub(crate) fn is_retryable(config: &RetryConfig, judged: &Judgement) -> bool {
    match judged.again() {
        Again::Never => false,
        Again::Yes if config.on.is_empty() => true,
        _ => Condition::any_matches(&config.on, judged.cause()),
    }
}

/// The wait before the next attempt of a call whose last one failed in a way that is worth one.
pub(crate) fn next(config: &RetryConfig, judged: &Judgement, at: &Situation) -> Result<Duration, GaveUp> {
    if at.retries >= at.cap.unwrap_or(u16::MAX).min(config.max_retries) {
        return Err(GaveUp::Attempts);
    }
    if judged.sent() != Sent::Nothing && !at.idempotent.unwrap_or(config.idempotent) {
        return Err(GaveUp::NotIdempotent);
    }
    let asked = match judged.push_back() {
        Some(PushBack::Never) => return Err(GaveUp::PushedBack),
        Some(PushBack::After(after)) => after.min(config.max_retry_after),
        None => Duration::ZERO,
    };
    // A service that says "at once" is not retried faster than one that says nothing: all attempts would fall into one
    // restart.
    let wait = config.wait_policy.wait(at.retries, at.last_wait, at.random).max(asked);
    // An attempt that begins at the deadline has no time left.
    let left = at.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_since(at.now)).saturating_sub(wait);
    if left.is_zero() {
        return Err(GaveUp::Deadline);
    }
    // All who were told the same moment would come at it together.
    let spread =
        if wait == asked && !asked.is_zero() { config.wait_policy.spread(asked, at.random) } else { Duration::ZERO };
    Ok(wait.saturating_add(spread.min(left / 2)))
}

/// Whether a failure costs a token of the throttle: it is one of the service, and no mere word of a layer before it.
pub(crate) fn is_of_the_service(judged: &Judgement) -> bool {
    !(judged.is_mere_refusal() && judged.sent() == Sent::Nothing)
}

/// Whether a breaker beneath refused this attempt and nothing was sent: the next one multiplies nothing.
pub(crate) fn is_kept_by_a_circuit(judged: &Judgement) -> bool {
    let of_a_circuit = matches!(judged.refusal(), Some(Code::CircuitOpen | Code::CircuitProbeTimeout));
    of_a_circuit && judged.sent() == Sent::Nothing
}
