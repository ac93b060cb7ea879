//! The context of a call out of the headers of a request.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use plugin_core::{CallContext, Code, PluginError, Sent, TraceContext, go_duration};

/// The longest request id that is taken over, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Reads what a caller says of a call: its id first, so that a fault in what follows has it.
///
/// A header that cannot be read is an error, never a default: a caller who writes `X-Request-Timeout: 5` believes that
/// there is a limit.
pub(crate) fn read(headers: &HeaderMap, context: &mut CallContext) -> Result<(), PluginError> {
    let said = Said::of(headers);
    if let Some(id) = said.id {
        let id = text("X-Request-ID", id)?;
        if !is_request_id(id) {
            return Err(bad("X-Request-ID", "1 to 128 printable characters without spaces", id));
        }
        context.set_request_id(id);
    }
    // Of several the strictest holds: each is an upper bound.
    for limit in said.limits {
        let limit = text("X-Request-Timeout", limit)?;
        let duration = go_duration::parse(limit).ok().filter(|limit| *limit > Duration::ZERO);
        let right = "a duration such as 500ms or 1m30s, longer than zero and at most 2562047h";
        let duration = duration.ok_or_else(|| bad("X-Request-Timeout", right, limit))?;
        context.limit_deadline(context.received().saturating_add(duration));
    }
    if let Some(retries) = said.retries {
        let retries = text("X-Max-Retries", retries)?;
        let right = "a number from 0 to 65535";
        context.limit_retries(retries.parse().map_err(|_| bad("X-Max-Retries", right, retries))?);
    }
    if let Some(key) = said.affinity {
        context.set_affinity_key(key.as_bytes());
    }
    if let Some(priority) = said.priority {
        let priority = text("X-Priority", priority)?;
        let right = "a number from -32768 to 32767";
        context.set_priority(priority.parse().map_err(|_| bad("X-Priority", right, priority))?);
    }
    if said.is_idempotent {
        context.set_idempotent(true);
    }
    // A malformed trace is dropped, as the specification says: it must not fail the call.
    if let Some(trace) = plain(said.trace).and_then(TraceContext::parse) {
        context.set_trace(trace.with_state(plain(said.trace_state).unwrap_or_default()));
    }
    for (name, value) in said.passed_on {
        context.headers_mut().append(name, value.clone());
    }
    Ok(())
}

/// The headers that say something of a call, of each the first: found in one pass, since most requests have none of them.
#[derive(Default)]
struct Said<'h> {
    id: Option<&'h HeaderValue>,
    limits: Vec<&'h HeaderValue>,
    retries: Option<&'h HeaderValue>,
    affinity: Option<&'h HeaderValue>,
    priority: Option<&'h HeaderValue>,
    is_idempotent: bool,
    trace: Option<&'h HeaderValue>,
    trace_state: Option<&'h HeaderValue>,
    /// Of the caller's own, which a plugin may read: `Idempotency-Key`, and those that begin with `X-Plugin-`. Credentials for this
    /// gateway are not the plugin's business.
    passed_on: Vec<(&'h HeaderName, &'h HeaderValue)>,
}

impl<'h> Said<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            let found = match name.as_str() {
                "x-request-id" => &mut said.id,
                "x-max-retries" => &mut said.retries,
                "x-affinity-key" => &mut said.affinity,
                "x-priority" => &mut said.priority,
                "traceparent" => &mut said.trace,
                "tracestate" => &mut said.trace_state,
                "x-request-timeout" => {
                    said.limits.push(value);
                    continue;
                }
                "idempotency-key" => {
                    said.is_idempotent = true;
                    said.passed_on.push((name, value));
                    continue;
                }
                own if own.starts_with("x-plugin-") => {
                    said.passed_on.push((name, value));
                    continue;
                }
                _ => continue,
            };
            found.get_or_insert(value);
        }
        said
    }
}

/// The id of a request that no call was made of: the caller's, or one of its own.
pub(crate) fn request_id(said: Option<&HeaderValue>) -> String {
    let said = said.and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
    said.map_or_else(|| CallContext::new().request_id().to_string(), str::to_owned)
}

fn is_request_id(id: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|byte| (b'!'..=b'~').contains(&byte))
}

fn text<'h>(header: &str, value: &'h HeaderValue) -> Result<&'h str, PluginError> {
    value.to_str().map_err(|_| bad(header, "plain ASCII text", "bytes that are not"))
}

fn plain(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

fn bad(header: &str, right: &str, found: &str) -> PluginError {
    let shown: String = found.chars().take(64).collect();
    PluginError::new(Code::InvalidPayload, format!("the header {header} must be {right}, and is {shown:?}"))
        .with_sent(Sent::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &HeaderMap) -> Result<CallContext, PluginError> {
        let mut context = CallContext::new();
        super::read(headers, &mut context).map(|()| context)
    }

    fn of(pairs: &[(&'static str, &'static str)]) -> Result<CallContext, PluginError> {
        read(
            &pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn every_header_has_its_effect() {
        let context = of(&[
            ("x-request-id", "order-17"),
            ("x-request-timeout", "1m30s"),
            ("x-max-retries", "1"),
            ("x-affinity-key", "user-1"),
            ("x-priority", "-5"),
            ("idempotency-key", "k"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("x-plugin-tenant", "t"),
            ("authorization", "Bearer s"),
        ])
        .expect("valid");
        assert_eq!(context.request_id().to_string(), "order-17");
        assert_eq!(context.remaining(context.received()), Some(Duration::from_secs(90)));
        assert_eq!(context.max_retries(), Some(1));
        assert!(context.affinity().is_some());
        assert_eq!(context.priority(), -5);
        assert_eq!(context.idempotent(), Some(true));
        assert!(context.trace().is_some_and(TraceContext::is_sampled));
        let headers = context.headers().expect("some");
        assert!(headers.contains_key("x-plugin-tenant") && !headers.contains_key("authorization"));
    }

    #[test]
    fn of_several_the_first_holds_and_all_of_the_callers_own_are_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-request-id", "one"),
            ("x-request-id", "two"),
            ("x-priority", "1"),
            ("x-priority", "2"),
            ("x-plugin-role", "a"),
            ("x-plugin-role", "b"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let context = read(&headers).expect("valid");
        assert_eq!((context.request_id().to_string().as_str(), context.priority()), ("one", 1));
        let passed_on = context.headers().expect("some").get_all("x-plugin-role");
        assert_eq!(passed_on.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_request_that_says_nothing_of_a_call_is_a_call_with_nothing_said() {
        let usual = ["host", "content-type", "content-length", "accept", "user-agent", "authorization", "x-plugins"];
        let context = of(&usual.map(|name| (name, "a"))).expect("valid");
        assert!(context.headers().is_none() && context.deadline().is_none() && context.idempotent().is_none());
    }

    #[test]
    fn of_two_limits_the_stricter_holds_and_one_that_cannot_be_read_is_an_error() {
        for limits in [["2s", "1s"], ["1s", "2s"]] {
            let mut headers = HeaderMap::new();
            for limit in limits {
                headers.append("x-request-timeout", HeaderValue::from_static(limit));
            }
            let context = read(&headers).expect("valid");
            assert_eq!(context.remaining(context.received()), Some(Duration::from_secs(1)));
            headers.append("x-request-timeout", HeaderValue::from_static("soon"));
            assert!(read(&headers).is_err());
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_is_an_error_that_names_it() {
        for (name, value) in [
            ("x-request-timeout", "5"),
            ("x-request-timeout", "0s"),
            ("x-request-timeout", "-1s"),
            ("x-max-retries", "-1"),
            ("x-max-retries", "many"),
            ("x-priority", "high"),
            ("x-request-id", "a b"),
            ("x-request-id", ""),
        ] {
            let error = of(&[(name, value)]).expect_err(value);
            assert_eq!(error.code(), Code::InvalidPayload);
            assert!(error.message().to_lowercase().contains(name), "{error}");
        }
        let long = of(&[("x-request-timeout", "9999999h")]).expect_err("300 years").to_string();
        assert!(long.contains("longer than zero and at most 2562047h, and is \"9999999h\""), "{long}");
        assert!(of(&[("traceparent", "nonsense")]).expect("ignored").trace().is_none());
    }
}
