//! Reports in the headers and trailers of HTTP.

use http::HeaderMap;

use super::report::LoadReport;

/// The report in these headers or trailers, where there is one that can be read.
pub(crate) fn of_headers(headers: &HeaderMap) -> Option<LoadReport> {
    match headers.get(LoadReport::BINARY_HEADER) {
        Some(value) => LoadReport::from_base64(value.as_bytes()),
        None => LoadReport::parse(headers.get(LoadReport::HEADER)?.to_str().ok()?),
    }
}
