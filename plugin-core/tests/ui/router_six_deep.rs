//! Six layers for a router, one of which answers with errors: which, and what to write.

use std::time::Duration;

use axum::{Router, body::Body, extract::Request, routing::get};
use plugin_core::{AsHttpResponse, check, deadline::{AttemptTimeoutLayer, DeadlineLayer}};
use plugin_telemetry::TelemetryLayer;
use tower::ServiceBuilder;

fn main() {
    let router: Router = Router::new().route("/", get(|| async { "hello" }));
    let stack = ServiceBuilder::new()
        .layer(TelemetryLayer::new("site"))
        .layer(DeadlineLayer::new(Duration::from_secs(30)).reject_with(AsHttpResponse))
        .layer(TelemetryLayer::new("within the deadline"))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(10)))
        .layer(TelemetryLayer::new("one attempt"))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(1)).reject_with(AsHttpResponse))
        .service(router);
    let _ = check::<Request<Body>, _>(stack);
}
