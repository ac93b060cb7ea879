//! The bytes on the wire, derived by hand from the numbers of the fields.

use http::{Request, header};
use http_body_util::BodyExt;
use plugin_ratelimit::envoy::EnvoyRule;
use tower::ServiceExt;

use crate::support::{limit, server, within};

/// A message of gRPC: not compressed (0), its length in four bytes, the message.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[0], &length[..], message].concat()
}

#[tokio::test(start_paused = true)]
async fn a_question_and_its_answer_are_these_bytes() {
    let rule = EnvoyRule::new("d", limit(5.0, 10)).with_entry("k", "v").with_name("n");
    let body = framed(&[
        // domain = 1, with a length (wire type 2): 1 << 3 | 2 = 10.
        10, 1, b'd', // descriptors = 2 (18), 8 bytes: entries = 1 (10), 6 bytes: key = 1 (10), value = 2 (18).
        18, 8, 10, 6, 10, 1, b'k', 18, 1, b'v', // hits_addend = 3, a number (wire type 0): 3 << 3 = 24.
        24, 5,
    ]);
    let request = Request::post("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(axum::body::Body::from(body))
        .expect("a request");
    let response = within(server([rule]).oneshot(request)).await.expect("infallible");
    let collected = within(response.into_body().collect()).await.expect("a body");
    let status = collected.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
    assert_eq!(status.expect("a status"), "0");
    let expected = framed(&[
        // overall_code = 1 (8): OK = 1.
        8, 1, // statuses = 2 (18), 17 bytes.
        18, 17, // Of it: code = 1 (8): OK.
        8, 1,
        // current_limit = 2 (18), 7 bytes: requests_per_unit = 1 (8), unit = 2 (16) where a second is 1, name = 3 (26).
        18, 7, 8, 5, 16, 1, 26, 1, b'n', // limit_remaining = 3 (24): five of ten.
        24, 5,
        // duration_until_reset = 4 (34), 2 bytes: seconds = 1 (8): five tokens at five a second; nanos = 2 is 0 and not
        // written.
        34, 2, 8, 1,
    ]);
    assert_eq!(collected.to_bytes(), expected);
}
