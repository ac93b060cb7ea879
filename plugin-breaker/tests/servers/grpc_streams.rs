//! A gRPC stream that fails in its trailers is a failure for the breaker, on a server and under a client.

use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, CircuitState};
use plugin_core::{AsGrpcStatus, AtEnd, ByGrpcStatus, End, ExpectedBody, Observer, Outcome, ResponseBodyRule};
use tonic::Code;
use tower::{Layer, ServiceBuilder, ServiceExt, layer::util::Identity};

use super::{
    bounded, ended,
    grpc::{EchoClient, channel, drain, serve},
};

type GrpcLayer = CircuitBreakerLayer<ByGrpcStatus, AsGrpcStatus, AtEnd>;

fn layer() -> GrpcLayer {
    let config = CircuitBreakerConfig::builder().with_failure_threshold(3);
    CircuitBreakerLayer::new(config.build().expect("valid")).for_grpc()
}

#[tokio::test]
async fn on_a_server_streams_that_fail_in_their_trailers_open_the_circuit() {
    let layer = layer();
    let handle = layer.handle();
    let mut client = EchoClient::new(channel(serve(layer).await.address));
    for count in 1..=3 {
        let stream = bounded(client.stream("fail 2")).await.expect("the head is good");
        assert_eq!(bounded(drain(stream)).await, (2, Code::DataLoss));
        assert_eq!(ended(&handle, count).await.failures, count);
    }
    assert_eq!(handle.state(), CircuitState::Open);
    let status = bounded(client.stream("ok 1")).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("CIRCUIT_1401"), "{status:?}");
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
}

#[tokio::test]
async fn under_a_client_streams_that_fail_in_their_trailers_open_the_circuit() {
    let layer = layer();
    let handle = layer.handle();
    let address = serve(Identity::new()).await.address;
    let mut client = EchoClient::new(ServiceBuilder::new().layer(layer).service(channel(address)));
    for count in 1..=3 {
        let stream = bounded(client.stream("fail 2")).await.expect("the head is good");
        assert_eq!(handle.stats().failures, count - 1, "not known yet");
        assert_eq!(bounded(drain(stream)).await, (2, Code::DataLoss));
        assert_eq!(ended(&handle, count).await.failures, count);
    }
    let status = bounded(client.unary("ok")).await.expect_err("refused");
    assert_eq!((status.code(), handle.stats().rejected), (Code::Unavailable, 1));
}

#[tokio::test]
async fn over_an_interceptor_the_trailers_decide_too() {
    let layer = layer();
    let handle = layer.handle();
    let address = serve(Identity::new()).await.address;
    let channel = ServiceBuilder::new()
        .layer(layer)
        .map_response(|response: http::Response<_>| response.map(tonic::body::Body::new))
        .layer(tonic::service::InterceptorLayer::new(|request: tonic::Request<()>| Ok(request)))
        .service(channel(address));
    let mut client = EchoClient::new(channel);
    for count in 1..=3 {
        let stream = bounded(client.stream("fail 2")).await.expect("the head is good");
        assert_eq!(bounded(drain(stream)).await, (2, Code::DataLoss));
        assert_eq!(ended(&handle, count).await.failures, count);
    }
    let status = bounded(client.unary("ok")).await.expect_err("refused");
    assert_eq!((status.code(), handle.stats().rejected), (Code::Unavailable, 1));
}

#[tokio::test]
async fn streams_that_end_well_are_successes_and_one_that_is_dropped_is_cancelled() {
    let layer = layer();
    let handle = layer.handle();
    let address = serve(Identity::new()).await.address;
    let mut client = EchoClient::new(ServiceBuilder::new().layer(layer).service(channel(address)));
    for _ in 0..5 {
        let stream = bounded(client.stream("ok 3")).await.expect("a stream");
        assert_eq!(bounded(drain(stream)).await, (3, Code::Ok));
    }
    drop(bounded(client.stream("hang 1")).await.expect("a stream"));
    let stats = ended(&handle, 6).await;
    assert_eq!((stats.successes, stats.failures, stats.cancelled), (5, 0, 1));
}

#[tokio::test]
async fn judged_at_the_head_the_same_streams_would_be_successes() {
    let layer = layer().follow::<plugin_core::AtHead>();
    let handle = layer.handle();
    let address = serve(Identity::new()).await.address;
    let mut client = EchoClient::new(ServiceBuilder::new().layer(layer).service(channel(address)));
    for _ in 0..5 {
        let stream = bounded(client.stream("fail 1")).await.expect("the head is good");
        assert_eq!(bounded(drain(stream)).await, (1, Code::DataLoss));
    }
    assert_eq!((handle.stats().successes, handle.state()), (5, CircuitState::Closed));
}

#[tokio::test]
async fn a_probe_keeps_its_place_until_its_stream_ends() {
    let recovery = std::time::Duration::from_nanos(1);
    let config = CircuitBreakerConfig::builder().with_recovery_timeout(recovery).with_half_open_max(1);
    let config = config.with_half_open_timeout(std::time::Duration::from_secs(1000)).build().expect("valid");
    let layer = CircuitBreakerLayer::new(config).for_grpc();
    let handle = layer.handle();
    let address = serve(Identity::new()).await.address;
    let mut client = EchoClient::new(ServiceBuilder::new().layer(layer).service(channel(address)));
    handle.force_open();
    let stream = bounded(client.stream("hang 1")).await.expect("the probe");
    assert_eq!(bounded(client.unary("ok")).await.expect_err("no place").code(), Code::Unavailable);
    assert_eq!(handle.stats().probes, 1);
    drop(stream);
    ended(&handle, 1).await;
    assert!(bounded(client.unary("ok")).await.is_ok());
}

/// Tells the end at once, with trailers in which the server pushes back.
struct EndsWithPushBack;

impl<Req> ResponseBodyRule<Req> for EndsWithPushBack {
    fn asked(_: &Req) -> ExpectedBody {
        ExpectedBody::Content
    }
}

impl<Res> Outcome<Res> for EndsWithPushBack {
    fn follow(response: Res, _: ExpectedBody, mut observer: Observer) -> Res {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("14"));
        trailers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static("7000"));
        observer.end(End::Complete { trailers: Some(&trailers) });
        response
    }
}

#[tokio::test]
async fn a_push_back_in_trailers_sets_the_open_time() {
    let layer = layer().follow::<EndsWithPushBack>();
    let service = layer.layer(tower::service_fn(|(): ()| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    }));
    for _ in 0..3 {
        service.clone().oneshot(()).await.expect("infallible");
    }
    assert_eq!(layer.handle().stats().last_open_time.expect("open").as_secs(), 7);
}
