//! Headers of a call, as JSON carries them: texts by name.

#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) use self::list::list;
#[cfg(any(feature = "grpc", feature = "lines", feature = "unix"))]
pub(crate) use self::read::of_texts;
#[cfg(any(feature = "lines", feature = "unix"))]
pub(crate) use self::read::set;
#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
pub(crate) use self::write::texts;
#[cfg(all(feature = "process", target_os = "linux"))]
pub(crate) use self::write::travel;

#[cfg(any(feature = "http", feature = "grpc", feature = "unix", all(feature = "process", target_os = "linux")))]
mod list {
    use std::borrow::Cow;

    use http::{HeaderMap, HeaderName};

    /// The values of a header as one. Several values of one name are one list, RFC 9110 section 5.3.
    pub(crate) fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Cow<'h, str> {
        let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next().unwrap_or_default();
        values.fold(first, |all, next| all + ", " + next)
    }
}

#[cfg(any(feature = "unix", all(feature = "process", target_os = "linux")))]
mod write {
    use std::borrow::Cow;

    use plugin_core::CallContext;

    use super::list;

    /// Whether a call has anything that [`texts`] gives.
    #[cfg(all(feature = "process", target_os = "linux"))]
    pub(crate) fn travel(context: &CallContext) -> bool {
        context.headers().is_some() || context.trace().is_some()
    }

    /// The call's headers, and its trace as the header that carries one.
    pub(crate) fn texts(context: &CallContext) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let headers =
            context.headers().into_iter().flat_map(|all| all.keys().map(move |name| (name.as_str(), list(all, name))));
        let trace = context.trace().into_iter().flat_map(|trace| {
            let state = trace.state().map(|state| ("tracestate", Cow::Borrowed(state)));
            std::iter::once(("traceparent", Cow::Owned(trace.to_string()))).chain(state)
        });
        // The trace that the call carries wins over headers that were copied from its caller.
        let own = |name: &str| context.trace().is_some() && matches!(name, "traceparent" | "tracestate");
        headers.filter(move |(name, _)| !own(name)).chain(trace)
    }
}

/// So many headers may a call bring along in its document. A `HeaderMap` holds no more than 32,768, and panics.
const MOST: usize = 1_000;

/// Whether so many are too many.
pub(crate) fn check_count(count: usize) -> Result<(), String> {
    if count > MOST { Err(format!("its `headers` are {count}, and no more than {MOST} are taken")) } else { Ok(()) }
}

#[cfg(any(feature = "grpc", feature = "lines", feature = "unix"))]
mod read {
    use std::collections::BTreeMap;

    use http::{HeaderMap, HeaderName, HeaderValue};
    #[cfg(any(feature = "lines", feature = "unix"))]
    use {
        crate::wire::header_names::{TRACEPARENT, TRACESTATE},
        plugin_core::{CallContext, TraceContext},
    };

    /// The headers that these texts are. What is none by the rules of HTTP is left out, and names that differ in case alone are
    /// one header with several values. More than a call may have are an error.
    pub(crate) fn of_texts(texts: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
        super::check_count(texts.len())?;
        let mut headers = HeaderMap::new();
        for (name, value) in texts {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }

    /// Gives a call these headers, and the trace that they carry.
    #[cfg(any(feature = "lines", feature = "unix"))]
    pub(crate) fn set(context: &mut CallContext, headers: HeaderMap) {
        if headers.is_empty() {
            return;
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(trace) = text(TRACEPARENT).and_then(TraceContext::parse) {
            let trace = match text(TRACESTATE) {
                Some(state) => trace.with_state(state),
                None => trace,
            };
            context.set_trace(trace);
        }
        *context.headers_mut() = headers;
    }
}

#[cfg(all(test, any(feature = "grpc", feature = "lines", feature = "unix")))]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_so_many_headers_and_no_more() {
        let texts = |count: usize| (0..count).map(|at| (format!("h{at}"), "v".to_owned())).collect();
        assert_eq!(of_texts(&texts(1_000)).expect("as many as are taken").len(), 1_000);
        // A map of this size would panic.
        let problem = of_texts(&texts(50_000)).expect_err("too many");
        assert_eq!(problem, "its `headers` are 50000, and no more than 1000 are taken");
    }
}
