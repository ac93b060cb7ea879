//! tonic's channel keeps `grpc-timeout` itself: its end of the time is judged as that of the layer that owns the deadline.

use std::time::Duration;

use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, CircuitState};
use plugin_core::{AsGrpcStatus, deadline::DeadlineLayer};
use tonic::Code;
use tower::{ServiceBuilder, layer::util::Identity};

use super::{
    bounded,
    grpc::{EchoClient, channel, serve},
};

const HURRY: Duration = Duration::from_millis(30);

/// Calls of a server that does not answer, by callers who have no more time than this.
async fn hung_calls(timeout: Duration) -> CircuitState {
    let config = CircuitBreakerConfig::builder().with_failure_threshold(3);
    let breaker = CircuitBreakerLayer::new(config.build().expect("valid")).for_grpc();
    let handle = breaker.handle();
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(timeout).reject_with(AsGrpcStatus))
        .layer(breaker)
        .service(channel(serve(Identity::new()).await.address));
    let mut client = EchoClient::new(stack);
    for _ in 0..4 {
        let status = bounded(client.unary_within("hang", HURRY)).await.expect_err("no answer");
        assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable), "{status:?}");
    }
    handle.state()
}

#[tokio::test]
async fn callers_in_a_hurry_do_not_open_the_breaker_of_a_channel_and_a_hang_for_the_whole_time_does() {
    assert_eq!(hung_calls(Duration::from_secs(30)).await, CircuitState::Closed);
    assert_eq!(hung_calls(HURRY).await, CircuitState::Open);
}
