//! How a call ended.

use plugin_core::{Code, CodeKind, Judgement, Sent, Verdict};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The classifier called it a success, or ignored a response.
    Success,
    /// The classifier called it a failure, or it panicked. Everything that the service is to blame for is here.
    Failure,
    /// It did not get through, and nobody is to blame for the call itself: a layer of this family refused it, or the service
    /// says that it has no room.
    Refused,
    /// The caller went away, or the body broke off with an error that the classifier ignored.
    Cancelled,
    /// The caller is to blame: what it sent is not accepted, or the time that it brought was over before the service, which
    /// may have been working on it, had its own. An error that the classifier ignores is one too.
    Caller,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Refused, Self::Cancelled, Self::Caller];

    /// The status in lower case, as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Caller => "caller",
        }
    }

    /// What a call counts as that ended with this code, where nothing else is known of it: who is to blame by the code alone.
    #[must_use]
    pub const fn of_code(code: Code) -> Self {
        match (code.kind(), code.http_status()) {
            (CodeKind::Payload | CodeKind::Auth, ..500) => Self::Caller,
            (CodeKind::Security, _) | (_, 429 | 503 | 504) => Self::Refused,
            _ => Self::Failure,
        }
    }

    /// What an outcome counts as. The breaker reads the same judgement; what it ignores is no failure here either, unless it
    /// is a fault of the configuration, which nobody but an operator can mend.
    #[cold]
    pub(super) fn of(judged: &Judgement, is_error: bool) -> Self {
        match judged.verdict() {
            // It was the caller's time, whether the request had been sent by then or was still in some line.
            _ if judged.is_hurry() => Self::Caller,
            _ if judged.is_haste() && judged.sent() != Sent::Nothing => Self::Caller,
            _ if judged.is_mere_refusal() => judged.code().map_or(Self::Refused, |code| match Self::of_code(code) {
                Self::Failure => Self::Refused,
                status => status,
            }),
            Verdict::Failure => Self::Failure,
            Verdict::Ignored if is_error => judged.code().map_or(Self::Caller, Self::of_code),
            _ => Self::Success,
        }
    }
}
