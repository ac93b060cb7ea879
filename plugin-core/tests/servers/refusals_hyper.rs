//! Over a hyper client, whose error type is foreign: `BoxErrorLayer` beneath the layers.

use std::{error::Error, time::Duration};

use axum::{Router, routing::get};
use http_body_util::BodyExt;
use plugin_core::{
    AnyError, BoxErrorLayer, ByHttpStatus, Classify, Code, Rejected, Verdict,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
    telemetry::{Status, TelemetryLayer},
};
use tower::{ServiceBuilder, ServiceExt};

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
    assert_eq!(counts.snapshot().ended(Status::Success), 1);
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
    assert_eq!(AnyError.classify(Err::<&(), _>(&error)).verdict(), Verdict::Failure);
}
