//! Whether an outcome says that a service is too busy.

use super::{cause::Cause, judgement::Judgement, verdict::Verdict};
use crate::{Code, CodeKind};

impl Judgement {
    /// Whether it says that no call is taken now: the refusal of a layer before the service, a rate limit, an overload, the
    /// HTTP status 429. Such an outcome comes fast, and is not to make the service look fast.
    ///
    /// An open circuit is one too. Whether the service itself is too busy says [`is_overload`](Self::is_overload).
    #[inline]
    #[must_use]
    pub const fn is_turned_away(&self) -> bool {
        match (self.refusal(), self.cause()) {
            (Some(Code::Timeout), _) | (None, None) => false,
            (Some(_), _) => true,
            (None, Some(Cause::Code(code))) => has_no_room(code),
            (None, Some(Cause::CodeOfHttp(code, status))) => status == 429 || has_no_room(code),
            (None, Some(Cause::Http(status))) => status == 429,
            (None, Some(Cause::CodeOfGrpc(Code::PayloadTooLarge, _))) => false,
            (None, Some(Cause::CodeOfGrpc(code, status))) => status == 8 || has_no_room(code),
            (None, Some(Cause::Grpc(status))) => status == 8,
        }
    }

    /// Whether it says that the service is too busy: it turned the call away for want of room, or had its time and did not answer.
    /// A limit that follows what a service can bear, and a caller that sends less to one that is too busy, go by this.
    ///
    /// | outcome | an overload |
    /// |---|---|
    /// | the HTTP statuses 429, 503 and 504, also where they are a success to the caller | yes. RFC 9110 has 503 for an overload, and the codes `OVERLOAD` are answered with it |
    /// | the gRPC statuses `RESOURCE_EXHAUSTED` (8) and `DEADLINE_EXCEEDED` (4) | yes |
    /// | `UNAVAILABLE` (14) | no: a connection that could not be made is one too |
    /// | the codes `RATELIMIT` and `OVERLOAD`, of an error or of a layer before the service | yes |
    /// | a time that was up | where it [is evidence](crate::Rejected::is_evidence): not of a caller in a hurry |
    /// | a status with another code, such as an open circuit that a plugin answers with 503, or what is too large with 8 | no: the code is more exact |
    /// | an error or a refusal that somebody calls a success | no |
    /// | anything else | no |
    #[must_use]
    pub const fn is_overload(&self) -> bool {
        if let Some(Cause::Http(status)) = self.cause() {
            // Before the verdict: to a breaker 429 is a success, the service's own answer.
            return matches!(status, 429 | 503 | 504);
        }
        if matches!(self.verdict(), Verdict::Success) {
            return false;
        }
        match (self.refusal(), self.cause()) {
            (Some(Code::Timeout), _) => !self.is_mere_refusal(),
            (Some(code), _) | (None, Some(Cause::Code(code))) => has_no_room_or_time(code),
            (None, Some(Cause::CodeOfHttp(code, status))) => {
                has_no_room_or_time(code) || matches!(status, 429 | 504) || status == 503 && is_of_status(code)
            }
            (None, Some(Cause::CodeOfGrpc(Code::PayloadTooLarge, _))) => false,
            (None, Some(Cause::CodeOfGrpc(code, status))) => has_no_room_or_time(code) || matches!(status, 4 | 8),
            (None, Some(Cause::Grpc(status))) => matches!(status, 4 | 8),
            (None, Some(Cause::Http(_)) | None) => false,
        }
    }
}

const fn has_no_room(code: Code) -> bool {
    matches!(code.kind(), CodeKind::RateLimited | CodeKind::Overloaded)
}

const fn has_no_room_or_time(code: Code) -> bool {
    has_no_room(code) || matches!(code.kind(), CodeKind::Timeout)
}

/// Whether a code says no more than the status that it comes with.
const fn is_of_status(code: Code) -> bool {
    matches!(code, Code::HttpTransport | Code::ConnectionFailed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Rejected;

    const SECOND: Duration = Duration::from_secs(1);

    fn caused(cause: Cause) -> Judgement {
        Judgement::failure().with_cause(cause)
    }

    #[test]
    fn who_has_no_room_now_turns_calls_away_and_who_is_late_or_broken_does_not() {
        for judged in [
            Judgement::from(&Rejected::overloaded()),
            Judgement::from(&Rejected::circuit_open(None)),
            caused(Cause::Code(Code::RateLimited)),
            caused(Cause::Code(Code::ConcurrencyExceeded)),
            caused(Cause::CodeOfHttp(Code::ExecutionFailed, 429)),
            caused(Cause::CodeOfHttp(Code::ConcurrencyExceeded, 503)),
            caused(Cause::Http(429)),
            caused(Cause::Grpc(8)),
        ] {
            assert!(judged.is_turned_away(), "{judged:?}");
        }
        for judged in [
            Judgement::success(),
            Judgement::from(&Rejected::attempt_timeout(SECOND)),
            Judgement::from(&Rejected::deadline_exceeded(SECOND, None)),
            caused(Cause::Code(Code::ExecutionFailed)),
            caused(Cause::CodeOfHttp(Code::ExecutionFailed, 503)),
            caused(Cause::Http(503)),
            caused(Cause::Grpc(14)),
            caused(Cause::CodeOfGrpc(Code::PayloadTooLarge, 8)),
        ] {
            assert!(!judged.is_turned_away(), "{judged:?}");
        }
    }

    #[test]
    fn want_of_room_and_no_answer_in_time_are_an_overload() {
        for judged in [
            Judgement::success().with_cause(Cause::Http(429)),
            Judgement::at_end().with_cause(Cause::Http(429)),
            caused(Cause::Http(503)),
            caused(Cause::Http(504)),
            caused(Cause::Grpc(4)),
            caused(Cause::Grpc(8)),
            caused(Cause::CodeOfHttp(Code::HttpTransport, 429)),
            caused(Cause::CodeOfHttp(Code::HttpTransport, 503)),
            caused(Cause::CodeOfHttp(Code::QueueFull, 503)),
            caused(Cause::CodeOfGrpc(Code::GrpcTransport, 8)),
            caused(Cause::Code(Code::QueueFull)),
            caused(Cause::Code(Code::Timeout)),
            Judgement::from(&Rejected::overloaded()),
            Judgement::from(&Rejected::attempt_timeout(SECOND)),
        ] {
            assert!(judged.is_overload(), "{judged:?}");
        }
    }

    #[test]
    fn a_success_an_error_of_another_kind_and_a_caller_in_a_hurry_are_no_overload() {
        for judged in [
            Judgement::success(),
            Judgement::success().with_cause(Cause::Http(404)),
            Judgement::success().with_cause(Cause::Code(Code::QueueFull)),
            Judgement::from(&Rejected::overloaded()).with_verdict(Verdict::Success),
            caused(Cause::Http(500)),
            caused(Cause::Http(502)),
            caused(Cause::Grpc(13)),
            caused(Cause::Grpc(14)),
            caused(Cause::Code(Code::ExecutionFailed)),
            caused(Cause::CodeOfHttp(Code::CircuitOpen, 503)),
            caused(Cause::CodeOfGrpc(Code::PayloadTooLarge, 8)),
            caused(Cause::CodeOfHttp(Code::ExecutionFailed, 503)),
            Judgement::ignored(),
            Judgement::from(&Rejected::circuit_open(None)),
            Judgement::from(&Rejected::deadline_exceeded(SECOND, None)),
        ] {
            assert!(!judged.is_overload(), "{judged:?}");
        }
    }
}
