//! A gRPC stream is judged by its end, on the server and under the client.

use std::sync::Arc;

use plugin_core::{AtEnd, ByGrpcStatus};
use plugin_telemetry::{AnyRequest, TelemetryHandle, TelemetryLayer};
use tokio::sync::Notify;
use tonic::Code;
use tower::{ServiceBuilder, layer::util::Identity};

use super::{
    bounded, ended,
    grpc::{EchoClient, Served, channel, drain, serve},
    tally,
};

fn judged_at_the_end() -> TelemetryLayer<AnyRequest, ByGrpcStatus, AtEnd> {
    TelemetryLayer::new("echo").classify(ByGrpcStatus).follow::<AtEnd>()
}

/// The counts of a server and of a client that talked to it in this way. Both ends of one call must agree, so both are
/// asked.
struct Both {
    client: EchoClient<plugin_telemetry::Telemetry<tonic::transport::Channel, AnyRequest, ByGrpcStatus, AtEnd>>,
    reset: Arc<Notify>,
    at_server: TelemetryHandle,
    at_client: TelemetryHandle,
}

impl Both {
    async fn new() -> Self {
        let (server, client) = (judged_at_the_end(), judged_at_the_end());
        let (at_server, at_client) = (server.handle(), client.handle());
        let Served { address, reset } = serve(server).await;
        let client = EchoClient::new(ServiceBuilder::new().layer(client).service(channel(address)));
        Self { client, reset, at_server, at_client }
    }

    async fn counted(&self, expected: [u64; 5]) {
        assert_eq!(tally(&ended(&self.at_client, 1).await), expected, "under the client");
        assert_eq!(tally(&ended(&self.at_server, 1).await), expected, "on the server");
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_order_is_a_success() {
    let mut both = Both::new().await;
    let stream = bounded(both.client.stream("ok 3")).await.expect("a stream");
    assert_eq!(bounded(drain(stream)).await, (3, Code::Ok));
    both.counted([1, 0, 0, 0, 0]).await;
}

#[tokio::test]
async fn a_stream_that_fails_in_its_trailers_is_a_failure() {
    let mut both = Both::new().await;
    let stream = bounded(both.client.stream("fail 2")).await.expect("the head is good");
    assert_eq!(bounded(drain(stream)).await, (2, Code::DataLoss));
    both.counted([0, 1, 0, 0, 0]).await;
}

#[tokio::test]
async fn judged_at_the_head_the_same_stream_would_be_a_success() {
    let (address, layer) = (serve(Identity::new()).await.address, TelemetryLayer::new("echo").classify(ByGrpcStatus));
    let counts = layer.handle();
    let mut client = EchoClient::new(ServiceBuilder::new().layer(layer).service(channel(address)));
    let stream = bounded(client.stream("fail 2")).await.expect("the head is good");
    assert_eq!(tally(&counts.stats()), [1, 0, 0, 0, 0]);
    assert_eq!(bounded(drain(stream)).await, (2, Code::DataLoss));
}

#[tokio::test]
async fn a_stream_is_active_until_its_end() {
    let mut both = Both::new().await;
    let stream = bounded(both.client.stream("hang 1")).await.expect("a stream");
    assert_eq!(tally(&both.at_client.stats()), [0, 0, 0, 0, 1]);
    assert_eq!(tally(&both.at_server.stats()), [0, 0, 0, 0, 1]);
    drop(stream);
    both.counted([0, 0, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_stream_that_is_dropped_half_way_is_cancelled_on_both_sides() {
    let mut both = Both::new().await;
    let mut stream = bounded(both.client.stream("hang 2")).await.expect("a stream");
    assert!(bounded(stream.message()).await.expect("a message").is_some());
    drop(stream);
    both.counted([0, 0, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_a_failure() {
    let mut both = Both::new().await;
    let mut stream = bounded(both.client.stream("break 1")).await.expect("the head is good");
    assert!(bounded(stream.message()).await.expect("a message").is_some());
    both.reset.notify_one();
    assert_eq!(bounded(drain(stream)).await, (0, Code::Internal));
    both.counted([0, 1, 0, 0, 0]).await;
}

#[tokio::test]
async fn a_reset_that_says_cancelled_is_no_failure_of_the_service() {
    let mut both = Both::new().await;
    let mut stream = bounded(both.client.stream("cancel 1")).await.expect("the head is good");
    assert!(bounded(stream.message()).await.expect("a message").is_some());
    both.reset.notify_one();
    assert_eq!(bounded(drain(stream)).await, (0, Code::Cancelled));
    assert_eq!(tally(&ended(&both.at_client, 1).await), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn unary_calls_are_judged_by_their_status_wherever_it_comes() {
    for (told, expected) in [
        ("ok", [1, 0, 0, 0, 0]),
        // UNAVAILABLE and INTERNAL are the service's own trouble, NOT_FOUND is an answer.
        ("fail 14", [0, 1, 0, 0, 0]),
        ("fail 13", [0, 1, 0, 0, 0]),
        ("fail 5", [1, 0, 0, 0, 0]),
    ] {
        let mut both = Both::new().await;
        assert_eq!(bounded(both.client.unary(told)).await.is_ok(), told == "ok", "{told}");
        both.counted(expected).await;
    }
}
