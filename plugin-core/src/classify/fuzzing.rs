//! The fuzz target of what is judged by headers.

use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{grpc::ByGrpcStatus, judge::Classify, judgement::PushBack, retry_after, verdict::Verdict};
use crate::End;

/// The lines of a head. What is none is left out.
fn headers(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?;
        Some((HeaderName::from_bytes(&line[..at]).ok()?, value))
    });
    lines.collect()
}

/// Trailers are judged, whatever they hold: none is no success, and a push-back is bounded.
pub fn grpc_status(bytes: &[u8]) {
    let headers = headers(bytes);
    let judged = |end| Classify::<Response<()>, std::io::Error>::classify_end(&ByGrpcStatus, end);
    let at_end = judged(End::Complete { trailers: Some(&headers) });
    if headers.get("grpc-status").is_none_or(|status| status.is_empty()) {
        assert_eq!(at_end.verdict(), Verdict::Failure, "{headers:?}");
    }
    if let Some(PushBack::After(after)) = retry_after::from_grpc(&headers) {
        assert!(after <= retry_after::MAX);
    }
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    let _head = ByGrpcStatus.classify(Ok::<_, &std::io::Error>(&response));
}

#[cfg(test)]
fuzz_twins::twins!(grpc_status);
