//! Breakers over downloads that declare their length, over HTTP/1.1 and HTTP/2: what was read whole is a success.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, response::IntoResponse, routing::get};
use http::StatusCode;
use plugin_breaker::{Cancelled, CircuitBreakerConfig, CircuitBreakerLayer, CircuitState, KeyedBreakerLayer};
use plugin_core::{AsHttpResponse, AtEnd, ByHttpStatus};

use super::{
    bounded,
    download::{self, LENGTH, clients},
    ended,
};

const fn judged() -> ByHttpStatus {
    ByHttpStatus::new().until_end_of_body()
}

fn config() -> CircuitBreakerConfig {
    let config = CircuitBreakerConfig::builder().with_recovery_timeout(Duration::from_millis(1));
    config.with_cancelled(Cancelled::Failure).build().expect("valid")
}

#[tokio::test]
async fn whole_downloads_are_successes_and_one_failure_in_twenty_opens_nothing() {
    for (version, client) in clients() {
        let layer = CircuitBreakerLayer::new(config()).for_http().classify(judged()).follow::<AtEnd>();
        let handle = layer.handle();
        let calls = AtomicUsize::new(0);
        let answer = move || {
            let fails = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(20);
            let response = if fails { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { download::whole() };
            std::future::ready(response)
        };
        let answer = Arc::new(answer);
        let address = download::serve(Router::new().route("/", get(move || answer())).layer(layer)).await;
        for call in 0..100 {
            let expected = if call % 20 == 0 { (500, 0) } else { (200, LENGTH) };
            assert_eq!(bounded(client.read(address)).await, Some(expected), "{version}, call {call}");
        }
        let stats = ended(&handle, 100).await;
        assert_eq!((stats.successes, stats.failures, stats.cancelled), (95, 5, 0), "{version}");
        assert_eq!(stats.state, CircuitState::Closed, "{version}");
    }
}

#[tokio::test]
async fn heads_of_downloads_are_successes() {
    for (version, client) in clients() {
        let layer = CircuitBreakerLayer::new(config()).for_http().classify(judged()).follow::<AtEnd>();
        let handle = layer.handle();
        let app = Router::new().route("/", get(|| async { download::whole() })).layer(layer);
        let address = download::serve(app).await;
        for _ in 0..20 {
            assert_eq!(bounded(client.head(address)).await, Some(200), "{version}");
        }
        let stats = ended(&handle, 20).await;
        assert_eq!((stats.successes, stats.failures, stats.cancelled), (20, 0, 0), "{version}");
        assert_eq!(stats.state, CircuitState::Closed, "{version}");
    }
}

#[tokio::test]
async fn whole_downloads_close_a_breaker_that_is_half_open() {
    for (version, client) in clients() {
        let layer = CircuitBreakerLayer::new(config()).for_http().classify(judged()).follow::<AtEnd>();
        let handle = layer.handle();
        let app = Router::new().route("/", get(|| async { download::whole() })).layer(layer);
        let address = download::serve(app).await;
        handle.force_open();
        assert_eq!(handle.stats().successes, 0, "{version}");
        bounded(async {
            while handle.state() != CircuitState::Closed {
                client.read(address).await;
            }
        })
        .await;
        assert_eq!(handle.stats().cancelled, 0, "{version}");
    }
}

#[tokio::test]
async fn a_breaker_of_a_key_counts_whole_downloads_too() {
    for (version, client) in clients() {
        let layer = KeyedBreakerLayer::new(config(), |request: &Request| Some(request.uri().path().to_owned()))
            .classify(judged())
            .reject_with(AsHttpResponse)
            .follow::<AtEnd>();
        let handles = layer.handle();
        let app = Router::new().route("/", get(|| async { download::whole() })).layer(layer);
        let address = download::serve(app).await;
        for _ in 0..10 {
            assert_eq!(bounded(client.read(address)).await, Some((200, LENGTH)), "{version}");
        }
        let stats = ended(&handles.get("/").expect("used"), 10).await;
        assert_eq!((stats.successes, stats.cancelled), (10, 0), "{version}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_before_the_declared_length_is_cancelled() {
    for (version, client) in clients() {
        let layer = CircuitBreakerLayer::default().for_http().classify(judged()).follow::<AtEnd>();
        let handle = layer.handle();
        let app = Router::new().route("/", get(|| async { download::half() })).layer(layer);
        let address = download::serve(app).await;
        bounded(client.leave(address)).await;
        let stats = ended(&handle, 1).await;
        assert_eq!((stats.successes, stats.failures, stats.cancelled), (0, 0, 1), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_behind_a_head_that_came_at_once_is_held_against_the_service() {
    use http_body_util::BodyExt;
    use plugin_core::{Call, PluginError, Reply, deadline::DeadlineLayer};
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    let layer =
        CircuitBreakerLayer::default().for_http().classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
    let dependency = ServiceBuilder::new().layer(&layer).service(service_fn(|_: http::Request<()>| async {
        let never = futures_util::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>();
        Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::from_stream(never)))
    }));
    let second = std::time::Duration::from_secs(1);
    let handler = ServiceBuilder::new().layer(DeadlineLayer::new(second)).service(service_fn(move |_: Call<()>| {
        let dependency = dependency.clone();
        async move {
            let response = dependency.oneshot(http::Request::new(())).await.expect("infallible");
            response.into_body().collect().await.expect("it never ends");
            Ok::<_, PluginError>(Reply::new(()))
        }
    }));
    handler.oneshot(Call::new(())).await.expect_err("no answer");
    let stats = layer.handle().stats();
    assert_eq!((stats.failures, stats.cancelled), (1, 0), "{stats:?}");
}
