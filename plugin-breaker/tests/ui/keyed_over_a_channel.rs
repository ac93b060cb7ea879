//! A breaker per key over a tonic channel, whose error type is foreign.

use plugin_breaker::{CircuitBreakerConfig, KeyedBreakerLayer, plugin_core};
use tonic::{body::Body, transport::Channel};
use tower::Layer;

fn under_a_client(channel: Channel) {
    let layer = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |request: &http::Request<Body>| {
        Some(request.uri().path().to_owned())
    });
    let _ = plugin_core::check::<http::Request<Body>, _>(layer.layer(channel));
}

fn main() {}
