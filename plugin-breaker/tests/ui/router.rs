//! The default breaker, on a router whose failures are responses.

use axum::{Router, routing::get};
use plugin_breaker::CircuitBreakerLayer;

fn main() {
    let _: Router = Router::new().route("/", get(|| async { "hello" })).layer(CircuitBreakerLayer::default());
}
