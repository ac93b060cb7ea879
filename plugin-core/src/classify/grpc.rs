//! Judging by the gRPC status, in the head or in the trailers.

use http::{HeaderMap, Response};

use super::{
    amend,
    amendment::Amendment,
    error_chain,
    grpc_number::{UNAVAILABLE, of_number},
    http::{from_instance, refusal_in},
    judge::Classify,
    judgement::{Again, Judgement},
};
use crate::End;

/// Judges `grpc-status`, which comes in the head of a response without a body, or in the trailers.
///
/// | outcome | verdict | another attempt |
/// |---|---|---|
/// | `UNAVAILABLE` (14) | a failure | yes, where the call may be repeated |
/// | `RESOURCE_EXHAUSTED` (8) | a failure | if the server says when (`grpc-retry-pushback-ms`) |
/// | `UNKNOWN` (2), `DEADLINE_EXCEEDED` (4), `INTERNAL` (13), `DATA_LOSS` (15), an unknown number | a failure: the service is in trouble | it would meet the same |
/// | `DEADLINE_EXCEEDED` (4) of the deadline that the service was told, or under a caller in a hurry | by the rule [`is_evidence`](crate::deadline::cut::is_evidence) | never |
/// | `CANCELLED` (1) | ignored | never |
/// | any other | a success: it answers the caller, as 4xx do in HTTP | no |
/// | a head without a status | known at the end | no: the stream has begun, and its messages reach the caller (gRFC A6: committed) |
/// | HTTP 429, 502, 503, 504 without a status | a failure | as `UNAVAILABLE`, which is what gRPC makes of a proxy's error page |
/// | a stream that ends without a status | a failure | no |
/// | a refusal that a layer of this family inside has answered | that of the refusal | as its code says |
///
/// A push-back that is not a number forbids a retry. Errors are judged as [`ByErrorType`](crate::ByErrorType) does.
///
/// A layer that counts outcomes needs `.follow::<AtEnd>()`; without it, a response whose status is still to come counts as a
/// success. A retry goes by the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByGrpcStatus;

/// The status that these headers or trailers have, if they have one.
fn of_headers(headers: &HeaderMap) -> Option<Judgement> {
    let status = headers.get("grpc-status")?;
    let text = status.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = text.and_then(|text| text.parse().ok());
    Some(number.map_or(Judgement::failure().with_again(Again::No), |number| of_number(number, headers)))
}

#[cold]
fn of_head<B>(response: &Response<B>) -> Judgement {
    if let Some(refused) = refusal_in(response) {
        return refused;
    }
    let judged = of_headers(response.headers()).unwrap_or_else(|| {
        // A proxy's error page, or a server that does not speak gRPC.
        match response.status().as_u16() {
            429 | 502 | 503 | 504 => of_number(UNAVAILABLE, response.headers()),
            _ => Judgement::failure().with_again(Again::No),
        }
    });
    from_instance(judged, response)
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByGrpcStatus {
    #[inline]
    fn classify(&self, result: Result<&Response<B>, &Err>) -> Judgement {
        match result {
            Ok(response) if response.status().is_success() && !response.headers().contains_key("grpc-status") => {
                Judgement::at_end()
            }
            Ok(response) => of_head(response),
            Err(error) => error_chain::value(error),
        }
    }

    fn classify_end(&self, end: End<'_>) -> Judgement {
        match end {
            End::Complete { trailers } => {
                trailers.and_then(of_headers).unwrap_or(Judgement::failure().with_again(Again::No))
            }
            // A client that resets the stream shows up as a body error; tonic carries it as a status, whose number
            // decides.
            #[cfg(feature = "tonic")]
            End::Error(error) if is_cancelled(error) => Judgement::ignored().with_again(Again::Never),
            End::Error(error) => error_chain::chain(error),
            // The layer does not follow responses.
            End::Unfollowed => Judgement::success(),
        }
    }

    fn amend(&self, outcome: &mut Result<Response<B>, Err>, with: Amendment) {
        match outcome {
            Ok(response) => amend::response(response, with),
            Err(error) => amend::error(error, with),
        }
    }
}

#[cfg(feature = "tonic")]
fn is_cancelled(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<tonic::Status>().is_some_and(|status| status.code() == tonic::Code::Cancelled)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::{super::judgement::PushBack, *};
    use crate::Verdict;

    type Head = Response<()>;

    fn of(http: u16, headers: &[(&'static str, &str)]) -> Judgement {
        let mut response = Response::builder().status(http);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        ByGrpcStatus.classify(Ok::<_, &Infallible>(&response.body(()).expect("a response")))
    }

    fn end(end: End<'_>) -> Judgement {
        Classify::<Head, Infallible>::classify_end(&ByGrpcStatus, end)
    }

    #[test]
    fn a_status_in_the_head_decides_at_once() {
        for (status, verdict, again) in [
            ("0", Verdict::Success, Again::No),
            ("1", Verdict::Ignored, Again::Never),
            ("2", Verdict::Failure, Again::No),
            ("4", Verdict::Failure, Again::No),
            ("5", Verdict::Success, Again::No),
            ("8", Verdict::Failure, Again::No),
            ("10", Verdict::Success, Again::No),
            ("13", Verdict::Failure, Again::No),
            ("14", Verdict::Failure, Again::Yes),
            ("99", Verdict::Failure, Again::No),
            ("x", Verdict::Failure, Again::No),
            ("+0", Verdict::Failure, Again::No),
        ] {
            let judged = of(200, &[("grpc-status", status)]);
            assert_eq!((judged.verdict(), judged.again()), (verdict, again), "{status}");
        }
    }

    #[test]
    fn a_head_without_status_waits_for_the_end() {
        let head = of(200, &[]);
        assert_eq!((head.verdict(), head.again(), head.is_answer()), (Verdict::AtEnd, Again::No, true));
        assert_eq!(end(End::Complete { trailers: None }).again(), Again::No, "its messages have reached the caller");
        let complete = |trailers: Option<&HeaderMap>| end(End::Complete { trailers }).verdict();
        let mut trailers = HeaderMap::new();
        assert_eq!(complete(None), Verdict::Failure);
        assert_eq!(complete(Some(&trailers)), Verdict::Failure);
        trailers.insert("grpc-status", http::HeaderValue::from_static("13"));
        assert_eq!(complete(Some(&trailers)), Verdict::Failure);
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        assert_eq!(complete(Some(&trailers)), Verdict::Success);
        let unfollowed = end(End::Unfollowed).verdict();
        assert_eq!(unfollowed, Verdict::Success, "as the documentation of a layer without AtEnd says");
    }

    #[test]
    fn a_refusal_that_a_layer_inside_has_answered_is_ignored() {
        use crate::{AsGrpcStatus, Code, Reject, Rejected};

        let response: Result<Head, Infallible> = AsGrpcStatus.reject(Rejected::overloaded());
        let judged = ByGrpcStatus.classify(Ok::<_, &Infallible>(&response.expect("infallible")));
        assert_eq!((judged.verdict(), judged.refusal()), (Verdict::Ignored, Some(Code::ConcurrencyExceeded)));
    }

    #[test]
    fn the_instance_that_answered_is_named() {
        let instance = crate::InstanceId::next();
        for status in ["0", "14"] {
            let mut response = Response::builder().header("grpc-status", status).body(()).expect("a response");
            response.extensions_mut().insert(instance);
            let judged = ByGrpcStatus.classify(Ok::<_, &Infallible>(&response));
            assert_eq!(judged.instance(), Some(instance), "{status}");
        }
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn a_client_that_resets_the_stream_is_nobodys_failure_whatever_was_its_cause() {
        let mut reset = tonic::Status::cancelled("the stream was reset");
        reset.set_source(std::sync::Arc::new(std::io::Error::other("a broken pipe")));
        let judged = end(End::Error(&reset));
        assert_eq!((judged.verdict(), judged.again()), (Verdict::Ignored, Again::Never));
    }

    #[test]
    fn a_push_back_sets_the_time_or_forbids() {
        let quarter = Some(PushBack::After(Duration::from_millis(250)));
        let after = of(200, &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "250")]);
        assert_eq!((after.again(), after.push_back()), (Again::Yes, quarter));
        let never = of(200, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]);
        assert_eq!((never.push_back(), never.retry_after()), (Some(PushBack::Never), None));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("14"));
        trailers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static("250"));
        assert_eq!(end(End::Complete { trailers: Some(&trailers) }).push_back(), quarter);
    }

    #[test]
    fn an_error_page_of_a_proxy_is_a_failure() {
        let bad_gateway = of(502, &[]);
        assert_eq!((bad_gateway.verdict(), bad_gateway.again()), (Verdict::Failure, Again::Yes));
        let too_many = of(429, &[]);
        assert_eq!((too_many.verdict(), too_many.again()), (Verdict::Failure, Again::Yes));
        let not_found = of(404, &[]);
        assert_eq!((not_found.verdict(), not_found.again()), (Verdict::Failure, Again::No));
    }
}
