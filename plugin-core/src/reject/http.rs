//! Refusals as HTTP responses.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{answer::Reject, millis::millis_up};
use crate::{CodeKind, Quota, Rejected};

/// Answers with an HTTP response: 503, 429 or 504, and a body of `application/problem+json` (RFC 9457).
///
/// `Retry-After` is set where the layer knows when to come back, in whole seconds rounded up. A rate limiter's refusal
/// also carries `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). The service's error type is
/// not touched, so a layer with this answer goes straight onto an `axum::Router`. The response's extensions hold the
/// [`Rejected`], so that the layers of this family further out know it from an answer of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsHttpResponse;

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>, Err> Reject<Response<B>, Err> for AsHttpResponse {
    fn reject(&self, rejected: Rejected) -> Result<Response<B>, Err> {
        let mut response = Response::new(B::from(Bytes::from(problem(&rejected))));
        *response.status_mut() =
            StatusCode::from_u16(rejected.code().http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        set_headers(response.headers_mut(), &rejected);
        response.extensions_mut().insert(rejected);
        Ok(response)
    }
}

fn set_headers(headers: &mut HeaderMap, rejected: &Rejected) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = rejected.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(after)));
    }
    if let Some(quota) = rejected.quota() {
        AsHttpResponse::tell_quota(headers, quota);
    }
}

impl AsHttpResponse {
    /// Sets `RateLimit` and `RateLimit-Policy`, for whoever answers with a body of its own.
    pub fn tell_quota(headers: &mut HeaderMap, quota: Quota) {
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

/// Writes text into a JSON string. A layer names its stage as it likes, so any character may come.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                '\0'..='\x1f' => write!(self.0, "\\u{:04x}", u32::from(character))?,
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

fn problem(rejected: &Rejected) -> String {
    let title = match rejected.kind() {
        CodeKind::CircuitOpen => "Circuit open",
        CodeKind::RateLimited => "Rate limit exceeded",
        CodeKind::Unhealthy => "Service unhealthy",
        CodeKind::NoEndpoint => "No endpoint available",
        CodeKind::Overloaded => "Overloaded",
        CodeKind::Timeout => "Deadline exceeded",
        _ => "Request refused",
    };
    let code = rejected.code();
    let mut json = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{},"code":"{code}","retryable":{},"detail":""#,
        code.http_status(),
        rejected.is_worth_coming_back(),
    );
    let _ = write!(Escaped(&mut json), "{rejected}");
    json.push('"');
    if let Some(after) = rejected.retry_after() {
        let _ = write!(json, r#","retry_after_ms":{}"#, millis_up(after));
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
            let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(json["code"], code.as_str());
            assert_eq!(json["status"], code.http_status());
            assert_eq!(json["retry_after_ms"], 1000);
        }
    }

    #[test]
    fn the_body_is_json_whatever_a_layer_says_of_itself() {
        let rejected = Rejected::deadline_exceeded(Duration::from_micros(15), Some("in \"C:\\queue\"\n\0"));
        let json: serde_json::Value = serde_json::from_slice(&answer(rejected).into_body()).expect("JSON");
        assert_eq!(json["detail"], rejected.to_string());
    }

    #[test]
    fn whether_to_come_back_is_what_the_refusal_says_of_itself_to_every_reader() {
        let second = Duration::from_secs(1);
        let known = [
            Rejected::circuit_open(Some(second)),
            Rejected::circuit_open(None),
            Rejected::probes_running(second),
            Rejected::too_short_for_a_probe(second),
            Rejected::attempt_timeout(second),
            Rejected::deadline_exceeded(second, None),
        ];
        for rejected in known.into_iter().chain(Code::ALL.iter().map(|code| Rejected::new(*code))) {
            let json: serde_json::Value = serde_json::from_slice(&answer(rejected).into_body()).expect("JSON");
            assert_eq!(json["retryable"], rejected.is_worth_coming_back(), "{rejected}");
            assert_eq!(crate::PluginError::from(rejected).is_worth_coming_back(), rejected.is_worth_coming_back());
            assert!(rejected.is_worth_coming_back() || !rejected.is_retryable(), "{rejected}");
        }
    }

    #[test]
    fn an_attempt_that_was_cut_may_be_repeated_and_a_deadline_may_not() {
        let retryable = |rejected| {
            let json: serde_json::Value = serde_json::from_slice(&answer(rejected).into_body()).expect("JSON");
            json["retryable"].as_bool().expect("a bool")
        };
        assert!(retryable(Rejected::attempt_timeout(Duration::from_secs(1))));
        assert!(!retryable(Rejected::deadline_exceeded(Duration::from_secs(1), None)));
    }
}
