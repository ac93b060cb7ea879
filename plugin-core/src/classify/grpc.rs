//! Judging by the gRPC status, in the head or in the trailers.

use std::time::Duration;

use http::{HeaderMap, Response};

use super::{
    AnyError, Classify, Verdict,
    any_error::judge_failed_response,
    retry_after::{self, Pushback},
};
use crate::{End, Rejected};

/// Judges `grpc-status`, which comes in the head of a response without a body, or in the trailers.
///
/// Failures are the statuses that say the service is in trouble: `UNKNOWN` (2), `DEADLINE_EXCEEDED` (4),
/// `RESOURCE_EXHAUSTED` (8), `INTERNAL` (13), `UNAVAILABLE` (14) and `DATA_LOSS` (15). `CANCELLED` (1) is ignored. The
/// rest answer the caller, as 4xx do in HTTP, and are successes. A stream that ends without a status is a failure.
///
/// The layer needs `.follow(AtEnd)`; without it, a response whose status is still to come counts as a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByGrpcStatus;

fn judge(headers: &HeaderMap) -> Option<Verdict> {
    let status = headers.get("grpc-status")?;
    Some(match status.to_str().ok().and_then(|text| text.parse::<u8>().ok()) {
        Some(0 | 3 | 5 | 6 | 7 | 9 | 10 | 11 | 12 | 16) => Verdict::Success,
        Some(1) => Verdict::Ignored,
        _ => Verdict::Failure,
    })
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByGrpcStatus {
    fn classify(&self, result: Result<&Response<B>, &Err>) -> Verdict {
        match result {
            Ok(response) => match judge(response.headers()) {
                Some(Verdict::Failure) => judge_failed_response(response),
                Some(verdict) => verdict,
                // A proxy's error page, or a server that does not speak gRPC.
                None if !response.status().is_success() => Verdict::Failure,
                None => Verdict::AtEnd,
            },
            Err(error) => AnyError.classify(Err::<&Response<B>, _>(error)),
        }
    }

    fn classify_end(&self, end: End<'_>) -> Verdict {
        match end {
            End::Complete { trailers } => trailers.and_then(judge).unwrap_or(Verdict::Failure),
            End::Error(error) => judge_error(error),
            // The layer does not follow responses.
            End::Unfollowed => Verdict::Success,
        }
    }

    fn refusal<'r>(&self, response: &'r Response<B>) -> Option<&'r Rejected> {
        response.extensions().get()
    }

    fn retry_after(&self, result: Result<&Response<B>, &Err>) -> Option<Duration> {
        match result {
            Ok(response) => push_back(response.headers()),
            Err(error) => AnyError.retry_after(Err::<&Response<B>, _>(error)),
        }
    }

    fn retry_after_end(&self, end: End<'_>) -> Option<Duration> {
        match end {
            End::Complete { trailers } => trailers.and_then(push_back),
            _ => None,
        }
    }
}

fn push_back(headers: &HeaderMap) -> Option<Duration> {
    match retry_after::from_grpc(headers)? {
        Pushback::After(after) => Some(after),
        Pushback::Never => None,
    }
}

/// A client that resets the stream shows up as a body error; tonic carries it as a status, whose number decides.
fn judge_error(error: &(dyn std::error::Error + 'static)) -> Verdict {
    #[cfg(feature = "tonic")]
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return if status.code() == tonic::Code::Cancelled { Verdict::Ignored } else { Verdict::Failure };
    }
    let _ = error;
    Verdict::Failure
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    type Head = Response<()>;

    #[test]
    fn a_status_in_the_head_decides_at_once() {
        for (status, verdict) in [
            ("0", Verdict::Success),
            ("1", Verdict::Ignored),
            ("5", Verdict::Success),
            ("14", Verdict::Failure),
            ("99", Verdict::Failure),
            ("x", Verdict::Failure),
        ] {
            let head: Head = Response::builder().header("grpc-status", status).body(()).expect("a response");
            assert_eq!(ByGrpcStatus.classify(Ok::<_, &Infallible>(&head)), verdict, "{status}");
        }
    }

    #[test]
    fn a_head_without_status_waits_for_the_end() {
        let head = Head::new(());
        assert_eq!(ByGrpcStatus.classify(Ok::<_, &Infallible>(&head)), Verdict::AtEnd);
        let end = |trailers: Option<&HeaderMap>| {
            Classify::<Head, Infallible>::classify_end(&ByGrpcStatus, End::Complete { trailers })
        };
        let mut trailers = HeaderMap::new();
        assert_eq!(end(None), Verdict::Failure);
        assert_eq!(end(Some(&trailers)), Verdict::Failure);
        trailers.insert("grpc-status", http::HeaderValue::from_static("13"));
        assert_eq!(end(Some(&trailers)), Verdict::Failure);
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        assert_eq!(end(Some(&trailers)), Verdict::Success);
        let unfollowed = Classify::<Head, Infallible>::classify_end(&ByGrpcStatus, End::Unfollowed);
        assert_eq!(unfollowed, Verdict::Success, "as the documentation of a layer without AtEnd says");
    }

    #[test]
    fn a_refusal_that_a_layer_inside_has_answered_is_ignored() {
        use crate::{AsGrpcStatus, Reject};

        let response: Result<Head, Infallible> = AsGrpcStatus.reject(Rejected::overloaded());
        let verdict = ByGrpcStatus.classify(Ok::<_, &Infallible>(&response.expect("infallible")));
        assert_eq!(verdict, Verdict::Ignored);
    }

    #[test]
    fn a_push_back_is_read_from_the_head_and_from_trailers() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static("250"));
        let quarter = Some(Duration::from_millis(250));
        let mut head = Head::new(());
        *head.headers_mut() = headers.clone();
        assert_eq!(ByGrpcStatus.retry_after(Ok::<_, &Infallible>(&head)), quarter);
        let end = |trailers: &HeaderMap| {
            Classify::<Head, Infallible>::retry_after_end(&ByGrpcStatus, End::Complete { trailers: Some(trailers) })
        };
        assert_eq!(end(&headers), quarter);
        headers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static("-1"));
        assert_eq!(end(&headers), None);
    }

    #[test]
    fn an_error_page_of_a_proxy_is_a_failure() {
        let head: Head = Response::builder().status(502).body(()).expect("a response");
        assert_eq!(ByGrpcStatus.classify(Ok::<_, &Infallible>(&head)), Verdict::Failure);
    }
}
