use http::StatusCode;

use crate::{
    program::Program,
    upstream::{Upstream, get},
};

const PATH: &str = env!("CARGO_BIN_EXE_axum-service");

#[tokio::test]
async fn a_route_with_a_breaker_spares_an_upstream_that_fails_and_says_when_to_come_back() {
    let upstream = Upstream::start(usize::MAX).await;
    let mut service = Program::start(PATH, ["127.0.0.1:0".to_owned(), format!("http://{}/", upstream.address)]);
    let address = service.address().await;
    for _ in 0..5 {
        assert_eq!(get(address, "/quote").await.status(), StatusCode::BAD_GATEWAY);
    }
    let refused = get(address, "/quote").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=30).contains(&after), "{after}");
    assert!(refused.body().contains("CIRCUIT_1401"), "{}", refused.body());
    assert_eq!(upstream.requests(), 5, "the refused request did not reach it");
    assert_eq!(get(address, "/").await.body(), "hello\n", "the other route has no breaker");
    service.interrupt().await;
}

#[tokio::test]
async fn an_upstream_that_works_is_passed_through() {
    let upstream = Upstream::start(4).await;
    let mut service = Program::start(PATH, ["127.0.0.1:0".to_owned(), format!("http://{}/", upstream.address)]);
    let address = service.address().await;
    for _ in 0..4 {
        assert_eq!(get(address, "/quote").await.status(), StatusCode::BAD_GATEWAY);
    }
    let quote = get(address, "/quote").await;
    assert_eq!((quote.status(), quote.body().as_str()), (StatusCode::OK, "a quote"));
    service.interrupt().await;
}
