//! Why a layer did not pass a request on.

mod message;

use std::{error::Error, time::Duration};

use crate::{Code, CodeKind, Sent, classify::Amendment};

/// A refusal: a layer of this family did not pass the request on, or stopped waiting for it.
///
/// It is small and `Copy`. [`Reject`](crate::Reject) turns it into what the stack answers with: an error, an HTTP
/// response or a gRPC status. An outer layer of the family does not count it as a failure of the service, unless it
/// [is evidence](Self::is_evidence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    code: Code,
    retry_after: Option<Duration>,
    sent: Sent,
    detail: Detail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    None,
    Deadline { limit: Duration, stage: Option<&'static str>, of: Whose, hurried: bool },
    Attempt { limit: Duration, stage: Option<&'static str>, of: Whose },
    ProbesRunning,
    TooShort,
    Quota(Quota),
    Cost { cost: u64, burst: u64 },
    WithoutKey,
    OfKey,
}

/// Whose time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The service had its time: this is evidence against it.
    Service,
    /// The caller gave less than that.
    Caller,
    /// The request was held back on this side, or this process did not run.
    Host,
}

/// The state of a rate limit, for the `RateLimit` response headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests that the limit allows in one `window`.
    pub limit: u64,
    /// Requests that are left now.
    pub remaining: u64,
    /// Time until the whole limit is available again.
    pub reset: Duration,
    /// The period that `limit` counts over.
    pub window: Duration,
}

impl Rejected {
    /// A refusal with this code and nothing else. Nothing was sent, except that a call whose time was up may be under way.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        let sent = if matches!(code, Code::Timeout) { Sent::Maybe } else { Sent::Nothing };
        Self { code, retry_after: None, sent, detail: Detail::None }
    }

    const fn with_detail(code: Code, detail: Detail) -> Self {
        let mut rejected = Self::new(code);
        rejected.detail = detail;
        rejected
    }

    /// A circuit is open for this much longer.
    #[must_use]
    pub const fn circuit_open(retry_after: Option<Duration>) -> Self {
        let mut rejected = Self::new(Code::CircuitOpen);
        rejected.retry_after = retry_after;
        rejected
    }

    /// A circuit is half-open, and all its probes are running. One of them may have ended after this time, so that another
    /// attempt may help.
    #[must_use]
    pub const fn probes_running(retry_after: Duration) -> Self {
        Self::with_detail(Code::CircuitOpen, Detail::ProbesRunning).with_retry_after(retry_after)
    }

    /// A circuit is half-open, and probes were given up that had as much time as this call has left: it would tell nothing of
    /// the service. A call with more time may pass at once, one with as little after this time.
    #[must_use]
    pub const fn too_short_for_a_probe(retry_after: Duration) -> Self {
        Self::with_detail(Code::CircuitOpen, Detail::TooShort).with_retry_after(retry_after)
    }

    /// A rate limit is used up; the next request fits after this time.
    #[must_use]
    pub const fn rate_limited(retry_after: Duration) -> Self {
        Self::new(Code::RateLimited).with_retry_after(retry_after)
    }

    /// A request costs more tokens than a rate limit ever holds: no wait would help, so there is no `retry_after`.
    #[must_use]
    pub const fn too_costly(cost: u64, burst: u64) -> Self {
        Self::with_detail(Code::RateLimited, Detail::Cost { cost, burst })
    }

    /// A rate limit counts by key, and the request has none: no wait would help, so there is no `retry_after`.
    #[must_use]
    pub const fn without_key() -> Self {
        Self::with_detail(Code::RateLimited, Detail::WithoutKey)
    }

    /// Health checks found the service down.
    #[must_use]
    pub const fn unhealthy() -> Self {
        Self::new(Code::Unhealthy)
    }

    /// No endpoint could be picked.
    #[must_use]
    pub const fn no_endpoint() -> Self {
        Self::new(Code::NoEndpoint)
    }

    /// Too many requests are in flight.
    #[must_use]
    pub const fn overloaded() -> Self {
        Self::new(Code::ConcurrencyExceeded)
    }

    /// Too many requests of the same client, or of whatever else is counted by itself, are in flight.
    #[must_use]
    pub const fn overloaded_of_key() -> Self {
        Self::with_detail(Code::ConcurrencyExceeded, Detail::OfKey)
    }

    /// A deadline passed: `limit` is the time that was given, `stage` what the call was waiting for. Unless
    /// [told otherwise](Self::with_sent), the request may have been sent.
    #[must_use]
    pub const fn deadline_exceeded(limit: Duration, stage: Option<&'static str>) -> Self {
        Self::with_detail(Code::Timeout, Detail::Deadline { limit, stage, of: Whose::Caller, hurried: false })
    }

    /// One attempt took longer than its own limit. The service was called and did not answer, so this is evidence. Unless
    /// [told otherwise](Self::with_sent), the request may have been sent.
    #[must_use]
    pub const fn attempt_timeout(limit: Duration) -> Self {
        Self::with_detail(Code::Timeout, Detail::Attempt { limit, stage: None, of: Whose::Service })
    }

    /// Says that the service had time enough when the deadline passed, so that this is evidence against it.
    #[must_use]
    pub const fn as_evidence(mut self) -> Self {
        if let Detail::Deadline { of, .. } = &mut self.detail {
            *of = Whose::Service;
        }
        self
    }

    /// Says whether the caller had given less time from the beginning than would be evidence, however it was spent.
    pub(crate) const fn of_hurry(mut self, is_hurry: bool) -> Self {
        if let Detail::Deadline { hurried, .. } = &mut self.detail {
            *hurried = is_hurry;
        }
        self
    }

    /// Whether the caller had given less time than would be evidence.
    pub(crate) const fn is_hurry(&self) -> bool {
        matches!(self.detail, Detail::Deadline { hurried: true, .. })
    }

    /// Says that the service had less time than it may take, since its caller had: so this is no evidence against it.
    #[must_use]
    pub const fn as_no_evidence(mut self) -> Self {
        if let Detail::Deadline { of, .. } | Detail::Attempt { of, .. } = &mut self.detail {
            *of = Whose::Caller;
        }
        self
    }

    /// Says that the service had not the time that it seems to have had, since the request was held back on this side, or
    /// this process did not run: so this is no evidence against it, and no haste of the caller either.
    #[must_use]
    pub(crate) const fn as_held(mut self) -> Self {
        if let Detail::Deadline { of, .. } | Detail::Attempt { of, .. } = &mut self.detail {
            *of = Whose::Host;
        }
        self
    }

    /// Whether it was held back on this side.
    pub(crate) const fn is_held(&self) -> bool {
        matches!(self.detail, Detail::Attempt { of: Whose::Host, .. } | Detail::Deadline { of: Whose::Host, .. })
    }

    /// Says what the call was waiting for when its time was up.
    #[must_use]
    pub const fn with_stage(mut self, at: Option<&'static str>) -> Self {
        match &mut self.detail {
            Detail::Deadline { stage, .. } | Detail::Attempt { stage, .. } => *stage = at,
            _ => {}
        }
        self
    }

    /// Says how much of the request had left the host.
    #[must_use]
    pub const fn with_sent(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// What it is of the whole call.
    pub(crate) const fn amended(self, with: Amendment) -> Self {
        self.with_sent(self.sent.most(with.sent))
    }

    /// Says when to come back.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds the state of the rate limit.
    #[must_use]
    pub const fn with_quota(mut self, quota: Quota) -> Self {
        self.detail = Detail::Quota(quota);
        self
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The family of the code.
    #[must_use]
    pub const fn kind(&self) -> CodeKind {
        self.code.kind()
    }

    /// When a new try can pass, where the layer knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How much of the request had left the host: nothing, unless its time was up on the way.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        self.sent
    }

    /// The state of the rate limit, when a rate limiter refused.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        match self.detail {
            Detail::Quota(quota) => Some(quota),
            _ => None,
        }
    }

    /// Whether this says something of the service: it was called, had its time, and did not answer. Every other
    /// refusal was decided before the service was called, or by a caller who gave it less time than it may take, and an
    /// outer layer of the family ignores it.
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        matches!(self.detail, Detail::Attempt { of: Whose::Service, .. } | Detail::Deadline { of: Whose::Service, .. })
    }

    /// Whether one attempt was cut by its own limit, so that another may help.
    #[must_use]
    pub const fn is_attempt_timeout(&self) -> bool {
        matches!(self.detail, Detail::Attempt { .. })
    }

    /// Whether another attempt of the same call may help: after the limit of one attempt, and where a place comes free by
    /// itself, in a queue or among the probes of a half-open circuit.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable() || matches!(self.detail, Detail::Attempt { .. } | Detail::ProbesRunning)
    }

    /// Whether the caller's caller does well to come back: another attempt may help now, or at a moment that is known, as after
    /// the open time of a circuit. What a problem document says under `retryable`, beside `retry_after_ms`; a retry layer in
    /// between asks [`is_retryable`](Self::is_retryable), and does not hold a call for an open time.
    #[must_use]
    pub const fn is_worth_coming_back(&self) -> bool {
        is_worth_coming_back(self.is_retryable(), self.retry_after)
    }

    /// The limit that passed, when a deadline or an attempt's limit did.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        match self.detail {
            Detail::Deadline { limit, .. } | Detail::Attempt { limit, .. } => Some(limit),
            _ => None,
        }
    }

    /// What the call was waiting for when its deadline passed, or its attempt's limit.
    #[must_use]
    pub const fn stage(&self) -> Option<&'static str> {
        match self.detail {
            Detail::Deadline { stage, .. } | Detail::Attempt { stage, .. } => stage,
            _ => None,
        }
    }
}

/// One rule for refusals and errors.
pub(crate) const fn is_worth_coming_back(is_retryable: bool, retry_after: Option<Duration>) -> bool {
    is_retryable || retry_after.is_some()
}

impl Error for Rejected {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxError, PluginError};

    #[test]
    fn a_refusal_is_found_however_it_is_wrapped() {
        let rejected = Rejected::circuit_open(Some(Duration::from_secs(3)));
        assert_eq!(Rejected::find_in(&rejected), Some(&rejected));
        assert_eq!(Rejected::find_in(&PluginError::from(rejected)), Some(&rejected));
        assert_eq!(Rejected::find_in(&BoxError::from(rejected)), Some(&rejected));
        let twice: BoxError = PluginError::from(rejected).into();
        assert_eq!(Rejected::find_in(&twice), Some(&rejected));
        let caused: BoxError = PluginError::from(rejected).with_source(std::io::Error::other("x")).into();
        assert_eq!(Rejected::find_in(&caused), Some(&rejected));
        assert_eq!(Rejected::find_in(&std::io::Error::other("x")), None);
    }

    #[test]
    fn the_text_names_the_code_the_limit_and_when_to_come_back() {
        let text = Rejected::deadline_exceeded(Duration::from_millis(250), Some("on the plugin"))
            .with_retry_after(Duration::from_secs(1))
            .to_string();
        assert_eq!(
            text,
            "the deadline passed (PLUGIN_1204): 250ms were given, and the end of that time was spent on the plugin; try again in 1s"
        );
    }
}
