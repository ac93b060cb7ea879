//! The headers of a request.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use plugin_core::{CallContext, go_duration};

use super::HttpConfig;
use crate::wire::header_names::{REQUEST_ID, REQUEST_TIMEOUT, TRACEPARENT, TRACESTATE};

/// Headers of the message, not of the call: a copy from another message would be wrong or, with those that frame it,
/// would let one request pass for two.
fn belongs_to_message(name: &HeaderName) -> bool {
    [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// What every request to the plugin has.
pub(super) fn base(config: &HttpConfig) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, config.user_agent.clone());
    if !config.connection.disable_compression() {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if !config.connection.keep_alive() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers
}

/// What calls have in common, made once: a copy has room for all that is usual, and knows where it stands.
pub(super) struct Template {
    /// The base, the credentials, and the places of what each call says.
    headers: HeaderMap,
    limit: Duration,
    /// The limit, as it is told to a plugin that has all of it.
    limit_text: Box<str>,
    limit_value: HeaderValue,
    /// Credentials are stronger than what a call says of itself.
    overrules: bool,
}

impl Template {
    /// For calls whose attempts have this limit, as nearly all have.
    pub(super) fn new(config: &HttpConfig, limit: Duration) -> Self {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::HOST, config.endpoint.host_header());
        headers.extend(base(config));
        let limit_text = go_duration::format_ascii(limit).into_boxed_str();
        let limit_value = HeaderValue::from_str(&limit_text).unwrap_or_else(|_| HeaderValue::from_static("0s"));
        headers.insert(REQUEST_ID, HeaderValue::from_static(""));
        headers.insert(REQUEST_TIMEOUT, limit_value.clone());
        config.credentials.apply(&mut headers);
        let of_call = [REQUEST_ID, REQUEST_TIMEOUT, TRACEPARENT, TRACESTATE];
        let overrules = of_call.iter().any(|name| config.credentials.sets(name));
        Self { headers, limit, limit_text, limit_value, overrules }
    }

    /// What a plugin is told of the time that is left.
    pub(super) fn time(&self, left: Duration) -> Told<'_> {
        if left == self.limit {
            return Told { text: Cow::Borrowed(&*self.limit_text), value: Some(self.limit_value.clone()) };
        }
        let text = go_duration::format_ascii(left);
        Told { value: HeaderValue::from_str(&text).ok(), text: Cow::Owned(text) }
    }
}

/// A time, as the envelope and as a header has it.
pub(super) struct Told<'t> {
    pub(super) text: Cow<'t, str>,
    value: Option<HeaderValue>,
}

/// The headers of a call: those of every request, the call's own, what the context says, and the credentials, each stronger than
/// the ones before.
pub(super) fn of_call(
    config: &HttpConfig,
    template: &Template,
    context: &CallContext,
    request_id: &str,
    time: Told<'_>,
) -> HeaderMap {
    let mut headers = template.headers.clone();
    let own = context.headers().filter(|own| !own.is_empty());
    for name in own.into_iter().flat_map(HeaderMap::keys).filter(|name| !belongs_to_message(name)) {
        let mut values = own.into_iter().flat_map(|own| own.get_all(name)).cloned();
        if let Some(first) = values.next() {
            headers.insert(name, first);
        }
        for more in values {
            headers.append(name, more);
        }
    }
    // An id of the caller's own may hold what a header cannot; the number always fits.
    let id = HeaderValue::from_bytes(request_id.as_bytes())
        .or_else(|_| HeaderValue::try_from(context.id().to_string()))
        .ok();
    let of_context = [
        (REQUEST_ID, id),
        (REQUEST_TIMEOUT, time.value),
        (TRACEPARENT, context.trace().and_then(|trace| HeaderValue::try_from(trace.to_string()).ok())),
    ];
    for (name, value) in of_context {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    if let Some(trace) = context.trace() {
        // A state that was copied from the caller belongs to another trace.
        headers.remove(TRACESTATE);
        if let Some(state) = trace.state().and_then(|state| HeaderValue::try_from(state).ok()) {
            headers.insert(TRACESTATE, state);
        }
    }
    if own.is_some() || template.overrules {
        config.credentials.apply(&mut headers);
    }
    headers
}

/// Headers of the call that stay out of the envelope: those that the credentials overrule.
pub(super) fn hidden(config: &HttpConfig, name: &HeaderName) -> bool {
    config.credentials.sets(name) || belongs_to_message(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthConfig;

    fn headers(context: &CallContext) -> HeaderMap {
        let auth = AuthConfig::bearer("ours").with_header("X-Env", "prod");
        let config = HttpConfig::builder("p", "http://localhost/").with_auth(auth).build().expect("valid");
        let template = Template::new(&config, Duration::from_secs(30));
        of_call(
            &config,
            &template,
            context,
            &context.request_id().to_string(),
            template.time(Duration::from_millis(1500)),
        )
    }

    #[test]
    fn credentials_win_over_the_call_and_the_call_over_the_base() {
        let mut context = CallContext::new();
        context.set_request_id("r1");
        for (name, value) in [
            ("authorization", "theirs"),
            ("x-env", "theirs"),
            ("user-agent", "theirs"),
            ("x-request-id", "theirs"),
            ("x-request-timeout", "9h"),
            ("x-list", "a"),
            ("x-list", "b"),
        ] {
            context.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let headers = headers(&context);
        let all =
            |name: &str| headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect::<Vec<_>>();
        assert_eq!(all("authorization"), ["Bearer ours"]);
        assert_eq!(all("x-env"), ["prod"]);
        assert_eq!(all("user-agent"), ["theirs"]);
        assert_eq!(all("x-request-id"), ["r1"]);
        assert_eq!(all("x-request-timeout"), ["1.5s"]);
        assert_eq!(all("x-list"), ["a", "b"]);
        assert_eq!(all("content-type"), ["application/json"]);
    }

    #[test]
    fn what_frames_the_message_is_not_taken_over() {
        let mut context = CallContext::new();
        for name in ["content-length", "transfer-encoding", "connection", "host", "content-type", "te", "keep-alive"] {
            context.headers_mut().insert(name, HeaderValue::from_static("7"));
        }
        assert!(headers(&context).values().all(|value| value != "7"));
    }

    #[test]
    fn the_trace_and_an_id_that_no_header_can_carry_are_sent_all_the_same() {
        let mut context = CallContext::new();
        context.set_request_id("two\nlines");
        context.headers_mut().insert("tracestate", HeaderValue::from_static("old=1"));
        let trace = plugin_core::TraceContext::new(1, 2, 1).expect("ids are not zero");
        context.set_trace(trace.clone());
        let headers = headers(&context);
        assert_eq!(headers["traceparent"].to_str().expect("text"), trace.to_string());
        assert!(!headers.contains_key("tracestate"));
        assert_eq!(headers["x-request-id"].to_str().expect("text"), context.id().to_string());
    }
}
