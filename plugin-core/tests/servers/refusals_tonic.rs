//! On a tonic server, and over a tonic `Channel` under a client.

use std::time::Duration;

use plugin_core::{
    AsGrpcStatus, ByGrpcStatus, Code as Refusal, Rejected,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::{Status as Ended, TelemetryLayer};
use prost::Message;
use tonic::{Code, Status};
use tower::{ServiceBuilder, layer::util::Identity};

use super::{
    SECOND, bounded, ended,
    gate::GateLayer,
    grpc::{EchoClient, channel, serve},
};

/// `google.rpc.Status` and its parts, by the numbers of their `.proto` files, and read by prost.
mod rpc {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Status {
        #[prost(int32, tag = "1")]
        pub(super) code: i32,
        #[prost(string, tag = "2")]
        pub(super) message: String,
        #[prost(message, repeated, tag = "3")]
        pub(super) details: Vec<Any>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Any {
        #[prost(string, tag = "1")]
        pub(super) type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) value: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        pub(super) retry_delay: Option<Duration>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Duration {
        #[prost(int64, tag = "1")]
        pub(super) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(super) nanos: i32,
    }
}

/// When the server wants to be called again, by the standard details of the status.
fn retry_delay(status: &Status) -> Duration {
    let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
    assert_eq!((details.code, details.message.as_str()), (status.code() as i32, status.message()));
    let [any] = details.details.try_into().expect("one detail");
    assert_eq!(any.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    let delay = rpc::RetryInfo::decode(&*any.value).expect("a RetryInfo").retry_delay.expect("a delay");
    Duration::new(delay.seconds.try_into().expect("positive"), delay.nanos.try_into().expect("positive"))
}

async fn refused_by_server(refusal: Rejected) -> Status {
    let address = serve(GateLayer::refusing(refusal).reject_with(AsGrpcStatus)).await.address;
    bounded(EchoClient::new(channel(address)).unary("ok")).await.expect_err("refused")
}

#[tokio::test]
async fn a_server_answers_an_open_circuit_with_unavailable_and_when_to_come_back() {
    let status = refused_by_server(Rejected::circuit_open(Some(Duration::from_millis(1500)))).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("CIRCUIT_1401"), "{status:?}");
    assert_eq!(retry_delay(&status), Duration::from_millis(1500));
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").expect("a header"), "1500");
}

#[tokio::test]
async fn a_message_that_is_not_ascii_arrives_as_it_was() {
    let after = Duration::from_micros(250);
    let status = refused_by_server(Rejected::rate_limited(after)).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), Rejected::rate_limited(after).to_string());
    assert!(status.message().contains("250µs"), "{status:?}");
    assert_eq!(retry_delay(&status), after);
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").expect("a header"), "1", "never too early");
}

#[tokio::test]
async fn a_refusal_without_a_time_has_no_details() {
    let status = refused_by_server(Rejected::unhealthy()).await;
    assert_eq!((status.code(), status.details().len()), (Code::Unavailable, 0));
    assert!(status.metadata().get("grpc-retry-pushback-ms").is_none());
}

#[tokio::test]
async fn six_layers_stand_on_a_server_and_a_deadline_is_deadline_exceeded() {
    let telemetry = TelemetryLayer::new("echo").classify(ByGrpcStatus);
    let counts = telemetry.handle();
    let layers = ServiceBuilder::new()
        .layer(telemetry)
        .layer(DeadlineLayer::new(Duration::from_millis(200)).reject_with(AsGrpcStatus))
        .layer(GateLayer::open().reject_with(AsGrpcStatus))
        .layer(GateLayer::open().reject_with(AsGrpcStatus))
        .layer(GateLayer::open().reject_with(AsGrpcStatus))
        .layer(AttemptTimeoutLayer::new(60 * SECOND).reject_with(AsGrpcStatus))
        .into_inner();
    let mut client = EchoClient::new(channel(serve(layers).await.address));
    let status = bounded(client.unary("hang")).await.expect_err("too slow");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("200ms were given"), "{status:?}");
    let snapshot = ended(&counts, 1).await;
    // It had all the time that the server gives, so this is the service's failure.
    assert_eq!((snapshot.ended(Ended::Failure), snapshot.codes()), (1, &[(Refusal::Timeout, 1)][..]));
}

#[tokio::test]
async fn six_layers_stand_under_a_client_and_its_channel_keeps_its_error() {
    let address = serve(Identity::new()).await.address;
    let stack = |gate: GateLayer| {
        ServiceBuilder::new()
            .layer(TelemetryLayer::new("echo").classify(ByGrpcStatus))
            .layer(DeadlineLayer::new(30 * SECOND).reject_with(AsGrpcStatus))
            .layer(GateLayer::open().reject_with(AsGrpcStatus))
            .layer(GateLayer::open().reject_with(AsGrpcStatus))
            .layer(gate.reject_with(AsGrpcStatus))
            .layer(AttemptTimeoutLayer::new(20 * SECOND).reject_with(AsGrpcStatus))
            .service(channel(address))
    };
    let reply = bounded(EchoClient::new(stack(GateLayer::open())).unary("hello")).await.expect("a reply");
    assert_eq!(reply.into_inner(), "hello");
    let refusal = Rejected::rate_limited(2 * SECOND);
    let mut refusing = EchoClient::new(stack(GateLayer::refusing(refusal)));
    let status = bounded(refusing.unary("hello")).await.expect_err("refused");
    assert_eq!((status.code(), retry_delay(&status)), (Code::ResourceExhausted, 2 * SECOND));
    let status = bounded(refusing.stream("ok 3")).await.expect_err("refused");
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn the_deadline_under_a_client_travels_to_the_server() {
    let counts = TelemetryLayer::new("echo").classify(ByGrpcStatus);
    let layers = ServiceBuilder::new()
        .layer(counts.clone())
        .layer(DeadlineLayer::enforce_only().reject_with(AsGrpcStatus))
        .into_inner();
    let address = serve(layers).await.address;
    let limited = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_millis(300)).reject_with(AsGrpcStatus))
        .service(channel(address));
    let status = bounded(EchoClient::new(limited).unary("hang")).await.expect_err("too slow");
    // Three timers run for the same moment. Those of tonic, which reads the header itself, answer CANCELLED.
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    // The server gave up by itself, or saw its client go. Either way it does not work on.
    assert_eq!(ended(&counts.handle(), 1).await.active(), 0);
}

#[tokio::test]
async fn a_status_made_from_a_refusal_tells_the_same_as_the_answer_of_a_layer() {
    let refusal = Rejected::rate_limited(Duration::from_millis(1500));
    let answered = refused_by_server(refusal).await;
    let made = Status::from(refusal);
    assert_eq!(
        (made.code(), made.message(), made.details()),
        (answered.code(), answered.message(), answered.details())
    );
    let pushback = "grpc-retry-pushback-ms";
    assert_eq!(made.metadata().get(pushback), answered.metadata().get(pushback));
}

#[tokio::test]
async fn a_channel_without_a_connection_has_sent_nothing() {
    use plugin_core::{BoxError, ByErrorChain, ByErrorType, Classify, Sent, Verdict};
    use tower::ServiceExt;

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let status = bounded(EchoClient::new(channel(address)).unary("hello")).await.expect_err("nobody listens");
    assert_eq!(status.code(), Code::Unavailable);
    let judged = ByErrorType.classify(Err::<&(), _>(&status));
    assert_eq!((judged.verdict(), judged.sent()), (Verdict::Failure, Sent::Nothing));

    let request = http::Request::post("/echo").body(tonic::body::Body::empty()).expect("valid");
    let error = bounded(channel(address).oneshot(request)).await.expect_err("nobody listens");
    assert_eq!(ByErrorChain.classify(Err::<&(), _>(&error)).sent(), Sent::Nothing, "{error:?}");
    assert_eq!(ByErrorType.classify(Err::<&(), _>(&BoxError::from(error))).sent(), Sent::Nothing);
    // The same status from a server that was reached is one of its own.
    let own = Status::unavailable("connection refused");
    assert_eq!(ByErrorType.classify(Err::<&(), _>(&own)).sent(), Sent::Maybe);
}
