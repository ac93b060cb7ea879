//! A breaker with an answer for HTTP, and one without, beneath a deadline.

use std::time::Duration;

use axum::{Router, body::Body, extract::Request, routing::get};
use plugin_breaker::{
    CircuitBreakerLayer,
    plugin_core::{AsHttpResponse, check, deadline::DeadlineLayer},
};
use tower::ServiceBuilder;

fn main() {
    let router: Router = Router::new().route("/", get(|| async { "hello" }));
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(30)).reject_with(AsHttpResponse))
        .layer(CircuitBreakerLayer::default().for_http())
        .layer(CircuitBreakerLayer::default())
        .service(router);
    let _ = check::<Request<Body>, _>(stack);
}
