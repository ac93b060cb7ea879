//! What an outcome says of another attempt.

mod closure;
mod errors;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;

use std::time::Duration;

pub use closure::PolicyFn;
pub use errors::{OnError, OnErrorChain};
#[cfg(feature = "grpc")]
pub use grpc::OnGrpcStatus;
#[cfg(feature = "http")]
pub use http::OnHttpStatus;
use plugin_core::{InstanceId, Sent};

use crate::Cause;

/// Judges an outcome: done, worth another attempt, or not.
///
/// It judges the outcome alone. How many attempts there are, whether the request may be repeated, the deadline and the
/// budget are not its business.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge a `Result<{Res}, {Err}>`",
    note = "`OnError` judges any result whose error is `'static`, `RetryLayer::http` and `RetryLayer::grpc` an `http::Response<_>`; anything else is judged by a closure: `.decide_with(|result| ..)`"
)]
pub trait Policy<Res, Err> {
    /// Judges a response's head, or an error. Runs once for each attempt, so it should be quick for a success.
    fn judge(&self, result: Result<&Res, &Err>) -> Judged;
}

/// What a [`Policy`] says of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it has no effect until a retry layer reads it"]
pub struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) cause: Option<Cause>,
    pub(crate) sent: Sent,
    pub(crate) push: Option<Push>,
    pub(crate) instance: Option<InstanceId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// A failure that another attempt would meet again, unless the configuration names its cause.
    Final,
    /// A failure that another attempt may not meet.
    Retry,
    /// The caller has given up; nothing overrules this.
    Never,
}

/// What the service says of the time of another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    After(Duration),
    Never,
}

impl Judged {
    const fn new(verdict: Verdict) -> Self {
        Self { verdict, cause: None, sent: Sent::Maybe, push: None, instance: None }
    }

    /// The service did its work.
    #[inline]
    pub const fn success() -> Self {
        Self::new(Verdict::Success)
    }

    /// A failure that another attempt would meet again. The list `on` can overrule it, if it has a cause.
    pub const fn failure() -> Self {
        Self::new(Verdict::Final)
    }

    /// A failure that another attempt may not meet.
    pub const fn retry() -> Self {
        Self::new(Verdict::Retry)
    }

    /// The caller has cancelled, or its deadline has passed: never retried, whatever the configuration says.
    pub const fn cancelled() -> Self {
        Self::new(Verdict::Never)
    }

    /// Names the cause, for the list `on` of the configuration.
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Says how much of the request was sent: a request that is not idempotent is repeated only after
    /// [`Sent::Nothing`]. Unless told, [`Sent::Maybe`].
    pub const fn with_sent(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// The service says when it can be called again.
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.push = Some(Push::After(after));
        self
    }

    /// The service says not to come back.
    pub const fn with_no_retry(mut self) -> Self {
        self.push = Some(Push::Never);
        self
    }

    /// Names the instance that failed, for the balancer.
    pub const fn with_instance(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Whether it is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.verdict == Verdict::Success
    }

    /// Whether another attempt may help, before a configuration is asked.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.verdict == Verdict::Retry
    }
}
