//! Judging by the HTTP status.

use std::time::Duration;

use http::Response;

use super::{AnyError, Classify, Verdict, any_error::judge_failed_response, retry_after};
use crate::{Rejected, clock};

/// A status from 500 is a failure, any other a success; errors are judged by [`AnyError`], and so is a refusal that a
/// layer of this family inside has answered.
///
/// By default the head decides. [`until_end_of_body`](Self::until_end_of_body) also counts a body that breaks off;
/// the layer then needs `.follow(AtEnd)`. `429` is a success of the service's own rate limit, unless
/// [`too_many_requests_is_failure`](Self::too_many_requests_is_failure) says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByHttpStatus {
    until_end: bool,
    too_many_requests: bool,
}

impl ByHttpStatus {
    /// From 500 is a failure, and the head decides.
    #[must_use]
    pub const fn new() -> Self {
        Self { until_end: false, too_many_requests: false }
    }

    /// Counts a body that breaks off as a failure.
    ///
    /// A body that is dropped unread is neither success nor failure, and that includes the answer to a `HEAD` request.
    /// One that is dropped after as many bytes as it declared was read whole, see [`AtEnd`](crate::AtEnd).
    #[must_use]
    pub const fn until_end_of_body(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// Counts the status 429 as a failure.
    #[must_use]
    pub const fn too_many_requests_is_failure(mut self) -> Self {
        self.too_many_requests = true;
        self
    }
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByHttpStatus {
    #[inline]
    fn classify(&self, result: Result<&Response<B>, &Err>) -> Verdict {
        match result {
            Ok(response) => match response.status().as_u16() {
                500.. => judge_failed_response(response),
                429 if self.too_many_requests || response.extensions().get::<Rejected>().is_some() => {
                    judge_failed_response(response)
                }
                _ if self.until_end => Verdict::AtEnd,
                _ => Verdict::Success,
            },
            Err(error) => AnyError.classify(Err::<&Response<B>, _>(error)),
        }
    }

    fn refusal<'r>(&self, response: &'r Response<B>) -> Option<&'r Rejected> {
        response.extensions().get()
    }

    fn retry_after(&self, result: Result<&Response<B>, &Err>) -> Option<Duration> {
        match result {
            Ok(response) => retry_after::from_http(response.headers(), clock::wall()),
            Err(error) => AnyError.retry_after(Err::<&Response<B>, _>(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_refusal_that_a_layer_inside_has_answered_is_ignored() {
        use crate::{AsHttpResponse, Reject};

        let answer = |rejected| {
            let response: Result<Response<bytes::Bytes>, Infallible> = AsHttpResponse.reject(rejected);
            ByHttpStatus::new().classify(Ok::<_, &Infallible>(&response.expect("infallible")))
        };
        assert_eq!(answer(Rejected::overloaded()), Verdict::Ignored);
        assert_eq!(answer(Rejected::rate_limited(Duration::from_secs(1))), Verdict::Ignored, "and not a success");
        assert_eq!(answer(Rejected::attempt_timeout(Duration::from_secs(1))), Verdict::Failure);
    }

    #[test]
    fn only_the_servers_own_faults_are_failures() {
        let of = |by: ByHttpStatus, status: u16| {
            let response = Response::builder().status(status).body(()).expect("a response");
            by.classify(Ok::<_, &Infallible>(&response))
        };
        let plain = ByHttpStatus::new();
        assert_eq!([200, 302, 404, 429].map(|status| of(plain, status)), [Verdict::Success; 4]);
        assert_eq!([500, 502, 599].map(|status| of(plain, status)), [Verdict::Failure; 3]);
        assert_eq!(of(plain.too_many_requests_is_failure(), 429), Verdict::Failure);
        assert_eq!(of(plain.until_end_of_body(), 200), Verdict::AtEnd);
        assert_eq!(of(plain.until_end_of_body(), 500), Verdict::Failure);
    }
}
