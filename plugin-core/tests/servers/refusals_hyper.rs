//! Over a hyper client, whose error type is foreign: `BoxErrorLayer` beneath the layers.

use std::{error::Error, time::Duration};

use axum::{Router, routing::get};
use http_body_util::BodyExt;
use plugin_core::{
    BoxErrorLayer, ByErrorType, ByHttpStatus, Classify, Code, Rejected, Sent, Verdict,
    classify::Again,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::{Status, TelemetryLayer};
use tower::{Layer, ServiceBuilder, ServiceExt};

use super::{
    SECOND,
    axum_server::{client, request, serve},
    bounded,
    gate::GateLayer,
};

async fn site() -> std::net::SocketAddr {
    serve(
        Router::new()
            .route(
                "/",
                get(|headers: http::HeaderMap| async move { format!("{:?}", headers.get("x-request-timeout")) }),
            )
            .route("/never", get(std::future::pending::<&'static str>)),
    )
    .await
}

#[tokio::test]
async fn a_response_passes_and_the_deadline_travels_in_the_request() {
    let telemetry = TelemetryLayer::new("site").classify(ByHttpStatus::new());
    let counts = telemetry.handle();
    let stack = ServiceBuilder::new()
        .layer(telemetry)
        .layer(DeadlineLayer::new(30 * SECOND))
        .layer(GateLayer::open())
        .layer(GateLayer::open())
        .layer(AttemptTimeoutLayer::new(20 * SECOND))
        .layer(BoxErrorLayer)
        .service(client());
    let response = bounded(stack.oneshot(request(site().await, "/"))).await.expect("a response");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, "Some(\"30s\")");
    assert_eq!(counts.stats().ended(Status::Success), 1);
}

#[tokio::test]
async fn refusals_come_as_boxed_errors_that_are_found_again() {
    let address = site().await;
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(30 * SECOND))
        .layer(GateLayer::refusing(Rejected::circuit_open(Some(SECOND))))
        .layer(BoxErrorLayer)
        .service(client());
    let error = bounded(stack.oneshot(request(address, "/"))).await.expect_err("refused");
    assert_eq!(Rejected::find_in(&error), Some(&Rejected::circuit_open(Some(SECOND))));

    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_millis(40)))
        .layer(BoxErrorLayer)
        .service(client());
    let error = bounded(stack.oneshot(request(address, "/never"))).await.expect_err("too slow");
    assert_eq!(Rejected::find_in(&error).map(Rejected::code), Some(Code::Timeout));
}

#[tokio::test]
async fn the_clients_own_error_stays_what_it_is_and_is_a_failure() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(30 * SECOND)).layer(BoxErrorLayer).service(client());
    let error = bounded(stack.oneshot(request(address, "/"))).await.expect_err("nobody listens");
    let own = error.downcast_ref::<hyper_util::client::legacy::Error>().expect("hyper's own type");
    assert!(own.is_connect() && own.source().is_some(), "{own:?}");
    assert_eq!(Rejected::find_in(&error), None);
    let judged = ByErrorType.classify(Err::<&(), _>(&error));
    assert_eq!((judged.verdict(), judged.sent()), (Verdict::Failure, Sent::Nothing));
    assert_eq!(ByErrorType.classify(Err::<&(), _>(own)).sent(), Sent::Nothing, "unboxed too");
}

#[tokio::test]
async fn no_way_to_a_connection_is_one_that_sent_nothing() {
    use hyper_util::{
        client::legacy::Client,
        rt::{TokioExecutor, TokioIo},
    };

    // What a name that cannot be resolved, a handshake that fails or a connect that takes too long look like.
    let lost = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let connector =
        tower::service_fn(move |_: http::Uri| std::future::ready(Err::<TokioIo<tokio::net::TcpStream>, _>(lost())));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let error = bounded(BoxErrorLayer.layer(client).oneshot(request(([127, 0, 0, 1], 1).into(), "/"))).await;
    let judged = ByErrorType.classify(error.as_ref());
    assert_eq!((judged.verdict(), judged.again(), judged.sent()), (Verdict::Failure, Again::Yes, Sent::Nothing));
}

#[tokio::test]
async fn a_request_that_its_connection_never_took_was_not_sent_and_one_that_it_took_may_have_been() {
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncReadExt;

    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) =
        bounded(hyper::client::conn::http1::handshake(TokioIo::new(near))).await.expect("made");
    let running = tokio::spawn(connection);
    let answer = tokio::spawn(sender.send_request(request(([127, 0, 0, 1], 1).into(), "/")));
    let taken = bounded(far.read_u8()).await.expect("the first byte of the request");
    assert_eq!(taken, b'G');
    drop(far);
    let error = bounded(answer).await.expect("no panic").expect_err("no answer");
    assert_eq!(ByErrorType.classify(Err::<&(), _>(&error)).sent(), Sent::Maybe, "{error:?}");
    let _ = bounded(running).await;
    let late = bounded(sender.send_request(request(([127, 0, 0, 1], 1).into(), "/"))).await.expect_err("it is gone");
    assert!(late.is_canceled(), "{late:?}");
    assert_eq!(ByErrorType.classify(Err::<&(), _>(&late)).sent(), Sent::Nothing);
}
