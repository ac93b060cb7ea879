//! The fuzz targets of this crate: each room has its own, and what holds of any bytes that its decoders are given.

pub use crate::{
    auth::fuzzing::*, grpc::fuzzing::*, http::fuzzing::*, json::fuzzing::*, lines::fuzzing::*, listen::fuzzing::*,
    net::fuzzing::*, process::fuzzing::*, tls::fuzzing::*, unix::fuzzing::*,
};

/// The lines of a head, up to an empty one. What is no header is left out.
pub(crate) fn headers(bytes: &[u8]) -> http::HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let mut headers = http::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = http::HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (http::HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    headers
}

/// What stands behind the first empty line.
pub(crate) fn behind_headers(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    end.map_or(&[], |end| &bytes[end + 2..])
}

/// How long a sentence on what is wrong may be: it is logged, and sent to others.
pub(crate) const MOST_SAID: usize = 1024;
