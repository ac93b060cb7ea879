//! Which outcomes say that a service is too busy.

use plugin_core::{Code, CodeKind, Judgement, Verdict, classify::Cause};

/// Whether a service turned a call away for want of room, or had its time and did not answer. A success does not, nor does an
/// error of another kind, a refusal for another reason such as an open circuit, or a caller that was in a hurry.
pub(crate) fn is_overload(judged: &Judgement) -> bool {
    if judged.verdict() == Verdict::Success {
        return false;
    }
    match judged.refusal().or(judged.code()).map(Code::kind) {
        Some(CodeKind::Timeout) => !judged.is_mere_refusal(),
        Some(CodeKind::RateLimited | CodeKind::Overloaded) => true,
        _ => match judged.cause() {
            Some(Cause::Http(status) | Cause::CodeOfHttp(_, status)) => matches!(status, 429 | 504),
            Some(Cause::Grpc(status) | Cause::CodeOfGrpc(_, status)) => matches!(status, 4 | 8),
            _ => false,
        },
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use plugin_core::Rejected;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caused(cause: Cause) -> Judgement {
        Judgement::failure().with_cause(cause)
    }

    #[test]
    fn want_of_room_and_no_answer_in_time_are_an_overload() {
        for judged in [
            caused(Cause::Http(429)),
            caused(Cause::Http(504)),
            caused(Cause::Grpc(4)),
            caused(Cause::Grpc(8)),
            caused(Cause::CodeOfHttp(Code::HttpTransport, 429)),
            caused(Cause::Code(Code::QueueFull)),
            caused(Cause::Code(Code::Timeout)),
            Judgement::from(&Rejected::overloaded()),
            Judgement::from(&Rejected::attempt_timeout(SECOND)),
        ] {
            assert!(is_overload(&judged), "{judged:?}");
        }
    }

    #[test]
    fn a_success_an_error_of_another_kind_and_a_caller_in_a_hurry_are_not() {
        for judged in [
            Judgement::success(),
            caused(Cause::Http(500)),
            caused(Cause::Grpc(13)),
            caused(Cause::Code(Code::ExecutionFailed)),
            Judgement::ignored(),
            Judgement::from(&Rejected::circuit_open(None)),
            Judgement::from(&Rejected::deadline_exceeded(SECOND, None)),
        ] {
            assert!(!is_overload(&judged), "{judged:?}");
        }
    }
}
