//! The fuzz targets of the envelopes.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use plugin_core::{CallContext, go_duration};
use serde_json::value::RawValue;

use super::envelope::{self, EnvelopeUnread};
pub use super::{client::fuzzing::*, server::fuzzing::*};
use crate::{fuzzing::MOST_SAID, json::Limits, wire::bounded::MAX_ERROR};

/// What stands under this name, as serde_json reads it; `null` where nothing does.
fn member<'a>(json: &'a [u8], name: &str) -> &'a str {
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let object: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(json).expect("an object");
    object.get(name).map_or("null", |value| value.get())
}

/// A request that is accepted is JSON with this payload, within the limits, and is read once more as it is written.
pub fn http_request(bytes: &[u8]) {
    let limits = Limits::new();
    let request = match envelope::read_request(&Bytes::copy_from_slice(bytes), limits) {
        Ok(request) => request,
        Err(why) => return assert!((1..MOST_SAID).contains(&why.len()), "{} {why}", why.len()),
    };
    assert_eq!(request.data, member(bytes, "data"));
    limits.check(&request.data).expect("it was accepted");
    assert!(request.timeout.is_none_or(|timeout| !timeout.is_zero()));

    let mut context = CallContext::new();
    let request_id = request.request_id.clone().unwrap_or_else(|| "r".to_owned());
    let headers: HeaderMap = request.headers.iter().cloned().collect();
    *context.headers_mut() = headers.clone();
    if !request.metadata.is_empty() {
        context.metadata_mut().clone_from(&request.metadata);
    }
    let timeout = request.timeout.unwrap_or(Duration::from_secs(1)).min(go_duration::MAX);
    let (before, behind) = envelope::request_around(&context, &request_id, &go_duration::format(timeout), |_| false);
    let written = Bytes::from([before, &request.data, &behind].concat());
    let again = envelope::read_request(&written, limits).expect("our own envelope");
    assert_eq!((again.data, again.metadata), (request.data, request.metadata));
    assert_eq!((again.request_id, again.timeout), (Some(request_id), Some(timeout)));
    assert_eq!(again.headers.into_iter().collect::<HeaderMap>(), headers);
}

/// So is an answer, and the text of an error is bounded.
pub fn http_answer(bytes: &[u8]) {
    let limits = Limits::new();
    match envelope::read_answer(&Bytes::copy_from_slice(bytes), limits) {
        Ok(envelope::HttpAnswer { result: Ok(data), metadata }) => {
            assert_eq!(data, member(bytes, "data"));
            limits.check(&data).expect("it was accepted");
            let (before, behind) = envelope::answer_around("r", &metadata);
            let written = Bytes::from([before, &data, &behind].concat());
            let again = envelope::read_answer(&written, limits).expect("our own envelope");
            assert_eq!(again, envelope::HttpAnswer { result: Ok(data), metadata });
        }
        Ok(envelope::HttpAnswer { result: Err(text), .. }) => {
            assert!((1..=MAX_ERROR).contains(&text.len()));
            let written = Bytes::from(envelope::failure("r", &text));
            let again = envelope::read_answer(&written, limits).expect("our own envelope");
            assert_eq!(again.result, Err(text));
        }
        Err(EnvelopeUnread::Broken(why)) => assert!((1..MOST_SAID).contains(&why.len()), "{} {why}", why.len()),
        Err(EnvelopeUnread::LimitExceeded(_)) => {}
    }
}

#[cfg(test)]
fuzz_twins::twins!(http_request, http_answer);
