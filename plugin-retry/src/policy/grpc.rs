//! Judging by the gRPC status.

use http::{HeaderMap, Response};
use plugin_core::{
    InstanceId, Rejected,
    classify::retry_after::{self, Pushback},
};

use super::{Judged, Policy, errors};
use crate::Cause;

const CANCELLED: u8 = 1;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNAVAILABLE: u8 = 14;

/// Judges a gRPC response by the status in its head, and errors as [`OnError`](crate::OnError) does.
///
/// | outcome | |
/// |---|---|
/// | `UNAVAILABLE` | another attempt, where the call may be repeated |
/// | `RESOURCE_EXHAUSTED` | another attempt if the server says when (`grpc-retry-pushback-ms`) |
/// | `CANCELLED` | never |
/// | any other status but `OK` | a failure that another attempt would meet again |
/// | a head without a status | a success: the stream has begun, and its messages reach the caller (gRFC A6: committed) |
/// | HTTP 429, 502, 503, 504 without a status | as `UNAVAILABLE`, which is what gRPC makes of a proxy's error page |
///
/// A push-back that is not a number forbids a retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnGrpcStatus;

impl<B, Err: 'static> Policy<Response<B>, Err> for OnGrpcStatus {
    #[inline]
    fn judge(&self, result: Result<&Response<B>, &Err>) -> Judged {
        match result {
            Ok(response) if response.status().is_success() && !response.headers().contains_key("grpc-status") => {
                Judged::success()
            }
            Ok(response) => judge_head(response),
            Err(error) => errors::judge_value(error),
        }
    }
}

#[cold]
fn judge_head<B>(response: &Response<B>) -> Judged {
    let instance = response.extensions().get::<InstanceId>().copied();
    if let Some(rejected) = response.extensions().get::<Rejected>() {
        return Judged { instance, ..errors::judge_refusal(rejected) };
    }
    let status = response.headers().get("grpc-status");
    let judged = match status.map(|value| value.to_str().ok().and_then(|text| text.parse().ok())) {
        Some(Some(number)) => judge_status(number, response.headers()),
        Some(None) => Judged::failure(),
        None => match response.status().as_u16() {
            429 | 502 | 503 | 504 => judge_status(UNAVAILABLE, response.headers()),
            _ => Judged::failure(),
        },
    };
    Judged { instance, ..judged }
}

pub(crate) fn judge_status(status: u8, headers: &HeaderMap) -> Judged {
    let pushback = retry_after::from_grpc(headers);
    let judged = match (status, pushback) {
        (0, _) => Judged::success(),
        (CANCELLED, _) => Judged::cancelled(),
        (UNAVAILABLE, _) | (RESOURCE_EXHAUSTED, Some(Pushback::After(_))) => Judged::retry(),
        _ => Judged::failure(),
    };
    let judged = judged.with_cause(Cause::Grpc(status));
    match pushback {
        Some(Pushback::After(after)) => judged.with_retry_after(after),
        Some(Pushback::Never) => judged.with_no_retry(),
        None => judged,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::*;
    use crate::policy::{Push, Verdict};

    fn of(http: u16, headers: &[(&'static str, &str)]) -> Judged {
        let mut response = Response::builder().status(http);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        OnGrpcStatus.judge(Ok::<_, &Infallible>(&response.body(()).expect("a response")))
    }

    #[test]
    fn only_unavailable_is_worth_another_attempt() {
        for (status, verdict) in [
            ("0", Verdict::Success),
            ("1", Verdict::Never),
            ("2", Verdict::Final),
            ("4", Verdict::Final),
            ("8", Verdict::Final),
            ("13", Verdict::Final),
            ("14", Verdict::Retry),
            ("x", Verdict::Final),
        ] {
            assert_eq!(of(200, &[("grpc-status", status)]).verdict, verdict, "{status}");
        }
    }

    #[test]
    fn a_stream_that_has_begun_is_committed() {
        assert_eq!(of(200, &[]).verdict, Verdict::Success);
    }

    #[test]
    fn a_push_back_sets_the_time_or_forbids() {
        let after = of(200, &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "250")]);
        assert_eq!((after.verdict, after.push), (Verdict::Retry, Some(Push::After(Duration::from_millis(250)))));
        let never = of(200, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]);
        assert_eq!(never.push, Some(Push::Never));
    }

    #[test]
    fn a_proxys_error_page_counts_as_unavailable() {
        assert_eq!(of(503, &[]).verdict, Verdict::Retry);
        assert_eq!(of(404, &[]).verdict, Verdict::Final);
    }
}
