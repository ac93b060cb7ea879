//! The body of an answer of HTTP, which may be compressed.

use bytes::Bytes;
use http::{HeaderMap, header};
use plugin_core::{Code, PluginError};

use crate::net::{body, exchange::Incomplete, fault, pool::Lease, progress::CallProgress};

/// The body, whole and decompressed, and the connection that it came on, to be [finished](Lease::finish).
pub(super) async fn read(
    answer: Incomplete,
    max: usize,
    progress: &CallProgress,
) -> Result<(Bytes, Lease), PluginError> {
    let (parts, incoming, lease) = answer.into_parts(progress);
    let gzip = is_gzip(&parts.headers)?;
    let body = body::read(incoming, max, gzip).await;
    let body = body.map_err(|error| fault::unread(error, max, &lease, Code::HttpTransport))?;
    Ok((body, lease))
}

/// Whether the body is compressed by gzip; another coding was not asked for.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, PluginError> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    match coding {
        None | Some(b"") => Ok(false),
        Some(name) if name.eq_ignore_ascii_case(b"identity") => Ok(false),
        Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        Some(name) => Err(PluginError::new(
            Code::HttpTransport,
            format!(
                "the plugin's answer has the content-encoding {:?}, and only gzip is read",
                String::from_utf8_lossy(&name[..name.len().min(50)])
            ),
        )),
    }
}
