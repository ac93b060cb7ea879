//! A tonic channel, whose error type is foreign.

use std::time::Duration;

use http::Request;
use plugin_core::{check, deadline::DeadlineLayer};
use tonic::{body::Body, transport::Channel};
use tower::Layer;

fn under_a_client(channel: Channel) {
    let stack = DeadlineLayer::new(Duration::from_secs(1)).layer(channel);
    let _ = check::<Request<Body>, _>(stack);
}

fn main() {}
