//! A service that answers what no service should.

use std::convert::Infallible;

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use plugin_ratelimit::{envoy::EnvoyRateLimitLayer, plugin_core::Code};
use prost::Message;
use tonic::body::Body;
use tower::{Layer, service_fn};

use crate::{
    inner,
    messages::{Answer, OK, OVER_LIMIT, Status, Time},
    support::{by_user, call, patient},
};

/// What a request comes to, and the failures that are counted, where this is the answer's message.
async fn answered(message: Vec<u8>) -> (Option<(Code, Option<u64>)>, u64) {
    let client = service_fn(move |_: Request<Body>| {
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
        framed.extend(&message);
        let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
        let body = Full::new(axum::body::Bytes::from(framed)).with_trailers(std::future::ready(Some(Ok(trailers))));
        let mut response = Response::new(Body::new(body));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), client, by_user);
    let rejected = call(&layer.layer(inner!()), "ann").await;
    let refused = rejected.map(|rejected| (rejected.code(), rejected.retry_after().map(|time| time.as_secs())));
    (refused, layer.handle().stats().failed)
}

fn status(code: i32, seconds: i64) -> Status {
    Status { code, duration_until_reset: Some(Time { seconds, nanos: 0 }), ..Status::default() }
}

fn answer(overall_code: i32, statuses: impl Into<Vec<Status>>) -> Vec<u8> {
    Answer { overall_code, statuses: statuses.into() }.encode_to_vec()
}

#[tokio::test]
async fn a_code_that_says_nothing_lets_the_request_pass_and_is_a_failure() {
    assert_eq!(answered(answer(0, [])).await, (None, 1));
    assert_eq!(answered(answer(99, [])).await, (None, 1));
    assert_eq!(answered(answer(-1, [])).await, (None, 1));
    assert_eq!(answered(vec![0xff; 40]).await, (None, 1), "no message at all");
}

#[tokio::test]
async fn the_overall_code_decides_however_many_statuses_stand_beside_it() {
    let limited = |seconds| (Some((Code::RateLimited, seconds)), 0);
    assert_eq!(answered(answer(OK, [])).await, (None, 0));
    assert_eq!(answered(answer(OK, [status(OVER_LIMIT, 5)])).await, (None, 0));
    assert_eq!(answered(answer(OVER_LIMIT, [])).await, limited(None));
    assert_eq!(answered(answer(OVER_LIMIT, [status(OK, 9)])).await, limited(None));
    let many: Vec<_> = (1..=5).map(|seconds| status(OVER_LIMIT, seconds)).collect();
    assert_eq!(answered(answer(OVER_LIMIT, many)).await, limited(Some(5)));
    assert_eq!(answered(answer(OVER_LIMIT, [status(OVER_LIMIT, -5)])).await, limited(None));
    assert_eq!(answered(answer(OVER_LIMIT, [status(OVER_LIMIT, i64::MAX)])).await, limited(Some(365 * 24 * 3_600)));
}

#[tokio::test]
async fn an_error_as_the_answer_lets_the_request_pass_and_is_a_failure() {
    for client in [tonic::Code::ResourceExhausted, tonic::Code::Internal, tonic::Code::Unauthenticated] {
        let client = service_fn(move |_: Request<Body>| {
            let response: Response<Body> = tonic::Status::new(client, "a\nb").into_http();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let layer = EnvoyRateLimitLayer::new(patient().build().expect("valid"), client, by_user);
        assert_eq!(call(&layer.layer(inner!()), "ann").await, None);
        assert_eq!(layer.handle().stats().failed, 1);
    }
}
