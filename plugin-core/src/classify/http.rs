//! Judging by the HTTP status.

use http::{Response, StatusCode};

use super::{
    amend,
    amendment::Amendment,
    cause::Cause,
    error_chain,
    judge::Classify,
    judgement::{Again, Judgement},
    retry_after,
};
use crate::{InstanceId, Rejected, clock};

/// Judges the status of an HTTP response, and errors as [`ByErrorType`](crate::ByErrorType) does.
///
/// | outcome | verdict | another attempt |
/// |---|---|---|
/// | 408, 425, 429 | a success: the service's own answer | yes, not before `Retry-After` |
/// | 502, 503, 504 | a failure | yes, not before `Retry-After` |
/// | any other from 500 | a failure | it would meet the same |
/// | any other | a success | no |
/// | a refusal that a layer of this family inside has answered | that of the refusal | as its code says: an open circuit is not retried |
///
/// By default the head decides. [`until_end_of_body`](Self::until_end_of_body) also counts a body that breaks off;
/// the layer then needs `.follow::<AtEnd>()`. [`too_many_requests_is_failure`](Self::too_many_requests_is_failure) makes a
/// failure of 429. A retry goes by the head in any case: a body that breaks off later has reached the caller already.
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

impl ByHttpStatus {
    /// What comes with the head, where that decides.
    #[inline]
    const fn answer(self) -> Judgement {
        if self.until_end { Judgement::at_end() } else { Judgement::success() }
    }

    /// A failure, or an answer that may be otherwise the next time, or that a list `on` may name.
    #[cold]
    fn judge<B>(self, response: &Response<B>) -> Judgement {
        if let Some(refused) = refusal_in(response) {
            return refused;
        }
        let status = response.status();
        let judged = match status {
            StatusCode::TOO_MANY_REQUESTS if self.too_many_requests => Judgement::failure(),
            _ if status.as_u16() >= 500 => Judgement::failure(),
            _ => self.answer(),
        };
        let again = match status {
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Again::Yes,
            _ => Again::No,
        };
        let judged = from_instance(judged.with_again(again).with_cause(Cause::Http(status.as_u16())), response);
        let after = retry_after::from_http(response.headers(), clock::wall());
        after.map_or(judged, |after| judged.with_retry_after(after))
    }
}

/// The refusal that a layer of this family inside has answered with this response.
pub(super) fn refusal_in<B>(response: &Response<B>) -> Option<Judgement> {
    let rejected = response.extensions().get::<Rejected>()?;
    Some(from_instance(rejected.into(), response))
}

/// Names the instance that a balancer has noted on the response.
pub(super) fn from_instance<B>(judged: Judgement, response: &Response<B>) -> Judgement {
    response.extensions().get::<InstanceId>().map_or(judged, |instance| judged.with_instance(*instance))
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByHttpStatus {
    #[inline]
    fn classify(&self, result: Result<&Response<B>, &Err>) -> Judgement {
        match result {
            Ok(response) => match response.status().as_u16() {
                // No list can name it, so nobody asks which instance it was.
                status @ 200..=299 => self.answer().with_cause(Cause::Http(status)),
                _ => self.judge(response),
            },
            Err(error) => error_chain::value(error),
        }
    }

    fn amend(&self, outcome: &mut Result<Response<B>, Err>, with: Amendment) {
        match outcome {
            Ok(response) => amend::response(response, with),
            Err(error) => amend::error(error, with),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use super::*;
    use crate::Verdict;

    fn of<B>(by: ByHttpStatus, response: &Response<B>) -> Judgement {
        by.classify(Ok::<_, &Infallible>(response))
    }

    fn status(status: u16) -> Response<()> {
        Response::builder().status(status).body(()).expect("a response")
    }

    #[test]
    fn a_refusal_that_a_layer_inside_has_answered_is_ignored() {
        use crate::{AsHttpResponse, Reject};

        let answer = |rejected| {
            let response: Result<Response<bytes::Bytes>, Infallible> = AsHttpResponse.reject(rejected);
            of(ByHttpStatus::new(), &response.expect("infallible")).verdict()
        };
        assert_eq!(answer(Rejected::overloaded()), Verdict::Ignored);
        assert_eq!(answer(Rejected::rate_limited(Duration::from_secs(1))), Verdict::Ignored, "and not a success");
        assert_eq!(answer(Rejected::attempt_timeout(Duration::from_secs(1))), Verdict::Failure);
        for code in [crate::Code::PayloadTooLarge, crate::Code::Unauthenticated, crate::Code::NotFound] {
            assert_eq!(answer(Rejected::new(code)), Verdict::Ignored, "{code}");
        }
    }

    #[test]
    fn only_the_servers_own_faults_are_failures() {
        let of = |by: ByHttpStatus, code: u16| of(by, &status(code)).verdict();
        let plain = ByHttpStatus::new();
        assert_eq!([200, 302, 404, 408, 425, 429].map(|status| of(plain, status)), [Verdict::Success; 6]);
        assert_eq!([500, 502, 599].map(|status| of(plain, status)), [Verdict::Failure; 3]);
        assert_eq!(of(plain.too_many_requests_is_failure(), 429), Verdict::Failure);
        assert_eq!(of(plain.until_end_of_body(), 200), Verdict::AtEnd);
        assert_eq!(of(plain.until_end_of_body(), 429), Verdict::AtEnd);
        assert_eq!(of(plain.until_end_of_body(), 500), Verdict::Failure);
    }

    #[test]
    fn the_statuses_that_pass_by_themselves_are_worth_another_attempt() {
        let all =
            |codes: &[u16], again| codes.iter().all(|code| of(ByHttpStatus::new(), &status(*code)).again() == again);
        assert!(all(&[408, 425, 429, 502, 503, 504], Again::Yes));
        assert!(all(&[500, 501, 505, 507, 599], Again::No));
        assert!(all(&[200, 204, 304, 400, 404, 409, 424, 428, 431, 499], Again::No));
        let is_answer = |code: u16| of(ByHttpStatus::new(), &status(code)).is_answer();
        assert_eq!([200, 404, 429, 500, 503].map(is_answer), [true, true, false, false, false]);
    }

    #[test]
    fn a_success_is_named_and_what_others_say_of_an_error_is_added() {
        use crate::{PluginError, Sent};

        assert_eq!(of(ByHttpStatus::new(), &status(204)).cause(), Some(Cause::Http(204)));
        let mut outcome = Err::<Response<()>, _>(PluginError::execution("x").with_sent(Sent::Nothing));
        ByHttpStatus::new().amend(&mut outcome, Amendment::sent());
        assert_eq!(outcome.map(drop).map_err(|error| error.sent()), Err(Sent::Maybe));
    }

    #[test]
    fn retry_after_is_read() {
        let mut response = status(503);
        response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("7"));
        assert_eq!(of(ByHttpStatus::new(), &response).retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_open_circuit_inside_is_not_retried_though_it_answers_503() {
        let mut response = status(503);
        response.extensions_mut().insert(Rejected::circuit_open(None));
        assert_eq!(of(ByHttpStatus::new(), &response).again(), Again::No);
    }

    #[test]
    fn the_instance_that_answered_is_named_on_what_may_be_repeated_and_on_a_refusal() {
        let instance = InstanceId::next();
        for code in [304, 404, 429, 500, 503] {
            let mut response = status(code);
            response.extensions_mut().insert(instance);
            assert_eq!(of(ByHttpStatus::new(), &response).instance(), Some(instance), "{code}");
            response.extensions_mut().insert(Rejected::overloaded());
            let refused = of(ByHttpStatus::new(), &response);
            assert_eq!((refused.instance(), refused.verdict()), (Some(instance), Verdict::Ignored), "{code}");
        }
    }
}
