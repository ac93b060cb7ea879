//! Refusals as HTTP responses.

use std::{fmt::Write, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Reject;
use crate::{Kind, Rejected};

/// Answers with an HTTP response: 503, 429 or 504, and a body of `application/problem+json` (RFC 9457).
///
/// `Retry-After` is set where the layer knows when to come back, in whole seconds rounded up. A rate limiter's refusal
/// also carries `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). The service's error type is
/// not touched, so a layer with this answer goes straight onto an `axum::Router`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsHttpResponse;

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>, Err> Reject<Response<B>, Err> for AsHttpResponse {
    fn reject(&self, rejected: Rejected) -> Result<Response<B>, Err> {
        let mut response = Response::new(B::from(Bytes::from(problem(&rejected))));
        *response.status_mut() =
            StatusCode::from_u16(rejected.code().http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        set_headers(response.headers_mut(), &rejected);
        Ok(response)
    }
}

fn set_headers(headers: &mut HeaderMap, rejected: &Rejected) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = rejected.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(after)));
    }
    if let Some(quota) = rejected.quota() {
        let policy = format!("\"default\";q={};w={}", quota.limit, seconds_up(quota.window));
        let state = format!("\"default\";r={};t={}", quota.remaining, seconds_up(quota.reset));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Whole seconds, rounded up: a client that comes back on the second must not be early.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// None of the texts has a character that JSON escapes, as the test checks for every code.
fn problem(rejected: &Rejected) -> String {
    let title = match rejected.kind() {
        Kind::CircuitOpen => "Circuit open",
        Kind::RateLimited => "Rate limit exceeded",
        Kind::Unhealthy => "Service unhealthy",
        Kind::NoEndpoint => "No endpoint available",
        Kind::Overloaded => "Overloaded",
        Kind::Timeout => "Deadline exceeded",
        _ => "Request refused",
    };
    let code = rejected.code();
    let mut json = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{rejected}","code":"{code}","retryable":{}"#,
        code.http_status(),
        rejected.retry_after().is_some() || code.is_retryable(),
    );
    if let Some(after) = rejected.retry_after() {
        let _ = write!(json, r#","retry_after_ms":{}"#, after.as_millis());
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Quota};

    fn answer(rejected: Rejected) -> Response<Bytes> {
        let result: Result<_, std::convert::Infallible> = AsHttpResponse.reject(rejected);
        result.expect("infallible")
    }

    #[test]
    fn a_client_is_told_to_come_back_no_earlier_than_it_may() {
        let response = answer(Rejected::circuit_open(Some(Duration::from_millis(1200))));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn a_rate_limit_says_what_it_allows() {
        let quota = Quota { limit: 20, remaining: 0, reset: Duration::from_secs(2), window: Duration::from_secs(1) };
        let response = answer(Rejected::rate_limited(Duration::from_millis(100)).with_quota(quota));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["ratelimit-policy"], "\"default\";q=20;w=1");
        assert_eq!(response.headers()["ratelimit"], "\"default\";r=0;t=2");
    }

    #[test]
    fn the_body_is_json_whatever_the_code() {
        for code in Code::ALL {
            let body = answer(Rejected::new(*code).with_retry_after(Duration::from_secs(1))).into_body();
            let text = std::str::from_utf8(&body).expect("text");
            assert!(!text.contains('\\') && text.matches('"').count().is_multiple_of(2), "{text}");
            assert!(text.contains(&format!(r#""code":"{code}""#)), "{text}");
        }
    }
}
