//! From a request for a plugin to the call that it asks for: what it says of itself, and its body.

use axum::{
    body::HttpBody,
    http::{HeaderMap, StatusCode, Uri, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use plugin_core::{BoxError, Call, CallContext, Code, PluginError, Sent};
use plugin_transports::json;

use super::{
    body_memory::{Bodies, Full, HeldBytes},
    bounds::Bounds,
    problem::Fault,
    request_target,
};

/// What a request asks for, once it is whole and nothing of it is at fault.
pub(super) async fn admit<B>(
    bounds: Bounds,
    context: Result<CallContext, PluginError>,
    uri: &Uri,
    headers: &HeaderMap,
    body: B,
    held: &mut HeldBytes<&Bodies>,
) -> Result<Call<Bytes>, Fault>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let context = context?;
    request_target::query(uri, &[])?;
    check_kind(headers)?;
    let payload = read_body(body, bounds, held).await?;
    // The one place where it is read as JSON on its way to a transport, however many attempts it takes.
    Ok(json::checked_within(Call::with_context(context, payload), bounds.json)?)
}

/// A payload is JSON, not compressed, and says so: a page of another site can make a browser send anything that does not.
fn check_kind(headers: &HeaderMap) -> Result<(), Fault> {
    let refused =
        |problem: &'static str| Err(Fault::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidPayload, problem));
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !is_json(kind.trim()) {
        return refused(
            "the payload must be JSON and say so: `Content-Type: application/json`, as `curl --json` sends it, or \
             `curl -H 'content-type: application/json' -d`",
        );
    }
    // JSON is UTF-8 (RFC 8259); text in another encoding would be other text, or refused as if it were no JSON.
    if !parameters.split(';').all(is_utf8) {
        return refused("JSON is UTF-8, and the charset of the content type says that the payload is not");
    }
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !plain {
        return refused("the payload must not be compressed, and the header content-encoding says that it is");
    }
    Ok(())
}

/// Whether a media type is that of JSON, or of something that is written in it (RFC 6839).
fn is_json(kind: &str) -> bool {
    let of_json = |kind: &str| kind.starts_with("application/") && kind.ends_with("+json");
    kind.eq_ignore_ascii_case("application/json") || of_json(&kind.to_ascii_lowercase())
}

/// Whether a parameter of a content type names no encoding but UTF-8.
fn is_utf8(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// The whole body, within its bounds of size. One that announces too much is not read, and its sender gets no `100 Continue`.
async fn read_body<B>(mut body: B, bounds: Bounds, held: &mut HeldBytes<&Bodies>) -> Result<Bytes, Fault>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let max = bounds.max_body;
    let full = |full: Full| {
        let (whose, max) = full.of(bounds.max_bodies);
        let problem = format!(
            "with this payload those that are held{whose} would come to more than {max} bytes; `server.max_bodies` sets the \
             limit"
        );
        Fault::from(PluginError::new(Code::QueueFull, problem).with_sent(Sent::Nothing))
    };
    let too_large = || {
        let problem = format!("the payload is larger than {max} bytes; `server.max_body` sets the limit");
        let error = PluginError::new(Code::PayloadTooLarge, problem).with_sent(Sent::Nothing);
        Fault::from(error)
    };
    let announced = HttpBody::size_hint(&body).lower();
    if announced > max {
        return Err(too_large());
    }
    // What a head announces costs its sender nothing, so it counts with what has come, and takes no room before.
    let most = if announced > 0 { announced } else { max };
    // What comes in one piece, as most do, is not copied. Pieces are copied together, so that many small ones cost no more
    // than their bytes.
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let problem = "the payload did not arrive whole";
            let error: BoxError = error.into();
            PluginError::new(Code::InvalidPayload, problem).with_source(error).with_sent(Sent::Nothing)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.len() + rest.len() + data.len();
        if length as u64 > max {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            held.grow(length as u64).map_err(full)?;
            first = data;
            continue;
        }
        // Counted with what its buffer grows to: doubled, when it is full.
        if length > rest.capacity() {
            let room = (length as u64).saturating_mul(2).min(most).max(length as u64);
            held.grow(room).map_err(full)?;
            rest.reserve(usize::try_from(room).unwrap_or(length) - rest.len());
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
