//! A layer that answers with errors, on a router that has none.

use std::time::Duration;

use axum::{Router, routing::get};
use plugin_core::deadline::DeadlineLayer;

fn main() {
    let _: Router =
        Router::new().route("/", get(|| async { "hello" })).layer(DeadlineLayer::new(Duration::from_secs(1)));
}
