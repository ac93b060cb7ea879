//! Judging by the HTTP status.

use http::{Response, StatusCode};
use plugin_core::{InstanceId, Rejected, classify::retry_after, clock};

use super::{Judged, Policy, errors};
use crate::Cause;

/// Judges an HTTP response by its status, and errors as [`OnError`](crate::OnError) does.
///
/// | outcome | |
/// |---|---|
/// | 408, 425, 429, 502, 503, 504 | another attempt, where the request may be repeated; not before `Retry-After` |
/// | any other from 500 | a failure that another attempt would meet again |
/// | below 500 | a success |
/// | a refusal that a layer of this family inside has answered | as its code says: an open circuit is not retried |
///
/// The head decides: a body that breaks off later has reached the caller already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnHttpStatus;

impl<B, Err: 'static> Policy<Response<B>, Err> for OnHttpStatus {
    #[inline]
    fn judge(&self, result: Result<&Response<B>, &Err>) -> Judged {
        match result {
            Ok(response) => match response.status().as_u16() {
                status @ (..=407 | 409..=424 | 426..=428 | 430..=499) => {
                    Judged::success().with_cause(Cause::Http(status))
                }
                _ => judge_failure(response),
            },
            Err(error) => errors::judge_value(error),
        }
    }
}

#[cold]
fn judge_failure<B>(response: &Response<B>) -> Judged {
    let instance = response.extensions().get::<InstanceId>().copied();
    if let Some(rejected) = response.extensions().get::<Rejected>() {
        return Judged { instance, ..errors::judge_refusal(rejected) };
    }
    let judged = match response.status() {
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Judged::retry(),
        _ => Judged::failure(),
    };
    let judged = Judged { instance, ..judged.with_cause(Cause::Http(response.status().as_u16())) };
    retry_after::from_http(response.headers(), clock::wall()).map_or(judged, |after| judged.with_retry_after(after))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::*;
    use crate::policy::{Push, Verdict};

    fn of(response: Response<()>) -> Judged {
        OnHttpStatus.judge(Ok::<_, &Infallible>(&response))
    }

    fn status(status: u16) -> Response<()> {
        Response::builder().status(status).body(()).expect("a response")
    }

    #[test]
    fn the_statuses_that_pass_by_themselves_are_worth_another_attempt() {
        let all = |statuses: &[u16], verdict| statuses.iter().all(|code| of(status(*code)).verdict == verdict);
        assert!(all(&[408, 425, 429, 502, 503, 504], Verdict::Retry));
        assert!(all(&[500, 501, 505, 507, 599], Verdict::Final));
        assert!(all(&[200, 204, 304, 400, 404, 409, 424, 428, 431, 499], Verdict::Success));
    }

    #[test]
    fn retry_after_is_read() {
        let mut response = status(503);
        response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("7"));
        assert_eq!(of(response).push, Some(Push::After(Duration::from_secs(7))));
    }

    #[test]
    fn an_open_circuit_inside_is_not_retried_though_it_answers_503() {
        let mut response = status(503);
        response.extensions_mut().insert(Rejected::circuit_open(None));
        assert_eq!(of(response).verdict, Verdict::Final);
    }
}
